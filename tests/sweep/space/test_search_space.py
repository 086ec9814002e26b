from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwq_tune.errors import ConfigError
from lwq_tune.models.image_format import ImageFormat
from lwq_tune.quantization.schedules import NAMED_SCHEDULES
from lwq_tune.results.networks import trial_costs
from lwq_tune.sweep.space.search_space import builtin_spaces, describe_space, load_space, parse_space, spaces_folder
from lwq_tune.sweep.space.selection import select_trials
from tests.conftest import REPOSITORY

FILES = sorted(spaces_folder().rglob("*.yaml"))
assert FILES
GOOD = "version: 1\nfixed: {epochs: 2}\nschedules: [full_precision, ascending_234]\nseeds: [0, 1]\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_space_expands_to_unique_trials_and_says_what_it_is(path: Path) -> None:
    space = load_space(path.stem)
    keys = [trial.trial_key for trial in space.trials]
    assert len(keys) == len(set(keys)) >= 6
    assert len(describe_space(path)) > 20
    # A screen trains nothing, and looks at no test image.
    axes = ["val_accuracy", "weight_mib"] if path.stem == "ptq_screen" else ["test_accuracy", "emissions_kg_co2eq"]
    assert [objective.column for objective in space.objectives] == axes


def test_named_schedules_are_the_six_of_the_design_over_two_seeds() -> None:
    space = load_space("named_schedules")
    assert {trial.bit_widths for trial in space.trials} == set(NAMED_SCHEDULES.values())
    assert [trial.seed for trial in space.trials] == [0] * 6 + [1] * 6


@pytest.mark.parametrize("name", ["paper_cifar10", "paper_cifar100"])
def test_the_paper_spaces_hold_its_protocol(name: str) -> None:
    for trial in load_space(name).trials:
        assert (trial.epochs, trial.lr, trial.momentum) == (400, 0.1, 0.9)
        assert trial.dataset == name.removeprefix("paper_")


def test_free_mixed_holds_every_triple() -> None:
    triples = {trial.bit_widths for trial in load_space("free_mixed").trials}
    assert triples == {*itertools.product((2, 3, 4), repeat=3), (32, 32, 32)}


def test_a_schedule_named_twice_is_trained_once() -> None:
    text = "version: 1\nschedules: [fixed_2, [2, 2, 2]]\nbit_widths: {choices: [2], constraint: free}\nseeds: [0, 0]\n"
    assert len(parse_space("s", text).trials) == 1


def test_a_schedule_may_have_a_width_of_its_own() -> None:
    schedules = "[fixed_2, {bits: fixed_2, width: 0.35}, {bits: [4, 3, 2], width: 1}]"
    text = f"version: 1\nfixed: {{width: 0.5}}\nschedules: {schedules}\n"
    trials = parse_space("s", text).trials
    assert [(trial.bit_widths, trial.width) for trial in trials] == [
        ((2, 2, 2), 0.5),
        ((2, 2, 2), 0.35),
        ((4, 3, 2), 1.0),
    ]
    assert len({trial.trial_key for trial in trials}) == 3
    costs = [trial_costs(trial, ImageFormat()).weight_bits for trial in trials]
    assert len(set(costs)) == 3
    # A trial that starts from full precision starts from a network of its own width.
    started = parse_space("s", text, ("init_from=full_precision",)).trials
    assert [trial.initial.width for trial in started if trial.initial] == [0.5, 0.35, 1.0]


def test_the_width_of_the_space_said_again_is_no_second_trial() -> None:
    assert len(parse_space("s", "version: 1\nschedules: [fixed_2, {bits: fixed_2, width: 1.0}]\n").trials) == 1


def test_a_width_of_its_own_goes_with_a_search_over_other_bits() -> None:
    text = (
        "version: 1\nschedules: [full_precision, {bits: full_precision, width: 0.25}]\n"
        "bit_widths: {choices: [2, 3]}\nsearch: {method: random, trials: 3}\n"
    )
    space = parse_space("s", text)
    assert len(select_trials(space, lambda trial: trial_costs(trial, ImageFormat())).trials) == 5


