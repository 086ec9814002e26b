"""Energy logs of hosts that share no folder with the run, brought to it through Ray.

Start at `collector`.

- callback: Has the books of a host fetched before a row from there is recorded.
- collector: Brings the books and logs of a cluster's hosts into the run folder, where only the driver's host has
  that.
- log_copy: The copy of a host's energy log in the run folder, where the host has no part in it.
"""
