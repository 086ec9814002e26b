"""The import law of the design, by an `ast` walk over every module, imports inside functions included."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, run_python

MODULES = sorted([*(REPOSITORY / "lwq_tune").rglob("*.py"), *(REPOSITORY / "analysis").rglob("*.py")])
HEAVY = {
    "torch", "torchvision", "ray", "codecarbon", "pyarrow", "pydantic", "pandas", "numpy", "sklearn", "moocore",
    "matplotlib", "plotly", "yaml", "rich", "PIL", "optuna", "pycountry", "analysis",
}  # fmt: skip
# Module prefix -> third-party packages it may import, and lwq_tune modules it must not.
LAW: dict[str, tuple[set[str], set[str]]] = {
    "lwq_tune.errors": (set(), {"lwq_tune"}),
    "lwq_tune.shapes": (set(), {"lwq_tune"}),
    "lwq_tune.text": (set(), {"lwq_tune"}),
    "lwq_tune.openmp": (set(), {"lwq_tune"}),
    "lwq_tune.exit_codes": (set(), {"lwq_tune"}),
    "lwq_tune.output_streams": (set(), {"lwq_tune"}),
    "lwq_tune.completion": (set(), {"lwq_tune"}),
    "lwq_tune.budget": (set(), {"lwq_tune.config", "lwq_tune.energy", "lwq_tune.results", "lwq_tune.sweep"}),
    "lwq_tune.interval": (set(), {"lwq_tune"}),
    "lwq_tune.makespan": (set(), {"lwq_tune.config", "lwq_tune.sweep", "lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.estimate": (set(), {"lwq_tune.models", "lwq_tune.sweep", "lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.probe_plan": (set(), {"lwq_tune.models", "lwq_tune.sweep", "lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.costs": (set(), {"lwq_tune.config", "lwq_tune.models", "lwq_tune.sweep"}),
    "lwq_tune.sweep_config": ({"pydantic"}, {"lwq_tune.models", "lwq_tune.sweep", "lwq_tune.results"}),
    "lwq_tune.config": ({"pydantic"}, {"lwq_tune.models", "lwq_tune.sweep", "lwq_tune.results"}),
    "lwq_tune.quantization.schedules": (set(), {"lwq_tune.config"}),
    "lwq_tune.quantization.packing": ({"numpy"}, {"lwq_tune"}),
    "lwq_tune.quantization": ({"torch"}, {"lwq_tune.config", "lwq_tune.energy", "lwq_tune.sweep"}),
    "lwq_tune.models": ({"torch"}, {"lwq_tune.config", "lwq_tune.energy", "lwq_tune.sweep"}),
    "lwq_tune.data.sizes": ({"pyarrow"}, {"lwq_tune.config", "lwq_tune.quantization"}),
    "lwq_tune.data.catalog": ({"pyarrow"}, {"lwq_tune.config", "lwq_tune.quantization"}),
    "lwq_tune.data": (
        {"torch", "numpy", "torchvision", "pyarrow", "sklearn", "PIL"},
        {"lwq_tune.config", "lwq_tune.quantization", "lwq_tune.sweep"},
    ),
    "lwq_tune.energy.meter": (set(), {"lwq_tune"}),
    "lwq_tune.energy.codecarbon_meter": ({"codecarbon"}, {"lwq_tune.config", "lwq_tune.training"}),
    "lwq_tune.energy.countries": ({"pycountry"}, {"lwq_tune"}),
    "lwq_tune.energy": (set(), {"lwq_tune.config", "lwq_tune.training", "lwq_tune.sweep"}),
    "lwq_tune.training.export": ({"torch", "numpy"}, {"lwq_tune.sweep", "lwq_tune.results"}),
    "lwq_tune.training": ({"torch"}, {"lwq_tune.sweep", "lwq_tune.results", "lwq_tune.energy.codecarbon_meter"}),
    "lwq_tune.results": ({"pyarrow"}, {"lwq_tune.sweep", "lwq_tune.training", "lwq_tune.models"}),
    "lwq_tune.sweep.space_yaml": ({"yaml"}, {"lwq_tune.config", "lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.sweep.space_file": ({"pydantic"}, {"lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.sweep.space": ({"pydantic"}, {"lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.sweep.space_models": ({"pydantic"}, {"lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.sweep.selection": (set(), {"lwq_tune.training", "lwq_tune.results"}),
    **dict.fromkeys([f"lwq_tune.sweep.{part}" for part in ("plan", "supply", "control", "watchdog")], (set(), set())),
    "lwq_tune.sweep.proposals": ({"optuna"}, {"lwq_tune.config", "lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.sweep.initial": (set(), {"lwq_tune.training", "lwq_tune.results"}),
    "lwq_tune.sweep.stop_settings": ({"pydantic"}, {"lwq_tune.training", "lwq_tune.results"}),
    **dict.fromkeys(
        [f"lwq_tune.sweep.stop_{part}" for part in ("rules", "state", "asha", "front", "dominance", "marginal")],
        (set(), {"lwq_tune.training", "lwq_tune.results"}),
    ),
    "lwq_tune.sweep.trial_log": (set(), {"lwq_tune"}),
    "lwq_tune.sweep.trainable": ({"ray", "torch"}, set()),
    "lwq_tune.sweep.exclusive": ({"ray", "numpy"}, set()),
    "lwq_tune.sweep": ({"ray", "rich", "optuna"}, set()),
    "lwq_tune.commands": ({"pydantic"}, set()),
    "lwq_tune.cli": (set(), set()),
    "lwq_tune.__main__": (set(), set()),
    "lwq_tune": (set(), set()),
    "analysis": (
        {"numpy", "pandas", "pyarrow", "moocore", "matplotlib", "plotly", "analysis"},
        {"lwq_tune.sweep", "lwq_tune.config", "lwq_tune.training", "lwq_tune.errors", "lwq_tune.commands"},
    ),
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def law_of(name: str) -> tuple[set[str], set[str]]:
    prefix = max((p for p in LAW if name == p or name.startswith(f"{p}.")), key=len)
    return LAW[prefix]


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_walk_finds_the_modules() -> None:
    assert len(MODULES) > 40


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_imports_only_what_its_layer_may(path: Path) -> None:
    allowed, forbidden = law_of(module_name(path))
    for imported in imports_of(path):
        top = imported.split(".")[0]
        assert top not in HEAVY - allowed, f"{module_name(path)} imports {imported}"
        for layer in forbidden:
            is_inside = imported == layer or imported.startswith(f"{layer}.")
            assert not is_inside or layer == module_name(path), f"{module_name(path)} imports {imported}"


def test_codecarbon_is_imported_in_one_file() -> None:
    users = {module_name(p) for p in MODULES if any(i.split(".")[0] == "codecarbon" for i in imports_of(p))}
    assert users == {"lwq_tune.energy.codecarbon_meter"}


def test_analysis_imports_only_the_schema_and_the_output_streams_of_lwq_tune() -> None:
    for path in MODULES:
        if module_name(path).startswith("analysis"):
            ours = {name for name in imports_of(path) if name.startswith("lwq_tune")}
            assert all(name.startswith(("lwq_tune.results.schema", "lwq_tune.output_streams")) for name in ours), path


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import lwq_tune.cli", "torch ray pydantic pyarrow pandas"),
        ("import lwq_tune.sweep.space", "torch ray pyarrow"),
        ("import analysis.__main__", "torch ray codecarbon"),
        ("from lwq_tune.cli import main; main(['sweep', '--space', 'named_schedules', '--dry-run'])", "torch ray"),
        ("from lwq_tune.cli import main; main(['spaces'])", "torch ray"),
        ("import lwq_tune.sweep.loggers, lwq_tune.sweep.trial_log, lwq_tune.commands.completion", "torch ray"),
        ("import lwq_tune.sweep.proposals", "torch ray optuna"),
        ("import lwq_tune.training.trial", "ray codecarbon pyarrow"),
        ("import lwq_tune.commands.estimate", "torch ray codecarbon pyarrow optuna"),
        ("import lwq_tune.training.probe", "ray codecarbon pyarrow pandas"),
        ("import lwq_tune.training.side_by_side", "torch ray codecarbon pyarrow pandas"),
        ("import lwq_tune.sweep.runner, lwq_tune.sweep.callbacks, lwq_tune.sweep.trainable", "torch codecarbon"),
    ],
)
def test_heavy_packages_stay_out(statement: str, absent: str, tmp_path: Path) -> None:
    check = f"{statement}; import sys; print(*sorted(set('{absent}'.split()) & set(sys.modules)), sep=',')"
    result = run_python("-c", check, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "", f"loaded: {result.stdout}"


def test_one_trial_trains_with_no_ray_installed(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('no ray here')\n")
    command = (
        "from lwq_tune.cli import main; import sys; sys.exit(main(['train', '--bits', '2,3,4', '--width', '0.25', "
        "'--epochs', '1', '--batch-size', '256', '--no-energy', '--json']))"
    )
    result = run_python("-c", command, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert '"test_accuracy"' in result.stdout
