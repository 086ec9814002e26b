"""`sweep --estimate`: some steps are measured, and the time and energy of the whole sweep follow.

Start at `estimate.measure_sweep`.

- cost_model: From a few measured steps to the duration and the energy of a sweep, each with a range.
- estimate: The pre-flight estimate of ``sweep --estimate``.
- makespan: When the last of some trials ends that share a few slots.
- measurement: What a pre-flight estimate measures.
- messages: Describes a pre-flight estimate as text, and compares it with what the sweep took.
- probe: Measures a few training steps and evaluations of one model, on random images. No Ray.
- probe_pool: Measures models in several processes at once, as many as trials will run at a time.
- probe_worker: A process that measures models as a trial's process would train them.
- range: A figure with the range in which it is expected, and what can be computed with such figures.
- representatives: Which models of a sweep a pre-flight estimate measures, and which measured one stands for each of
  the others.
"""
