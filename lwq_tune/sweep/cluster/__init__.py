"""The Ray that a sweep runs on, and its hosts: a Ray of its own, or a cluster that it joins.

Start at `hosts.open_sweep_hosts`.

- hosts: The hosts of a sweep: this host with a Ray of its own, or a cluster; what they give to a trial.
- join: Joins a running Ray cluster.
- node_report: Reports what the nodes of a Ray cluster have installed; a separate program, run as a file.
- node_requirements: Checks that every node of a cluster has what a trial needs, before the first trial starts.
- node_versions: Compares what the nodes of a cluster have installed with what the driver has. No Ray.
- ray_limits: Why Ray cannot start on a host.
- ray_session: Starts a Ray of the sweep's own, on loopback, or connects to a running cluster.
"""
