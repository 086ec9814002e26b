"""Some three hundred search-space files that are wrong in one place: each is refused in one message that names it."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from lwq_tune.cli.main import main
from tests.support.mutated_spaces import keys, texts, values
from tests.support.mutated_spaces.spaces import SPACES, Mutation, draw_mutations, dumped

SEED = 5
MAX_CPU_S = 2.0
MAX_MESSAGE = 6000
MAX_PEAK_MIB = 30.0
N_DRAWN = {
    keys.key_misspelt: 45,
    keys.two_keys_misspelt: 6,
    keys.key_missing: 30,
    keys.key_given_twice: 10,
    keys.key_out_of_place: 15,
    keys.key_in_other_letters: 10,
    keys.key_of_another_type: 6,
    values.value_of_wrong_type: 45,
    values.section_of_wrong_type: 15,
    values.value_out_of_range: 45,
    values.word_misspelt: 20,
    values.number_huge: 20,
    values.no_number: 15,
    values.nested_deeply: 10,
    values.list_empty_or_repeated: 10,
    texts.whole_file: 13,
    texts.written_otherwise: 10,
    texts.tab_or_blank: 10,
    texts.aliases: 15,
    texts.tags: 15,
}
MUTATIONS = [mutation for mutator, n in N_DRAWN.items() for mutation in draw_mutations(mutator, n, SEED)]


def dry_run(content: bytes, folder: Path) -> int:
    file = folder / "space.yaml"
    file.write_bytes(content)
    return main(["sweep", "--space", str(file), "--dry-run"])


def test_there_are_more_than_two_hundred_wrong_files_and_some_sound_ones() -> None:
    n_wrong = sum(bool(mutation.named) for mutation in MUTATIONS)
    assert n_wrong > 200
    assert len(MUTATIONS) - n_wrong > 10
    assert len({mutation.content for mutation in MUTATIONS}) > 0.9 * len(MUTATIONS)


@pytest.mark.parametrize("name", SPACES)
def test_a_space_that_is_mutated_is_sound_before(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry_run(dumped(SPACES[name]).encode(), tmp_path) == 0, capsys.readouterr().err


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.kind}: {ascii(mutation.label)[1:-1]}")
def test_a_mutated_space_is_refused_with_the_right_key_named_or_is_as_sound_as_before(
    mutation: Mutation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin_s = time.process_time()
    code = dry_run(mutation.content, tmp_path)
    cpu_s = time.process_time() - begin_s
    out, err = capsys.readouterr()
    if mutation.named:
        assert (code, out) == (2, ""), out + err
        assert err.startswith("error: ")
        for part in mutation.named:
            assert part in err
    else:
        assert (code, err) == (0, "")
        assert out.endswith("a dry run starts nothing\n")
    assert "Traceback" not in err
    assert len(err) < MAX_MESSAGE, "a message is to be read"
    assert cpu_s < MAX_CPU_S


@pytest.mark.parametrize("mutation", draw_mutations(texts.aliases, 10, SEED + 1), ids=lambda mutation: mutation.label)
def test_aliases_that_stand_for_billions_of_values_take_no_memory(
    mutation: Mutation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracemalloc.start()
    try:
        assert dry_run(mutation.content, tmp_path) == 2
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MAX_PEAK_MIB * 2**20
    assert len(capsys.readouterr().err) < MAX_MESSAGE
