"""``python -m lwq_tune export``: the network of a finished trial as a file, ONNX or NumPy."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from lwq_tune.cli import exit_codes
from lwq_tune.output_streams import say

if TYPE_CHECKING:
    from lwq_tune.deployment.export import Exported


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_dir", metavar="RUN_DIR", help="run folder, as a sweep prints it")
    parser.add_argument("--trial", required=True, metavar="KEY", help="trial_key of the results, or its beginning")
    parser.add_argument(
        "--out", metavar="FILE", help="file to write (default: exports/KEY.onnx or .npz in the run folder)"
    )
    parser.add_argument(
        "--format",
        choices=("onnx", "npz"),
        help="onnx: for a runtime, checked on validation images before it is written; npz: for NumPy (default: by "
        "--out, else onnx)",
    )


def run(arguments: Namespace) -> int:
    """Find the trial, write its network and print its size; the file is the last line on stdout."""
    from lwq_tune.deployment.export import export_trial

    exported = export_trial(arguments.run_dir, arguments.trial, arguments.out, file_format=arguments.format)
    for line in describe(exported):
        say(line)
    print(exported.file, flush=True)
    return exit_codes.DONE


def describe(exported: Exported) -> list[str]:
    """Return what is worth knowing of an exported file, a line each."""
    trial = exported.trial
    lines = [
        f"{trial.schedule} seed {trial.seed}: quantized weights take {exported.packed_bytes} bytes packed, "
        f"{exported.float_bytes} in float32"
    ]
    agreement = exported.agreement
    if agreement is not None:
        lines.append(
            f"on {agreement.n_images} validation images the file gives the class of the trained network in "
            f"{agreement.same_class:.2%}; median difference of logits {agreement.median_difference:.1e}"
        )
    for layer in exported.layers:
        if layer.reason:
            lines.append(f"{layer.name} computes in float: {layer.reason}")
    if exported.packed_file is not None:
        lines.append(
            f"{exported.packed_file} has weights of 4 and 2 bits where they fit, for size alone: runtimes compute "
            "them in float"
        )
    return lines
