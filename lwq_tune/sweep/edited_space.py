"""A run whose search space was edited later: refused with the difference shown, or extended."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lwq_tune.errors import ResultsError
from lwq_tune.output_streams import say
from lwq_tune.results.manifest import Manifest, SpaceRecord
from lwq_tune.results.networks import kept_model
from lwq_tune.results.run_folder import RunFolder
from lwq_tune.sweep.session import space_record
from lwq_tune.sweep.space.search_space import SearchSpace, apply_overrides, load_space, parse_space
from lwq_tune.sweep.space.strict_yaml import read_yaml
from lwq_tune.sweep.space.trial_list import TrialList

MAX_LINES_SHOWN = 20


def recorded_space(manifest: Manifest, folder: RunFolder) -> SearchSpace:
    """Return the space of a run, as recorded in its manifest, with the code of a user's network that the run keeps.

    Raises:
        ConfigError: It is not valid in this version.
    """
    space = manifest.space
    values = read_yaml(space.text)
    apply_overrides(values, space.overrides)
    kept = kept_model(folder, (values.get("fixed") or {}).get("model"))
    overrides = space.overrides if kept is None else (*space.overrides, f"model={kept}")
    parsed = parse_space(space.name, space.text, overrides, origin=space.path)
    # A data set folder is identified by its content; the run records its path.
    return parsed.with_dataset(manifest.dataset["dataset"], manifest.dataset["digest"])


def space_now(
    manifest: Manifest, space: str | None, overrides: tuple[str, ...], *, as_recorded: bool
) -> SearchSpace | None:
    """Return the space of a run by its file of now; None if the file says the same, or must be ignored.

    Comments say nothing: those of spaces that come with the package change from version to version.

    Args:
        manifest: Manifest of the run.
        space: Name or file to compare with, None for the file of the run.
        overrides: Settings in place of those of the run; none for the same.
        as_recorded: Whether to ignore the file.

    Raises:
        ConfigError: The file is no search space.
    """
    recorded = manifest.space
    if as_recorded or (space is None and not overrides and not Path(recorded.path).is_file()):
        return None
    if space is None and not overrides and _text(recorded.path) == recorded.text:
        return None  # whatever became of a file that it names
    found = load_space(space or recorded.path, overrides or recorded.overrides)
    is_same = found.text == recorded.text or read_yaml(found.text) == read_yaml(recorded.text)
    return None if is_same and found.overrides == recorded.overrides else found


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # which `load_space` tells
        return None


def extend(manifest: Manifest, trial_list: TrialList, *, is_wanted: bool) -> Manifest:
    """Return the manifest with the new trials of an edited space; trials that the space lacks stay.

    Args:
        manifest: Manifest of the run.
        trial_list: Trials of the edited space.
        is_wanted: Whether the user asked for the extension.

    Raises:
        ResultsError: The user did not ask for it, or the space has another data set.
    """
    recorded = manifest.space
    if not is_wanted:
        raise ResultsError(
            f"a run is continued as it was asked for, its search space {recorded.path} was edited:\n"
            f"{_difference(recorded, trial_list.space)}\n"
            "put it back, add its new trials with --extend, or keep the recorded space with --as-recorded"
        )
    recorded_dataset, dataset = manifest.dataset, trial_list.dataset
    if (dataset.dataset, dataset.digest) != (recorded_dataset["dataset"], recorded_dataset["digest"]):
        raise ResultsError(
            f"a run has one data set, {recorded_dataset['dataset']}, the edited space has {dataset.dataset}; "
            "start a new sweep"
        )
    known = [trial.model_dump(mode="json") for trial in trial_list.trials.values()]
    new = [trial for trial in known if trial not in manifest.trials]
    say(f"extended by {len(new)} trials of the edited space; trials that it no longer has stay")
    return replace(
        manifest,
        space=space_record(trial_list.space),
        objectives=[objective.model_dump() for objective in trial_list.space.objectives],
        trials=[*manifest.trials, *new],
        initial_trials=sorted({*manifest.initial_trials, *trial_list.initial}),
    )


def _difference(recorded: SpaceRecord, space: SearchSpace) -> str:
    """Return the lines that differ, as ``diff -u`` shows them."""

    def lines(text: str, overrides: Sequence[str]) -> list[str]:
        return [*text.splitlines(), *(f"--set {override}" for override in overrides)]

    before = lines(recorded.text, recorded.overrides)
    changed = difflib.unified_diff(before, lines(space.text, space.overrides), "asked for", "now", n=0, lineterm="")
    shown = [f"  {line}" for line in changed]
    more = [f"  … and {len(shown) - MAX_LINES_SHOWN} more lines"] if len(shown) > MAX_LINES_SHOWN else []
    return "\n".join([*shown[:MAX_LINES_SHOWN], *more])
