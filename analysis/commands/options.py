"""What the commands share: arguments, the trials they are about, and where lines and files go."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.energy.hardware.reader import find_hardware, shipped
from analysis.energy.hardware.table import HardwareTable
from analysis.runs.configurations import done_trials
from analysis.runs.load import AnalysisError, Runs, load_runs


@dataclass(frozen=True)
class Loaded:
    """What a command is about.

    Attributes:
        runs: The runs.
        done: Their finished trials.
        out: Folder for files; `writing` makes it.
    """

    runs: Runs
    done: pd.DataFrame
    out: Path

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """Make the folder for files, let files be written there, then tell on stderr which trials are left out.

        Raises:
            AnalysisError: It cannot be made, or written to.
        """
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            yield self.out
        except OSError as error:
            raise AnalysisError(
                f"the output folder must be writable, {self.out} is not ({error}); give --out"
            ) from error
        say(self.left_out())

    def left_out(self) -> list[str]:
        """Return a line on the trials that are not looked at; none where all are."""
        trials = self.runs.trials
        others = trials[~trials.index.isin(self.done.index)]["status"]
        if others.empty:
            return []
        found = others.replace("done", "done in a configuration that was stopped in another seed").value_counts()
        counts = ", ".join(f"{count} {status}" for status, count in found.items())
        return [f"left out: {counts} of {len(trials)} trials"]


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run folders and the folder for files."""
    parser.add_argument("run_dirs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where files go (default for one run: RUN_DIR/analysis)"
    )


def add_width_argument(parser: argparse.ArgumentParser, default: float | None, explanation: str) -> None:
    """Add the printed width of a figure."""
    parser.add_argument(
        "--width-in", type=_width, default=default, metavar="INCHES", help=f"printed width ({explanation})"
    )


def add_hardware_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the hardware that inference is modelled for."""
    parser.add_argument(
        "--hardware",
        metavar="NAME|FILE",
        help=f"{what}: {', '.join(shipped())}, or a file (docs, Energy of inference)",
    )
    parser.add_argument(
        "--first-last-bits",
        type=_bits,
        metavar="BITS",
        help="with --hardware: take stem and classifier at these bits where they were trained in full precision",
    )


def add_inference_arguments(parser: argparse._ActionsContainer) -> None:
    """Add which measured inferences stand on an axis."""
    flag = parser.add_argument
    flag("--batch", type=int, metavar="N", help="images per call (default: the smallest that was measured)")
    flag("--runtime", metavar="NAME", help="library that executed the networks, where several did")
    flag("--use-intensity", type=positive, metavar="G_PER_KWH",
         help="carbon intensity where the networks are used (default: that of the measurements)")  # fmt: skip
    flag("--mixed-hosts", action="store_true", help="put inferences of several hosts on one axis")


def chosen_inference(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return what `add_inference_arguments` took, as arguments of `analysis.lifetime.use.measure_use`."""
    return {
        "batch_size": parsed.batch, "runtime": parsed.runtime, "mixed_hosts": parsed.mixed_hosts,
        "use_intensity_g_per_kwh": parsed.use_intensity,
    }  # fmt: skip


def positive(text: str) -> float:
    """Return a number above 0 of the command line."""
    try:
        number = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a number such as 1e6 is needed, got {text!r}") from error
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"a number above 0 is needed, got {text}")
    return number


def _bits(text: str) -> int:
    bits = int(text)
    if not 1 <= bits <= 32:
        raise argparse.ArgumentTypeError(f"bits are 1 to 32, got {text}")
    return bits


def chosen_hardware(parsed: argparse.Namespace) -> HardwareTable | None:
    """Return the table of ``--hardware``, None without it.

    Raises:
        AnalysisError: There is no such table, or it is refused.
    """
    if parsed.hardware is None:
        if parsed.first_last_bits is not None:
            raise AnalysisError(f"--first-last-bits goes with --hardware, got {parsed.first_last_bits} alone")
        return None
    hardware = find_hardware(parsed.hardware)
    return hardware if parsed.first_last_bits is None else replace(hardware, first_last_bits=parsed.first_last_bits)


def _width(text: str) -> float:
    width_in = float(text)
    if not 2 <= width_in <= 20:
        raise argparse.ArgumentTypeError(f"a printed width is 2 to 20 inches, got {text}")
    return width_in


def load(parsed: argparse.Namespace) -> Loaded:
    """Return what a command is about.

    Raises:
        AnalysisError: The runs cannot be read, or hold no finished trial.
    """
    if parsed.out is None and len(parsed.run_dirs) > 1:
        raise AnalysisError("files about several runs belong to none of them, got no --out; give --out DIR")
    runs = load_runs(parsed.run_dirs)
    done = done_trials(runs.trials)
    return Loaded(runs, done, parsed.out or parsed.run_dirs[0] / "analysis")


def tell(lines: Iterable[object]) -> None:
    """Write data to stdout."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def say(lines: Iterable[object]) -> None:
    """Write lines about the data to stderr."""
    sys.stderr.write("".join(f"{line}\n" for line in lines))
