"""What stands behind a question mark, and what a space says of the same: one address of a data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from lwq_tune.data.address import OPTIONS, SETTINGS, DatasetAddress, with_settings
from lwq_tune.data.builtin import BUILTIN_SETS
from lwq_tune.data.catalog import describe_dataset
from lwq_tune.errors import DatasetError


def test_every_choice_has_a_setting_that_says_the_same(tmp_path: Path) -> None:
    values = {"train": "extra", "test": "dev", "image": "picture", "label": "my label&x", "size": "48"}
    assert values.keys() == OPTIONS.keys() == SETTINGS.keys()
    address = with_settings(str(tmp_path), {SETTINGS[option]: value for option, value in values.items()})
    assert DatasetAddress.parse(address) == DatasetAddress(str(tmp_path), values)


def test_without_a_setting_an_address_is_left_as_it_is() -> None:
    for dataset in ("digits", "no/such?folder=1", "~nobody/set"):
        assert with_settings(dataset, dict.fromkeys(SETTINGS.values())) == dataset


def test_what_is_said_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="must be said once, got image_size: 64 beside dataset: .*size=32; leave"):
        with_settings(f"{tmp_path}?size=32", {"image_size": 64})


@pytest.mark.parametrize("size", ["0", "-3", "3.5", "big", "1000000", "032"])
def test_a_size_is_a_number_of_pixels(tmp_path: Path, size: str) -> None:
    with pytest.raises(DatasetError, match=f"size in a dataset must be a number of pixels .*, got size={size}"):
        DatasetAddress.parse(f"{tmp_path}?size={size}")


@pytest.mark.parametrize("name", BUILTIN_SETS)
def test_a_built_in_set_has_the_size_that_is_chosen_and_its_own_is_no_choice(name: str) -> None:
    own = BUILTIN_SETS[name].image_format
    assert describe_dataset(name).image_format == own
    assert describe_dataset(f"{name}?size={own.height}") == describe_dataset(name)
    other = describe_dataset(f"{name}?size=40")
    assert (other.dataset, other.image_format.shape) == (f"{name}?size=40", (own.channels, 40, 40))


@pytest.mark.parametrize("option", ["train", "test", "image", "label"])
def test_a_built_in_set_has_no_splits_and_columns_to_choose(option: str) -> None:
    with pytest.raises(DatasetError, match=f"image_size alone can be chosen, got {SETTINGS[option]} .* for mnist"):
        DatasetAddress.parse(f"mnist?{option}=x&size=28")
