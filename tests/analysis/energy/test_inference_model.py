from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.energy.hardware.reader import default_hardware
from analysis.energy.inference_model import inference_energy
from analysis.runs.earlier_networks import earlier_networks
from analysis.runs.load import AnalysisError, load_run
from lwq_tune.config.trial import TrialConfig
from lwq_tune.models import inference_costs as costs
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.results.networks import trial_costs
from tests.support.synthetic_networks import FULL, layer_rows, write_network_run

BITS = st.sampled_from([*range(1, 9), 32])
ACT_BITS = st.sampled_from([2, 3, 4, 8, 32])


def as_trials(*configs: TrialConfig, num_classes: int = 10) -> pd.DataFrame:
    rows = [
        {
            "schedule": "s",
            "config_model": c.model,
            "config_blocks": c.blocks,
            "config_width": c.width,
            "bit_widths": c.bit_widths,
            "act_bit_widths": c.act_bit_widths,
            "config_first_last_bit_width": c.first_last_bit_width,
            **vars(trial_costs(c, ImageFormat(num_classes=num_classes))),
        }
        for c in configs
    ]
    trials = pd.DataFrame(rows)
    return trials.assign(network=pd.Series(earlier_networks(trials), dtype=object))


@given(BITS, BITS)
def test_an_operation_costs_what_the_sweep_says(weight_bits: int, act_bits: int) -> None:
    ours = default_hardware().mac_energy_pj(weight_bits, act_bits)
    assert ours == pytest.approx(costs.mac_energy_pj(weight_bits, act_bits), rel=1e-15)


@given(st.tuples(BITS, BITS, BITS), st.tuples(ACT_BITS, ACT_BITS, ACT_BITS), st.sampled_from([8, 32]))
def test_compute_is_the_recorded_column_and_the_rest_is_added(
    bits: tuple[int, int, int], act_bits: tuple[int, int, int], first_last: int
) -> None:
    config = TrialConfig(
        bit_widths=bits, act_bit_widths=act_bits, first_last_bit_width=first_last, quantizer="dorefa", width=0.5
    )
    trials = as_trials(config, num_classes=100)
    energy, recorded = inference_energy(trials).iloc[0], trials.iloc[0]
    assert energy["compute_energy_uj"] == pytest.approx(recorded["modelled_inference_energy_uj"], rel=1e-12)
    assert energy["weight_sram_energy_uj"] == pytest.approx(recorded["weight_bits"] * 10 / 64 * 1e-6)
    assert energy["weight_dram_energy_uj"] == pytest.approx(recorded["weight_bits"] * 1300 / 64 * 1e-6)
    for scenario, weights in (("on_chip_energy_uj", "weight_sram"), ("dram_energy_uj", "weight_dram")):
        parts = energy["compute_energy_uj"] + energy[f"{weights}_energy_uj"] + energy["activation_sram_energy_uj"]
        assert energy[scenario] == pytest.approx(parts)


def test_values_of_a_small_network_by_hand() -> None:
    # One block of one stage, one channel: stem 3 -> 1, two convolutions 1 -> 1, classifier 1 -> 2.
    config = TrialConfig(bit_widths=(4,), model="resnet", blocks=(1,), width=1 / 16, first_last_bit_width=8)
    energy = inference_energy(as_trials(config, num_classes=2)).iloc[0]
    stem, block, classifier = 27 * 1024, 9 * 1024, 2
    mac_8, mac_4 = 0.0029948 * 64 + 0.0010417 * 8 + 0.1, 0.0029948 * 16 + 0.0010417 * 4 + 0.1
    assert energy["compute_energy_uj"] == pytest.approx(1e-6 * ((stem + classifier) * mac_8 + 2 * block * mac_4))
    assert energy["weight_dram_energy_uj"] == pytest.approx(1e-6 * (29 * 8 + 18 * 4) * 20.3125)
    activations = (3 * 1024 + 1024) * 8 + 2 * (1024 + 1024) * 4 + (1 + 2) * 8
    assert energy["activation_sram_energy_uj"] == pytest.approx(1e-6 * activations * 0.15625)


def test_resnet20_has_the_published_sizes() -> None:
    # 40.8 M MACs: 188 uJ in float32, 0.27 M weights from DRAM: 175 uJ.
    energy = inference_energy(as_trials(TrialConfig(bit_widths=(32, 32, 32), model="resnet20"))).iloc[0]
    assert energy["compute_energy_uj"] == pytest.approx(188, rel=0.01)
    assert energy["weight_dram_energy_uj"] == pytest.approx(175, rel=0.01)


@given(st.integers(2, 7), st.integers(0, 2))
def test_more_bits_in_a_stage_cost_more(bits: int, stage: int) -> None:
    lower, higher = [4, 4, 4], [4, 4, 4]
    lower[stage], higher[stage] = bits, bits + 1
    both = inference_energy(as_trials(*(TrialConfig(bit_widths=tuple(triple)) for triple in (lower, higher))))
    assert (both.iloc[0] < both.iloc[1]).all()


def test_a_trial_without_shapes_has_no_energy() -> None:
    trials = pd.concat([as_trials(TrialConfig(bit_widths=(2, 2, 2)))] * 2, ignore_index=True)
    trials["macs"] = trials["macs"].astype(float)
    trials.loc[1, ["macs", "modelled_inference_energy_uj"]] = float("nan")
    trials["network"] = pd.Series([trials["network"][0], None], dtype=object)
    energy = inference_energy(trials)
    assert energy.loc[0].notna().all()
    assert energy.loc[1].isna().all()


@pytest.mark.parametrize(
    ("column", "factor", "message"),
    [("macs", 1.5, "MACs belong to"), ("modelled_inference_energy_uj", 1.01, "follows from the configuration")],
)
def test_tables_of_another_model_are_refused(column: str, factor: float, message: str) -> None:
    trials = as_trials(TrialConfig(bit_widths=(2, 2, 2)))
    trials[column] = (trials[column] * factor + 1).astype(trials[column].dtype)
    with pytest.raises(AnalysisError, match=message):
        inference_energy(trials)


@pytest.mark.parametrize("first_last", [8, FULL])
def test_layers_of_a_network_are_those_that_the_run_recorded(tmp_path: Path, first_last: int) -> None:
    bits, act_bits = (2, 3, 4, 8), (4, 4, 8, FULL)
    run = write_network_run(
        tmp_path / "run",
        {bits: ([0.5], 1e-6), (FULL,) * 4: ([0.6], 1e-6)},
        act_bits=act_bits,
        identity={"config_first_last_bit_width": first_last},
    )
    trials = load_run(run).trials
    energy = inference_energy(trials)
    assert energy["compute_energy_uj"].tolist() == pytest.approx(trials["modelled_inference_energy_uj"].tolist())
    assert energy["weight_dram_energy_uj"].tolist() == pytest.approx(
        (trials["weight_bits"] * 1300 / 64 * 1e-6).tolist()
    )
    # 64 values in and 32 out of each of seven layers: stem, four units, gate, classifier.
    values = 96 * (first_last + 4 + FULL + 4 + 8 + FULL + first_last)
    assert energy["activation_sram_energy_uj"].tolist() == pytest.approx(
        [1e-6 * n_bits * 0.15625 for n_bits in (values, 96 * 7 * FULL)]
    )
    assert len(layer_rows(4)) == 7
