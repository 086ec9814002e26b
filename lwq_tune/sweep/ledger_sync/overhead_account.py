"""The accounts of the sweep's own processes in the ledger: the driver and Ray."""

from __future__ import annotations

import contextlib
import logging
import os
import threading

from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.service.client import LedgerClient, connect
from lwq_tune.errors import EnergyMeterError, ResultsError

_log = logging.getLogger(__name__)

DRIVER, RAY = "driver", "ray"
CHECK_PERIOD_S = 2.0


class DriverAccount:
    """Keeps the run open in the ledger of this host, with accounts for the driver and the processes that it started.

    A thread checks every two seconds whether the ledger runs, and starts it again if it does not.

    Args:
        spec: The run.

    Raises:
        ResultsError: The ledger could not be started.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        try:
            self._client, _ = connect(self._introduce)
        except EnergyMeterError as error:
            raise ResultsError(f"a sweep needs the energy ledger of its host: {error}") from error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="driver-account", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close the accounts and wait until what they used is in the run's log."""
        self._stop.set()
        self._thread.join()
        with contextlib.suppress(OSError, EnergyMeterError):  # the last seconds are then missing from the log
            self._client.leave()
        self._client.close()

    def idle_source(self) -> str | None:
        """Return the source of the idle power of this host, see `MeterSources`."""
        client, _ = connect(lambda client: client.open_run(self._spec))
        sources = client.sources()
        client.close()
        return sources.idle_source

    def _introduce(self, client: LedgerClient) -> str:
        client.open_run(self._spec)
        return client.register(DRIVER, os.getpid(), is_trial=False, rest=RAY)

    def _keep(self) -> None:
        while not self._stop.wait(CHECK_PERIOD_S):
            try:
                self._client.greet()
            except (OSError, EnergyMeterError):
                self._client.close()
                try:
                    self._client, _ = connect(self._introduce)
                except EnergyMeterError as error:
                    _log.warning("the energy ledger cannot be started again: %s", error)
