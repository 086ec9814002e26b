"""What the benchmarks share, and what only serves them: sweeps that are watched, runs that are made up, peers.

Start at `machine`, which every benchmark uses.

- machine: Interleaved timing, the machine a figure is from, and the JSON it is written to.
- peer_networks: The same network with the same bits, four ways: ours, full precision, plain operators, Brevitas.
- run_log: When the trials of a run began and ended, from the records of its log.
- stopping_replay: Replays the recorded trials of a fully trained run to the stopping rules.
- sweeps: Sweeps run from the shell and watched from outside, and the images that the shortest of them train on.
- synthetic_run: A run folder of any size with made-up figures, in the files, columns and types that a sweep writes.
"""
