"""All trials of a search space on its data set, and their table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lwq_tune.config.sweep import SweepConfig
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.catalog import DatasetInfo, describe_dataset
from lwq_tune.formatting import format_columns, name_trials
from lwq_tune.models.description import describe_network
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.models.inference_costs import ModelCosts
from lwq_tune.models.layer_shapes import FULL_PRECISION_BITS
from lwq_tune.models.network import Layer
from lwq_tune.results.networks import network_key, trial_costs
from lwq_tune.sweep.space.candidates import show_count
from lwq_tune.sweep.space.prerequisites import initial_keys, with_initial_trials
from lwq_tune.sweep.space.search_space import SearchSpace
from lwq_tune.sweep.space.selection import select_trials

MAX_LISTED = 8
NOT_CHECKED = (
    "not checked are images (whether each can be decoded, varies, stands once), downloads, the results folder, storage "
    "and hosts; a dry run starts nothing"
)


@dataclass(frozen=True)
class TrialList:
    """All trials of a search space on its data set.

    Attributes:
        space: The space, reduced by its limits and its search.
        dataset: The data set, as it was found.
        trials: All trials that are known before the first starts, by key, including initial ones.
        initial: Keys of the trials that are trained only because others start from them.
        costs: Their modelled inference costs.
    """

    space: SearchSpace
    dataset: DatasetInfo
    trials: dict[str, TrialConfig]
    initial: frozenset[str]
    costs: dict[str, ModelCosts]

    def networks_of(self) -> Iterable[TrialConfig]:
        """Return trials that together have all networks, those that a search may propose included."""
        return (*self.trials.values(), self.space.base)

    def costs_of(self, trial: TrialConfig) -> ModelCosts:
        """Return the modelled inference costs of any trial on this data set."""
        return trial_costs(trial, self.dataset.image_format)


def make_trial_list(space: SearchSpace, config: SweepConfig) -> TrialList:
    """Return the trials of a space on its data set.

    Raises:
        ConfigError: Its limits or its search leave no trial, or too few.
        DatasetError: There is no such data set.
    """
    dataset = describe_dataset(space.dataset)
    space = select_trials(
        space.with_dataset(dataset.dataset, dataset.digest).with_network(),
        lambda trial: trial_costs(trial, dataset.image_format),
    )
    # Those of one schedule stand for all that may be proposed: they start from the same trials.
    proposable = () if space.candidates is None else space.trials_of(space.candidates.example)
    asked_for = {trial.trial_key for trial in space.trials}
    only_proposable = {trial.trial_key for trial in proposable} - asked_for
    trials = {
        trial.trial_key: trial
        for trial in _all_trials((*space.trials, *proposable), config)
        if trial.trial_key not in only_proposable
    }
    costs = {key: trial_costs(trial, dataset.image_format) for key, trial in trials.items()}
    return TrialList(space, dataset, trials, initial_keys(space.trials, trials.values()), costs)


def _all_trials(trials: Iterable[TrialConfig], config: SweepConfig) -> tuple[TrialConfig, ...]:
    """Return some trials and those that they start from, without those that another run has trained."""
    if config.init_run is None:
        return with_initial_trials(trials)
    from lwq_tune.results.earlier_runs import trained_energies
    from lwq_tune.training.run_checkpoints import checkpoints_of_run

    trained_energies(config.init_run)  # raises if it is no run
    checkpoints = checkpoints_of_run(config.init_run)
    return with_initial_trials(trials, lambda trial: bool(checkpoints.final(trial.trial_key, trial.n_rows)))


def count_trials(trial_list: TrialList) -> str:
    """Return how many trials a sweep has, as text."""
    listed = f"{len(trial_list.trials) - len(trial_list.initial)} trials"
    parts = [f"{listed} and {len(trial_list.initial)} that they start from" if trial_list.initial else listed]
    space = trial_list.space
    if space.candidates is not None:
        n_seeds = len(space.seeds)
        search, n_schedules = space.search, space.candidates.describe()
        parts.append(f"{search.trials} of {n_schedules} schedules proposed by {search.method}")
        parts[-1] += f", each with {n_seeds} seeds" if n_seeds > 1 else ""
    elif space.unlisted is not None:
        up_to = "up to " if any(limit is not None for limit in space.limits.model_dump().values()) else ""
        parts[0] += f" ({space.search.trials} of {up_to}{show_count(space.unlisted.size)} schedules, drawn at random)"
    return ", then ".join(parts)


def list_trials(trial_list: TrialList) -> str:
    """Return a table of the trials with their modelled costs."""
    header = ["trial", "schedule", "family", "seed", "bits", "mean weight bits", "weights MiB", "BitOps M", "role"]
    rows = []
    name = name_trials(trial_list.trials.values())
    for key, trial in trial_list.trials.items():
        cost = trial_list.costs[key]
        bits = "-".join(str(bit_width) for bit_width in trial.bit_widths)
        rows.append(
            [
                key,
                name(trial),
                trial.family,
                str(trial.seed),
                bits,
                f"{cost.mean_weight_bits:.2f}",
                f"{cost.weight_mib:.4f}",
                f"{cost.bitops / 1e6:.0f}",
                "initial" if key in trial_list.initial else "trial",
            ]
        )
    epochs = sum(trial.n_rows for trial in trial_list.trials.values())
    summary = (
        f"{count_trials(trial_list)}, {epochs} epochs {'listed' if trial_list.space.search.is_adaptive else 'in all'}"
    )
    units = "".join(f"{list_units(trial, trial_list.dataset.image_format)}\n" for trial in _one_per_network(trial_list))
    return f"{format_columns(header, rows)}\n{units}{summary}; {NOT_CHECKED}"


def _one_per_network(trial_list: TrialList) -> list[TrialConfig]:
    images = trial_list.dataset.image_format
    return list({network_key(trial, images): trial for trial in trial_list.networks_of()}.values())


def list_units(trial: TrialConfig, images: ImageFormat) -> str:
    """Return the units of a trial's network with their layers and costs, and what is in none."""
    network = describe_network(trial.network, images)
    rows = []
    for number, name in enumerate(network.units, start=1):
        layers = [layer for layer in network.layers if layer.unit == number]
        rows.append([str(number), name, *_totals(layers)])
    ends = [layer for layer in network.layers if layer.is_first_or_last]
    bits = (
        "full precision" if trial.first_last_bit_width == FULL_PRECISION_BITS else f"{trial.first_last_bit_width} bits"
    )
    rows += [["-", f"first and last, {bits}", *_totals(ends)]] if ends else []
    width = f", width {trial.width:g}" if trial.width != 1.0 else ""
    lines = [f"network {trial.model}{width}, images {images}:"]
    lines.append(format_columns(["unit", "name", "weights", "M MACs", "layers"], rows))
    lines += [f"in full precision: {name} ({reason})" for name, reason in list(network.left_out.items())[:MAX_LISTED]]
    if len(network.left_out) > MAX_LISTED:
        lines.append(f"… and {len(network.left_out) - MAX_LISTED} more in full precision")
    if network.untraced:
        lines.append(
            f"its forward pass cannot be traced ({network.untraced}): weights and inputs of its layers are quantized, "
            "not what leaves a unit"
        )
    return "\n".join(lines)


def _totals(layers: Sequence[Layer]) -> list[str]:
    names = [layer.name for layer in layers]
    shown = ", ".join(names) if len(names) <= MAX_LISTED else f"{names[0]}, …, {names[-1]} ({len(names)} layers)"
    n_weights, macs = sum(layer.n_weights for layer in layers), sum(layer.macs for layer in layers)
    return [f"{n_weights:,}", f"{macs / 1e6:.2f}", shown]
