"""Benchmarks: ratios against peers and against the machine's own limit, one command each."""
