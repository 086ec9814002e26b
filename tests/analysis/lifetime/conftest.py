from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.lifetime.classes import find_classes
from analysis.lifetime.lifetime import Lifetime, analyse_lifetime
from analysis.lifetime.load import ENERGY, choose_measurements, load_inference
from analysis.lifetime.training import TRAINING
from analysis.lifetime.variants import Variant, make_variants
from analysis.runs.configurations import done_trials
from analysis.runs.load import Runs, load_run
from tests.support.synthetic_inference import write_deployed_run


@dataclass(frozen=True)
class Tables:
    """The frames of one run, in which figures can be planted without writing it again."""

    runs: Runs
    done: pd.DataFrame
    rows: pd.DataFrame

    def planted(
        self, training_kg: dict[str, float], energies_uj: dict[str, float], *, training_spread: float, spread: float,
        generator: np.random.Generator,
    ) -> dict[str, Variant]:  # fmt: skip
        """Return the variants by label, with costs drawn around those of schedules (training) and labels (energy)."""
        noise = 1 + training_spread * generator.standard_normal(len(self.done))
        done = self.done.assign(**{TRAINING: self.done["schedule"].map(training_kg) * noise})
        noise = 1 + spread * generator.standard_normal(len(self.rows))
        rows = self.rows.assign(**{ENERGY: self.rows["label"].map(energies_uj) * noise})
        return {each.label: each for each in make_variants(rows, done, find_classes(rows), g_per_kwh=360.0)}


def tables_of(run: Path, **choice: Any) -> Tables:
    runs = load_run(run)
    done = done_trials(runs.trials)
    return Tables(runs, done, choose_measurements(load_inference([run]), done, **choice).rows)


def lifetime_of(run: Path, numbers: list[float], **options: object) -> Lifetime:
    runs = load_run(run)
    done = done_trials(runs.trials)
    return analyse_lifetime(runs, done, numbers, inference=load_inference([run]), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def deployed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of full precision, 2-2-2, 4-4-4 and 2-3-4 with three seeds; five repetitions that spread by 2 %."""
    return write_deployed_run(tmp_path_factory.mktemp("lifetime") / "run", spread=0.02, batch_sizes=(1, 64))


@pytest.fixture(scope="session")
def tables(deployed_run: Path) -> Tables:
    return tables_of(deployed_run)
