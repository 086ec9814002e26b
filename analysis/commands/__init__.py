"""The command line: a module for each command, with `add_arguments(parser)` and `run(parsed) -> exit code`.

Start at `pareto`; `python -m analysis COMMAND` calls it.

- audit: ``python -m analysis audit``: re-adds the recorded energies.
- controls: ``python -m analysis controls``: is it more bits, or bits in the right place?
- curves: ``python -m analysis curves``: the paper's Figures 2 and 3.
- heatmap: ``python -m analysis heatmap``: accuracy and emissions over the bits of three units, or of two of many.
- ledgers: ``python -m analysis ledgers``: recorded training energy beside modelled inference energy.
- lifetime: ``python -m analysis lifetime``: training and N inferences on one axis, and where schedules pay.
- options: What the commands share: arguments, the trials they are about, and where lines and files go.
- pareto: ``python -m analysis pareto``: the front between the objectives, how sure it is, and its plot.
- report: ``python -m analysis report``: one HTML file that shows what the runs found.
- sensitivity: ``python -m analysis sensitivity``: what lowering the bits of one unit does.
- table: ``python -m analysis table``: the paper's Table 3.
"""
