"""Fixtures of the tests of storages."""

from __future__ import annotations

from tests.support.s3_server import s3_server
from tests.support.store_servers import gs_server

__all__ = ["gs_server", "s3_server"]
