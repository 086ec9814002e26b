"""Facts of this machine and of the software on it.

Start at `provenance`.

- provenance: Where numbers come from: versions, commit, host. Read without importing what is described.
- threads: How PyTorch's CPU threads wait for one another; set before torch is imported. No torch here.
"""
