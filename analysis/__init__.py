"""Reads the results tables of lwq_tune: fronts between accuracy and emissions, how sure they are, tables and plots.

Start at `runs` (folders to frames) and `fronts` (frames to fronts); `commands` shows how the parts go together.

- runs/: run folders as frames
- fronts/: who is dominated, what the seeds attain
- uncertainty/: how sure a front is
- controls/: more bits, or bits in the right place
- effects/: accuracy by schedule, stage and epoch
- energy/: training energy as recorded, inference energy as modelled
- audit/: adding up again what a run recorded
- paper/: the paper's figures beside ours
- figures/: plots for print
- report/: one HTML file with all of it
- commands/: the command line
- statistics: intervals and tests that several parts use
"""
