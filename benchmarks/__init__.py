"""Benchmarks: ratios against peers and against the machine's own limit, one command each.

`benchmarks/README.md` says what each asks and what it last found. Each measures, prints, and with ``--json`` writes its
figures and the machine they are from.

- attribution: What the energy ledger charges trials with, against a sampler that shares no code with it.
- deployment: Whether a deployed network is the trained one, and its time against full precision in the same runtime.
- fronts: Finding the front of many points, beside moocore and pymoo.
- large_reports: Reading a large run and reducing it to its front, its tables and its report.
- ledger: What the energy ledger costs, and what it says against as many plain trackers.
- search: Share of a front that a search finds in k trials, against a random draw.
- stopping: What early stopping saves and what it stops falsely, replayed over a trained run.
- sweep_overhead: What a sweep costs beside its training: start, handovers, idle slots, its driver.
- training_step: Time of a training step against full precision, plain operators and Brevitas.
- support/: What the benchmarks share, and what only serves them; no benchmark itself.
"""

from lwq_tune.host.threads import let_idle_threads_sleep

let_idle_threads_sleep()  # as a trial does it, before torch is loaded
