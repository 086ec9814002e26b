"""Strict reading of hardware tables: what a file does not say well is refused with its place, before anything is drawn.

A file is YAML:

- ``version``: 1.
- ``name``, ``title``, ``technology``, ``leaves_out`` (a list), ``figures`` (measured, simulated or estimated).
- ``source``: ``short``, ``citation``, ``table``, ``link``, ``verified``.
- ``clock_mhz``: needed by units that count cycles.
- ``between_bits``: refused, next_higher or linear, see `analysis.energy.hardware.table.BetweenBits`.
- ``latency`` (optional): ``unit`` and ``by_weight_bits``, a mapping of weight bits to a mapping of activation bits.
- ``energy``: the same, or ``unit`` and ``value`` for a power, or an energy of a cycle, that is the same at all bits;
  a multiply-accumulate then takes that power for the time of one.
- ``memory`` (optional): ``unit`` and any of ``weights_on_chip``, ``weights_off_chip`` and ``activations``.

Figures stand in the unit of the publication, so that a reader finds them there.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from analysis.energy.hardware.table import BetweenBits, Cells, Figures, HardwareTable, Memory, Source
from analysis.runs.load import AnalysisError

FOLDER = Path(__file__).parent
DEFAULT = "horowitz45nm-qkeras"

PJ_OF_ENERGY = {"fJ/MAC": 1e-3, "pJ/MAC": 1.0, "nJ/MAC": 1e3}
PJ_PER_BYTE = {"pJ/byte": 1.0, "pJ/bit": 8.0, "nJ/byte": 1e3}

Text = Annotated[str, Field(min_length=1)]
Cost = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bits = Annotated[int, Field(ge=1, le=64)]
STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


def _full_grid(rows: dict[int, dict[int, float]]) -> dict[int, dict[int, float]]:
    every = sorted({bits for row in rows.values() for bits in row})
    missing = [f"{weight} x {bits}" for weight, row in sorted(rows.items()) for bits in every if bits not in row]
    if missing or not every:
        raise ValueError(
            f"every row of weight bits should give the same activation bits, missing (weight x activation): "
            f"{', '.join(missing) or 'all'}"
        )
    return rows


Grid = Annotated[dict[Bits, dict[Bits, Cost]], Field(min_length=1), AfterValidator(_full_grid)]


class _Source(BaseModel):
    model_config = STRICT

    short: Annotated[str, Field(min_length=1, max_length=40)]
    citation: Text
    table: Text
    link: Annotated[str, Field(pattern=r"^https?://\S+$")]
    verified: Text


class _Latency(BaseModel):
    model_config = STRICT

    unit: Literal["ns/MAC", "cycle/MAC", "MAC/cycle"]
    by_weight_bits: Grid


class _Energy(BaseModel):
    model_config = STRICT

    unit: Literal["fJ/MAC", "pJ/MAC", "nJ/MAC", "mW", "pJ/cycle"]
    by_weight_bits: Grid | None = None
    value: Cost | None = None

    @model_validator(mode="after")
    def _check(self) -> _Energy:
        wanted, other = ("by_weight_bits", "value") if self.unit in PJ_OF_ENERGY else ("value", "by_weight_bits")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise ValueError(f"an energy in {self.unit} should have {wanted}, and no {other}")
        return self


class _Memory(BaseModel):
    model_config = STRICT

    unit: Literal["pJ/byte", "pJ/bit", "nJ/byte"]
    weights_on_chip: Cost | None = None
    weights_off_chip: Cost | None = None
    activations: Cost | None = None


class _File(BaseModel):
    model_config = STRICT

    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Annotated[str, Field(min_length=1, max_length=24)]  # of an axis
    source: _Source
    technology: Text
    clock_mhz: Cost | None = None
    figures: Literal["measured", "simulated", "estimated"]
    leaves_out: Annotated[list[Text], Field(min_length=1)]
    between_bits: Literal["refused", "next_higher", "linear"]
    energy: _Energy
    latency: _Latency | None = None
    memory: _Memory | None = None

    @model_validator(mode="after")
    def _check(self) -> _File:
        if self.energy.by_weight_bits is None and self.latency is None:
            raise ValueError(f"an energy in {self.energy.unit} should have latency beside it")
        cycles = [part.unit for part in (self.energy, self.latency) if part is not None and "cycle" in part.unit]
        if cycles and self.clock_mhz is None:
            raise ValueError(f"figures in {', '.join(cycles)} should have clock_mhz beside them")
        if self.latency is not None and self.energy.by_weight_bits is not None:
            bits = [{(w, a) for w, row in grid.items() for a in row}
                    for grid in (self.energy.by_weight_bits, self.latency.by_weight_bits)]  # fmt: skip
            if bits[0] != bits[1]:
                odd = ", ".join(f"{w} x {a}" for w, a in sorted(bits[0] ^ bits[1]))
                raise ValueError(f"energy and latency should give the same bits, one alone gives {odd}")
        return self


class _Loader(yaml.SafeLoader):
    """A loader that refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if doubled := [key for place, key in enumerate(keys) if key in keys[:place]]:
            raise yaml.constructor.ConstructorError(None, None, f"{doubled[0]!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def shipped() -> list[str]:
    """Return the names of the tables that are shipped, the default first."""
    names = sorted(file.stem for file in FOLDER.glob("*.yaml"))
    return sorted(names, key=lambda name: name != DEFAULT)


@functools.cache
def default_hardware() -> HardwareTable:
    """Return the table that the recorded column ``modelled_inference_energy_uj`` follows from."""
    return read_table(FOLDER / f"{DEFAULT}.yaml")


def find_hardware(name_or_file: str) -> HardwareTable:
    """Return a shipped table by its name, or the one of a file.

    Raises:
        AnalysisError: It is neither, the file cannot be read, or is refused.
    """
    if name_or_file == DEFAULT:
        return default_hardware()
    if name_or_file in shipped():
        return read_table(FOLDER / f"{name_or_file}.yaml")
    file = Path(name_or_file)
    if not file.is_file():
        raise AnalysisError(f"--hardware takes {', '.join(shipped())} or a file, got {name_or_file}")
    table = read_table(file)
    if table.name in shipped() and file.resolve().parent != FOLDER.resolve():
        raise AnalysisError(
            f"a hardware table of one's own has a name of its own, {file} is called {table.name}, as a shipped one is; "
            "give it another name"
        )
    return table


def read_table(file: Path) -> HardwareTable:
    """Return the table of a file.

    Raises:
        AnalysisError: The file cannot be read, or says something wrong or too little; all of it at once.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
        return _to_table(_File.model_validate(content))
    except ValidationError as error:
        faults = "; ".join(_fault(entry) for entry in error.errors())
        raise AnalysisError(
            f"a hardware table is complete and its figures are costs, {file} is not: {faults}"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise AnalysisError(f"a hardware table is a YAML file that can be read, {file} is not: {reason}") from error


def _fault(entry: Any) -> str:
    place = ".".join(str(part) for part in entry["loc"] if part != "[key]") or "the file"
    message = entry["msg"].removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    given = entry["input"]
    is_told = isinstance(given, str | int | float) and entry["type"] != "missing"
    return f"{place}: {message}{f', got {given!r}' if is_told else ''}"


def _to_table(content: _File) -> HardwareTable:
    cycle_ns = 1e3 / content.clock_mhz if content.clock_mhz is not None else None
    latencies = _latencies_ns(content.latency, cycle_ns)
    memory = content.memory
    return HardwareTable(
        name=content.name,
        title=content.title,
        source=Source(**content.source.model_dump()),
        technology=content.technology,
        clock_mhz=content.clock_mhz,
        figures=Figures(content.figures),
        leaves_out=tuple(content.leaves_out),
        between_bits=BetweenBits(content.between_bits),
        energies_pj=_energies_pj(content.energy, latencies, cycle_ns),
        latencies_ns=latencies,
        memory=Memory() if memory is None else Memory(
            *(None if value is None else value * PJ_PER_BYTE[memory.unit]
              for value in (memory.weights_on_chip, memory.weights_off_chip, memory.activations))
        ),
    )  # fmt: skip


def _latencies_ns(latency: _Latency | None, cycle_ns: float | None) -> Cells:
    if latency is None:
        return {}
    cells = _cells(latency.by_weight_bits)
    if cycle_ns is None:
        return cells
    if latency.unit == "MAC/cycle":
        return {pair: cycle_ns / value for pair, value in cells.items()}
    return {pair: value * (cycle_ns if latency.unit == "cycle/MAC" else 1.0) for pair, value in cells.items()}


def _energies_pj(energy: _Energy, latencies_ns: Cells, cycle_ns: float | None) -> Cells:
    if energy.by_weight_bits is not None:
        return {pair: value * PJ_OF_ENERGY[energy.unit] for pair, value in _cells(energy.by_weight_bits).items()}
    power_mw = energy.value or 0.0  # mW x ns are pJ
    if energy.unit == "pJ/cycle" and cycle_ns is not None:
        power_mw /= cycle_ns
    return {pair: power_mw * value for pair, value in latencies_ns.items()}


def _cells(rows: dict[int, dict[int, float]]) -> Cells:
    return {(weight, activation): value for weight, row in rows.items() for activation, value in row.items()}
