"""The learning rate over the epochs of a trial."""

from __future__ import annotations

import math

import pytest

from lwq_tune.training.lr_curve import lr_at

EPOCHS = 8


def lr_after(progress_epochs: float, curve: str) -> float:
    return lr_at(progress_epochs, curve=curve, lr=0.2, epochs=EPOCHS, milestones=(2, 5), gamma=0.1)


def test_a_constant_rate_is_the_initial_one_throughout() -> None:
    assert [lr_after(progress, "constant") for progress in (0, 2, 4.5, 8)] == [0.2] * 4


def test_a_cosine_falls_from_the_initial_rate_to_zero_through_its_half() -> None:
    assert [lr_after(progress, "cosine") for progress in (0, 4, 8)] == pytest.approx([0.2, 0.1, 0.0])
    assert lr_after(2, "cosine") == pytest.approx(0.1 * (1 + math.sqrt(0.5)))


def test_steps_multiply_from_the_end_of_each_milestone_on() -> None:
    assert [lr_after(progress, "step") for progress in (0, 1.99, 2, 4.99, 5, 8)] == pytest.approx(
        [0.2, 0.2, 0.02, 0.02, 0.002, 0.002]
    )
