"""How many trials run at a time on a host, and what each gets of it. No Ray."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path

from lwq_tune.errors import ConfigError
from lwq_tune.sweep_config import SweepConfig

# A CIFAR-10 trial of ResNet-14 or ResNet-20 peaks at 1.4 to 1.6 GiB (see the README).
TRIAL_MEMORY_MIB = 1600
USABLE_SHARE = 0.8


@dataclass(frozen=True)
class Host:
    """What a host has to give: CPUs, GPUs, and memory for trials in MiB, None where unknown."""

    cpus: int
    gpus: float
    usable_memory_mib: float | None


@dataclass(frozen=True)
class Slots:
    """Trials at a time, and what each reserves."""

    n_slots: int
    cpus: float
    gpus: float


def choose_slots(config: SweepConfig, host: Host, n_trials: int) -> Slots:
    """Return how many trials run at a time: as many as fit, unless the user says otherwise.

    Args:
        config: What was asked for.
        host: What there is.
        n_trials: Trials that wait.

    Raises:
        ConfigError: A trial reserves more than the host has.

    >>> from pathlib import Path
    >>> asked = SweepConfig(results_dir=Path("r"), run="run", data_dir=Path("d"))
    >>> choose_slots(asked, Host(8, 0.0, 64_000), 3)
    Slots(n_slots=3, cpus=2.0, gpus=0.0)
    >>> choose_slots(asked, Host(8, 0.0, 4_000), 100)
    Slots(n_slots=2, cpus=4.0, gpus=0.0)
    """
    check_cpus(config, host.cpus)
    gpus = min(1.0, host.gpus) if config.gpus_per_trial is None else config.gpus_per_trial
    if gpus > host.gpus:
        raise ConfigError(f"--gpus-per-trial must be at most {host.gpus:g} here, got {gpus:g}")
    n_slots = 1 if config.exclusive else min(host.cpus, max(1, n_trials))
    if config.max_concurrent is not None:
        n_slots = min(n_slots, config.max_concurrent)
    if config.cpus_per_trial is not None:
        n_slots = min(n_slots, math.floor(host.cpus / config.cpus_per_trial))
    if gpus:
        n_slots = min(n_slots, math.floor(host.gpus / gpus + 1e-9))
    elif host.usable_memory_mib is not None and config.max_concurrent is None:
        n_slots = min(n_slots, max(1, math.floor(host.usable_memory_mib / TRIAL_MEMORY_MIB)))
    cpus = config.cpus_per_trial if config.cpus_per_trial is not None else float(host.cpus // n_slots)
    return Slots(n_slots, cpus, gpus)


def check_cpus(config: SweepConfig, n_cpus: int) -> None:
    """Refuse a reservation that this host cannot give.

    Raises:
        ConfigError: More CPUs than there are.
    """
    if config.cpus_per_trial is not None and config.cpus_per_trial > n_cpus:
        raise ConfigError(
            f"--cpus-per-trial must be at most {n_cpus}, the CPUs of this host, got {config.cpus_per_trial:g}"
        )


def usable_memory_mib(root: Path = Path("/")) -> float | None:
    """Return the memory that trials may fill, None where the system does not tell.

    A share of all there is, in this container, and not what happens to be free: a resumed sweep must find the same
    number of slots.

    Args:
        root: Where the system's files are looked for.
    """
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    totals_mib = [int(line.split()[1]) / 1024 for line in lines if line.startswith("MemTotal:")]
    for limit in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            totals_mib.append(int((root / limit).read_text()) / 2**20)
    return USABLE_SHARE * min(totals_mib) if totals_mib else None
