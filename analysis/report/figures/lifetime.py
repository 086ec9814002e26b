"""The front over the number of images: what the page draws, and what its slider needs to draw it anew."""

from __future__ import annotations

import numpy as np

from analysis.figures.front import MOST_LABELS
from analysis.figures.style import FAMILY_STYLE
from analysis.lifetime.fronts import choices_over_images
from analysis.lifetime.lifetime import Lifetime
from analysis.lifetime.sentences import energy_words, images_text, use_sentence
from analysis.report.figures.figure import AxisTitle, Figure, Panel, axis_layout
from analysis.report.figures.styles import base_layout, family_colour, family_symbol
from analysis.report.formatting import Values, plain
from analysis.wording import as_sentence

STEPS_PER_DECADE = 10
LEAST, MOST, START = 1e3, 1e12, 1e6
GRAMS_PER_KG = 1000.0
KEY = "lifetime"


def slider_numbers() -> list[float]:
    """Return the numbers of images that the slider stands for."""
    n_steps = round(STEPS_PER_DECADE * float(np.log10(MOST / LEAST))) + 1
    return [float(number) for number in np.geomspace(LEAST, MOST, n_steps)]


def slider_start() -> int:
    """Return the position at which the slider begins."""
    return round(STEPS_PER_DECADE * float(np.log10(START / LEAST)))


def lifetime_data(lifetime: Lifetime) -> Values:
    """Return what the slider needs: the networks, and the front of each of its positions.

    Returns:
        ``networks``: ``label``, ``accuracy`` in per cent, ``training`` in g and ``use`` in g per image;
        ``steps``: ``n``, its ``text``, and the places in ``networks`` that are on the ``front``, the least emissions
        first.
    """
    numbers = slider_numbers()
    places = {variant.key: place for place, variant in enumerate(lifetime.variants)}
    fronts = choices_over_images(lifetime.variants, numbers)
    return {
        "networks": [
            {
                "label": variant.label, "accuracy": 100 * variant.accuracy.value,
                "training": GRAMS_PER_KG * variant.training.value, "use": GRAMS_PER_KG * variant.use.value,
            }
            for variant in lifetime.variants
        ],
        "steps": [
            {"n": number, "text": images_text(number), "front": [places[key] for key in front]}
            for number, front in zip(numbers, fronts, strict=True)
        ],
        "start": slider_start(),
    }  # fmt: skip


def draw_lifetime(lifetime: Lifetime) -> Figure:
    """Return the deployed networks at the first position of the slider; the page's script moves them."""
    is_named = len(lifetime.variants) <= MOST_LABELS
    number = slider_numbers()[slider_start()]
    # The script fills the line of the front in.
    data: list[Values] = [{
        "type": "scatter", "mode": "lines", "name": "front of the means", "meta": {"isFront": True}, "x": [], "y": [],
        "hoverinfo": "skip", "line": {"shape": "hv", "color": "#404040", "width": 1.5, "dash": "6px,3px"},
    }]  # fmt: skip
    for family in FAMILY_STYLE:
        own = [(place, each) for place, each in enumerate(lifetime.variants) if each.family == family]
        if not own:
            continue
        labels = [plain(variant.label) for _, variant in own]
        trace: Values = {
            "type": "scatter", "mode": "markers", "name": family.replace("_", " "), "meta": {"family": family},
            "x": [GRAMS_PER_KG * variant.lifetime_kg(number) for _, variant in own],
            "y": [100 * variant.accuracy.value for _, variant in own],
            "customdata": [place for place, _ in own], "hovertext": labels,
            "hovertemplate": "%{hovertext}: %{y:.2f} %, %{x:.4~s}g CO2eq<extra></extra>",
            "marker": {"symbol": family_symbol(family), "color": family_colour(family), "size": 11},
            "cliponaxis": False,
        }  # fmt: skip
        if is_named:
            trace |= {"text": labels, "textposition": "bottom right", "textfont": {"size": 11}}
            trace["meta"] = {"family": family, "isNamed": True}
        data.append(trace)
    words = energy_words(lifetime.axis)
    panel = Panel(1, x_title=AxisTitle("lifetime emissions", "g CO2eq", words),
                  y_title=AxisTitle("deployed test accuracy", "%"))  # fmt: skip
    layout = base_layout(**axis_layout(panel, "x", tickformat="~s"), **axis_layout(panel, "y"))
    note = (
        "Training plus as many inferences as the slider says. Dashed steps: front of the means, without what a more "
        "accurate network of its precision class matches; the table below says how sure it is."
    )
    origin = as_sentence(use_sentence(lifetime.axis))
    return Figure(KEY, "Accuracy against lifetime emissions", note, origin, data, layout, [panel], panel_height=380)
