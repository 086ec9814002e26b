"""Training and use on one axis: measured inference, precision classes, lifetime emissions, break-even numbers.

Start at `lifetime.analyse_lifetime`.

- break_even: From how many images on a variant has emitted less than another.
- choices: The best variant for a number of images and a floor of accuracy.
- classes: Networks that a runtime executes alike, and whether they may share a cost.
- findings: What a lifetime says, as values.
- fronts: Fronts of deployed accuracy against lifetime emissions.
- inference_front: Deployed accuracy against measured emissions per image, training left out.
- lifetime: Puts the parts together.
- load: Reads `inference.parquet`, and chooses the measurements that stand on one axis.
- means: Means with their error, and where two costs are equal.
- sentences: The findings as sentences.
- tables: What is printed and written.
- training: Emissions of training as a whole, with what it starts from, lost work and the search.
- use: Measurements with their classes, and what they are of.
- variants: Each configuration with a precision of its float layers, as it can be deployed.
"""
