"""The pre-flight estimate of ``sweep --estimate``: measures on this host what a sweep would take, before anything runs.

The record that it returns goes into the manifest of the sweep that follows; at its end the two are compared
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
from lwq_tune.data.catalog import DatasetInfo, ImageCounts, count_images
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.errors import ConfigError
from lwq_tune.estimation.cost_model import ASSUMED_S, LOAD_S_PER_ENCODED_IMAGE, UNSEEN_SHARE, Wave, estimate_sweep
from lwq_tune.estimation.measurement import Group, MeasuredModels, find_groups, show_slots, visible_gpus
from lwq_tune.estimation.messages import describe
from lwq_tune.estimation.range import NOTHING
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.sweep.slots import Slots

if TYPE_CHECKING:
    from lwq_tune.sweep.plan import AdaptiveSearch
    from lwq_tune.sweep.session import PreparedSweep


def check_is_local(config: SweepConfig) -> None:
    """Refuse an estimate, which measures this host, for a sweep on a cluster.

    Raises:
        ConfigError: The sweep is for a cluster.
    """
    if config.address is not None:
        raise ConfigError(
            f"--estimate measures this host, it cannot estimate a cluster, got --address {config.address}; "
            "run it on a node of the cluster, without --address"
        )


def estimate_prepared(prepared: PreparedSweep, tell: Callable[[str], object]) -> dict[str, Any]:
    """Measure some steps, print what a sweep will take and return the record of the estimate.

    Raises:
        ConfigError: The sweep is for a cluster, whose hosts are not this one.
    """
    from lwq_tune.sweep.plan import make_search

    trials, config = prepared.trial_list, prepared.config
    check_is_local(config)
    search = make_search(trials.space, trials.costs_of)
    return measure_sweep(config, trials.dataset, trials.trials, trials.costs, prepared.intensities, search, tell)


def measure_sweep(
    config: SweepConfig,
    dataset: DatasetInfo,
    trials: Mapping[str, TrialConfig],
    costs: Mapping[str, ModelCosts],
    intensities: Mapping[str, IntensitySeries],
    search: AdaptiveSearch | None = None,
    tell: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Measure the models of a sweep on this host, describe what the sweep will take and return the estimate's record.

    No file remains: the only one is the ledger's log, in a temporary folder.

    Args:
        config: How the sweep would run.
        dataset: Its data set. The images are not loaded, random ones of their shape are used.
        trials: Its trials, those included that others start from.
        costs: Their modelled inference costs, by key.
        intensities: Carbon intensity by host, of all others under the empty name.
        search: The search that will propose further trials.
        tell: Takes the text.

    Raises:
        ConfigError: A trial reserves more than this host has, or a probe failed.
        DatasetError: The data set cannot be read.
    """
    begin_s = time.monotonic()
    counts = count_images(dataset.dataset)
    proposed = {} if search is None else {key: search.costs_of(one) for key, one in search.stand_ins.items()}
    bitops = {key: float(cost.bitops) for key, cost in {**costs, **proposed}.items()}
    groups = find_groups(config, trials, search, bitops)
    with tempfile.TemporaryDirectory(prefix="lwq_tune-estimate-", ignore_cleanup_errors=True) as folder:
        spec = _run_spec(Path(folder), config, intensities)
        measured = {
            slots: MeasuredModels(slots, groups, bitops, counts, dataset.image_format, spec)
            for slots in dict.fromkeys(group.slots for group in groups)
        }
    record = _totals(config, groups, measured, counts, spec.intensity)
    record |= _circumstances(groups, measured, time.monotonic() - begin_s)
    tell(describe(record))
    return record


def _run_spec(folder: Path, config: SweepConfig, intensities: Mapping[str, IntensitySeries]) -> RunSpec:
    """Return what the ledger needs to know about the probes."""
    # What the ledger writes after the folder is removed is lost: it makes the folder of the log, but none above that.
    return RunSpec(
        folder.name, folder / "energy" / "estimate.jsonl", intensity_here(intensities), config.pue, folder.name
    )


def _totals(
    config: SweepConfig,
    groups: Sequence[Group],
    measured: Mapping[Slots, MeasuredModels],
    counts: ImageCounts,
    intensity: IntensitySeries,
) -> dict[str, Any]:
    """Return the figures of the whole sweep."""
    from lwq_tune.sweep.confirmation import IDLE_S, WARM_UP_S

    n_images = counts.n_train + counts.n_test
    load_s = LOAD_S_PER_ENCODED_IMAGE.times(n_images) if counts.are_encoded else NOTHING
    planned = [
        Wave(tuple(measured[group.slots].estimate(trial) for trial in group.trials), group.slots.n_slots, load_s)
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
        "assumed_s": {name: span.to_dict() for name, span in ASSUMED_S.items()}
        | {"loading the data": load_s.to_dict()}
        | {"compiling": max((wave.compile_s for wave in planned), key=lambda span: span.point).to_dict()},
        "unseen_share": UNSEEN_SHARE,
    }


def _circumstances(
    groups: Sequence[Group], measured: Mapping[Slots, MeasuredModels], probe_time_s: float
) -> dict[str, Any]:
    """Return the conditions under which the figures were measured."""
    from lwq_tune.host.hardware import available_cpus, cpu_model

    reports = [models.report for models in measured.values()]
    sources = [report.sources for report in reports if report.sources is not None]
    return {
        "measured_at_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "probe_time_s": probe_time_s,
        "hardware": {"cpu_model": cpu_model(), "available_cpus": available_cpus(), "n_gpus": len(visible_gpus())},
        "energy_sources": asdict(sources[0]) if sources else None,
        "no_energy_reason": next((report.no_energy_reason for report in reports if report.no_energy_reason), None),
        "n_trials": sum(len(group.trials) for group in groups),
        "n_models": sum(len(models.models.trials) for models in measured.values()),
        "waves": [{"n_trials": len(g.trials), **asdict(g.slots), "text": show_slots(g.slots)} for g in groups],
        "models": [row for models in measured.values() for row in models.rows()],
    }
