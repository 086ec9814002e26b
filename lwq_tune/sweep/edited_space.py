"""A run whose search space was edited since: refused with the difference shown, or extended."""

from __future__ import annotations

import difflib
from pathlib import Path

from lwq_tune.errors import ResultsError
from lwq_tune.output_streams import say
from lwq_tune.results.manifest import Manifest
from lwq_tune.sweep.session import space_record
from lwq_tune.sweep.space.search_space import SearchSpace, load_space, parse_space
from lwq_tune.sweep.space.trial_list import Work

MAX_LINES_SHOWN = 20


def recorded_space(manifest: Manifest) -> SearchSpace:
    """Return the space of a run as its manifest holds it.

    Raises:
        ConfigError: This version does not take it.
    """
    space = manifest["space"]
    parsed = parse_space(space["name"], space["text"], tuple(space["overrides"]), origin=space["path"])
    # A folder counts by its content, and the run says where that was found.
    return parsed.with_dataset(manifest["dataset"]["dataset"], manifest["dataset"]["digest"])


def space_now(
    manifest: Manifest, space: str | None, overrides: tuple[str, ...], *, as_recorded: bool
) -> SearchSpace | None:
    """Return the space of a run as its file is now, None where that says the same, or is not to be looked at.

    Args:
        manifest: Of the run.
        space: Name or file to compare with, None for the file that the run came from.
        overrides: Settings in place of those of the run; none for the same.
        as_recorded: Whether the file does not matter.

    Raises:
        ConfigError: The file is no search space.
    """
    recorded = manifest["space"]
    if as_recorded or (space is None and not overrides and not Path(recorded["path"]).is_file()):
        return None
    found = load_space(space or recorded["path"], overrides or tuple(recorded["overrides"]))
    is_same = found.text == recorded["text"] and list(found.overrides) == recorded["overrides"]
    return None if is_same else found


def extend(manifest: Manifest, work: Work, *, is_wanted: bool) -> Manifest:
    """Return the manifest with the trials that an edited space has more; those that it lacks stay.

    Args:
        manifest: Of the run.
        work: What the edited space trains.
        is_wanted: Whether the user asked for it.

    Raises:
        ResultsError: Nobody asked for it, or the space has another data set.
    """
    recorded = manifest["space"]
    if not is_wanted:
        raise ResultsError(
            f"a run is continued as it was asked for, its search space {recorded['path']} was edited:\n"
            f"{_difference(recorded, work.space)}\n"
            "put it back, add its new trials with --extend, or go on as first asked with --as-recorded"
        )
    if (work.dataset.dataset, work.dataset.digest) != (manifest["dataset"]["dataset"], manifest["dataset"]["digest"]):
        raise ResultsError(
            f"a run has one data set, {manifest['dataset']['dataset']}, the edited space has {work.dataset.dataset}; "
            "start a new sweep"
        )
    known = [trial.model_dump(mode="json") for trial in work.trials.values()]
    new = [trial for trial in known if trial not in manifest["trials"]]
    say(f"extended by {len(new)} trials of the edited space; trials that it no longer has stay")
    return manifest | {
        "space": space_record(work.space),
        "objectives": [objective.model_dump() for objective in work.space.objectives],
        "trials": [*manifest["trials"], *new],
        "initial_trials": sorted({*manifest["initial_trials"], *work.initial}),
    }


def _difference(recorded: dict[str, object], space: SearchSpace) -> str:
    """Return the lines that differ, as ``diff -u`` shows them."""

    def lines(text: object, overrides: object) -> list[str]:
        given = [f"--set {override}" for override in overrides] if isinstance(overrides, (list, tuple)) else []
        return [*str(text).splitlines(), *given]

    before = lines(recorded["text"], recorded["overrides"])
    changed = difflib.unified_diff(before, lines(space.text, space.overrides), "asked for", "now", n=0, lineterm="")
    shown = [f"  {line}" for line in changed]
    more = [f"  … and {len(shown) - MAX_LINES_SHOWN} more lines"] if len(shown) > MAX_LINES_SHOWN else []
    return "\n".join([*shown[:MAX_LINES_SHOWN], *more])
