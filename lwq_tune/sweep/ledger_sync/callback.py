"""Has the books of a host fetched before a row from there is recorded."""

from __future__ import annotations

from typing import Any

from ray import tune

from lwq_tune.sweep.ledger_sync.collector import Courier


class BooksFirst(tune.Callback):
    """Stands before the callback that records rows: what a recorded row used is in the books that the driver has.

    So the books are not behind the rows when a host is lost for good right after it has sent one.

    Args:
        courier: Fetches the books.
    """

    def __init__(self, courier: Courier) -> None:
        self._courier = courier

    def __getstate__(self) -> dict[str, Any]:
        """Leave nothing for Tune to pickle: threads stay with this process."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Fetch the books of the host that an epoch comes from."""
        for row in result.get("rows", ()):
            self._courier.bring(row["hostname"])
