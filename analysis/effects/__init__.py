"""What bits do to accuracy: schedule by schedule, stage by stage, epoch by epoch.

Start at `sensitivity.measure_sensitivity`.

- curves: The paper's Figures 2 and 3.
- heatmap: Heat maps of all schedules of three stages.
- sensitivity: What lowering the bits of one stage alone does to accuracy, from all pairs that differ in no more.
"""
