"""Where the ledger of a host is: a socket in a private folder of the user."""

from __future__ import annotations

from pathlib import Path

from lwq_tune.energy.sensors.processes import boot_id
from lwq_tune.errors import ResultsError
from lwq_tune.files.private_folder import NotPrivateError, make_private_folder, users_folder

FOLDER_VARIABLE = "LWQ_TUNE_LEDGER_DIR"


def ledger_folder() -> Path:
    """Return the folder of the ledger's socket, lock and log, and make it if needed; only its user can enter it.

    Raises:
        ResultsError: It cannot be made, or belongs to another user.
    """
    folder = users_folder(FOLDER_VARIABLE)
    try:
        make_private_folder(folder)
    except NotPrivateError as error:
        raise ResultsError(
            f"the energy ledger needs a folder that is yours and that nobody else can write to, {folder} is not; "
            f"set {FOLDER_VARIABLE} to another"
        ) from error
    except OSError as error:
        raise ResultsError(
            f"the energy ledger needs a writable folder, {folder} is none ({error.strerror}); "
            f"set {FOLDER_VARIABLE} to another"
        ) from error
    return folder


def socket_path(folder: Path) -> Path:
    """Return the ledger's socket; its name contains the boot id, so that no socket of an earlier boot is used."""
    return folder / f"{boot_id()[:13]}.sock"


def lock_path(folder: Path) -> Path:
    """Return the file that the running ledger has locked."""
    return folder / f"{boot_id()[:13]}.lock"


def log_path(folder: Path) -> Path:
    """Return the file in which the ledger logs errors."""
    return folder / "ledger.log"
