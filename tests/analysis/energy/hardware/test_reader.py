from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.energy.hardware.reader import find_hardware, read_table, shipped
from analysis.energy.hardware.table import BetweenBits, Figures, NotCoveredError
from analysis.runs.load import AnalysisError
from lwq_tune.models import inference_costs
from tests.conftest import REPOSITORY

SOURCE = {"short": "A 2020", "citation": "A, B, 2020", "table": "Table 3", "link": "https://a.org/b", "verified": "all"}
GRID = {2: {2: 1.0, 4: 2.0}, 8: {2: 4.0, 4: 8.0}}
CONTENT: dict[str, Any] = {
    "version": 1,
    "name": "own",
    "title": "Own",
    "source": SOURCE,
    "technology": "28 nm, 0.8 V",
    "figures": "measured",
    "leaves_out": ["memory"],
    "between_bits": "refused",
    "energy": {"unit": "pJ/MAC", "by_weight_bits": GRID},
}


def write(folder: Path, without: str = "", **changes: Any) -> Path:
    file = folder / "own.yaml"
    content = {key: value for key, value in (CONTENT | changes).items() if key != without}
    file.write_text(yaml.safe_dump(content))
    return file


def test_a_file_becomes_costs(tmp_path: Path) -> None:
    table = find_hardware(str(write(tmp_path)))
    assert table.mac_energy_pj(8, 2) == 4.0
    assert table.source.link == "https://a.org/b"
    assert table.figures is Figures.MEASURED
    assert table.modelled_for == "modelled for Own (A 2020)"
    with pytest.raises(NotCoveredError):
        table.mac_latency_ns(8, 2)


@pytest.mark.parametrize(("unit", "factor"), [("fJ/MAC", 0.001), ("pJ/MAC", 1.0), ("nJ/MAC", 1000.0)])
def test_energies_are_picojoules(tmp_path: Path, unit: str, factor: float) -> None:
    table = read_table(write(tmp_path, energy={"unit": unit, "by_weight_bits": GRID}))
    assert table.mac_energy_pj(8, 4) == pytest.approx(8 * factor)


@pytest.mark.parametrize(("unit", "expected"), [("ns/MAC", 8.0), ("cycle/MAC", 80.0), ("MAC/cycle", 1.25)])
def test_times_are_nanoseconds(tmp_path: Path, unit: str, expected: float) -> None:
    # A cycle of 100 MHz takes 10 ns.
    table = read_table(write(tmp_path, clock_mhz=100.0, latency={"unit": unit, "by_weight_bits": GRID}))
    assert table.mac_latency_ns(8, 4) == pytest.approx(expected)
    assert table.mac_energy_pj(8, 4) == 8.0


@pytest.mark.parametrize(("unit", "value"), [("mW", 3.0), ("pJ/cycle", 30.0)])
def test_a_power_becomes_energies_by_the_time_of_an_operation(tmp_path: Path, unit: str, value: float) -> None:
    # 3 mW over 10 ns are 30 pJ; at 8 operations in a cycle, an eighth of it each.
    file = write(
        tmp_path,
        clock_mhz=100.0,
        energy={"unit": unit, "value": value},
        latency={"unit": "MAC/cycle", "by_weight_bits": GRID},
    )
    assert read_table(file).mac_energy_pj(8, 4) == pytest.approx(30 / 8)


@pytest.mark.parametrize(("unit", "factor"), [("pJ/byte", 1.0), ("pJ/bit", 8.0), ("nJ/byte", 1000.0)])
def test_memory_is_in_picojoules_per_byte(tmp_path: Path, unit: str, factor: float) -> None:
    memory = read_table(write(tmp_path, memory={"unit": unit, "activations": 2.0})).memory
    assert memory.activations == pytest.approx(2 * factor)
    assert memory.weights_on_chip is None


@pytest.mark.parametrize(
    ("between", "bits", "expected"),
    [
        ("next_higher", (5, 3), 8.0),
        ("next_higher", (1, 1), 1.0),
        ("next_higher", (2, 2), 1.0),
        ("linear", (5, 2), 2.5),  # half way from 1 to 4
        ("linear", (5, 3), 3.75),  # the mean of all four
        ("linear", (8, 3), 6.0),
    ],
)
def test_bits_between_are_as_the_file_says(
    tmp_path: Path, between: str, bits: tuple[int, int], expected: float
) -> None:
    table = read_table(write(tmp_path, between_bits=between))
    assert table.mac_energy_pj(*bits) == pytest.approx(expected)
    assert table.covers(*bits)


