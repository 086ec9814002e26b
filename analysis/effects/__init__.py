"""What bits do to accuracy: schedule by schedule, unit by unit, epoch by epoch.

Start at `sensitivity.measure_sensitivity`.

- curves: Accuracy and loss after each epoch, over the seeds of each configuration.
- heatmap: Figures over the bits of three units, or of two of many.
- sensitivity: What lowering the bits of one unit alone does to accuracy, from all pairs that differ in nothing else.
- sentences: What the sensitivity finds, as sentences.
"""
