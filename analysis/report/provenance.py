"""What a manifest says about how the numbers came about; credentials in it are not repeated."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from analysis.runs.load import AnalysisError

Manifest = dict[str, Any]
Facts = list[tuple[str, str]]
HIDDEN = "***"
SECRET_NAME = re.compile(
    r"(?i)([\w.-]*(?:token|secret|passw(?:or)?d|credential|api[-_]?key|access[-_]?key|auth)[\w.-]*\s*[=:]\s*)([^\s,;&]+)"
)
SECRET_FLAG = re.compile(r"(?i)^--?[\w-]*(?:token|secret|passw(?:or)?d|credential|api-?key|access-?key|auth)[\w-]*$")
USER_IN_ADDRESS = re.compile(r"(\w[\w+.-]*://)[^/\s@]+@")
QUERY = re.compile(r"(\w[\w+.-]*://[^\s?#]+)[?#]\S+")


def read_manifest(run_dir: Path) -> Manifest:
    """Return the manifest of a run, empty where it has none.

    Raises:
        AnalysisError: It cannot be read.
    """
    file = run_dir / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise AnalysisError(f"manifest.json must be readable JSON, {file} is not ({error})") from error
    if not isinstance(manifest, dict):
        raise AnalysisError(f"a manifest is a JSON object, {file} is not")
    return manifest


def without_secrets(text: object) -> str:
    """Return text without credentials: users in addresses, their queries, values of names such as TOKEN.

    >>> without_secrets("s3://key:pass@host/runs?token=1 WANDB_API_KEY=abc lr=0.1")
    's3://***@host/runs?*** WANDB_API_KEY=*** lr=0.1'
    """
    hidden = USER_IN_ADDRESS.sub(rf"\1{HIDDEN}@", str(text))
    hidden = QUERY.sub(rf"\1?{HIDDEN}", hidden)
    return SECRET_NAME.sub(rf"\1{HIDDEN}", hidden)


def command_line(arguments: object) -> str:
    """Return the arguments of a sweep as they were typed; a value after a flag such as --token is hidden.

    >>> command_line(["sweep", "--token", "abc", "--set", "lr=0.1"])
    'python -m lwq_tune sweep --token *** --set lr=0.1'
    """
    shown, is_secret = [], False
    for argument in arguments if isinstance(arguments, list) else []:
        shown.append(HIDDEN if is_secret else without_secrets(argument))
        is_secret = bool(SECRET_FLAG.match(str(argument)))
    return " ".join(["python -m lwq_tune", *shown])


def manifest_facts(manifest: Manifest) -> Facts:
    """Return the facts of a manifest as pairs of a term and its text; what it does not hold is left out."""
    space, dataset = _mapping(manifest.get("space")), _mapping(manifest.get("dataset"))
    facts: Facts = []
    if space:
        facts.append(("search space", f"{space.get('name')}, SHA-256 {space.get('sha256')}"))
    if isinstance(overrides := space.get("overrides"), list) and overrides:
        facts.append(("settings replaced", ", ".join(map(without_secrets, overrides))))
    if dataset:
        digest = dataset.get("digest")
        name = Path(str(dataset.get("dataset"))).name
        facts.append(("data set", f"{name}, digest {digest}" if digest else name))
    facts += _intensities(_mapping(manifest.get("carbon_intensity")))
    facts += [
        (f"energy sources of {host}", _labels(_mapping(labels)))
        for host, labels in _mapping(manifest.get("energy_sources")).items()
    ]
    sessions = manifest.get("sessions")
    for number, session in enumerate(sessions if isinstance(sessions, list) else [], start=1):
        prefix = f"session {number}: " if isinstance(sessions, list) and len(sessions) > 1 else ""
        facts += [(f"{prefix}{term}", text) for term, text in _session(_mapping(session))]
    return facts


def is_open(manifest: Manifest) -> bool:
    """Return whether the last session of a run has no end: it goes on, or was killed."""
    sessions = manifest.get("sessions")
    last = _mapping(sessions[-1]) if isinstance(sessions, list) and sessions else {}
    return bool(last) and last.get("ended_at_utc") is None


def _session(session: Manifest) -> Facts:
    host = _mapping(session.get("host"))
    versions = ", ".join(f"{name} {version}" for name, version in _mapping(session.get("versions")).items() if version)
    machine = [host.get("hostname"), host.get("cpu_model"), host.get("platform")]
    machine += [
        f"{host[key]} {unit}" for key, unit in (("available_cpus", "CPUs"), ("memory_mib", "MiB")) if host.get(key)
    ]
    return [
        ("command", command_line(session.get("arguments"))),
        ("time", f"{session.get('started_at_utc')} to {session.get('ended_at_utc') or 'no end recorded'}"),
        ("host", ", ".join(str(part) for part in machine if part) or "not recorded"),
        ("versions", versions or "not recorded"),
        ("commit", str(session.get("commit") or "not recorded")),
    ]


def _intensities(intensities: Manifest) -> Facts:
    facts: Facts = []
    for host, entry in intensities.items():
        series = _mapping(entry)
        values = series.get("values_g_per_kwh")
        numbers = [value for value in values if isinstance(value, (int, float))] if isinstance(values, list) else []
        span = " to ".join(dict.fromkeys(f"{value:g}" for value in (min(numbers), max(numbers)))) if numbers else "?"
        place = f" of {host}" if host else ""
        facts.append((f"carbon intensity{place}", f"{span} g/kWh, source: {without_secrets(series.get('source'))}"))
    return facts


def _labels(labels: Manifest) -> str:
    return ", ".join(f"{name.removesuffix('_source')} {label}" for name, label in labels.items())


def _mapping(value: object) -> Manifest:
    return value if isinstance(value, dict) else {}
