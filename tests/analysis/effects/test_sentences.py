"""The wording of the sensitivity's finding, which other tests assert as values."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from analysis.effects.sensitivity import StagesKind, measure_sensitivity
from analysis.effects.sentences import contrast_sentence, sensitivity_sentences
from analysis.findings import Estimate, Finding
from tests.analysis.effects.test_sensitivity import grid, trials_of


@pytest.mark.parametrize(
    ("kind", "loss", "expected"),
    [
        (StagesKind.NO_COMMON_STEP, Estimate(math.nan), "the units have no step of bits in common"),
        (StagesKind.ONE_SEED, Estimate(0.04), "stage 3 loses +4.00 points against stage 1; one seed, no interval"),
        (StagesKind.NOT_SEPARATED, Estimate(0.04, -0.01, 0.09), "95 % interval -1.00 to +9.00: not told apart"),
        (
            StagesKind.LAST_IS_MORE_SENSITIVE,
            Estimate(0.04, 0.0069, 0.0731),
            "over 3 seeds, stage 3 loses +4.00 points against stage 1, 95 % interval +0.69 to +7.31: it is more "
            "sensitive than stage 1",
        ),
        (StagesKind.LAST_IS_LESS_SENSITIVE, Estimate(-0.04, -0.07, -0.01), "it is less sensitive than stage 1"),
    ],
    ids=lambda value: value.name if isinstance(value, StagesKind) else "",
)
def test_each_comparison_of_stages_has_its_sentence(kind: StagesKind, loss: Estimate, expected: str) -> None:
    finding = Finding(kind, False, "test_accuracy", ("stage 1", "stage 3"), {"loss": loss}, {"seeds": 3, "stages": 3})
    assert expected in contrast_sentence(finding)


def test_the_sentences_name_the_papers_claim_what_is_held_and_what_is_left_out(tmp_path: Path) -> None:
    trials = trials_of(tmp_path / "run", grid(), config_changes={"act_bit_widths": (8, 8, 8)})
    is_lacking = (trials["schedule"] == "fixed_2") & (trials["config_seed"] == 1)
    sentences = " ".join(sensitivity_sentences(measure_sensitivity(trials[~is_lacking])))
    assert "stage 1 less sensitive, stage 2 moderate, stage 3 highly sensitive" in sentences
    assert "bits of weights, activations held, of one unit lowered" in sentences
    assert "left out: 6 pairs that lack a seed" in sentences
