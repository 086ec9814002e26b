"""Figures on a screen, by Plotly.

Start at `figure.Figure`.

- curves: The curves of a report.
- figure: A figure of a report.
- front: The interactive front.
- heatmap: Heat maps of a report.
- ledgers: Two ledgers beside each other, never added.
- lifetime: The front over the number of images, and what its slider needs.
- parallel: Parallel coordinates.
- styles: How a report draws: the families' colours and shapes of the printed figures, as Plotly names them.
"""
