from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lwq_tune.sweep.loggers.trial_logger import TAGS, hyperparameters, scalars
from tests.conftest import small_config

VALUES = st.none() | st.text() | st.integers() | st.floats(allow_nan=False)


@given(st.dictionaries(st.sampled_from(["epoch", "train_loss", "energy_kwh", "engine", "lr"]), VALUES))
def test_scalars_are_the_measured_numbers_unchanged(row: dict[str, Any]) -> None:
    found = scalars(row)
    assert found.items() <= row.items()
    left_out = {name: row[name] for name in row.keys() - found.keys()}
    assert all(name == "epoch" or value is None or isinstance(value, str) for name, value in left_out.items())


@given(
    st.lists(st.sampled_from([2, 3, 4, 8, 32]), min_size=1, max_size=4),
    st.sampled_from(["scratch", "full_precision"]),
    st.integers(0, 2**32 - 1),
)
def test_hyperparameters_are_plain_values_that_every_logger_takes(bits: list[int], start: str, seed: int) -> None:
    trial = small_config(blocks=(1,) * len(bits), bit_widths=tuple(bits), init_from=start, seed=seed)
    described = hyperparameters(trial)
    assert all(isinstance(value, str | int | float) for value in described.values())
    assert described["trial_key"] == trial.trial_key
    assert described["bit_widths"].split("-") == [str(bit_width) for bit_width in bits]
    assert described["seed"] == seed
    assert set(TAGS) <= {"run", *described}
