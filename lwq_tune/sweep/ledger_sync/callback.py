"""Fetches the energy log of a host before a row from that host is recorded."""

from __future__ import annotations

from typing import Any

from ray import tune

from lwq_tune.sweep.ledger_sync.collector import LedgerCollector


class FetchLedgerBeforeRow(tune.Callback):
    """Fetches the energy log of a row's host; Tune calls it before the callback that records rows.

    The energy of every recorded row is therefore in the log on the driver's host, even if the row's host is lost
    right after it has sent the row.

    Args:
        collector: Fetches the logs.
    """

    def __init__(self, collector: LedgerCollector) -> None:
        self._collector = collector

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing for Tune to pickle: threads stay in this process."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Fetch the energy log of the host that an epoch comes from."""
        for row in result.get("rows", ()):
            self._collector.fetch(row["hostname"])
