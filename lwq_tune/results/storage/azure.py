"""Azure's blob storage as pyarrow takes it: its servers from the address, its credentials from the environment."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any

from pyarrow import fs

from lwq_tune.results.storage.address import StorageAddress

KEY_VARIABLE = "AZURE_STORAGE_KEY"  # as Azure's own command line names it
_SERVICES = ("blob", "dfs")


class AzureStore(fs.AzureFileSystem):  # type: ignore[misc]
    """An account whose key, where the environment has one, is never pickled.

    pyarrow's own class pickles the key, and Ray Tune writes the pickle of a file system beside its checkpoints.

    Args:
        account: Name of the account.
        servers: What `pyarrow.fs.AzureFileSystem` has to know of its servers.

    Raises:
        ValueError: The environment's key is none, or there is none and the servers are asked without TLS.
    """

    def __init__(self, account: str, servers: dict[str, str]) -> None:
        key = os.environ.get(KEY_VARIABLE) or None
        if key is None and "http" in (servers.get(f"{service}_storage_scheme") for service in _SERVICES):
            # pyarrow 26 would end the process, from within C++
            raise ValueError(f"an access token goes over https only, and {KEY_VARIABLE} is not set")
        try:
            base64.b64decode(key or "", validate=True)
        except binascii.Error:
            raise ValueError(f"the environment's {KEY_VARIABLE} is no access token or key: it is not base64") from None
        super().__init__(account, account_key=key, **servers)
        self._made_of = (account, servers)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes the same file system in a process with credentials of its own."""
        return AzureStore, self._made_of


def open_azure(address: StorageAddress) -> tuple[AzureStore, str]:
    """Return the file system of an account, and the path of an address on it.

    Raises:
        ValueError: As `AzureStore`.
    """
    account, _, domain = address.authority.partition("@")[2].partition(".")
    kind, _, domain = domain.partition(".")
    servers = dict(address.options)
    if kind in _SERVICES:
        for service in _SERVICES:
            servers.setdefault(f"{service}_storage_authority", f".{service}.{domain}")
    return AzureStore(account, servers), f"{address.bucket}/{address.path}".rstrip("/")
