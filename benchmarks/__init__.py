"""Benchmarks: ratios against peers and against the machine's own limit, one command each."""

from lwq_tune.host.threads import let_idle_threads_sleep

let_idle_threads_sleep()  # as a trial does it, before torch is loaded
