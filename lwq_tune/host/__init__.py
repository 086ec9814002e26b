"""Facts of this machine and of the software on it.

Start at `hardware`.

- hardware: The origin of results: versions, commit, host. Read without importing the packages described.
- threads: How PyTorch's CPU threads wait for one another; set before torch is imported. No torch here.
"""