def test_settings_on_the_command_line_replace_those_of_the_file() -> None:
    space = parse_space("s", GOOD, ("epochs=5", "lr=1e-3", "seeds=[7]", "fixed.batch_size=32", "seeds=[7]"))
    assert {(t.epochs, t.lr, t.seed, t.batch_size) for t in space.trials} == {(5, 0.001, 7, 32)}
    assert space.overrides[0] == "epochs=5"


def test_what_is_read_of_a_data_set_is_part_of_its_address(tmp_path: Path) -> None:
    text = f"version: 1\nfixed: {{dataset: {tmp_path}, label_column: kind, image_size: 40}}\nschedules: [fixed_2]\n"
    (trial,) = parse_space("s", text).trials
    assert trial.dataset == f"{tmp_path}?label=kind&size=40"
    (larger,) = parse_space("s", text, ("image_size=64", "train_split=extra")).trials
    assert larger.dataset == f"{tmp_path}?train=extra&label=kind&size=64"
    assert larger.trial_key != trial.trial_key


def test_the_own_size_of_a_built_in_set_is_no_other_trial() -> None:
    chosen = ((), ("image_size=32",), ("image_size=8",))
    plain, same, other = (parse_space("s", GOOD, settings).trials[0] for settings in chosen)
    assert plain == same
    assert (other.dataset, other.augmentation) == ("digits?size=8", "crop")


