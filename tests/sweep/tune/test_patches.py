from __future__ import annotations

from ray.tune.experiment.trial import Trial

from lwq_tune.sweep.tune.patches import DropEndedTrials


def tune_trial(name: str, status: str) -> Trial:
    """Return a trial of Tune with settings and a result."""
    trial = Trial("stub", config={"job": name}, stub=True, trial_id=name)
    trial.update_last_result({"rows": [{"epoch": 1}], "training_iteration": 1})
    trial.set_status(status)
    return trial


def test_what_is_over_leaves_the_list_of_tune_and_takes_its_results_along() -> None:
    statuses = {"a": Trial.TERMINATED, "b": Trial.RUNNING, "c": Trial.ERROR, "d": Trial.TERMINATED, "e": Trial.PENDING}
    trials = {name: tune_trial(name, status) for name, status in statuses.items()}
    listed = list(trials.values())
    DropEndedTrials().on_step_end(1, listed)
    assert [trial.trial_id for trial in listed] == ["b", "d", "e"], "one that is over stays: Tune wants one at its end"
    for name in "ac":
        assert (trials[name].trial_id, trials[name].status) == (name, statuses[name])
        assert trials[name].run_metadata is trials[name].config is None
    for trial in listed:
        assert trial.config == {"job": trial.trial_id}
        assert trial.last_result["training_iteration"] == 1


def test_a_list_in_which_nothing_is_over_stays_as_it_is() -> None:
    listed = [tune_trial("a", Trial.RUNNING), tune_trial("b", Trial.PAUSED)]
    before = list(listed)
    DropEndedTrials().on_step_end(1, listed)
    assert listed == before
