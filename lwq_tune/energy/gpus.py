"""Which GPU a trial computes on, in the numbering of the energy meter."""

from __future__ import annotations

from lwq_tune.errors import ConfigError


def visible_gpu_indices(cuda_visible_devices: str | None) -> list[str]:
    """Return the GPU that a trial computes on, as a list for CodeCarbon: the first visible one.

    Args:
        cuda_visible_devices: Value of ``CUDA_VISIBLE_DEVICES``, None where it is not set.

    Raises:
        ConfigError: It names devices by anything but indices, which CodeCarbon does not match.

    >>> visible_gpu_indices(None), visible_gpu_indices("2,3"), visible_gpu_indices("")
    (['0'], ['2'], [])
    """
    if cuda_visible_devices is None:
        return ["0"]
    first = cuda_visible_devices.split(",")[0].strip()
    if first in ("", "-1", "NoDevFiles"):
        return []
    if not first.isdigit():
        raise ConfigError(
            f"CUDA_VISIBLE_DEVICES must name GPUs by index, as the energy meter does, "
            f"got {cuda_visible_devices!r}; set it to indices in PCI order"
        )
    return [first]
