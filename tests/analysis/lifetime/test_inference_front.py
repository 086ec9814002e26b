from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.lifetime.inference_front import EMISSIONS, InferenceFront, find_inference_front, wide_columns
from analysis.lifetime.load import load_inference
from analysis.lifetime.use import measure_use
from analysis.runs.configurations import done_trials
from analysis.runs.load import load_run
from tests.support.synthetic_inference import write_deployed_run
from tests.support.synthetic_runs import G_PER_KWH

MICROJOULES_PER_KWH = 3.6e12


def front_of(run: Path, **options: Any) -> InferenceFront:
    done = done_trials(load_run(run).trials)
    return find_inference_front(measure_use(done, load_inference([run]), **options))


def by_label(found: InferenceFront) -> pd.DataFrame:
    return found.points.set_index("label")


def test_emissions_are_a_million_times_energy_per_image_times_intensity(tmp_path: Path) -> None:
    points = by_label(front_of(write_deployed_run(tmp_path / "run")))
    kg = 1e6 * 10_000.0 / MICROJOULES_PER_KWH * G_PER_KWH / 1000
    assert points.loc["full_precision (f32)", EMISSIONS] == pytest.approx(kg)
    assert points.loc["full_precision (bf16)", EMISSIONS] == pytest.approx(0.6 * kg)
    assert points.loc["fixed_4", EMISSIONS] == pytest.approx(0.5 * kg)
    assert points.loc["fixed_4", "deployed_test_accuracy"] == pytest.approx(0.924)


def test_intensity_of_use_scales_emissions(tmp_path: Path) -> None:
    run = write_deployed_run(tmp_path / "run")
    as_measured, chosen = front_of(run), front_of(run, use_intensity_g_per_kwh=2 * G_PER_KWH)
    assert chosen.points[EMISSIONS].tolist() == pytest.approx((2 * as_measured.points[EMISSIONS]).tolist())


def test_members_of_a_pooled_class_have_one_cost_and_the_most_accurate_is_on_the_front(deployed_run: Path) -> None:
    points = by_label(front_of(deployed_run))
    quantized = points[points["precision_class"] == "u8"]
    assert len(quantized) == 3
    assert quantized["inference_is_pooled"].all()
    assert quantized[EMISSIONS].nunique() == 1
    # u8 is cheapest and 4-4-4 the most accurate of it; bf16 costs less than f32 at the same accuracy.
    assert set(points.index[points["on_inference_front"]]) == {"fixed_4", "full_precision (bf16)"}


def test_noise_ranks_nothing_within_a_class_that_is_not_pooled(tmp_path: Path) -> None:
    run = write_deployed_run(tmp_path / "run", spread=0.3, n_repetitions=2)
    points = by_label(front_of(run))
    quantized = points[points["precision_class"] == "u8"]
    assert not quantized["inference_is_pooled"].any()
    assert quantized["inference_energy_per_image_uj"].nunique() == 3, "each keeps its own measurements"
    assert quantized[EMISSIONS].nunique() == 1, "and is ranked by one cost"
    assert not points.loc["fixed_2", "on_inference_front"]


def test_without_repetitions_there_is_no_interval(tmp_path: Path) -> None:
    run = write_deployed_run(tmp_path / "run", {"full_precision": ((0.93,), 20e-3)}, n_repetitions=1)
    points = front_of(run).points
    assert points[[f"{EMISSIONS}_low", "deployed_test_accuracy_high"]].isna().all(axis=None)


def test_quantized_layers_that_ran_in_float_are_an_alert_that_names_them(tmp_path: Path) -> None:
    found = front_of(write_deployed_run(tmp_path / "run", changes={"float_fallbacks": "layer1.0.conv2"}))
    assert any("QUANTIZED LAYERS RAN IN FLOAT" in line and "layer1.0.conv2" in line for line in found.alerts)
    assert not any("RAN IN FLOAT" in line for line in found.sentences)


def test_a_table_of_configurations_has_a_column_for_each_float_precision(deployed_run: Path) -> None:
    found = front_of(deployed_run)
    wide = wide_columns(found)
    points = by_label(found)
    assert len(wide) == 4
    full = wide.loc[points.loc["full_precision (f32)", "configuration"]]
    assert full[f"{EMISSIONS}_f32"] == points.loc["full_precision (f32)", EMISSIONS]
    assert full[f"{EMISSIONS}_bf16"] == points.loc["full_precision (bf16)", EMISSIONS]
    assert wide[f"{EMISSIONS}_bf16"].notna().sum() == 1, "quantized networks were deployed with one precision"
    assert set(wide["inference_batch_size"]) == {1}
