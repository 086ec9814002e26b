"""Drawing of `analysis.lifetime`: emissions over the number of images, and the best schedule per accuracy floor."""

from __future__ import annotations

import math

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.figures.style import PRINT_STYLE, LineStyle, add_note, line_styles, make_figure
from analysis.lifetime.break_even import BreakEvenKind
from analysis.lifetime.lifetime import Lifetime
from analysis.lifetime.sentences import energy_words
from analysis.lifetime.variants import Variant

NARROW_IN = 5.0
ROW_IN = 0.26
MARKS = 14
MOST_NAMED = 8
OTHERS = LineStyle((0.75, 0.75, 0.75), "", "-", is_filled=True)


def draw_lifetime(lifetime: Lifetime, *, width_in: float = 7.2) -> Figure:
    """Return three panels over the number of images: emissions, emissions over full precision, best schedules.

    Args:
        lifetime: From `analysis.lifetime.lifetime.analyse_lifetime`.
        width_in: Printed width in inches.
    """
    variants = _named(lifetime)
    others = [variant for variant in lifetime.variants if variant not in variants]
    styles = line_styles([variant.label for variant in variants], [variant.family for variant in variants])
    strips = {floor: own for floor, own in sorted(lifetime.segments.items()) if own}
    heights = [2.2, 1.8, max(1, len(strips)) * ROW_IN]
    with mpl.rc_context(PRINT_STYLE):
        figure = make_figure(width_in, sum(heights) + 1.5)
        total, relative, best = figure.subplots(3, 1, sharex=True, height_ratios=heights)
        for axes, base in ((total, None), (relative, _base(lifetime))):
            for variant in others:
                _draw_line(axes, lifetime, variant, OTHERS, 0, base)
            for place, variant in enumerate(variants):
                _draw_line(axes, lifetime, variant, styles[variant.label], place, base)
                axes.lines[-1].set_label(variant.label)
        if others:
            total.plot([], [], color=OTHERS.colour, label=f"{len(others)} others")
        total.set_yscale("log")
        total.set_ylabel("lifetime emissions\n(kg CO2eq)")
        _draw_break_evens(relative, lifetime, styles)
        _draw_best(best, lifetime, styles, width_in)
        for axes in (total, relative):
            axes.grid(visible=True)
        best.set_xlabel("inferences (images)")
        total.set_xscale("log")
        total.set_xlim(lifetime.numbers[0], lifetime.numbers[-1])
        figure.legend(
            *total.get_legend_handles_labels(), loc="outside upper left", frameon=False,
            ncols=2 if width_in < NARROW_IN else 4, handlelength=3.2,
        )  # fmt: skip
        figure.align_ylabels()
        add_note(figure, lifetime_note(lifetime))
    return figure


def lifetime_note(lifetime: Lifetime) -> str:
    """Return what the panels show, and where the energy of use comes from."""
    axis = lifetime.axis
    base = _base(lifetime)
    search = "with its share of the search, " if lifetime.search_kg else ""
    return (
        f"Training ({search}energy {axis.training_kind}) plus inferences by {axis.runtime}, batch size "
        f"{axis.batch_size}, {energy_words(axis)}, {axis.g_per_kwh:g} g/kWh. Lines of one precision class share one "
        "pooled cost per image where that is shown to be right. Middle: bars at 1 are 95 % intervals of the break-even "
        f"with {base.label}. Bottom: what emits least among networks of at least that test accuracy; of "
        "those that are not told apart, the most accurate."
    )


def _draw_line(
    axes: Axes, lifetime: Lifetime, variant: Variant, style: LineStyle, place: int, base: Variant | None
) -> None:
    costs = np.array([variant.lifetime_kg(number) for number in lifetime.numbers])
    if base is not None:
        costs /= [base.lifetime_kg(number) for number in lifetime.numbers]
    n_between = max(1, len(lifetime.numbers) // MARKS)
    axes.plot(
        lifetime.numbers, costs, color=style.colour, linestyle=style.line, marker=style.marker, markersize=3,
        markerfacecolor=style.colour if style.is_filled else "white", markeredgewidth=0.6, linewidth=0.9,
        markevery=(place * n_between // max(1, len(lifetime.variants)), n_between),
    )  # fmt: skip


def _named(lifetime: Lifetime) -> list[Variant]:
    """Return the variants with a line of their own: all, or of many full precision and what is ever chosen."""
    if len(lifetime.variants) <= MOST_NAMED:
        return list(lifetime.variants)
    chosen = set(lifetime.fronts.loc[lifetime.fronts["is_choice"], "variant"])
    chosen |= {segment.variant.key for own in lifetime.segments.values() for segment in own}
    return [variant for variant in lifetime.variants if variant.is_full_precision or variant.key in chosen]


def _draw_break_evens(axes: Axes, lifetime: Lifetime, styles: dict[str, LineStyle]) -> None:
    """Draw the interval of the break-even of each named variant."""
    base = _base(lifetime)
    compared = [each for each in lifetime.with_full_precision if each.other.key == base.key]
    bars = [each for each in compared if each.outcome is BreakEvenKind.FROM and each.variant.label in styles]
    for place, each in enumerate(bars):
        style, y = styles[each.variant.label], 1 + 0.04 * (place - (len(bars) - 1) / 2)
        high = min(each.high, lifetime.numbers[-1]) if not math.isnan(each.high) else each.n_images
        low = max(each.low, lifetime.numbers[0]) if not math.isnan(each.low) else each.n_images
        axes.plot([low, high], [y, y], color=style.colour, linewidth=2.4, solid_capstyle="butt", zorder=4)
    axes.axhline(1, color="0.5", linewidth=0.6, zorder=1)
    axes.set_ylabel(f"over {base.label}")


def _base(lifetime: Lifetime) -> Variant:
    """Return what the others are drawn over: full precision in f32 where it was measured."""
    full = [variant for variant in lifetime.variants if variant.is_full_precision]
    return next((variant for variant in full if variant.float_precision == "f32"), (full or lifetime.variants)[0])


def _draw_best(axes: Axes, lifetime: Lifetime, styles: dict[str, LineStyle], width_in: float) -> None:
    """Draw a strip for each floor, a part of it for each best schedule, with its name where it fits."""
    strips = [(floor, own) for floor, own in sorted(lifetime.segments.items()) if own]
    span = math.log10(lifetime.numbers[-1] / lifetime.numbers[0])
    for place, (_, own) in enumerate(strips):
        for segment in own:
            colour = styles[segment.variant.label].colour
            axes.add_patch(
                Rectangle(
                    (segment.begin, place - 0.4), segment.end - segment.begin, 0.8, facecolor=(*colour, 0.25),
                    edgecolor=colour, linewidth=0.8,
                )
            )  # fmt: skip
            share = math.log10(segment.end / segment.begin) / span
            name = segment.variant.label
            if share * (width_in - 1) * 17 > len(name):  # characters of this type in an inch
                axes.text(
                    math.sqrt(segment.begin * segment.end), place, name, ha="center", va="center", fontsize=6.5
                )  # fmt: skip
    axes.set_yticks(range(len(strips)), [f"≥ {100 * floor:.1f} %" for floor, _ in strips])
    axes.set_ylim(-0.6, max(0, len(strips) - 1) + 0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("accuracy")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"$10^{{{round(math.log10(value))}}}$"))
    axes.xaxis.set_minor_formatter(NullFormatter())