def test_a_network_of_four_stages_takes_schedules_of_four() -> None:
    text = "version: 1\nfixed: {model: resnet, blocks: [1, 1, 1, 1]}\nschedules: [ascending_2348, fixed_3]\n"
    assert [trial.bit_widths for trial in parse_space("s", text).trials] == [(2, 3, 4, 8), (3, 3, 3, 3)]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["got nothing"]),
        ("- 1\n", ["got list"]),
        ("version: 1\n", ["names its trials"]),
        ("version: 3\nschedules: [fixed_2]\n", ["version: input should be 1, got 3"]),
        ("version: 1\nversion: 1\n", ["'version' again in line 2"]),
        ("version: [\n", ["valid YAML", "line"]),
        ("version: 1\nshedules: [fixed_2]\n", ["shedules: unknown key; did you mean 'schedules'?"]),
        (GOOD + "fixd: {}\n", ["fixd: unknown key; did you mean 'fixed'?"]),
        (GOOD.replace("epochs: 2", "epoch: 2"), ["fixed.epoch: unknown key; did you mean 'epochs'?"]),
        (GOOD.replace("epochs: 2", "epochs: two"), ["fixed.epochs: input should be a valid integer, got 'two'"]),
        (GOOD.replace("epochs: 2", "epochs: 0"), ["fixed.epochs", "got 0"]),
        (GOOD.replace("epochs: 2", "seed: 2"), ["fixed.seed", "seeds"]),
        (GOOD.replace("epochs: 2", "imagesize: 2"), ["fixed.imagesize: unknown key; did you mean 'image_size'?"]),
        (
            GOOD.replace("epochs: 2", "image_size: 0, label_column: 3, epochs: 0"),
            ["fixed.image_size", "got 0", "fixed.label_column", "got 3", "fixed.epochs"],
        ),
        (
            GOOD.replace("epochs: 2", "dataset: mnist, test_split: dev, epochs: 0"),
            ["fixed.dataset: a built-in data set has splits", "test_split (test=…) for mnist", "fixed.epochs"],
        ),
        (
            GOOD.replace("epochs: 2", "dataset: 'cifar10?size=8', image_size: 16"),
            ["fixed.dataset: what is read of a data set must be said once, got image_size: 16 beside"],
        ),
        (GOOD.replace("ascending_234", "ascending_23"), ["schedules.1", "one entry per unit (3), got 2"]),
        (GOOD.replace("ascending_234", "[2, 3, 0]"), ["schedules.1", "got 0"]),
        (GOOD.replace("ascending_234", "[2, 3, 2.5]"), ["schedules.1", "got 2.5"]),
        (GOOD.replace("ascending_234", "fixed_9"), ["schedules.1", "got 9"]),
        (GOOD.replace("ascending_234", "mixed_24"), ["schedules.1: mixed_24: ", "got 2: [2, 4]"]),
        (
            GOOD.replace("ascending_234", "{bits: fixed_9, widht: 2}, {width: 0}"),
            [
                "schedules.1.widht: unknown key; did you mean 'width'?",
                "schedules.1.width: it is required",
                "schedules.1.bits: fixed_9: ",
                "got 9",
                "schedules.2.bits: it is required",
                "schedules.2.width: input should be greater than 0, got 0",
            ],
        ),
        (
            GOOD.replace("ascending_234", "{bits: full_precision, width: 0.26}, {bits: full_precision, width: 0.25}"),
            ["full_precision has the channels [4, 8, 16] at width 0.26 and at 0.25; leave one out"],
        ),
        (
            GOOD.replace("ascending_234", "{bits: fixed_2, width: 0.5}")
            + "bit_widths: {choices: [2, 3]}\nlimits: {max_bitops: 1e9}\n",
            ["limits and search tell schedules apart by their bits", "fixed_2 at width 0.5"],
        ),
        (GOOD.replace("[0, 1]", "[-1]"), ["seed", "got -1"]),
        (GOOD + "objectives: [{column: speed, direction: up}]\n", ["objectives"]),
        (
            GOOD.replace("epochs: 2", "evaluation: validation"),
            ["measures nothing on test images, got test_accuracy", "use val_accuracy"],
        ),
        ("version: 1\nbit_widths: {choices: [2, 9], constraint: free}\n", ["bit_widths.choices.1", "got 9"]),
        ("version: 1\nbit_widths: {choices: [2], constraint: up}\n", ["'free', 'ascending'"]),
        (
            "version: 1\nfixed: {blocks: [1,1,1,1,1,1], model: resnet}\nbit_widths: {choices: [2,3,4,5,6,7,8]}\n",
            ["at most 100000 trials"],
        ),
    ],
)
def test_bad_input_is_named(text: str, messages: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_space("s", text)
    for message in messages:
        assert message in str(caught.value).replace("may hold 100000", "at most 100000")


def test_all_problems_are_listed_at_once() -> None:
    text = "version: 2\nfixed: {datset: x, lr: -1}\nschedules: [nope, [2, 3]]\nobjektives: []\n"
    with pytest.raises(ConfigError) as caught:
        parse_space("s", text)
    message = str(caught.value)
    assert "6 problems" in message
    for part in ("version", "datset", "lr", "nope", "got 2: [2, 3]", "objektives"):
        assert part in message


@pytest.mark.parametrize(("setting", "message"), [("epochs", "key=value"), ("epoch=3", "did you mean 'epochs'")])
def test_a_bad_setting_is_named(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_space("s", GOOD, (setting,))


def test_an_unknown_space_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="did you mean 'named_schedules'.*free_mixed"):
        load_space("named_schedule")


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["version", "fixed", "schedules", "bit_widths", "search", "seeds", "objectives", "act_bit_widths", "extra"]


@settings(max_examples=150)
@given(st.sampled_from(KEYS), YAML_VALUES)
def test_no_value_anywhere_gives_anything_but_a_space_or_a_clear_error(key: str, value: object) -> None:
    import yaml

    values = {**yaml.safe_load(GOOD), key: value}
    try:
        space = parse_space("s", yaml.safe_dump(values, allow_unicode=True))
    except ConfigError as error:
        assert str(error)  # noqa: PT017 (a space is as good an outcome)
    else:
        assert space.trials


def test_the_shipped_spaces_are_found_by_name() -> None:
    assert set(builtin_spaces()) >= {"named_schedules", "paper_cifar10", "paper_cifar100", "free_mixed"}


def test_the_space_in_the_documentation_is_one() -> None:
    pages = [(REPOSITORY / "docs" / name).read_text() for name in ("search_spaces.md", "searching_and_stopping.md")]
    example, stopping = re.findall(r"```yaml\n(.*?)```", "".join(pages), flags=re.DOTALL)
    space = parse_space("docs", example)
    assert len(space.trials) == 3 * (27 + 1)  # every triple of 2, 3 and 4 bits and full precision; 442 is among them
    rules = parse_space("docs", example + stopping).stopping
    assert None not in rules.model_dump().values(), "the example names every rule"
