"""The command line: flags to calls to exit codes. Heavy imports stay inside the commands."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from lwq_tune import __version__
from lwq_tune.cli import exit_codes
from lwq_tune.errors import UserInputError
from lwq_tune.host.threads import let_idle_threads_sleep
from lwq_tune.output_streams import lost_output, make_output_optional


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m lwq_tune",
        description="Sweeps over layer-wise quantization: accuracy against energy and emissions.",
        epilog="Then: python -m analysis pareto RUN_DIR. Exit codes: 0 all trials done, or ended by a rule or a "
        "budget, 1 some trial failed, 2 bad input, 130 interrupted (resume goes on).",
    )
    parser.add_argument("--version", action="version", version=f"lwq_tune {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_sweep(commands)
    _add_resume(commands)
    status = commands.add_parser("status", help="how far a run is, also while it runs")
    status.add_argument("run_dir", metavar="RUN_DIR", help="run folder, as a sweep prints it")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    spaces = commands.add_parser("spaces", help="list the search spaces that come along, or print one")
    spaces.add_argument("name", nargs="?", metavar="NAME")
    _add_train(commands)
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    export = commands.add_parser("export", help="write the network of a trial, its weights packed")
    export.add_argument("run_dir", metavar="RUN_DIR", help="run folder, as a sweep prints it")
    export.add_argument("--trial", required=True, metavar="KEY", help="trial_key of the results, or its beginning")
    export.add_argument("--out", required=True, metavar="FILE", help="file to write, a NumPy archive (.npz)")
    return parser


def _add_resume(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    resume = commands.add_parser("resume", help="finish the unfinished trials of a run")
    resume.add_argument("run_dir", metavar="RUN_DIR", help="run folder, as a sweep prints it, or STORAGE/RUN")
    resume.add_argument("--results", default="results", metavar="DIR", help="where a run from a storage goes")
    resume.add_argument("--retry-failed", action="store_true", help="train failed trials again")
    resume.add_argument("--address", metavar="ADDR", help="Ray cluster to join, or local (default: as before)")
    resume.add_argument("--carbon-budget", metavar="AMOUNT", help="a new budget for all sessions together")
    resume.add_argument("--space", metavar="NAME|FILE", help="search space to compare with (default: its own)")
    resume.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="settings for --space (default: as before)"
    )
    _add_dashboard(resume)
    edited = resume.add_mutually_exclusive_group()
    edited.add_argument("--extend", action="store_true", help="add the trials that an edited space file has more")
    edited.add_argument(
        "--as-recorded", action="store_true", help="keep the recorded space, whatever the file says now"
    )


def _add_sweep(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sweep = commands.add_parser("sweep", help="train every trial of a search space")
    sweep.add_argument("--space", required=True, metavar="NAME|FILE", help="search space (see: spaces)")
    sweep.add_argument("--run", metavar="NAME", help="name of the run folder (default: space and time)")
    sweep.add_argument("--results", default="results", metavar="DIR", help="where run folders go (default: results)")
    sweep.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="replace a setting of the space; repeatable"
    )
    sweep.add_argument(
        "--address", metavar="ADDR", help="Ray cluster to join: HOST:PORT, or auto (default: a Ray of its own, here)"
    )
    sweep.add_argument(
        "--storage",
        metavar="URI",
        help="folder or object store for checkpoints and a copy of the results: s3://…, gs://…",
    )
    _add_reservation(sweep)
    sweep.add_argument(
        "--carbon-budget", metavar="AMOUNT", help="end the sweep once it has used this: 0.5kg, 300g, 2kWh or 500Wh"
    )
    sweep.add_argument(
        "--epoch-limit", type=float, metavar="S", help="seconds an epoch may take before its process is ended"
    )
    sweep.add_argument(
        "--init-run", metavar="RUN_DIR", help="run whose trained networks trials may start from, instead of new ones"
    )
    _add_loggers(sweep)
    sweep.add_argument(
        "--estimate",
        nargs="?",
        const="only",
        choices=("only", "first"),
        help="measure steps, say what time, energy and CO2eq the sweep will take, start nothing; first: then sweep",
    )
    sweep.add_argument("--dry-run", action="store_true", help="list the trials and their costs, start nothing")
    _add_data_and_location(sweep)


def _add_reservation(sweep: argparse.ArgumentParser) -> None:
    sweep.add_argument("--max-concurrent", type=int, metavar="N", help="trials at a time (default: as many as fit)")
    sweep.add_argument(
        "--cpus-per-trial", type=float, metavar="F", help="CPUs and threads of a trial (default: equal parts)"
    )
    sweep.add_argument(
        "--gpus-per-trial", type=float, metavar="F", help="GPUs of a trial (default: 1 where there is one)"
    )
    sweep.add_argument(
        "--exclusive", action="store_true", help="one trial at a time, in random order: for confirmation runs"
    )


def _add_loggers(sweep: argparse.ArgumentParser) -> None:
    sweep.add_argument("--tensorboard", action="store_true", help="write TensorBoard event files into the run folder")
    sweep.add_argument(
        "--mlflow",
        nargs="?",
        const="run-folder",
        metavar="URI",
        help="log to MLflow (default: a database in the run folder)",
    )
    sweep.add_argument(
        "--wandb",
        nargs="?",
        const="lwq-tune",
        metavar="PROJECT",
        help="log to Weights & Biases, offline unless WANDB_MODE is set",
    )
    _add_dashboard(sweep)


def _add_dashboard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dashboard",
        nargs="?",
        const=0,  # no port: Ray chooses
        type=_port,
        metavar="PORT",
        help="start Ray's dashboard and Prometheus metrics on this host (default: the first free port from 8265 on)",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, got {text!r}")
    return int(text)


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = commands.add_parser("train", help="train one trial, without Ray")
    train.add_argument("--bits", required=True, metavar="B1,B2,B3", help="bits per stage, or a schedule's name")
    train.add_argument("--act-bits", metavar="A1,A2,A3", help="bits of activations (default: those of the weights)")
    train.add_argument("--dataset", default="digits", help="digits, cifar10, cifar100 or a folder (default: digits)")
    train.add_argument("--model", help="resnet14 (default), resnet20, resnet32, resnet44, resnet56")
    train.add_argument("--width", type=float, help="multiplier on the channels")
    train.add_argument("--quantizer", help="lsq (default), pact, dorefa or minmax")
    train.add_argument("--weight-scales", help="per_tensor (default) or per_channel")
    train.add_argument("--first-last-bit-width", type=int, help="bits of stem and classifier: 32 (default) or 8")
    train.add_argument("--mode", help="qat (default), or ptq: calibrate a trained network and evaluate it")
    train.add_argument("--init-from", help="scratch (default), full_precision or progressive: trained first")
    train.add_argument("--init-run", metavar="RUN_DIR", help="run that holds the network to start from")
    train.add_argument("--pretrain-epochs", type=int, help="epochs of the full-precision network")
    train.add_argument("--pretrain-lr", type=float, help="its learning rate")
    train.add_argument("--engine", help="auto (default), eager or compiled")
    train.add_argument("--precision", help="fp32 (default) or bf16")
    train.add_argument("--epochs", type=int)
    train.add_argument("--batch-size", type=int)
    train.add_argument("--lr", type=float)
    train.add_argument("--weight-decay", type=float)
    train.add_argument("--lr-curve", help="cosine (default), step or constant")
    train.add_argument("--lr-milestones", type=_integers, metavar="E1,E2", help="epochs after which a step curve falls")
    train.add_argument("--validation-fraction", type=float, metavar="F", help="share of training images held out")
    train.add_argument("--augmentation", help="crop_flip, crop or none")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    train.add_argument("--json", action="store_true", help="print one JSON object per epoch")
    train.add_argument("--no-energy", action="store_true", help="do not measure energy")
    _add_data_and_location(train)


def _integers(text: str) -> tuple[int, ...]:
    """Return the integers in ``1,2,3``."""
    return tuple(int(part) for part in text.split(","))


def _add_data_and_location(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", default="data", metavar="DIR", help="downloaded data sets (default: data)")
    each = "repeatable, HOST=… for one host"
    for flag, value, meaning in (
        ("--country", "COUNTRY", f"its yearly mean carbon intensity is used: ISO 3166-1 code or English name; {each}"),
        ("--carbon-intensity", "G_PER_KWH", f"carbon intensity in g/kWh, 1 to 10,000; {each}"),
        ("--intensity-file", "FILE", f"carbon intensities over time, columns time and g_per_kwh; {each}"),
    ):
        parser.add_argument(flag, action="append", default=[], metavar=value, help=meaning)
    parser.add_argument(
        "--pue", type=float, default=1.0, metavar="F", help="power usage effectiveness that multiplies all energies"
    )


def without_port(arguments: Sequence[str]) -> list[str]:
    """Return a command line where the RUN_DIR of ``resume`` is not taken for the port of ``--dashboard`` before it.

    A port is digits. Where something else follows, the flag is put last, where argparse gives it no value.

    >>> without_port(["resume", "--dashboard", "results/night"])
    ['resume', 'results/night', '--dashboard']
    """
    given = list(arguments)
    if given[:1] != ["resume"] or "--dashboard" not in given:
        return given
    place = given.index("--dashboard")
    following = given[place + 1 : place + 2]
    if not following or following[0].isdecimal() or following[0].startswith("-"):
        return given
    return [*given[:place], *given[place + 1 :], "--dashboard"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    make_output_optional()
    parsed = make_parser().parse_args(without_port(sys.argv[1:] if arguments is None else arguments))
    let_idle_threads_sleep()
    code = _run(parsed)
    lost = lost_output()
    if lost is None:
        return code
    if _trains(parsed):  # what it has trained is done, and costs more to do again than a lost line
        print(f"warning: {lost}", file=sys.stderr)
        return code
    print(f"error: {lost}", file=sys.stderr)
    return code or exit_codes.BAD_INPUT


def _run(parsed: argparse.Namespace) -> int:
    try:
        command = importlib.import_module(f"lwq_tune.cli.{parsed.command}")
        code: int = command.run(parsed)
    except UserInputError as error:
        print(f"error: {error}", file=sys.stderr)
        return exit_codes.BAD_INPUT
    except OSError as error:
        print(f"error: a file or folder could not be used: {error}", file=sys.stderr)
        return exit_codes.BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return exit_codes.INTERRUPTED
    return code


def _trains(parsed: argparse.Namespace) -> bool:
    """Return whether a command trains, so that what it prints is not all that it gives."""
    if parsed.command == "sweep":
        return not parsed.dry_run and parsed.estimate != "only"
    return parsed.command in ("resume", "train")
