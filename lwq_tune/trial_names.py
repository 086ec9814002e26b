"""What people call a trial: its schedule, and its width where that is not 1 and the trials beside it have others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lwq_tune.config import TrialConfig


def name_trials(trials: Iterable[TrialConfig]) -> Callable[[TrialConfig], str]:
    """Return a function that names each of ``trials``, seeds apart.

    >>> narrow, wide = TrialConfig(bit_widths=(2, 2, 2), width=0.5), TrialConfig(bit_widths=(4, 4, 4))
    >>> name_trials([narrow, wide])(narrow), name_trials([wide])(wide)
    ('fixed_2 at width 0.5', 'fixed_4')
    """
    has_widths = len({trial.width for trial in trials}) > 1

    def name(trial: TrialConfig) -> str:
        return f"{trial.schedule} at width {trial.width:g}" if has_widths and trial.width != 1 else trial.schedule

    return name
