"""One process per host measures for all sweeps on it: both sides of its socket.

Start at `client`.

- client: The connection to the ledger of this host; starts the ledger if none runs.
- host_spool: Where the ledger of a host writes for a run: into the run folder, or into a spool where it is not shared.
- location: Where the ledger of a host is: a socket in a private folder of the user.
- protocol: What a client and the ledger of a host say to each other: a dataclass for each request.
- server: The process that holds a host's ledger and serves all sweeps on it over a socket.
"""
