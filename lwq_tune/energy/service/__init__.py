"""One process per host measures for all sweeps on it: both sides of its socket.

Start at `client`.

- client: The connection to the ledger of this host; starts the ledger if none runs.
- host_spool: The spool of a run: its folder on a host that does not share the run folder. Plain Python.
- location: Where the ledger of a host is: a socket in a private folder of the user.
- server: The process that holds a host's ledger and serves all sweeps on it over a socket.
"""
