"""Readings of hardware and kernel: energy, GPUs, processes.

Start at `host_meter`.

- codecarbon: CodeCarbon as the energy meter of a whole host, and all that is touched inside it.
- host_meter: The protocol of the energy meter of a whole host. Plain Python.
- nvml: Energy and processes of the NVIDIA GPUs of a host, read through NVML.
- processes: CPU time and memory of the processes of a host, read from ``/proc`` (Linux).
- visible_gpus: Which GPUs a trial computes on, as NVML numbers them.
"""
