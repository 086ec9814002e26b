"""What bits do to accuracy: schedule by schedule, stage by stage, epoch by epoch.

Start at `sensitivity.measure_sensitivity`.

- curves: Accuracy and loss after each epoch, over the seeds of each configuration.
- heatmap: Figures of every triple of bits over three stages, the untrained triples included.
- sensitivity: What lowering the bits of one stage alone does to accuracy, from all pairs that differ in nothing else.
- sentences: What the sensitivity finds, as sentences.
"""
