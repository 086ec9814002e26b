"""Copies the energy logs of hosts that share no folder with the run into the run folder, through Ray.

Start at `collector`.

- callback: Fetches the energy log of a host before a row from that host is recorded.
- collector: Copies energy logs and trials' logs of a cluster's hosts into the run folder on the driver's host.
- log_copy: The copy, in the run folder, of the energy log of a host that does not share that folder.
"""
