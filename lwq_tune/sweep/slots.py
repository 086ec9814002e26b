"""How many trials run at a time on the hosts of a sweep, and what each reserves. No Ray."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.errors import ConfigError
from lwq_tune.host.hardware import total_memory_mib

_log = logging.getLogger(__name__)

# A CIFAR-10 trial of ResNet-14 or ResNet-20 peaks at 1.4 to 1.6 GiB (docs/experiments/speed.md).
TRIAL_MEMORY_MIB = 1600
USABLE_SHARE = 0.8


@dataclass(frozen=True)
class Host:
    """Resources of a host: CPUs, GPUs, and memory for trials in MiB, None if unknown."""

    cpus: int
    gpus: float
    usable_memory_mib: float | None
    name: str = ""


@dataclass(frozen=True)
class Slots:
    """Number of trials at a time, on all hosts together, and what each reserves."""

    n_slots: int
    cpus: float
    gpus: float


def choose_slots(config: SweepConfig, host: Host, n_trials: int) -> Slots:
    """Return how many trials run at a time on one host, see `share_hosts`.

    Raises:
        ConfigError: A trial reserves more than the host has.

    >>> from pathlib import Path
    >>> asked = SweepConfig(results_dir=Path("r"), run="run", data_dir=Path("d"))
    >>> choose_slots(asked, Host(8, 0.0, 64_000), 3)
    Slots(n_slots=3, cpus=2.0, gpus=0.0)
    >>> choose_slots(asked, Host(8, 0.0, 4_000), 100)
    Slots(n_slots=2, cpus=4.0, gpus=0.0)
    """
    return share_hosts(config, [host], n_trials)


def share_hosts(config: SweepConfig, hosts: Sequence[Host], n_trials: int) -> Slots:
    """Return how many trials run at a time: as many as fit, unless the user says otherwise.

    All trials reserve the same, so that it does not matter on which host one runs: unless asked for, the most whole
    CPUs with which as many trials as can run at a time still do. A host with fewer CPUs than that gets none. Where any
    host has a GPU, trials run on the hosts that have one. No host runs more trials than fit into its memory, unless
    the user says how many run at a time, or they run on GPUs.

    Args:
        config: What was asked for.
        hosts: What there is.
        n_trials: Trials that wait.

    Raises:
        ConfigError: A trial reserves more than any host has, or whole hosts are asked for and they differ.

    >>> from pathlib import Path
    >>> asked = SweepConfig(results_dir=Path("r"), run="run", data_dir=Path("d"))
    >>> share_hosts(asked, [Host(8, 0.0, 64_000), Host(4, 0.0, 64_000)], 100)
    Slots(n_slots=12, cpus=1.0, gpus=0.0)
    >>> share_hosts(asked, [Host(8, 0.0, 64_000), Host(4, 0.0, 64_000)], 3)
    Slots(n_slots=3, cpus=4.0, gpus=0.0)
    """
    gpus = _gpus_per_trial(config, hosts)
    serving = [host for host in hosts if host.gpus >= gpus]
    largest = max(host.cpus for host in serving)
    check_cpus(config, largest)
    if config.exclusive:
        return _whole_hosts(config, serving, n_trials, gpus)
    wanted = max(1, n_trials) if config.max_concurrent is None else min(max(1, n_trials), config.max_concurrent)
    has_memory_limit = not gpus and config.max_concurrent is None
    choices = [float(c) for c in range(1, largest + 1)] if config.cpus_per_trial is None else [config.cpus_per_trial]
    together = {cpus: min(wanted, _most_together(serving, cpus, gpus, has_memory_limit)) for cpus in choices}
    n_slots = max(together.values())
    return Slots(n_slots, max(cpus for cpus, n in together.items() if n == n_slots), gpus)


def _most_together(hosts: Sequence[Host], cpus: float, gpus: float, has_memory_limit: bool) -> int:
    """Return how many trials that reserve so much run at a time on all hosts."""
    fitting = [min(_fits(host.cpus, cpus), _most_by_gpus(host, gpus)) for host in hosts]
    memory = [_most_by_memory(host) for host in hosts] if has_memory_limit else fitting
    # Ray starts trials on a host until no CPU is left, so a host on which too many would fit limits them all.
    return min([sum(fitting), *(most for fits, most in zip(fitting, memory, strict=True) if fits > most)])


def _most_by_gpus(host: Host, gpus: float) -> int:
    """Return how many trials the GPUs of a host serve; a part is all of the same GPU."""
    if not gpus:
        return sys.maxsize
    if gpus >= 1:
        return _fits(host.gpus, gpus)
    rest, whole = math.modf(host.gpus)
    return int(whole) * _fits(1.0, gpus) + _fits(rest, gpus)


def _most_by_memory(host: Host) -> int:
    """Return how many trials the memory of a host holds, at least one."""
    if host.usable_memory_mib is None:
        return sys.maxsize
    return max(1, math.floor(host.usable_memory_mib / TRIAL_MEMORY_MIB))


def _whole_hosts(config: SweepConfig, hosts: Sequence[Host], n_trials: int, gpus: float) -> Slots:
    """Return one slot per host: a trial that reserves all CPUs keeps every other one away."""
    cpus = float(hosts[0].cpus) if config.cpus_per_trial is None else config.cpus_per_trial
    if len(hosts) > 1 and any(host.cpus != cpus for host in hosts):
        sizes = ", ".join(f"{host.name} {host.cpus}" for host in hosts)
        raise ConfigError(
            f"--exclusive gives each trial all CPUs of a host and needs hosts that have the same number, they have "
            f"{sizes}; join hosts of one kind and leave out --cpus-per-trial"
        )
    limits = [len(hosts), max(1, n_trials), *([] if config.max_concurrent is None else [config.max_concurrent])]
    return Slots(min(limits), cpus, gpus)


def _gpus_per_trial(config: SweepConfig, hosts: Sequence[Host]) -> float:
    most = max(host.gpus for host in hosts)
    gpus = min(1.0, most) if config.gpus_per_trial is None else config.gpus_per_trial
    if gpus > most:
        raise ConfigError(f"--gpus-per-trial must be at most {most:g} here, got {gpus:g}")
    if gpus > 1 and gpus != int(gpus):
        raise ConfigError(f"--gpus-per-trial must be a whole number or at most 1, got {gpus:g}")
    return gpus


def _fits(there: float, each: float) -> int:
    return math.floor(there / each + 1e-9)


def same_share(config: SweepConfig, first: Sequence[Host], hosts: Sequence[Host], n_trials: int) -> Slots:
    """Return the slots of a session whose trials reserve what they would have in the run's first session.

    The number of threads decides on the last digits of a trial's figures, and a resumed sweep must repeat them,
    whatever hosts there are now. Where none of them can give as much, trials reserve what there is, with a warning.

    Args:
        config: What was asked for.
        first: Hosts of the first session.
        hosts: Hosts that there are now.
        n_trials: Trials of the whole sweep that could run at a time.

    Raises:
        ConfigError: As in `share_hosts`.
    """
    now = share_hosts(config, hosts, n_trials)
    before = share_hosts(config, first, n_trials)
    if (now.cpus, now.gpus) == (before.cpus, before.gpus):
        return now
    serves = any(host.cpus >= before.cpus and host.gpus >= before.gpus for host in hosts)
    if serves and not config.exclusive:
        return share_hosts(config.model_copy(update=_reserving(before)), hosts, n_trials)
    _log.warning(
        "trials of this run reserved %g CPUs and %g GPUs each, now %g and %g, since the hosts differ: their figures "
        "may differ in the last digits",
        before.cpus,
        before.gpus,
        now.cpus,
        now.gpus,
    )
    return now


def _reserving(slots: Slots) -> dict[str, float]:
    return {"cpus_per_trial": slots.cpus, "gpus_per_trial": slots.gpus}


def check_cpus(config: SweepConfig, n_cpus: int) -> None:
    """Refuse a reservation that no host can give.

    Args:
        config: What was asked for.
        n_cpus: CPUs of the largest host.

    Raises:
        ConfigError: More CPUs than there are.
    """
    if config.cpus_per_trial is not None and config.cpus_per_trial > n_cpus:
        host = "this host" if config.address is None else "the largest host"
        raise ConfigError(
            f"--cpus-per-trial must be at most {n_cpus}, the CPUs of {host}, got {config.cpus_per_trial:g}"
        )


def describe_hosts(hosts: Sequence[Host], slots: Slots) -> str:
    """Return in one line what the hosts of a cluster have, how many trials run at a time, and which take none.

    Args:
        hosts: One for each Ray node; those with the same name are one host.
        slots: Of the sweep.

    >>> hosts = [Host(16, 2.0, None, "a"), Host(16, 2.0, None, "b"), Host(4, 0.0, None, "c")]
    >>> describe_hosts(hosts[:2], Slots(4, 8.0, 1.0))
    '2 hosts, 32 CPUs, 4 GPUs, 4 trials at a time'
    >>> describe_hosts(hosts, Slots(4, 8.0, 1.0))
    '3 hosts, 36 CPUs, 4 GPUs, 4 trials at a time; c takes none: it has 4 CPUs and 0 GPUs, a trial reserves 8 and 1'
    """
    n_hosts = len({host.name for host in hosts})
    nodes = "" if n_hosts == len(hosts) else f" ({len(hosts)} Ray nodes)"
    there = [
        _count(n_hosts, "host") + nodes,
        _count(sum(host.cpus for host in hosts), "CPU"),
        _count(sum(host.gpus for host in hosts), "GPU"),
        f"{_count(slots.n_slots, 'trial')} at a time",
    ]
    too_small = [
        f"{host.name} takes none: it has {_count(host.cpus, 'CPU')} and {_count(host.gpus, 'GPU')}, a trial reserves "
        f"{slots.cpus:g} and {slots.gpus:g}"
        for host in hosts
        if _fits(host.cpus, slots.cpus) == 0 or _most_by_gpus(host, slots.gpus) == 0
    ]
    return "; ".join([", ".join(there), *too_small])


def _count(number: float, thing: str) -> str:
    return f"{number:g} {thing}{'' if number == 1 else 's'}"


def usable_memory_mib(root: Path = Path("/")) -> float | None:
    """Return the memory that trials may fill, None where the system does not tell.

    A share of all there is, in this container, and not what happens to be free: a resumed sweep must find the same
    number of slots.

    Args:
        root: Where the system's files are looked for.
    """
    total_mib = total_memory_mib(root)
    return None if total_mib is None else USABLE_SHARE * total_mib
