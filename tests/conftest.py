"""Fixtures shared by all tests: small real parts, and an energy ledger of the test's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwq_tune.host.threads import let_idle_threads_sleep

let_idle_threads_sleep()  # before torch is loaded

import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from lwq_tune.config.trial import TrialConfig  # noqa: E402
from lwq_tune.data.images import Dataset, ImageSet, make_dataset  # noqa: E402
from lwq_tune.energy.service.location import FOLDER_VARIABLE  # noqa: E402

REPOSITORY = Path(__file__).parent.parent
torch.set_num_threads(
    1
)  # a test process per CPU: with a thread per CPU in each, small networks take 2.4 times the time
# Inherited where the suite runs in the background or under nohup; what tests send to processes of theirs would be lost.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

SMALL_NETWORK = {"model": "resnet", "blocks": (1, 1, 1), "width": 0.25}


@pytest.fixture(scope="session", autouse=True)
def own_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let tests run beside a sweep on the same machine, with an energy ledger of their own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("ledger")
        folder.chmod(0o700)
        patch.setenv(FOLDER_VARIABLE, str(folder))
        yield


@pytest.fixture(scope="session")
def tiny_dataset() -> Dataset:
    """Four classes of 32x32 images that differ in brightness, with noise: learnable in a few steps."""
    generator = torch.Generator().manual_seed(0)

    def images(n_per_class: int) -> ImageSet:
        labels = torch.arange(4).repeat_interleave(n_per_class)
        noise = torch.randint(0, 60, (len(labels), 3, 32, 32), generator=generator)
        return ImageSet((noise + labels.view(-1, 1, 1, 1) * 60).to(torch.uint8), labels)

    return make_dataset(images(20), images(5), num_classes=4)


def small_config(**changes: object) -> TrialConfig:
    """Return a trial that trains in a fraction of a second."""
    settings = {
        **SMALL_NETWORK,
        "bit_widths": (2, 3, 4),
        "epochs": 3,
        "batch_size": 16,
        "lr": 0.05,
        **changes,
    }
    return TrialConfig(**settings)  # type: ignore[arg-type]


def run_python(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in ``cwd`` with our packages importable, as a user's shell would."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), **environment}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=500, check=False
    )
