"""Describes a pre-flight estimate as text, and compares it with what the sweep took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lwq_tune.estimation.range import HIGH_QUANTILE, LOW_QUANTILE, Range
from lwq_tune.formatting import duration, format_columns

HEADER = ["schedule", "mode", "engine", "epochs", "batch", "trials", "steps", "step ms", "epoch s", "trial", "trial Wh"]


def figure(value: float) -> str:
    """Return a figure with three digits, more where it has more before the point.

    >>> figure(0.01234), figure(12.34), figure(99.96), figure(1234.5)
    ('0.0123', '12.3', '100', '1234')
    """
    return f"{value:.0f}" if value >= 99.95 else f"{value:#.3g}"


def time_span(seconds: float) -> str:
    """Return a time for display, in whole seconds below an hour, else with three digits.

    >>> time_span(370.0), time_span(4500.0), time_span(1e6)
    ('6:10', '1.25 h', '11.6 days')
    """
    hours = seconds / 3600
    if hours < 1:
        return duration(seconds)
    return f"{figure(hours)} h" if hours < 48 else f"{figure(hours / 24)} days"


# Entry of the record, factor to the unit of display, how it is shown, unit.
FIGURES = (
    ("time_s", 1.0, time_span, ""),
    ("energy_kwh", 1000.0, figure, " Wh"),
    ("emissions_kg_co2eq", 1000.0, figure, " g CO2eq"),
)


def describe(record: Mapping[str, Any]) -> str:
    """Return the table of measured models, what the sweep is expected to take, and the conditions of the estimate.

    Args:
        record: As `lwq_tune.estimation.estimate.measure_sweep` returns it.
    """
    rows = [_row(model) for model in record["models"]]
    lines = [format_columns(HEADER, rows), headline(record), _measured(record), _energy(record), _assumed(record)]
    return "\n".join(lines)


def headline(record: Mapping[str, Any]) -> str:
    """Return duration, energy and emissions in a line."""
    figures = [
        Range.from_dict(record[name]).times(factor).show(display, unit)
        for name, factor, display, unit in FIGURES
        if record[name] is not None
    ]
    if record["energy_kwh"] is None:
        figures.append("energy not measured")
    trials = "1 trial" if record["n_trials"] == 1 else f"{record['n_trials']} trials"
    return f"estimate: {', '.join(figures)}, for {trials}, each to its last epoch"


def compare(
    record: Mapping[str, Any], actual_time_s: float, actual_energy_kwh: float | None, actual_kg: float | None
) -> str:
    """Return the line that compares what a sweep took with what was estimated.

    Args:
        record: The estimate.
        actual_time_s: From the start of the sweep to its end.
        actual_energy_kwh: What the accounts of its trials were charged with in all; None where not measured.
        actual_kg: The emissions of that.

    >>> record = {"time_s": Range(50, 60, 90).to_dict(), "energy_kwh": None, "emissions_kg_co2eq": None}
    >>> compare(record, 72.0, 0.01, 0.004)
    'actual against estimate: 1:12 against 1:00 (0:50 to 1:30), 1.20 times, within; energy was not estimated'
    """
    parts = []
    for (name, factor, display, unit), actual in zip(
        FIGURES, (actual_time_s, actual_energy_kwh, actual_kg), strict=True
    ):
        if record[name] is not None and actual is not None:
            expected = Range.from_dict(record[name])
            times = f", {actual / expected.point:.2f} times" if expected.point > 0 else ""
            place = "within" if expected.contains(actual) else "outside"
            shown = expected.times(factor).show(display, unit)
            parts.append(f"{display(actual * factor)}{unit} against {shown}{times}, {place}")
    if record["energy_kwh"] is None:
        parts.append("energy was not estimated")
    elif actual_energy_kwh is None:
        parts.append("energy was not measured")
    return f"actual against estimate: {'; '.join(parts)}"


def _row(model: Mapping[str, Any]) -> list[str]:
    def show(name: str, factor: float) -> str:
        return "-" if model[name] is None else Range.from_dict(model[name]).times(factor).show(figure)

    return [
        model["schedule"],
        model["mode"],
        model["engine"],
        str(model["epochs"]),
        str(model["batch_size"]),
        str(model["n_trials"]),
        str(model["n_steps"]),
        show("step_s", 1000),
        show("epoch_s", 1),
        Range.from_dict(model["time_s"]).show(time_span),
        show("energy_kwh", 1000),
    ]


def _measured(record: Mapping[str, Any]) -> str:
    counts = [model["n_steps"] for model in record["models"] if model["n_steps"]]
    n_steps = "-".join(str(count) for count in dict.fromkeys((min(counts), max(counts)))) if counts else "no"
    n_measured, n_models = len(record["models"]), record["n_models"]
    if n_models == 1:
        which = "the model"
    elif n_measured == n_models:
        which = f"each of {n_models} models"
    else:
        which = f"each of {n_measured} of {n_models} models (others are taken as the nearest in BitOps)"
    slots = ", then ".join(dict.fromkeys(wave["text"] for wave in record["waves"]))
    hardware = record["hardware"]
    gpus = f", {hardware['n_gpus']} GPU" if hardware["n_gpus"] else ""
    return (
        f"measured in {record['probe_time_s']:.0f} s on random images: {n_steps} steps of {which}, {slots}; "
        f"{hardware['cpu_model'] or 'unknown CPU'}, {hardware['available_cpus']} CPU{gpus}"
    )


def _energy(record: Mapping[str, Any]) -> str:
    sources = record["energy_sources"]
    if sources is None:
        return f"no energy: {record['no_energy_reason'] or 'the ledger gave no figure'}"
    unknown = "" if record["is_intensity_known"] else ", which does not reach as far as the sweep"
    return (
        f"energy is the trials' share of what the host uses, driver and Ray left out (CPU {sources['cpu_source']}, RAM "
        f"{sources['ram_source']}, GPU {sources['gpu_source']}, idle {sources['idle_source']}); "
        f"{record['carbon_intensity_g_per_kwh']:.4g} g/kWh ({record['carbon_intensity_source']}{unknown})"
    )


def _assumed(record: Mapping[str, Any]) -> str:
    ranges = [
        f"{name} {values['low']:.3g} to {values['high']:.3g} s"
        for name, values in record["assumed_s"].items()
        if values["high"] > 0
    ]
    return (
        f"range: steps at their {LOW_QUANTILE:.0%} and {HIGH_QUANTILE:.0%} quantiles, "
        f"{record['unseen_share']:.0%} more on either side for what seconds do not show, and, assumed, not measured: "
        f"{', '.join(ranges)}; what else runs on this host is taken to stay as it was"
    )
