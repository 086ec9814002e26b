"""Is it more bits, or bits in the right place? Comparisons that keep the size fixed.

Start at `controls.run_controls`.

- advice: Which schedules to add to a run that cannot separate order from size.
- configurations: Configurations for controls.
- controls: Pairs of equal cost, a regression, and what both support.
- findings: What pairs and regression find, as values.
- pairs: Pairs of configurations of equal cost, and the paired difference between them over the seeds they share.
- regression: A regression that separates more bits from bits in the right place, with configurations as the units of
  evidence.
- sentences: The findings as sentences.
- tables: The tables of the controls as they are written and shown.
"""
