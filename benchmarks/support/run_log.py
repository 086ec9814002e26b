"""When the trials of a run began and ended, from the records of its log."""

from __future__ import annotations

import datetime
import itertools
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]


@dataclass(frozen=True)
class TrialTimes:
    """A trial that ran to its end in one attempt. Unix times in seconds.

    A row reaches the log a moment after its epoch is over, so that the first two times are at most that late.

    Attributes:
        process: Host and process that trained it.
        begin_s: Begin of its first epoch.
        first_step_s: Begin of its first training step: what its quantizers are set up with comes before.
        end_s: When the driver recorded its end.
        work_s: Time of its epochs, set-up included.
    """

    process: str
    begin_s: float
    first_step_s: float
    end_s: float
    work_s: float


def trial_times(records: Iterable[Record]) -> list[TrialTimes]:
    """Return the times of all trials of a log, in the order of their ends.

    Raises:
        ValueError: A trial did not run to its end, or was started more than once.
    """
    by_key: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_key[record["trial_key"]].append(record)
    return sorted((_times(key, own) for key, own in by_key.items()), key=lambda times: times.end_s)


def _times(key: str, records: Sequence[Record]) -> TrialTimes:
    rows = [record for record in records if record["kind"] == "epoch"]
    kinds = [record["kind"] for record in records if record["kind"] != "epoch"]
    if kinds != ["start", "end"] or records[-1]["status"] != "done" or not rows:
        raise ValueError(f"a trial that is timed starts once and ends done, {key} has {kinds} with {len(rows)} rows")
    begin_s = seconds(rows[0]["recorded_at_utc"]) - rows[0]["epoch_time_s"]
    return TrialTimes(
        process=rows[0]["energy_segment"].rpartition("-")[0],
        begin_s=begin_s,
        first_step_s=begin_s + rows[0]["setup_time_s"],
        end_s=seconds(records[-1]["at_utc"]),
        work_s=math.fsum(row["epoch_time_s"] for row in rows),
    )


def seconds(at_utc: str) -> float:
    """Return the Unix time of an ISO 8601 time in seconds.

    >>> seconds("1970-01-01T00:01:00.250+00:00")
    60.25
    """
    return datetime.datetime.fromisoformat(at_utc).timestamp()


def handovers(trials: Iterable[TrialTimes]) -> dict[str, dict[str, float]]:
    """Return the times between the end of a trial and the next one in the same process.

    Args:
        trials: Of one sweep; some process trained two of them.

    Returns:
        `spread` of the time ``to_epoch_s``, and of the time ``to_step_s``, to the first training step: the trial sets
        up its quantizers in between, which is part of its first epoch.

    >>> trials = [TrialTimes("a", 0.0, 0.0, 10.0, 10.0), TrialTimes("a", 10.25, 11.0, 20.0, 9.0)]
    >>> handovers(trials)["to_epoch_s"]["median"], handovers(trials)["to_step_s"]["median"]
    (0.25, 1.0)
    """
    by_process: dict[str, list[TrialTimes]] = defaultdict(list)
    for trial in sorted(trials, key=lambda trial: trial.begin_s):
        by_process[trial.process].append(trial)
    pairs = [pair for own in by_process.values() for pair in itertools.pairwise(own)]
    return {
        "to_epoch_s": spread([after.begin_s - before.end_s for before, after in pairs]),
        "to_step_s": spread([after.first_step_s - before.end_s for before, after in pairs]),
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and 95th percentile of one value or more.

    >>> spread([1.0, 2.0, 3.0, 4.0, 5.0])
    {'median': 3.0, 'p95': 4.8}
    """
    p95 = statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
    return {"median": statistics.median(values), "p95": p95}


def packing(trials: Sequence[TrialTimes], n_slots: int) -> dict[str, float]:
    """Return how far the slots were filled, between the begin of the first epoch and the end of the last trial.

    Args:
        trials: Of one sweep.
        n_slots: Trials at a time.

    Returns:
        ``wall_s``; ``work_s``, the time of all epochs; ``wall_over_work``, the wall time over the work per slot;
        ``idle_per_trial_s``, time of a slot per trial in which no epoch ran; ``at_a_minute``, what the ratio would be
        at the same idle time and 60 s of work per trial.

    >>> trials = [TrialTimes("a", 0.0, 0.0, 31.0, 30.0), TrialTimes("a", 32.0, 32.0, 62.0, 30.0)]
    >>> packing(trials, 1)["idle_per_trial_s"], round(packing(trials, 1)["at_a_minute"], 4)
    (1.0, 1.0167)
    """
    wall_s = max(trial.end_s for trial in trials) - min(trial.begin_s for trial in trials)
    work_s = math.fsum(trial.work_s for trial in trials)
    idle_per_trial_s = (wall_s * n_slots - work_s) / len(trials)
    return {
        "wall_s": wall_s,
        "work_s": work_s,
        "wall_over_work": wall_s * n_slots / work_s,
        "idle_per_trial_s": idle_per_trial_s,
        "at_a_minute": 1 + idle_per_trial_s / 60,
    }


@dataclass(frozen=True)
class Usage:
    """What processes have used when some trials had ended.

    Attributes:
        n_ended: Trials that had ended.
        at_s: Clock.
        cpu_s: CPU seconds of each process so far.
        memory_bytes: Memory of each process.
    """

    n_ended: int
    at_s: float
    cpu_s: Mapping[str, float]
    memory_bytes: Mapping[str, int]


def per_trial(samples: Sequence[Usage]) -> list[dict[str, float]]:
    """Return, for each span between two samples, wall and CPU time per trial and the memory at its end.

    >>> before, after = Usage(0, 0.0, {"a": 1.0}, {"a": 0}), Usage(10, 5.0, {"a": 1.2}, {"a": 2**21})
    >>> per_trial([before, after])
    [{'n_ended': 10, 'wall_ms': 500.0, 'a_cpu_ms': 20.0, 'a_memory_mib': 2.0}]
    """
    spans = []
    for before, after in itertools.pairwise(samples):
        n_trials = after.n_ended - before.n_ended
        spans.append(
            {
                "n_ended": after.n_ended,
                "wall_ms": round(1e3 * (after.at_s - before.at_s) / n_trials, 3),
                **{
                    f"{name}_cpu_ms": round(1e3 * (after.cpu_s[name] - before.cpu_s[name]) / n_trials, 3)
                    for name in after.cpu_s
                },
                **{f"{name}_memory_mib": after.memory_bytes[name] / 2**20 for name in after.memory_bytes},
            }
        )
    return spans
