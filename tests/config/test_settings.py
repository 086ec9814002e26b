from __future__ import annotations

import argparse
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from lwq_tune.cli.options import add_settings, given_settings
from lwq_tune.config.settings import names_where, setting, settings_of
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.estimation.representatives import cost_key
from lwq_tune.results.schema import COLUMNS
from tests.conftest import small_config


class Oven(BaseModel):
    heat: float = setting(180.0, "temperature", unit="1", decides_cost=True, gt=0)
    mode: Literal["air", "grill"] = setting("air", "how it heats")
    shelves: tuple[int, ...] = setting((), "shelves in use", strict=False)
    names: tuple[str, ...] = setting((), "who may open it", metavar="NAME", strict=False)
    is_clean: bool = setting(False, "cleaned before use", flag="--clean")
    light: str | None = setting(None, "colour of its light", without_value="white")
    serial: str | None = setting(None, "its number", flag=None)


def parsed(*words: str) -> dict[str, object]:
    parser = argparse.ArgumentParser()
    add_settings(parser, Oven)
    return given_settings(parser.parse_args(words), Oven)


def test_a_setting_is_known_by_its_declaration() -> None:
    settings = settings_of(Oven)
    assert [(one.name, one.kind) for one in settings.values()] == [
        ("heat", "float"),
        ("mode", "str"),
        ("shelves", "ints"),
        ("names", "strs"),
        ("is_clean", "bool"),
        ("light", "str"),
        ("serial", "str"),
    ]
    assert (settings["heat"].default, settings["heat"].unit, settings["heat"].meaning) == (180.0, "1", "temperature")
    assert settings["mode"].choices == ("air", "grill")
    assert names_where(Oven, lambda one: one.decides_cost) == ("heat",)


def test_a_field_that_declares_nothing_is_an_error_of_the_programmer() -> None:
    class Plain(BaseModel):
        heat: float = Field(default=1.0)

    with pytest.raises(TypeError, match=r"declared with setting\(\), Plain.heat is not"):
        settings_of(Plain)


def test_flags_give_the_settings_that_were_given_and_no_others() -> None:
    assert parsed() == {}
    words = ["--heat", "200", "--shelves", "1,3", "--names", "ann", "--names", "bob", "--clean", "--light"]
    assert parsed(*words) == {
        "heat": 200.0,
        "shelves": (1, 3),
        "names": ["ann", "bob"],
        "is_clean": True,
        "light": "white",
    }
    assert parsed("--light", "red") == {"light": "red"}


@pytest.mark.parametrize("words", [["--serial", "7"], ["--heat", "hot"], ["--shelves", "1;3"]])
def test_what_is_no_flag_or_no_value_of_it_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*words)
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_help_says_meaning_choices_and_default() -> None:
    parser = argparse.ArgumentParser(prog="oven")
    add_settings(parser, Oven)
    text = " ".join(parser.format_help().split())
    assert "--heat F temperature (default: 180.0)" in text
    assert "--mode NAME how it heats (air or grill; default: air)" in text


@pytest.mark.parametrize("model", [TrialConfig, SweepConfig])
def test_every_setting_of_the_product_is_declared_in_a_line(model: type[BaseModel]) -> None:
    for name, one in settings_of(model).items():
        assert one.meaning, name
        assert "\n" not in one.meaning, name


def test_every_setting_of_a_trial_is_a_column_of_its_kind_and_unit() -> None:
    for name, one in settings_of(TrialConfig).items():
        column = COLUMNS.get(f"config_{name}") or COLUMNS[name]
        assert (column.kind, column.unit) == (one.kind, one.unit)


def test_trials_that_differ_in_what_decides_cost_do_not_cost_the_same() -> None:
    trial = small_config()
    assert cost_key(trial) == cost_key(small_config(seed=7, lr=0.5))
    assert cost_key(trial) != cost_key(small_config(batch_size=8))
