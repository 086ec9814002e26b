"""The two ledgers as they are drawn."""

from __future__ import annotations

from pathlib import Path

from analysis.figures.ledgers import draw_ledgers
from tests.analysis.energy.test_ledgers import frame_of


def test_the_two_ledgers_have_axes_of_their_own(tmp_path: Path) -> None:
    training, inference = draw_ledgers(frame_of(tmp_path / "run")).axes
    assert "recorded" in training.get_xlabel()
    assert "modelled" in inference.get_xlabel()
    assert training.get_xlim()[0] == 0
