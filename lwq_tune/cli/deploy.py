"""``python -m lwq_tune deploy``: what trained networks cost where they run, measured."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from pydantic import ValidationError

from lwq_tune.cli import exit_codes
from lwq_tune.cli.options import add_settings, given_settings
from lwq_tune.config.deploy import MLPERF_DURATION_S, DeploySettings
from lwq_tune.errors import ConfigError
from lwq_tune.output_streams import say

_CONDITIONS = {"runtime": "runtime", "version": "runtime_version", "threads": "n_threads", "host": "hostname"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_dir", metavar="RUN_DIR", help="run folder, as a sweep prints it")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--trial", action="append", default=[], metavar="KEY", help="trial_key, or its beginning; repeatable"
    )
    which.add_argument("--front", action="store_true", help="only networks on the front of the run's objectives")
    which.add_argument(
        "--all", action="store_true", help="all finished trials (default: the first seed of each configuration)"
    )
    add_settings(parser, DeploySettings)
    parser.add_argument(
        "--mlperf-length", action="store_true", help=f"windows of {MLPERF_DURATION_S:.0f} s, as MLPerf Power asks for"
    )
    parser.add_argument("--strict", action="store_true", help="refuse a host that is not idle")


def trains(arguments: Namespace) -> bool:
    """Return True: what the command prints is not all that it gives."""
    return True


def run(arguments: Namespace) -> int:
    """Measure the networks of a run and print what was found; the table is the last line on stdout."""
    from lwq_tune.deployment.session import deploy_run
    from lwq_tune.sweep.space.checks import explain

    given = given_settings(arguments, DeploySettings)
    if arguments.front or arguments.all:
        given["networks"] = "front" if arguments.front else "all"
    if arguments.mlperf_length:
        given["duration"] = MLPERF_DURATION_S
    try:
        settings = DeploySettings(**given)
    except ValidationError as error:
        raise ConfigError(
            "\n".join(f"--{one}" for one in explain(error, tuple(DeploySettings.model_fields)))
        ) from error
    deployed = deploy_run(arguments.run_dir, settings, trials=arguments.trial, is_strict=arguments.strict, tell=say)
    for line in summary(deployed.rows):
        say(line)
    print(deployed.path, flush=True)
    if deployed.is_interrupted:
        say("interrupted; what was measured is kept, the same command goes on")
        return exit_codes.INTERRUPTED
    return exit_codes.TRIAL_FAILED if deployed.n_failed else exit_codes.DONE


def summary(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table of medians over repetitions, and what one should know of it."""
    from lwq_tune.formatting import format_columns

    done = [row for row in rows if row["status"] == "done"]
    varying = {
        name: column for name, column in _CONDITIONS.items() if len({row.get(column) for row in done}) > 1
    }  # measurements under different conditions are different figures
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in done:
        key = (row["batch_size"], row["trial_key"], row["float_precision"], *map(row.get, _CONDITIONS.values()))
        groups.setdefault(key, []).append(row)
    cells = []
    for of_group in sorted(groups.values(), key=lambda rows: (rows[0]["batch_size"], rows[0]["schedule"])):
        times = [row["time_per_image_us"] for row in of_group]
        energies = [row["energy_per_image_uj"] for row in of_group if row.get("energy_per_image_uj") is not None]
        first = of_group[0]
        same_name = {row["trial_key"] for row in done if row["schedule"] == first["schedule"]}
        of_seed = f" seed {first['config_seed']}" if len(same_name) > 1 else ""
        cells.append(
            [
                f"{first['schedule']}{of_seed}",
                first["float_precision"],
                first["precision_class"] or "-",
                str(first["batch_size"]),
                f"{median(times):.1f}",
                f"{(max(times) - min(times)) / median(times):.1%}",
                f"{median(energies):.1f}" if energies else "-",
                "-" if first.get("deployed_test_accuracy") is None else f"{first['deployed_test_accuracy']:.4f}",
                "-" if first["n_integer_layers"] is None else f"{first['n_integer_layers']}/{first['n_layers']}",
                *(str(first.get(column)) for column in varying.values()),
            ]
        )
    header = ["schedule", "float", "integers", "batch", "us/image", "spread", "uJ/image", "accuracy", "integer layers"]
    header += varying
    lines = format_columns(header, cells).splitlines() if cells else []
    sources = {row.get("cpu_source") or "" for row in done}
    if any(source.startswith("estimated") for source in sources):
        lines.append("time is measured, power is estimated: no counter of energy was found on this host")
    elif done and sources == {""}:
        lines.append("time is measured, energy is not")
    fallbacks = sorted({f"{row['schedule']}: {row['float_fallbacks']}" for row in done if row.get("float_fallbacks")})
    lines += [f"WARNING: quantized layers ran in float in {one}" for one in fallbacks]
    return lines
