"""Two ledgers beside each other, never added: training energy as recorded, inference energy as modelled."""

from __future__ import annotations

import pandas as pd

from analysis.energy.ledgers import hardware_of
from analysis.energy.sources import energy_kind, labels_of
from analysis.figures.ledgers import given_figures, ledger_note, modelled_note
from analysis.figures.style import Axis, make_axis
from analysis.report.evidence import Evidence
from analysis.report.figures.figure import AxisTitle, Figure, Panel, axis_layout
from analysis.report.figures.styles import INK, MUTED, base_layout, family_colour, family_symbol
from analysis.report.formatting import Values, plain, scaled
from analysis.runs.load import Objective

MOST_ROWS = 40
MODELLED_AXIS = Axis("", "modelled inference energy per 1,000 images", "J", "m")
NOT_RECORDED = "Training energy was not measured, and is not drawn. Inference: "
MODEL_SYMBOLS = {"compute_mj": "line-ns-open", "on_chip_mj": "circle-open", "dram_mj": "diamond-open"}


def draw_ledgers(evidence: Evidence, ledgers: pd.DataFrame) -> Figure:
    """Return two panels over the same configurations, axes of their own; ``ledgers`` are those of the evidence."""
    frame = ledgers.loc[evidence.shown.index[:MOST_ROWS]]
    axis = make_axis(Objective("energy_kwh", "minimize"), frame["training_energy_kwh"].dropna())
    kind = energy_kind(labels_of(frame["sources"]))
    has_recorded = frame["training_energy_kwh"].notna().any()
    per_trial = AxisTitle("training energy per trial", axis.drawn_unit)
    per_images = AxisTitle("energy per 1,000 images", MODELLED_AXIS.drawn_unit, "logarithmic")
    recorded = Panel(1, f"recorded ({kind})", per_trial)
    modelled = Panel(2 if has_recorded else 1, f"modelled inference ({hardware_of(frame).title})", per_images)
    labels = [plain(label) for label in frame["label"]]
    rows: Values = {"type": "category", "categoryorder": "array", "categoryarray": labels[::-1], "dtick": 1}
    layout = base_layout(margin={"l": 60, "r": 16, "t": 12, "b": 56})
    layout |= axis_layout(recorded, "x", rangemode="tozero") | axis_layout(recorded, "y", **rows)
    layout |= axis_layout(modelled, "x", type="log", dtick="D2") | axis_layout(modelled, "y", **rows)
    data = [*_recorded_traces(frame, axis, recorded), *_modelled_traces(frame, modelled)]
    shapes = _reference_line(ledgers, axis.factor, recorded)
    note = (
        ledger_note(frame, ("First panel", "Second panel")) if has_recorded else f"{NOT_RECORDED}{modelled_note(frame)}"
    )
    if shapes:
        note += " Dashed: full precision."
    if len(ledgers) > len(frame):
        note += f" The first {MOST_ROWS} of {len(ledgers):,} configurations by rank."
    panels = [recorded, modelled] if has_recorded else [modelled]
    return Figure(
        "ledgers",
        "Two ledgers" if has_recorded else "Modelled inference energy",
        note,
        evidence.origin,
        data,
        layout | {"shapes": shapes},
        panels,
        panel_width=330,
        panel_height=max(160, 26 * len(frame)),
        most_columns=2,
        column_gap=min(240, 40 + 8 * max(map(len, labels))),
    )


def _recorded_traces(frame: pd.DataFrame, axis: Axis, panel: Panel) -> list[Values]:
    """Return the recorded energies, a trace for each family; a family that was not measured has none."""
    data: list[Values] = []
    for family, part in frame.groupby("family", sort=False):
        values, spreads = (scaled(part[f"training_energy_kwh{end}"], axis) for end in ("", "_std"))
        if all(value is None for value in values):
            continue
        trace: Values = {
            "type": "scatter",
            "mode": "markers",
            "name": str(family).replace("_", " "),
            "meta": {"family": family},
            "x": values,
            "y": [plain(label) for label in part["label"]],
            "xaxis": panel.x,
            "yaxis": panel.y,
            "marker": {"symbol": family_symbol(str(family)), "size": 10, "color": family_colour(str(family))},
            "hovertemplate": "%{y}: %{x}<extra></extra>",
        }
        if part["training_energy_kwh_std"].notna().any():
            trace["error_x"] = {"type": "data", "array": spreads, "thickness": 1.2, "width": 4}
        data.append(trace)
    return data


def _modelled_traces(frame: pd.DataFrame, panel: Panel) -> list[Values]:
    """Return the modelled energies, a trace for each part of the network that is counted."""
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": scaled(frame[column], MODELLED_AXIS),
            "y": [plain(label) for label in frame["label"]],
            "xaxis": panel.x,
            "yaxis": panel.y,
            "hovertemplate": f"%{{y}}, {name}: %{{x}} mJ<extra></extra>",
            "marker": {
                "symbol": MODEL_SYMBOLS[column],
                "size": 10,
                "color": INK,
                "line": {"width": 2 if column == "compute_mj" else 1.3, "color": INK},
            },
        }
        for column, name, _, _ in given_figures(frame)
    ]


def _reference_line(ledgers: pd.DataFrame, factor: float, panel: Panel) -> list[Values]:
    """Return a line at the training energy of full precision where there is one such configuration."""
    base = ledgers.loc[ledgers["schedule"] == "full_precision", "training_energy_kwh"].dropna()
    if len(base) != 1:
        return []
    return [
        {
            "type": "line",
            "xref": panel.x,
            "yref": f"{panel.y} domain",
            "x0": base.iloc[0] * factor,
            "x1": base.iloc[0] * factor,
            "y0": 0,
            "y1": 1,
            "line": {"color": MUTED, "width": 1.2, "dash": "dash"},
            "layer": "below",
        }
    ]
