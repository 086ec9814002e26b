"""The curves of a report: accuracy and loss against the epoch, training and test images, all shown schedules."""

from __future__ import annotations

import pandas as pd

from analysis.effects.curves import QUANTITIES
from analysis.figures.curves import IMAGE_NAMES, MOST_NAMED, curve_note
from analysis.report.details import curve_numbers
from analysis.report.evidence import Evidence, Missing
from analysis.report.figures.figure import AxisTitle, Figure, Panel, axis_layout
from analysis.report.figures.styles import base_layout, configuration_styles, family_colour, family_dash
from analysis.report.formatting import Values, plain

MOST_LINES = 60
MARKED = 8


def draw_curves(evidence: Evidence) -> Figure | Missing:
    """Return four panels: accuracy, then loss, on training and on test images."""
    frame = evidence.curves
    if isinstance(frame, Missing):
        return frame
    labels = frame.loc[frame["mean"].notna(), "label"].drop_duplicates()
    if labels.empty:
        return Missing("curves need epochs that were recorded in all seeds of a configuration, these runs have none")
    drawn = frame[frame["label"].isin(labels.head(MOST_LINES))]
    splits = list(dict.fromkeys(drawn["images"]))
    panels: list[Panel] = []
    data: list[Values] = []
    layout = base_layout()
    epoch_ticks: Values = {"dtick": 1} if drawn["epoch"].max() <= MARKED else {"nticks": MARKED}
    for quantity in QUANTITIES:
        for images in splits:
            part = drawn[(drawn["images"] == images) & (drawn["quantity"] == quantity)]
            if part["mean"].isna().all():  # calibration trains nothing
                continue
            title = AxisTitle(quantity, "%" if quantity == QUANTITIES[0] else "nat")
            panel = Panel(len(panels) + 1, f"{IMAGE_NAMES[images]} {quantity}", AxisTitle("epoch"), title)
            data += _panel_traces(part, panel, is_first=panel.number == 1)
            layout |= axis_layout(panel, "x", **epoch_ticks) | axis_layout(panel, "y")
            panels.append(panel)
    note = curve_note(drawn, "range")
    if n_without := len(evidence.shown) - len(labels):
        note += f" Not drawn: {n_without} without an epoch that was recorded in all of their seeds."
    n_drawn, n_epochs = drawn["epoch"].nunique(), int(drawn["epoch"].max())
    if n_drawn < n_epochs:
        note += f" {n_drawn} of {n_epochs} epochs are drawn, the last among them."
    if len(evidence.front) > MOST_LINES:
        note += f" The first {MOST_LINES} of {len(evidence.front):,} configurations by rank."
    return Figure(
        "curves",
        "Curves",
        note,
        evidence.shown_origin,
        data,
        layout,
        panels,
        panel_width=330,
        panel_height=270,
        most_columns=2,
    )


def _panel_traces(part: pd.DataFrame, panel: Panel, *, is_first: bool) -> list[Values]:
    names = part.drop_duplicates("label")
    labels, families = names["label"].tolist(), names["family"].tolist()
    is_named = len(labels) <= MOST_NAMED
    styles = configuration_styles(labels, families)
    traces = []
    seen: set[str] = set()
    for place, (label, rows) in enumerate(part.groupby("label", sort=False)):
        family = str(rows["family"].iloc[0])
        line, marker = styles[str(label)]
        if not is_named:
            line = {"color": family_colour(family), "dash": family_dash(family), "width": 1}
        quantity = str(rows["quantity"].iloc[0])
        values = {name: curve_numbers(rows[name], quantity) for name in ("mean", "low", "high")}
        shared = {
            "x": rows["epoch"].astype(int).tolist(),
            "xaxis": panel.x,
            "yaxis": panel.y,
            "meta": {"family": family},
        }
        if is_named and (rows["n_seeds"] > 1).any():
            traces.append(_band(shared, values, family_colour(family)))
        name = str(label) if is_named else family.replace("_", " ")
        step = max(1, len(rows) // MARKED)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if is_named else "lines",
                "name": plain(name),
                "line": line,
                "marker": {**marker, "maxdisplayed": MARKED if step > 1 else 0},
                "y": values["mean"],
                "showlegend": is_first and name not in seen,
                "legendgroup": plain(name),
                "hovertemplate": f"{plain(label)}, epoch %{{x}}: %{{y}}<extra></extra>",
                **shared,
                "opacity": 1 if is_named else 0.6,
                "zorder": place,
            }
        )
        seen.add(name)
    return traces


def _band(shared: Values, values: dict[str, list[float | None]], colour: str) -> Values:
    """Return the area between least and greatest over seeds as one closed outline; open where an epoch has none."""
    known = [
        (x, low, high)
        for x, low, high in zip(shared["x"], values["low"], values["high"], strict=True)
        if low is not None and high is not None
    ]
    there, back = [x for x, _, _ in known], [x for x, _, _ in reversed(known)]
    return {
        **shared,
        "type": "scatter",
        "mode": "lines",
        "line": {"width": 0},
        "fill": "toself",
        "fillcolor": colour,
        "opacity": 0.18,
        "hoverinfo": "skip",
        "showlegend": False,
        "name": "band",
        "x": [*there, *back],
        "y": [*(low for _, low, _ in known), *(high for _, _, high in reversed(known))],
    }
