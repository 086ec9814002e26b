"""How PyTorch's CPU threads wait for one another; set before torch is imported. No torch here."""

from __future__ import annotations

import os

# A thread that waits spins this often before it sleeps. libgomp's default, a spin of milliseconds, is very slow as
# soon as another process uses a core: on 2 cores of an AMD EPYC VM beside one busy process a training step took 4.1 s,
# with 1000 spins 0.6 s; alone it took 0.3 s either way (torch 2.15, resnet14, batch 128).
SPIN_COUNT = "1000"
_USERS_CHOICE = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def let_idle_threads_sleep() -> None:
    """Prevent waiting threads from spinning, in this process and those it starts, unless the user set it otherwise.

    libgomp reads the setting when torch loads it; later calls have no effect on this process.
    """
    if not any(name in os.environ for name in _USERS_CHOICE):
        os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT


def n_threads(cpus: float) -> int:
    """Return the threads of a trial that reserves so many CPUs.

    >>> [n_threads(cpus) for cpus in (0.5, 1.0, 2.5)]
    [1, 1, 2]
    """
    return max(1, int(cpus))
