"""Which GPUs a trial computes on, as NVML numbers them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from lwq_tune.energy.sensors.nvml import GpuInfo
from lwq_tune.errors import ConfigError

_HIDES_ALL = ("", "-1", "NoDevFiles")


def owned_gpus(cuda_visible_devices: str | None, gpus: Mapping[str, GpuInfo], reserved: float) -> dict[str, float]:
    """Return which GPUs a trial computes on: NVML index -> fraction of it that is reserved, in (0, 1].

    Indices count in PCI order, as NVML's do; CUDA follows where ``CUDA_DEVICE_ORDER`` is ``PCI_BUS_ID``.

    Args:
        cuda_visible_devices: Value of ``CUDA_VISIBLE_DEVICES``, None where it is not set. As for CUDA, entries
            after ``-1`` do not count.
        gpus: The GPUs of the host by NVML index.
        reserved: How many GPUs the trial has reserved. With 0 it owns none, whatever is visible; below 1 that
            fraction of the first entry; else each of the first ``ceil(reserved)`` entries, fewer where fewer
            are visible.

    Raises:
        ConfigError: An entry that counts names no GPU or more than one, or the reservation is no number >= 0.

    >>> gpus = {i: GpuInfo(i, f"GPU-{i}d2f", "H100", False, "measured:nvml-energy-counter") for i in "01"}
    >>> owned_gpus("GPU-1d,0", gpus, 0.5), owned_gpus("1,0", gpus, 2), owned_gpus(None, gpus, 0)
    ({'1': 0.5}, {'1': 1.0, '0': 1.0}, {})
    """
    if not 0 <= reserved < math.inf:
        raise ConfigError(f"the number of reserved GPUs must be at least 0, got {reserved}; set gpus_per_trial")
    if cuda_visible_devices is None:
        entries = sorted(gpus, key=int)
    else:
        words = (word.strip() for word in cuda_visible_devices.split(","))
        entries = list(itertools.takewhile(lambda word: word not in _HIDES_ALL, words))
    fraction = min(float(reserved), 1.0)
    return {_find_index(entry, gpus): fraction for entry in entries[: math.ceil(reserved)]}


def _find_index(entry: str, gpus: Mapping[str, GpuInfo]) -> str:
    """Return the NVML index of the one GPU that an entry of the variable names."""
    rule = "an entry of CUDA_VISIBLE_DEVICES must name one GPU that NVML sees, by index or by (the start of) its UUID"
    way_out = "`nvidia-smi -L` lists both"
    if entry.isdecimal():
        matches = [index for index in gpus if int(index) == int(entry)]
    elif entry.startswith(("GPU-", "MIG-GPU-")):  # MIG-GPU-<uuid>/<GPU instance>/<compute instance>
        uuid = entry.removeprefix("MIG-").split("/")[0]
        matches = [index for index, gpu in gpus.items() if gpu.uuid.startswith(uuid)]
    elif entry.startswith("MIG-"):
        rule = "MIG-<uuid> in CUDA_VISIBLE_DEVICES does not say which GPU, so NVML must see exactly one in MIG mode"
        way_out = "name it as MIG-GPU-<uuid>/<GPU instance>/<compute instance>, or keep one GPU in MIG mode"
        matches = [index for index, gpu in gpus.items() if gpu.is_mig]
    else:
        matches = []
    if len(matches) != 1:
        fitting, known = (", ".join(sorted(indices, key=int)) or "none" for indices in (matches, gpus))
        raise ConfigError(f"{rule}; got {entry!r}, which fits {fitting} of the GPUs it sees ({known}); {way_out}")
    return matches[0]
