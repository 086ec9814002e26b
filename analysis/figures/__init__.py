"""Figures for print, by Matplotlib: frames come in, figures go out, nothing is computed.

Start at `front.draw_pareto`.

- front: Drawing. What is drawn comes in as frames; nothing is computed here but positions on paper.
- front_lines: The boundary that a front attains, drawn as steps.
- ledgers: Drawing of `analysis.energy.ledgers`.
- point_labels: Names beside the points of a plot, each where it covers least of what is drawn.
- sensitivity: Drawing of `analysis.effects.sensitivity`.
- style: What the figures for print share: type sizes, styles that survive black and white, and files.
- uncertainty_marks: What a plot of a front shows of its seeds.
"""
