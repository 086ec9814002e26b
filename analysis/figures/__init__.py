"""Figures for print, by Matplotlib: frames come in, figures go out, nothing is computed.

Start at `front.draw_pareto`.

- curves: The paper's Figures 2 and 3.
- front: The front: configurations as points, their seeds, the steps that they attain, and their names.
- front_lines: The boundary that a front attains, drawn as steps.
- heatmap: Heat maps over the bits of three units, or of two of many.
- inference_panel: The second panel of a front: deployed networks against measured emissions of inference.
- ledgers: Drawing of `analysis.energy.ledgers`.
- lifetime: Drawing of `analysis.lifetime`.
- point_labels: Names beside the points of a plot, each where it covers least of what is drawn.
- sensitivity: Drawing of `analysis.effects.sensitivity`.
- style: What figures share: axes with their units, families' colours and marks, type sizes, and files.
- uncertainty_marks: What a plot of a front shows of its seeds.
"""
