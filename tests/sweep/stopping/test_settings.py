from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from lwq_tune.sweep.stopping.settings import (
    Asha,
    Dominance,
    Marginal,
    Plateau,
    Stopping,
    Target,
    check_stopping,
)

EMISSIONS_FRONT = ["val_accuracy", "emissions_kg_co2eq"]


def test_no_rule_acts_unless_it_is_named() -> None:
    assert Stopping.model_validate({}) == Stopping(asha=None, dominance=None, plateau=None, target=None, marginal=None)


def test_an_empty_mapping_takes_the_stated_defaults() -> None:
    stopping = Stopping.model_validate(
        {"asha": {}, "dominance": {}, "plateau": {}, "target": {}, "marginal": {"min_hypervolume_per_kg": 1}}
    )
    assert stopping.asha == Asha(grace_epochs=1, reduction_factor=3)
    assert stopping.dominance == Dominance(optimism=1.0, margin=0.01, grace_epochs=1)
    assert stopping.plateau == Plateau(epochs=10, min_gain=0.001)
    assert stopping.target == Target(val_accuracy=0.95)
    assert stopping.marginal == Marginal(last=5, min_hypervolume_per_kg=1.0)


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ({"asha": {"reduction_factor": 1}}, ("asha", "reduction_factor")),
        ({"asha": {"grace_epochs": 0}}, ("asha", "grace_epochs")),
        ({"asha": {"grace": 1}}, ("asha", "grace")),
        ({"asha": True}, ("asha",)),
        ({"dominance": {"optimism": -0.1}}, ("dominance", "optimism")),
        ({"dominance": {"margin": "0.01"}}, ("dominance", "margin")),
        ({"dominance": {"optimism": float("nan")}}, ("dominance", "optimism")),
        ({"plateau": {"min_gain": 0}}, ("plateau", "min_gain")),
        ({"target": {"val_accuracy": 95}}, ("target", "val_accuracy")),
        ({"marginal": {}}, ("marginal", "min_hypervolume_per_kg")),
        ({"median": {}}, ("median",)),
    ],
)
def test_a_setting_out_of_range_is_named(section: dict[str, Any], where: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as error:
        Stopping.model_validate(section)
    assert [problem["loc"] for problem in error.value.errors()] == [where]


@pytest.mark.parametrize(
    ("rule", "key", "accepted", "refused"),
    [
        ("asha", "grace_epochs", [1], [0]),
        ("asha", "reduction_factor", [2], [1]),
        ("dominance", "optimism", [0, 1], [-0.01, 1.01]),
        ("dominance", "margin", [0, 1], [-0.01, 1.01]),
        ("dominance", "grace_epochs", [1], [0]),
        ("plateau", "epochs", [1], [0]),
        ("plateau", "min_gain", [1e-9, 1], [0, 1.01]),
        ("target", "val_accuracy", [1e-9, 1], [0, 1.01]),
        ("marginal", "last", [1], [0]),
        ("marginal", "min_hypervolume_per_kg", [1e-9, 1e9], [0]),
    ],
)
def test_a_setting_may_have_the_ends_of_its_range_and_nothing_beyond(
    rule: str, key: str, accepted: list[float], refused: list[float]
) -> None:
    others = {"min_hypervolume_per_kg": 1.0} if rule == "marginal" else {}
    for value in accepted:
        assert getattr(getattr(Stopping.model_validate({rule: {**others, key: value}}), rule), key) == value
    for value in refused:
        with pytest.raises(ValidationError):
            Stopping.model_validate({rule: {**others, key: value}})


def test_a_rule_that_could_never_act_is_a_problem() -> None:
    stopping = Stopping(asha=Asha(grace_epochs=8), dominance=Dominance(grace_epochs=9), plateau=Plateau(epochs=7))
    problems = check_stopping(stopping, 8, EMISSIONS_FRONT)
    assert [problem.split(":")[0] for problem in problems] == [
        "stopping.asha.grace_epochs",
        "stopping.dominance.grace_epochs",
    ]
    assert "8, got 9" in problems[1]
    assert not check_stopping(stopping, 10, EMISSIONS_FRONT)
    assert [problem.split(":")[0] for problem in check_stopping(stopping, 7, EMISSIONS_FRONT)][-1] == (
        "stopping.plateau.epochs"
    )
    assert check_stopping(Stopping(), 1, EMISSIONS_FRONT) == [], "rules that are not there have no epochs"


def test_rules_over_emissions_do_not_judge_a_front_over_something_else() -> None:
    stopping = Stopping(asha=Asha(), dominance=Dominance(), marginal=Marginal(min_hypervolume_per_kg=1.0))
    problems = check_stopping(stopping, 8, ["test_accuracy", "emissions_kg_co2eq", "weight_mib"])
    assert [problem.split(":")[0] for problem in problems] == ["stopping.dominance", "stopping.marginal"]
    assert all("weight_mib" in problem for problem in problems)
    assert not check_stopping(stopping, 8, ["test_accuracy", "energy_kwh"])
    assert not check_stopping(Stopping(asha=Asha()), 8, ["val_loss", "bitops"])
