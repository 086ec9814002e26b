"""The inference axis of a front: what hardware would spend on an image by its table, beside what training spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.energy.hardware.table import HardwareTable
from analysis.energy.inference_model import LATENCY, find_uncovered, has_float_first_last, inference_energy
from analysis.runs.keys import CONFIGURATION
from analysis.runs.load import AnalysisError, Objective
from analysis.runs.seeds import configuration_labels

ENERGY = "modelled_energy_uj"
TIME = "modelled_latency_ms"
MOST_NAMED = 6


@dataclass(frozen=True)
class InferenceAxis:
    """Trials with what their inference is modelled to cost.

    Attributes:
        trials: The trials, with ``modelled_energy_uj`` per image, and ``modelled_latency_ms`` where the hardware has
            times.
        columns: Those columns.
        objectives: What was maximised, and the modelled energy in place of what was minimised.
        sentence: What the axis is.
        warnings: Which configurations the hardware does not cover.
    """

    trials: pd.DataFrame
    columns: tuple[str, ...]
    objectives: tuple[Objective, ...]
    sentence: str
    warnings: tuple[str, ...]


def add_inference_axis(trials: pd.DataFrame, objectives: Sequence[Objective], hardware: HardwareTable) -> InferenceAxis:
    """Return trials and objectives with modelled inference energy as the cost.

    The energy is that of the multiply-accumulates and, where the table has them, of weights and activations that are
    moved on the chip.

    Args:
        trials: Finished trials.
        objectives: Axes as the run declares them.
        hardware: What inference is modelled for.

    Raises:
        AnalysisError: Nothing is maximised, or the hardware covers no configuration.
    """
    kept = [axis for axis in objectives if axis.direction == "maximize"]
    if not kept:
        given = ", ".join(axis.column for axis in objectives)
        raise AnalysisError(
            f"--hardware takes the place of costs beside what is maximised, these minimise all: {given}"
        )
    warnings = uncovered_warnings(trials, hardware)
    modelled = inference_energy(trials, hardware)
    columns = {ENERGY: modelled["on_chip_energy_uj"].fillna(modelled["compute_energy_uj"])}
    if LATENCY in modelled:
        columns[TIME] = modelled[LATENCY]
    axis = Objective(ENERGY, "minimize", own_unit="uJ per image", own_meaning=hardware.modelled_for)
    sentence = (
        f"{ENERGY}: inference energy per image, {hardware.modelled_for}, {hardware.figures} costs"
        f"{hardware.assumption}; {hardware.counted(with_off_chip=False)}; not measured"
    )
    return InferenceAxis(trials.assign(**columns), tuple(columns), (*kept, axis), sentence, tuple(warnings))


def uncovered_warnings(trials: pd.DataFrame, hardware: HardwareTable) -> list[str]:
    """Return a line on the configurations whose bits a table does not cover; none where it covers all.

    Raises:
        AnalysisError: It covers none.
    """
    lacking = find_uncovered(trials, hardware)
    named = (
        pd.DataFrame({"label": configuration_labels(trials), "bits": lacking}).groupby(trials[CONFIGURATION]).first()
    )
    without = named[named["bits"] != ""]
    if without.empty:
        return []
    names = [f"{label} ({bits})" for label, bits in without.head(MOST_NAMED).itertuples(index=False, name=None)]
    names += [f"and {len(without) - MOST_NAMED} more"] if len(without) > MOST_NAMED else []
    which = f"{len(without)} of {len(named)} configurations, by weight x activation bits: {', '.join(names)}"
    way_out = hardware.coverage_text()
    if hardware.first_last_bits is None and has_float_first_last(trials):
        way_out += "; --first-last-bits 8 takes stem and classifier, which are in full precision here, at 8 bits"
    if len(without) == len(named):
        raise AnalysisError(
            f"a modelled cost needs bits that the hardware's table covers, it does not cover {which}; {way_out}"
        )
    return [f"no cost of {which}; {way_out}"]
