"""The Ray under a sweep, and its hosts: one of its own, or a cluster that is joined.

Start at `hosts.open_site`.

- dashboard: Ray's dashboard and Prometheus metrics beside a sweep, where a user asks for them; on loopback, as all of
  its Ray.
- hosts: Where a sweep runs: a Ray of its own on this host, or a cluster; what its hosts give to a trial, and their
  books.
- join: Joins a running Ray cluster.
- node_agent: A sweep's agent on each node of a cluster.
- node_report: What the nodes of a Ray cluster have installed, found out by a program of its own that is run as a
  file.
- node_requirements: What every node of a cluster must have before the first trial starts; all that is missing is told
  at once.
- node_versions: Compares what the nodes of a cluster have installed with what the driver has. No Ray.
- overhead_account: The sweep's own footprint in the ledger: the driver's process, and Ray's.
- ray_limits: What keeps Ray from starting on a host.
- ray_session: The Ray of a sweep: one of its own, quiet and on loopback, or a running cluster that it joins.
- slots: How many trials run at a time on the hosts of a sweep, and what each gets of them. No Ray.
"""
