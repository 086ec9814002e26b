"""The Ray under a sweep, and its hosts: one of its own, or a cluster that is joined.

Start at `hosts.open_site`.

- dashboard: Ray's dashboard and Prometheus metrics during a sweep, if the user asks for them; on loopback, like all
  of its Ray.
- hosts: The hosts of a sweep.
- join: Joins a running Ray cluster.
- node_agent: A sweep's agent on each node of a cluster.
- node_report: Reports what the nodes of a Ray cluster have installed.
- node_requirements: Checks that every node of a cluster has what a trial needs, before the first trial starts; all
  problems at once.
- node_versions: Compares what the nodes of a cluster have installed with what the driver has. No Ray.
- overhead_account: The accounts of the sweep's own processes in the ledger: the driver and Ray.
- ray_limits: Why Ray cannot start on a host: limits of the shell, memory, the folder of its files. No Ray.
- ray_session: Starts a Ray of the sweep's own, on loopback, or connects to a running cluster.
- slots: How many trials run at a time on the hosts of a sweep, and what each reserves. No Ray.
"""
