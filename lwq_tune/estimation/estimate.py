"""The pre-flight estimate of ``sweep --estimate``: measures on this host what a sweep would take, before anything runs.

The record that it returns belongs into the manifest of a sweep that follows, which is held against it at its end
(`lwq_tune.estimation.messages.compare`).
"""

from __future__ import annotations

import datetime
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lwq_tune.carbon.host_intensities import intensity_here
from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.catalog import DatasetInfo
from lwq_tune.data.sizes import ImageCounts, count_images
from lwq_tune.energy.service.client import RunSpec
from lwq_tune.errors import ConfigError
from lwq_tune.estimation.cost_model import ASSUMED_S, LOAD_S_PER_ENCODED_IMAGE, UNSEEN_SHARE, Wave, estimate_sweep
from lwq_tune.estimation.measurement import Group, Survey, find_groups, show_slots, visible_gpus
from lwq_tune.estimation.messages import describe
from lwq_tune.estimation.range import NOTHING
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.sweep.cluster.slots import Slots

if TYPE_CHECKING:
    from lwq_tune.sweep.plan import AdaptiveSearch
    from lwq_tune.sweep.session import PreparedSweep


def check_is_local(config: SweepConfig) -> None:
    """See that an estimate, which measures this host, is asked for a sweep on this host.

    Raises:
        ConfigError: The sweep is for a cluster.
    """
    if config.address is not None:
        raise ConfigError(
            f"--estimate measures this host, it cannot tell what a cluster takes, got --address {config.address}; "
            "run it on a node of the cluster, without --address"
        )


def estimate_prepared(prepared: PreparedSweep, tell: Callable[[str], object]) -> dict[str, Any]:
    """Measure some steps and tell what a sweep will take; return the record of the estimate.

    Raises:
        ConfigError: The sweep is for a cluster, whose hosts are not this one.
    """
    from lwq_tune.sweep.plan import make_search

    work, config = prepared.work, prepared.config
    check_is_local(config)
    search = make_search(work.space, work.costs_of)
    return measure_sweep(config, work.dataset, work.trials, work.costs, prepared.intensities, search, tell)


def measure_sweep(
    config: SweepConfig,
    dataset: DatasetInfo,
    trials: Mapping[str, TrialConfig],
    costs: Mapping[str, ModelCosts],
    intensities: Mapping[str, IntensitySeries],
    search: AdaptiveSearch | None = None,
    tell: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Measure the models of a sweep on this host, tell what the sweep will take and return the estimate's record.

    Nothing stays behind: the only file is the ledger's log in a temporary folder.

    Args:
        config: How the sweep would run.
        dataset: Its data set. The images are not loaded, random ones of their shape are used.
        trials: Its trials, those included that others start from.
        costs: Their modelled inference costs, by key.
        intensities: Carbon intensity by host, of all others under the empty name.
        search: What will be proposed besides.
        tell: Takes the text.

    Raises:
        ConfigError: A trial reserves more than this host has, or a probe failed.
        DatasetError: The data set cannot be read.
    """
    begin_s = time.monotonic()
    counts = count_images(dataset.dataset)
    bitops = {key: float(cost.bitops) for key, cost in {**costs, **(search.costs if search else {})}.items()}
    groups = find_groups(config, trials, search, bitops)
    with tempfile.TemporaryDirectory(prefix="lwq_tune-estimate-", ignore_cleanup_errors=True) as folder:
        spec = _books(Path(folder), config, intensities)
        surveys = {
            slots: Survey(slots, groups, bitops, counts, dataset.num_classes, spec)
            for slots in dict.fromkeys(group.slots for group in groups)
        }
    record = _totals(config, groups, surveys, counts, spec.intensity)
    record |= _circumstances(groups, surveys, time.monotonic() - begin_s)
    tell(describe(record))
    return record


def _books(folder: Path, config: SweepConfig, intensities: Mapping[str, IntensitySeries]) -> RunSpec:
    """Return what the ledger has to know."""
    # What the ledger writes late, when the folder is gone, is dropped: it makes the log's folder, none above it.
    return RunSpec(
        folder.name, folder / "energy" / "estimate.jsonl", intensity_here(intensities), config.pue, folder.name
    )


def _totals(
    config: SweepConfig,
    groups: Sequence[Group],
    surveys: Mapping[Slots, Survey],
    counts: ImageCounts,
    intensity: IntensitySeries,
) -> dict[str, Any]:
    """Return the figures of the whole sweep."""
    from lwq_tune.sweep.confirmation import IDLE_S, WARM_UP_S

    n_images = counts.n_train + counts.n_test
    load_s = LOAD_S_PER_ENCODED_IMAGE.times(n_images) if counts.are_encoded else NOTHING
    planned = [
        Wave(tuple(surveys[group.slots].estimate(trial) for trial in group.trials), group.slots.n_slots, load_s)
        for group in groups
    ]
    time_s, energy_kwh = estimate_sweep(planned, IDLE_S + WARM_UP_S if config.exclusive else 0.0)
    now_s = time.time()
    g_per_kwh = intensity.mean(now_s, now_s + time_s.point)
    emissions_kg = None if energy_kwh is None else energy_kwh.times(g_per_kwh / 1000)
    return {
        "time_s": time_s.to_dict(),
        "energy_kwh": None if energy_kwh is None else energy_kwh.to_dict(),
        "emissions_kg_co2eq": None if emissions_kg is None else emissions_kg.to_dict(),
        "carbon_intensity_g_per_kwh": g_per_kwh,
        "carbon_intensity_source": intensity.source,
        "is_intensity_known": intensity.covers(now_s, now_s + time_s.high),
        "assumed_s": {name: interval.to_dict() for name, interval in ASSUMED_S.items()}
        | {"loading the data": load_s.to_dict()}
        | {"compiling": max((wave.compile_s for wave in planned), key=lambda interval: interval.point).to_dict()},
        "unseen_share": UNSEEN_SHARE,
    }


def _circumstances(groups: Sequence[Group], surveys: Mapping[Slots, Survey], probe_time_s: float) -> dict[str, Any]:
    """Return on what the figures rest."""
    from lwq_tune.host.provenance import available_cpus, cpu_model

    reports = [survey.report for survey in surveys.values()]
    sources = [report.sources for report in reports if report.sources is not None]
    return {
        "measured_at_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "probe_time_s": probe_time_s,
        "hardware": {"cpu_model": cpu_model(), "available_cpus": available_cpus(), "n_gpus": len(visible_gpus())},
        "energy_sources": asdict(sources[0]) if sources else None,
        "no_energy_reason": next((report.no_energy_reason for report in reports if report.no_energy_reason), None),
        "n_trials": sum(len(group.trials) for group in groups),
        "n_models": sum(len(survey.models.trials) for survey in surveys.values()),
        "waves": [{"n_trials": len(g.trials), **asdict(g.slots), "text": show_slots(g.slots)} for g in groups],
        "models": [row for survey in surveys.values() for row in survey.rows()],
    }
