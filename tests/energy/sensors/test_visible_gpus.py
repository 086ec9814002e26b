from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwq_tune.energy.sensors.nvml import GpuInfo
from lwq_tune.energy.sensors.visible_gpus import owned_gpus
from lwq_tune.errors import ConfigError

UUIDS = ["GPU-aa10", "GPU-aa20", "GPU-bb30"]


def host(uuids: list[str], *, mig: str = "") -> dict[str, GpuInfo]:
    """Return a host's GPUs by index; ``mig`` has the digits of the divided ones."""
    source = "measured:nvml-energy-counter"
    return {str(i): GpuInfo(str(i), uuid, "H100", str(i) in mig, source) for i, uuid in enumerate(uuids)}


GPUS = host(UUIDS)


@pytest.mark.parametrize("value", [None, "0", "0,1", "", "GPU-aa10", "nonsense"])
def test_a_trial_that_reserves_no_gpu_owns_none_whatever_is_visible(value: str | None) -> None:
    assert owned_gpus(value, GPUS, 0) == {}


@pytest.mark.parametrize("value", ["", " ", "-1", "NoDevFiles", "-1,0"])
def test_a_trial_that_sees_no_gpu_owns_none_whatever_it_reserves(value: str) -> None:
    assert owned_gpus(value, GPUS, 1) == {}


@pytest.mark.parametrize(
    ("reserved", "owned"),
    [
        (0.25, {"0": 0.25}),
        (1, {"0": 1.0}),
        (1.5, {"0": 1.0, "1": 1.0}),
        (3, {"0": 1.0, "1": 1.0, "2": 1.0}),
        (5, {"0": 1.0, "1": 1.0, "2": 1.0}),
    ],
)
def test_without_the_variable_the_first_gpus_by_index_are_owned(reserved: float, owned: dict[str, float]) -> None:
    assert owned_gpus(None, dict(reversed(GPUS.items())), reserved) == owned


def test_gpus_are_ordered_as_numbers() -> None:
    assert owned_gpus(None, host([f"GPU-{i:02}" for i in range(12)]), 3) == {"0": 1.0, "1": 1.0, "2": 1.0}


@pytest.mark.parametrize(
    ("value", "reserved", "owned"),
    [
        ("2", 1, {"2": 1.0}),
        ("2,0,1", 2, {"2": 1.0, "0": 1.0}),
        (" 1 , 2 ", 0.5, {"1": 0.5}),
        ("0,-1,1", 2, {"0": 1.0}),
        ("1", 2, {"1": 1.0}),
        ("1,nonsense", 1, {"1": 1.0}),
        ("GPU-bb30", 1, {"2": 1.0}),
        ("GPU-b", 0.1, {"2": 0.1}),
        ("GPU-aa2,0", 2, {"1": 1.0, "0": 1.0}),
        ("MIG-GPU-aa20/1/0", 1, {"1": 1.0}),
        ("MIG-GPU-aa20/1/0,MIG-GPU-aa20/2/0", 2, {"1": 1.0}),
    ],
)
def test_the_first_entries_of_the_variable_are_owned(value: str, reserved: float, owned: dict[str, float]) -> None:
    assert owned_gpus(value, GPUS, reserved) == owned


def test_a_mig_device_belongs_to_the_only_gpu_in_mig_mode() -> None:
    assert owned_gpus("MIG-4f0c-11", host(UUIDS, mig="1"), 1) == {"1": 1.0}


@pytest.mark.parametrize(("mig", "fitting"), [("", "none"), ("02", "0, 2")])
def test_a_mig_device_of_no_or_several_gpus_in_mig_mode_is_refused(mig: str, fitting: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"exactly one in MIG mode; got 'MIG-4f0c', which fits {fitting} of .*; name"
    ):
        owned_gpus("MIG-4f0c", host(UUIDS, mig=mig), 1)


@pytest.mark.parametrize(
    ("entry", "fitting"),
    [
        ("3", "none"),
        ("-2", "none"),
        ("cuda:0", "none"),
        ("gpu-aa10", "none"),
        ("GPU-cc", "none"),
        ("GPU-aa", "0, 1"),
        ("MIG-GPU-cc/1/0", "none"),
    ],
)
def test_an_entry_that_names_no_gpu_or_several_is_refused(entry: str, fitting: str) -> None:
    message = rf"must name one GPU .*; got '{entry}', which fits {fitting} of the GPUs it sees \(0, 1, 2\); `nvidia-smi"
    with pytest.raises(ConfigError, match=message):
        owned_gpus(f"0,{entry}", GPUS, 2)


def test_a_gpu_named_on_a_host_without_a_readable_one_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"got '0', which fits none of the GPUs it sees \(none\)"):
        owned_gpus("0", {}, 1)


@pytest.mark.parametrize("reserved", [-1, -0.5, math.nan, math.inf])
def test_a_reservation_that_is_no_number_of_gpus_is_refused(reserved: float) -> None:
    with pytest.raises(ConfigError, match=f"at least 0, got {reserved}"):
        owned_gpus("0", GPUS, reserved)


@settings(max_examples=30)
@given(st.permutations(range(3)), st.floats(0.01, 3))
def test_index_and_uuid_name_the_same_gpus_and_each_fraction_is_at_most_one(order: list[int], reserved: float) -> None:
    owned = owned_gpus(",".join(map(str, order)), GPUS, reserved)
    assert owned == owned_gpus(",".join(UUIDS[i] for i in order), GPUS, reserved)
    assert list(owned) == [str(i) for i in order[: math.ceil(reserved)]]
    assert set(owned.values()) == {min(reserved, 1.0)}
