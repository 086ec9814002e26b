"""`DeploySettings`: how deployed networks are measured; it does not enter a trial's key."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, field_validator

from lwq_tune.config.settings import setting
from lwq_tune.config.trial import STRICT

MIN_DURATION_S = 0.5
MLPERF_DURATION_S = 600.0


class DeploySettings(BaseModel):
    """How networks are measured once they are trained. What each setting means is said where it is declared."""

    model_config = STRICT

    batch: tuple[int, ...] = setting(
        (1, 64), "images per call; each size is measured on its own", metavar="N1,N2", strict=False
    )
    threads: int = setting(1, "threads of the runtime", ge=1)
    duration: float = setting(60.0, "seconds of each window", metavar="S", ge=MIN_DURATION_S)
    repetitions: int = setting(5, "windows of each network and batch size, in shuffled order over all", ge=1)
    idle: float = setting(
        60.0, "seconds without load before and after, in which idle power is measured", metavar="S", ge=0
    )
    warm_up: float = setting(
        30.0, "longest time that speed may take to become steady before a window", metavar="S", ge=0
    )
    networks: Literal["one_seed", "front", "all"] = setting(
        "one_seed", "which finished trials: the first seed of each configuration, those on the front, or all", flag=None
    )
    runtime: Literal["openvino", "onnxruntime"] = setting("openvino", "what executes the networks")
    seed: int = setting(0, "seed of the order of windows", ge=0)

    @field_validator("batch")
    @classmethod
    def _check_batch(cls, batch: tuple[int, ...]) -> tuple[int, ...]:
        if not batch or any(size < 1 for size in batch) or len(set(batch)) != len(batch):
            raise ValueError(f"batch must hold different sizes of at least 1, got {list(batch)}")
        return batch
