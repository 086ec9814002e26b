from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from tests.conftest import small_config

BIT_WIDTHS = st.sampled_from([2, 3, 4, 8, 32])


def test_equal_science_has_one_key_however_it_is_said() -> None:
    said_short = TrialConfig(bit_widths=(2, 3, 4))
    said_long = TrialConfig(
        model="resnet", blocks=(2, 2, 2), bit_widths=(2, 3, 4), act_bit_widths=(2, 3, 4), augmentation="crop"
    )
    assert said_short.trial_key == said_long.trial_key
    assert len(said_short.trial_key) == 12
    int(said_short.trial_key, 16)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"bit_widths": (4, 3, 2)}, {"lr": 0.2}, {"epochs": 4}, {"act_bit_widths": (8, 8, 8)}]
)
def test_other_science_has_another_key(change: dict[str, object]) -> None:
    assert small_config().trial_key != small_config(**change).trial_key


def test_a_folder_counts_by_its_content_and_not_by_its_path() -> None:
    here = small_config(dataset="/a", dataset_digest="feed")
    there = small_config(dataset="/b/c", dataset_digest="feed")
    other = small_config(dataset="/a", dataset_digest="beef")
    assert here.trial_key == there.trial_key != other.trial_key


@given(bits=st.lists(BIT_WIDTHS, min_size=3, max_size=3), seed=st.integers(0, 9))
def test_a_configuration_survives_json(bits: list[int], seed: int) -> None:
    config = small_config(bit_widths=bits, seed=seed)
    again = TrialConfig(**config.model_dump(mode="json"))
    assert again == config
    assert again.trial_key == config.trial_key


def test_digits_are_not_mirrored_by_default_and_photographs_are() -> None:
    assert TrialConfig(bit_widths=(2, 2, 2)).augmentation == "crop"
    assert TrialConfig(bit_widths=(2, 2, 2), dataset="cifar10").augmentation == "crop_flip"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bit_widths": (2, 3)}, "one entry per unit (3), got 2"),
        ({"bit_widths": (2, 3, 0)}, "integer in [1, 8], or 32 for full precision, got 0"),
        ({"bit_widths": (2, 3, 9)}, "got 9"),
        ({"bit_widths": (2, 3, 2.5)}, "got 2.5"),
        ({"bit_widths": (True, 3, 4)}, "got True"),
        ({"model": "resnet15"}, "resnet14, resnet20"),
        ({"model": "resnet20", "blocks": (1, 1, 1)}, "say model: resnet"),
        ({"model": "resnet", "blocks": (0, 1, 1)}, "1 to 1000 basic blocks"),
        ({"model": "resnet"}, "1 to 1000 basic blocks"),
        ({"lr_milestones": (2, 3)}, "belong to lr_curve: step"),
        ({"lr_curve": "step", "lr_milestones": (3, 2)}, "must rise"),
        ({"lr_curve": "step", "lr_milestones": (0, 2)}, "must rise from 1 to at most 7"),
        ({"lr_curve": "step", "lr_milestones": (8,)}, "must rise from 1 to at most 7"),
        ({"lr_curve": "step"}, "needs lr_milestones"),
        ({"lr": float("inf")}, "finite number"),
        ({"epochs": 10**20}, "less than"),
        ({"split_seed": 10**20}, "less than"),
        ({"blocks": (10**7, 1, 1), "model": "resnet"}, "1 to 1000 basic blocks"),
        ({"dataset": ["digits"]}, "valid string"),
        ({"scale_init": "paper", "quantizer": "pact"}, "scale_init belongs to quantizer: lsq, got paper with pact"),
    ],
)
def test_a_broken_rule_is_named_with_the_value(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrialConfig(**{"bit_widths": (2, 3, 4), **settings})  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "n_images"),
    [({}, 128), ({"batch_size": 8}, 64), ({"batch_size": 4096}, 512), ({"mode": "ptq", "batch_size": 64}, 512)],
)
def test_ranges_are_set_from_one_batch_where_training_goes_on_from_there(
    settings: dict[str, object], n_images: int
) -> None:
    assert TrialConfig(bit_widths=(2, 3, 4), **settings).calibration_images == n_images  # type: ignore[arg-type]
    assert TrialConfig(bit_widths=(2, 3, 4), calibration_images=7, **settings).calibration_images == 7  # type: ignore[arg-type]


def test_full_precision_has_one_key_whatever_would_set_ranges() -> None:
    full, quantized = (32, 32, 32), (2, 3, 4)
    keys = {
        bits: {TrialConfig(bit_widths=bits, calibration_images=n).trial_key for n in (64, 512)}
        for bits in (full, quantized)
    }
    assert (len(keys[full]), len(keys[quantized])) == (1, 2)


def test_steps_start_at_least_squares_where_a_trained_network_is_given_unless_told_otherwise() -> None:
    def starts(**changes: object) -> bool:
        return small_config(**changes).starts_at_least_squares

    assert [starts(), starts(init_from="full_precision"), starts(mode="ptq")] == [False, True, True]
    assert [starts(init_from="full_precision", scale_init="paper"), starts(scale_init="least_squares")] == [False, True]


@pytest.mark.parametrize("setting", [{"max_concurrent": 0}, {"pue": 0.9}, {"pue": 11.0}, {"cpus_per_trial": 0.0}])
def test_an_impossible_machine_setting_is_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SweepConfig(results_dir=Path("r"), run="x", data_dir=Path("d"), **setting)  # type: ignore[arg-type]


@pytest.mark.parametrize("run", ["a/b", "..", ".hidden", ""])
def test_a_run_name_is_one_visible_folder(run: str) -> None:
    with pytest.raises(ValidationError):
        SweepConfig(results_dir=Path("r"), run=run, data_dir=Path("d"))


def test_other_networks_and_other_code_of_a_network_are_other_trials() -> None:
    made = [
        TrialConfig(model=model, source_digest=digest, bit_widths=(4, 4, 4))
        for model, digest in (
            ("torchvision:resnet18", None),
            ("torchvision:vgg16_bn", None),
            ("mynet.py:build", "a" * 16),
            ("mynet.py:build", "b" * 16),
            ("resnet14", None),
        )
    ]
    assert len({trial.trial_key for trial in made}) == len(made)


def test_full_precision_is_one_trial_whatever_the_units_are() -> None:
    by_layer = TrialConfig(bit_widths=(32,) * 14, granularity="layer")
    assert by_layer.trial_key == TrialConfig(bit_widths=(32, 32, 32)).trial_key
    started = TrialConfig(bit_widths=(4,) * 14, granularity="layer", init_from="full_precision")
    assert started.initial is not None
    assert started.initial.trial_key == by_layer.trial_key
