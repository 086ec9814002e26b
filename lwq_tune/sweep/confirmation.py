"""Confirmation runs: one trial at a time, in random order within blocks, after an idle baseline and a warm-up."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from lwq_tune.config.trial import TrialConfig

IDLE_S = 20.0
WARM_UP_S = 30.0
_MATRIX_SIZE = 512


def in_random_blocks(trials: Mapping[str, TrialConfig], order_seed: int = 0) -> dict[str, TrialConfig]:
    """Return the trials in randomised complete blocks: each seed is a block, in random order within.

    Drift of a host over time then falls on all configurations alike.

    Args:
        trials: By key.
        order_seed: Seed of the order, the same in a resumed sweep.
    """
    blocks: dict[int, list[str]] = {}
    for key, trial in sorted(trials.items()):
        blocks.setdefault(trial.seed, []).append(key)
    generator = random.Random(order_seed)  # noqa: S311 (an order, no secret)
    for keys in blocks.values():
        generator.shuffle(keys)
    return {key: trials[key] for keys in blocks.values() for key in keys}


def prepare_host(idle_s: float = IDLE_S, warm_up_s: float = WARM_UP_S) -> None:
    """Leave the host idle for a time, so that the ledger measures its idle power; then warm it up.

    Must run inside a Ray session.

    Args:
        idle_s: Time without load.
        warm_up_s: Time of full load on all CPUs.
    """
    import ray

    time.sleep(idle_s)
    burn = ray.remote(num_cpus=1)(_burn)
    n_cpus = int(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]
    ray.get([burn.remote(warm_up_s) for _ in range(n_cpus)])


def _burn(time_s: float) -> None:
    """Multiply matrices for a time."""
    import numpy as np

    matrix = np.random.default_rng(0).random((_MATRIX_SIZE, _MATRIX_SIZE), dtype=np.float32)
    end_s = time.monotonic() + time_s
    while time.monotonic() < end_s:
        matrix @ matrix
