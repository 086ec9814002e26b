"""The manifest of a run: what was asked, with what, where. Written before the first trial starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lwq_tune.errors import ResultsError
from lwq_tune.host.hardware import host
from lwq_tune.host.versions import commit, versions
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.results.schema import SCHEMA_VERSION
from lwq_tune.results.tables import write_json

Manifest = dict[str, Any]
SOURCE_COLUMNS = ("cpu_source", "gpu_source", "ram_source", "idle_source", "share_method")
REQUIRED = (
    "schema_version",
    "run",
    "space",
    "sweep",
    "dataset",
    "objectives",
    "carbon_intensity",
    "trials",
    "initial_trials",
    "init_energies_kwh",
    "sessions",
)


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a run folder.

    Raises:
        ResultsError: There is none, or another version of this tool wrote it.
    """
    file = RunFolder(path).manifest
    try:
        manifest: Manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultsError(
            f"a run folder holds manifest.json, {path} does not; a sweep prints its run folder on its last line"
        ) from error
    except (OSError, ValueError) as error:
        raise ResultsError(f"manifest.json must be readable, {file} is not: {error}") from error
    missing = [key for key in REQUIRED if not isinstance(manifest, dict) or key not in manifest]
    if missing:
        raise ResultsError(f"a manifest holds {', '.join(REQUIRED)}; {file} lacks {', '.join(missing)}")
    if manifest["schema_version"] != SCHEMA_VERSION:
        raise ResultsError(
            f"this version reads runs of schema version {SCHEMA_VERSION}, {file} has "
            f"{manifest['schema_version']}; use the lwq_tune that wrote it"
        )
    return manifest


def new_session(arguments: list[str], started_at_utc: str) -> dict[str, Any]:
    """Return the record of one start of a sweep: when, with which arguments and software, on which host."""
    return {
        "started_at_utc": started_at_utc,
        "ended_at_utc": None,
        "arguments": arguments,
        "versions": versions(),
        "commit": commit(),
        "host": host(),
    }


def close_session(folder: RunFolder, trial_rows: list[dict[str, Any]], ended_at_utc: str) -> None:
    """Add to the manifest what is known at the end of a session: states of the trials, energy sources."""
    manifest = read_manifest(folder.path)
    statuses = [row["status"] for row in trial_rows]
    manifest["sessions"][-1]["ended_at_utc"] = ended_at_utc
    manifest["trial_statuses"] = {status: statuses.count(status) for status in sorted(set(statuses))}
    manifest["energy_sources"] = {
        row["hostname"]: {name: row[name] for name in SOURCE_COLUMNS} for row in trial_rows if row.get("hostname")
    }
    write_json(folder.manifest, manifest)
