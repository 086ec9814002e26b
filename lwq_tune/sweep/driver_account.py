"""The sweep's own footprint in the ledger: the driver's process, and Ray's."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time

from lwq_tune.energy.ledger_client import LedgerClient, RunSpec
from lwq_tune.errors import EnergyMeterError, ResultsError

_log = logging.getLogger(__name__)

DRIVER, RAY = "driver", "ray"
CHECK_PERIOD_S = 2.0


class DriverAccount:
    """Keeps the run open in the ledger of this host, and accounts for the driver and for what it started.

    A thread looks every other second whether the ledger lives; a dead one is started again.

    Args:
        spec: The run.

    Raises:
        ResultsError: The ledger could not be started.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        try:
            self._client = self._introduce(None)
        except (ConnectionError, EnergyMeterError) as error:
            raise ResultsError(f"a sweep needs the energy ledger of its host: {error}") from error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="driver-account", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the accounts and wait until what they used is in the run's log."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(ConnectionError, OSError, EnergyMeterError):  # then the log ends a little earlier
            self._client.call("leave")
        self._client.close()

    def _introduce(self, lost_since_s: float | None) -> LedgerClient:
        client = LedgerClient()
        client.open_run(self._spec, lost_since_s)
        client.register(DRIVER, os.getpid(), is_trial=False, rest=RAY)
        return client

    def _keep(self) -> None:
        while not self._stop.wait(CHECK_PERIOD_S):
            try:
                self._client.call("hello")
                continue
            except (ConnectionError, OSError, EnergyMeterError):
                lost_since_s = time.time()
                self._client.close()
            try:
                self._client = self._introduce(lost_since_s)
            except EnergyMeterError as error:
                _log.warning("the energy ledger cannot be started again: %s", error)