@pytest.mark.parametrize(
    ("between", "bits"),
    [
        ("refused", (3, 2)),
        ("refused", (2, 3)),
        ("next_higher", (9, 2)),
        ("next_higher", (2, 32)),
        ("linear", (1, 2)),
        ("linear", (2, 5)),
    ],
)
def test_bits_that_are_not_covered_are_refused_by_name(tmp_path: Path, between: str, bits: tuple[int, int]) -> None:
    table = read_table(write(tmp_path, between_bits=between))
    assert not table.covers(*bits)
    with pytest.raises(NotCoveredError, match=f"weights of {bits[0]} and activations of {bits[1]} bits; own gives"):
        table.mac_energy_pj(*bits)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"without": "source"}, "source: Field required"),
        ({"source": SOURCE | {"link": "page 7"}}, "source.link: should match pattern .* got 'page 7'"),
        ({"source": {key: SOURCE[key] for key in SOURCE if key != "table"}}, "source.table: Field required"),
        ({"energy": {"unit": "J", "by_weight_bits": GRID}}, "energy.unit: should be 'fJ/MAC', .* got 'J'"),
        ({"energy": {"unit": "pJ/MAC", "by_weight_bits": {2: {2: -1.0}}}}, r"2\.2: should be greater than 0, got -1.0"),
        ({"energy": {"unit": "pJ/MAC", "by_weight_bits": {2: {2: "1"}}}}, r"2\.2: should be a valid number, got '1'"),
        ({"energy": {"unit": "pJ/MAC", "by_weight_bits": {2: {2: float("nan")}}}}, r"2\.2: should be .* got nan"),
        ({"energy": {"unit": "pJ/MAC", "by_weight_bits": {2: {2: 1.0, 4: 2.0}, 8: {2: 4.0}}}}, "missing .*: 8 x 4"),
        (
            {"energy": {"unit": "pJ/MAC", "by_weight_bits": {0: {2: 1.0}}}},
            "should be greater than or equal to 1, got 0",
        ),
        ({"energy": {"unit": "pJ/MAC", "value": 1.0}}, "an energy in pJ/MAC should have by_weight_bits, and no value"),
        ({"energy": {"unit": "mW", "value": 1.0}}, "an energy in mW should have latency beside it"),
        (
            {"latency": {"unit": "MAC/cycle", "by_weight_bits": GRID}},
            "figures in MAC/cycle should have clock_mhz beside them",
        ),
        (
            {"latency": {"unit": "ns/MAC", "by_weight_bits": {2: {2: 1.0}}}},
            "should give the same bits, one alone gives 2 x 4, 8 x 2, 8 x 4",
        ),
        ({"figures": "guessed"}, "figures: should be 'measured', 'simulated' or 'estimated', got 'guessed'"),
        ({"leaves_out": []}, "leaves_out: List should have at least 1 item"),
        ({"between_bits": "cubic"}, "between_bits: should be .* got 'cubic'"),
        ({"memory": {"unit": "pJ/byte", "activations": 0.0}}, "memory.activations: should be greater than 0, got 0.0"),
        ({"title": "An accelerator for networks"}, "title: should have at most 24 characters"),
        ({"name": "My chip"}, "name: should match pattern"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted, got 'red'"),
        ({"version": 2}, "version: should be 1, got 2"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = write(tmp_path, **changes)
    with pytest.raises(AnalysisError, match=message) as caught:
        read_table(file)
    assert str(file) in str(caught.value)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match=r"source: .*; figures: "):
        read_table(write(tmp_path, without="source", figures="guessed"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b\n", "'name' stands twice"),
        ("energy: {unit: pJ/MAC, by_weight_bits: {2: {2: 1, 2: 3}}}", "2 stands twice"),
        ("a: [", "is not: while parsing"),
        ("- a\n", "should be a valid dictionary"),
        ("", "should be a valid dictionary"),
        ("? {a: 1}\n: 2\n", "is not: "),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(AnalysisError, match=message):
        read_table(file)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnalysisError, match="is a YAML file that can be read"):
        read_table(file)


def test_an_unknown_name_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(AnalysisError, match="takes horowitz45nm-qkeras, bit-fusion, mpic or a file, got unpu"):
        find_hardware("unpu")
    with pytest.raises(AnalysisError, match="is called mpic, as a shipped one is"):
        find_hardware(str(write(tmp_path, name="mpic")))


def test_every_shipped_table_says_what_it_rests_on() -> None:
    assert len(shipped()) == 3
    for name in shipped():
        table = find_hardware(name)
        assert table.name == name
        assert all(vars(table.source).values())
        assert table.leaves_out
        assert table.figures is not Figures.MEASURED  # none of them is


def test_mpic_is_as_plinio_records_it() -> None:
    # MACs per cycle by activation bits, then weight bits 2, 4, 8; the mean of four powers; 250 MHz.
    recorded = {2: (6.5, 4.0, 2.2), 4: (3.9, 3.5, 2.1), 8: (2.5, 2.3, 2.1)}
    power_w, clock_hz = sum((5.30, 5.39, 5.46, 5.38)) / 4 * 1e-3, 250e6
    table = find_hardware("mpic")
    for act_bits, row in recorded.items():
        for weight_bits, macs_per_cycle in zip((2, 4, 8), row, strict=True):
            time_s = 1 / macs_per_cycle / clock_hz
            assert table.mac_latency_ns(weight_bits, act_bits) == pytest.approx(time_s * 1e9)
            assert table.mac_energy_pj(weight_bits, act_bits) == pytest.approx(time_s * power_w * 1e12)
    assert table.mac_energy_pj(3, 8) == table.mac_energy_pj(4, 8)
    assert not table.covers(32, 32)


@pytest.mark.parametrize("weight_bits", [2, 4, 8])
@pytest.mark.parametrize("act_bits", [2, 4, 8])
def test_bit_fusion_is_as_its_simulator_records_it(weight_bits: int, act_bits: int) -> None:
    # 4 x 4 units take 3,673,500 nW of dynamic power at 500 MHz; a unit of sixteen 2-bit bricks does
    # (8 / weight bits) x (8 / activation bits) multiply-accumulates in a cycle; the array has 16 x 32 units.
    n_macs = (8 // weight_bits) * (8 // act_bits)
    table = find_hardware("bit-fusion")
    energy_of_unit_pj = 3_673_500e-9 / 16 / 500e6 * 1e12
    assert table.mac_energy_pj(weight_bits, act_bits) == pytest.approx(energy_of_unit_pj / n_macs)
    assert table.mac_latency_ns(weight_bits, act_bits) == pytest.approx(2 / (512 * n_macs))


@pytest.mark.parametrize("weight_bits", [*range(1, 9), 32])
def test_the_45_nm_table_is_what_a_sweep_records(weight_bits: int) -> None:
    table = find_hardware("horowitz45nm-qkeras")
    for act_bits in (*range(1, 9), 32):
        expected = inference_costs.mac_energy_pj(weight_bits, act_bits)
        assert table.mac_energy_pj(weight_bits, act_bits) == pytest.approx(expected, rel=1e-15)
    # Horowitz: 10 pJ and 1.3 nJ for 64 bits.
    assert table.memory.weights_on_chip == table.memory.activations == 10 / 8
    assert table.memory.weights_off_chip == 1300 / 8
    assert table.between_bits is BetweenBits.REFUSED


def test_the_documented_file_is_read_and_the_documented_costs_are_those_of_the_tables(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "energy_of_inference.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "example.yaml"
    file.write_text(example)
    assert read_table(file).mac_energy_pj(2, 8) == 0.25
    rows = re.findall(r"^\| (\d+) x (\d+) \| (\S.*?) \| (\S.*?) \| (\S.*?) \|$", page, re.MULTILINE)
    assert len(rows) == 6
    for weight_bits, act_bits, *cells in rows:
        for name, cell in zip(("horowitz45nm-qkeras", "mpic", "bit-fusion"), cells, strict=True):
            table, bits = find_hardware(name), (int(weight_bits), int(act_bits))
            is_given = cell != "not covered"
            assert table.covers(*bits) == is_given
            assert not is_given or table.mac_energy_pj(*bits) == pytest.approx(float(cell), rel=5e-3)
