"""Facts of this machine and of the software on it.

Start at `hardware`.

- hardware: What this machine has: processor, CPUs and memory, with the limits of its container.
- threads: How PyTorch's CPU threads wait for one another; set before torch is imported. No torch here.
- versions: The software that results come from, read without importing the packages described.
"""
