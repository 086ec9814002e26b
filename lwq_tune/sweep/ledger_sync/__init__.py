"""The sweep's side of the energy ledgers: keeps its run open in the ledger of each host, and collects their logs.

Hosts that share no folder with the run have their energy logs copied into the run folder, through Ray. Start at
`collector`.

- collector: Copies energy logs and trials' logs of a cluster's hosts into the run folder on the driver's host.
- log_copy: The copy, in the run folder, of the energy log of a host that does not share that folder.
- node_agent: A sweep's agent on each node of a cluster.
- overhead_account: The accounts of the sweep's own processes in the ledger: the driver and Ray.
"""
