"""One process per host measures for all sweeps on it; this is both sides of its socket.

Start at `client`.

- client: The connection to the ledger of this host, which is started where none runs.
- host_spool: The outpost of a run: its folder on a host that has no part in the run folder. Plain Python.
- location: Where the ledger of a host is found: a socket in a folder of the user's own.
- server: The process that holds a host's ledger and serves all sweeps on it over a socket.
"""
