"""Mappings among the settings of a network: from a space file as they are, from a flag as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from lwq_tune.config.trial import TrialConfig


def config(**settings: Any) -> TrialConfig:
    return TrialConfig(model="mynet.py:build", bit_widths=(4, 2), **settings)


def test_equal_arguments_are_one_trial_however_they_are_written() -> None:
    written = [{"width": 8, "names": ["a"]}, {"names": ["a"], "width": 8}, '{"names": ["a"], "width": 8}']
    made = [config(model_arguments=arguments) for arguments in written]
    assert len({trial.trial_key for trial in made}) == 1
    assert made[0].network.keyword_arguments == {"width": 8, "names": ["a"]}
    assert made[0].trial_key != config(model_arguments={"width": 9, "names": ["a"]}).trial_key


def test_units_keep_their_order_and_a_pattern_alone_is_a_list_of_one() -> None:
    units = {"late": "layer2.*", "early": ["stem", "layer1.*"]}
    for written in (units, json.dumps(units)):
        assert config(units=written).network.units == (("late", ("layer2.*",)), ("early", ("stem", "layer1.*")))
    assert config(units=units).trial_key != config(units=dict(reversed(units.items()))).trial_key


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("model_arguments", [1], r"it must be a mapping of names to values, got \[1\]"),
        ("model_arguments", {1: 2}, "mapping of names to values, got {1: 2}"),
        ("model_arguments", "{width", "or be the JSON of that"),
        ("model_arguments", {"a": {1, 2}}, "numbers, texts, lists or mappings"),
        ("units", {}, "to a pattern of module names, or to a list of patterns, got {}"),
        ("units", {"a": 3}, "got 'a': 3"),
        ("units", {"a": []}, r"got 'a': \[\]"),
        ("units", "a: b", "or be the JSON of that"),
    ],
)
def test_what_is_no_such_mapping_is_refused_with_the_rule_and_the_value(
    setting: str, value: object, message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**{setting: value})
