"""A search space on its data set: all that a sweep trains, and the list of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.catalog import DatasetInfo, describe_dataset
from lwq_tune.formatting import format_columns, name_trials
from lwq_tune.models.inference_costs import ModelCosts, model_costs
from lwq_tune.models.layer_shapes import layer_shapes
from lwq_tune.quantization.schedules import FULL_PRECISION_BITS
from lwq_tune.sweep.space.prerequisites import initial_keys, with_initial_trials
from lwq_tune.sweep.space.search_space import SearchSpace
from lwq_tune.sweep.space.selection import select_trials

NOT_CHECKED = (
    "not checked are images (whether each can be decoded, varies, stands once), downloads, the results folder, storage "
    "and hosts; a dry run starts nothing"
)


@dataclass(frozen=True)
class Work:
    """A space on its data set, with all that it trains.

    Attributes:
        space: With what its limits and its search leave.
        dataset: As it was found.
        trials: All trials that are known before the first starts, by key, initial ones included.
        initial: Those of them that are there only because others start from them.
        costs: Their modelled inference costs.
    """

    space: SearchSpace
    dataset: DatasetInfo
    trials: dict[str, TrialConfig]
    initial: frozenset[str]
    costs: dict[str, ModelCosts]

    def costs_of(self, trial: TrialConfig) -> ModelCosts:
        """Return the modelled inference costs of any trial on this data set."""
        return trial_costs(trial, self.dataset.num_classes)


def trial_costs(trial: TrialConfig, num_classes: int) -> ModelCosts:
    """Return the modelled inference costs of a trial."""
    shapes = layer_shapes(trial.blocks, trial.width, num_classes)
    first_last = FULL_PRECISION_BITS if trial.is_full_precision else trial.first_last_bit_width
    return model_costs(shapes, trial.bit_widths, trial.act_bit_widths, first_last)


def plan_work(space: SearchSpace, config: SweepConfig) -> Work:
    """Return what a space trains.

    Raises:
        ConfigError: Its limits or its search leave nothing, or too little.
        DatasetError: There is no such data set.
    """
    dataset = describe_dataset(space.dataset)
    space = select_trials(
        space.with_dataset(dataset.dataset, dataset.digest), lambda trial: trial_costs(trial, dataset.num_classes)
    )
    proposable = [trial for trials in space.candidates.values() for trial in trials]
    asked_for = {trial.trial_key for trial in space.trials}
    only_proposable = {trial.trial_key for trial in proposable} - asked_for
    trials = {
        trial.trial_key: trial
        for trial in _all_trials((*space.trials, *proposable), config)
        if trial.trial_key not in only_proposable
    }
    costs = {key: trial_costs(trial, dataset.num_classes) for key, trial in trials.items()}
    return Work(space, dataset, trials, initial_keys(space.trials, trials.values()), costs)


def _all_trials(trials: Iterable[TrialConfig], config: SweepConfig) -> tuple[TrialConfig, ...]:
    """Return some trials and those they start from, without what another run has trained."""
    if config.init_run is None:
        return with_initial_trials(trials)
    from lwq_tune.results.reuse import trained_energies
    from lwq_tune.sweep.worker.checkpoints import shelf_of_run

    trained_energies(config.init_run)  # refuses what is no run
    shelf = shelf_of_run(config.init_run)
    return with_initial_trials(trials, lambda trial: bool(shelf.final(trial.trial_key, trial.n_rows)))


def count_trials(work: Work) -> str:
    """Return how many trials a sweep has, in words."""
    listed = f"{len(work.trials) - len(work.initial)} trials"
    parts = [f"{listed} and {len(work.initial)} that they start from" if work.initial else listed]
    search = work.space.search
    if search.is_adaptive:
        n_seeds = len(work.space.seeds)
        parts.append(f"{search.trials} of {len(work.space.candidates)} schedules proposed by {search.method}")
        parts[-1] += f", each with {n_seeds} seeds" if n_seeds > 1 else ""
    return ", then ".join(parts)


def list_trials(work: Work) -> str:
    """Return a table of the trials with their modelled costs."""
    header = ["trial", "schedule", "family", "seed", "bits", "mean weight bits", "weights MiB", "BitOps M", "role"]
    rows = []
    name = name_trials(work.trials.values())
    for key, trial in work.trials.items():
        cost = work.costs[key]
        bits = "-".join(str(bit_width) for bit_width in trial.bit_widths)
        rows.append(
            [key, name(trial), trial.family, str(trial.seed), bits,
             f"{cost.mean_weight_bits:.2f}", f"{cost.weight_mib:.4f}", f"{cost.bitops / 1e6:.0f}",
             "initial" if key in work.initial else "trial"]
        )  # fmt: skip
    epochs = sum(trial.n_rows for trial in work.trials.values())
    summary = f"{count_trials(work)}, {epochs} epochs {'listed' if work.space.search.is_adaptive else 'in all'}"
    return f"{format_columns(header, rows)}\n{summary}; {NOT_CHECKED}"
