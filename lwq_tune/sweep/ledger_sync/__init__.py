"""Energy logs of hosts that share no folder with the run, brought to it through Ray.

Start at `collector`.

- callback: Fetches the energy log of a host before a row from that host is recorded.
- collector: Copies energy logs and trials' logs of a cluster's hosts into the run folder, which only the driver's
  host has.
- log_copy: The copy, in the run folder, of the energy log of a host that does not share that folder.
"""
