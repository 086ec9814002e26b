"""Exports, measures and records the networks of a run: `deploy_run`, which ``lwq_tune deploy`` calls. No torch.

One network at a time, each load in a process of its own, in an order that is shuffled over networks and repetitions.
Every measurement is in a log as soon as it is done; a session that was killed goes on after the last of them.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lwq_tune.config.deploy import DeploySettings
from lwq_tune.config.trial import TrialConfig
from lwq_tune.deployment.measurement import OtherLoad
from lwq_tune.deployment.preparation import images_file, network_file, prepare_networks
from lwq_tune.deployment.processes import run_in_process, why_ended
from lwq_tune.deployment.records import (
    InferenceLog,
    PreparedNetwork,
    Record,
    Turn,
    identity,
    layer_columns,
    turns_done,
    without_overcome_failures,
    write_inference_table,
)
from lwq_tune.deployment.runtimes.choice import make_runtime
from lwq_tune.deployment.selection import choose_networks
from lwq_tune.deployment.worker import MeasureTask, read_images, run_task
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.sensors.host_meter import JOULES_PER_KWH
from lwq_tune.energy.service.location import ledger_folder
from lwq_tune.energy.trial_meter import LedgerMeter
from lwq_tune.errors import EnergyMeterError, ResultsError, UserInputError
from lwq_tune.files.locks import LockedError, named_lock
from lwq_tune.formatting import duration
from lwq_tune.host.hardware import available_cpus, cpu_model, governor, instruction_sets
from lwq_tune.results.earlier_runs import read_trials
from lwq_tune.results.energy_tables import EnergyLog
from lwq_tune.results.manifest import Manifest, read_manifest
from lwq_tune.results.run_folder import RunFolder, run_lock

MAX_OTHER_LOAD = 0.05  # of all CPUs, on a host that counts as idle
_LOAD_CHECK_S = 2.0


@dataclass(frozen=True)
class Deployed:
    """The measurements of a run after a session.

    Attributes:
        path: The table, ``inference.parquet``.
        rows: Its rows.
        n_failed: Networks that could not be exported or run in this session.
        is_interrupted: Whether Ctrl-C ended the session; what was measured is kept.
    """

    path: Path
    rows: Sequence[Record]
    n_failed: int
    is_interrupted: bool


def deploy_run(
    run_dir: str | Path,
    settings: DeploySettings | None = None,
    *,
    trials: Sequence[str] = (),
    is_strict: bool = False,
    is_locked: bool = False,
    tell: Callable[[str], object] = print,
) -> Deployed:
    """Export networks of a run, measure each, and write ``inference.parquet`` into its folder.

    Args:
        run_dir: Run folder of a sweep that has ended.
        settings: How to measure.
        trials: Keys of the trials, or their beginnings, in place of the choice of the settings.
        is_strict: Whether a host that is not idle is refused.
        is_locked: Whether the caller holds the lock of the run folder.
        tell: Takes one line on what is done.

    Raises:
        UserInputError: A package is missing, there is no such trial, or another process works on the run or measures
            on this host.
    """
    settings = settings or DeploySettings()
    make_runtime(settings.runtime, is_writer_needed=True)
    folder = RunFolder(Path(run_dir).expanduser().resolve())
    manifest = read_manifest(folder.path)
    with contextlib.nullcontext() if is_locked else run_lock(folder.path), _host_to_itself():
        configs = read_trials(manifest, folder).all
        chosen = choose_networks(folder, manifest, configs, settings.networks, trials)
        _check_idle(is_strict=is_strict, tell=tell)
        session = _Session(folder, manifest, settings, tell)
        try:
            session.measure(chosen)
        except KeyboardInterrupt:
            session.is_interrupted = True
        return session.finish(configs)


@contextlib.contextmanager
def _host_to_itself() -> Iterator[None]:
    """Hold the lock of this host during the body.

    Raises:
        ResultsError: Another process measures here.
    """
    path = ledger_folder() / "deploy.lock"
    try:
        with named_lock(path):
            yield
    except LockedError as error:
        raise ResultsError(
            f"one network at a time is measured on a host, {error.holder} measures here; wait until it has ended"
        ) from error


def _check_idle(*, is_strict: bool, tell: Callable[[str], object]) -> None:
    load = OtherLoad()
    time.sleep(_LOAD_CHECK_S)
    share = load.share()
    if share is None or share <= MAX_OTHER_LOAD:
        return
    found = (
        f"networks are measured on an idle host, other processes use {share:.0%} of the CPUs of {socket.gethostname()}"
    )
    if is_strict:
        raise ResultsError(f"{found}; end them, or leave out --strict")
    tell(f"warning: {found}; times and energies are too high by an unknown amount")


class _Session:
    """One session of measurements."""

    def __init__(
        self, folder: RunFolder, manifest: Manifest, settings: DeploySettings, tell: Callable[[str], object]
    ) -> None:
        self._folder, self._manifest, self._settings, self._tell = folder, manifest, settings, tell
        self._log = InferenceLog(folder)
        self._hostname = socket.gethostname()
        self._session = secrets.token_hex(8)
        self._idle_w: list[float] = []
        self._n_failed = 0
        self.is_interrupted = False
        runtime = make_runtime(settings.runtime)
        self._conditions = {
            "runtime": f"{runtime.name} {runtime.version}",
            "threads": settings.threads,
            "batch": list(settings.batch),
            "duration": settings.duration,
            "hostname": self._hostname,
        }

    @property
    def _energy_folder(self) -> Path:
        return self._folder.path / "deployed" / "energy"

    def _spec(self) -> RunSpec:
        intensities = self._manifest.intensities()
        intensity = intensities.get(self._hostname) or intensities[""]
        self._energy_folder.mkdir(exist_ok=True)
        log = self._energy_folder / f"{self._hostname}.jsonl"
        pue = self._manifest.sweep_config().pue
        return RunSpec(f"{self._folder.path}/deployed", log, intensity, pue, self._session)

    def measure(self, chosen: Mapping[str, TrialConfig]) -> None:
        """Measure what is left of some networks."""
        turns = self._turns(chosen)
        done = turns_done(self._log.read(), self._conditions)
        left = [(position, turn) for position, turn in enumerate(turns, start=1) if turn not in done]
        if not left:
            self._tell(f"nothing to do: all {len(turns)} measurements are in {self._log.path}")
            return
        keys = list(dict.fromkeys(turn.trial_key for _, turn in left))
        self._tell(f"deploying {len(keys)} networks with {self._conditions['runtime']}: {len(left)} measurements")
        prepared = self._prepare(keys, chosen)
        self._measure_idle()
        begin = time.monotonic()
        for n_done, (position, turn) in enumerate(left, start=1):
            network = prepared.get(turn.trial_key)
            if network is not None and network.error is None:
                self._measure_turn(turn, position, network, chosen[turn.trial_key])
            remaining_s = (time.monotonic() - begin) / n_done * (len(left) - n_done)
            self._tell(f"measured {n_done}/{len(left)}, about {duration(remaining_s)} left")
        self._measure_idle()

    def _turns(self, chosen: Mapping[str, TrialConfig]) -> list[Turn]:
        """Return all turns in the order of measuring: repetitions are blocks, each in an order of its own."""
        generator = random.Random(self._settings.seed)  # noqa: S311 (an order, no secret)
        turns = []
        for repetition in range(1, self._settings.repetitions + 1):
            block = [Turn(key, "f32", repetition) for key in chosen]
            if self._settings.runtime == "openvino":
                block += [Turn(key, "bf16", repetition) for key, config in chosen.items() if config.is_full_precision]
            generator.shuffle(block)
            turns += block
        return turns

    def _prepare(self, keys: Sequence[str], chosen: Mapping[str, TrialConfig]) -> dict[str, PreparedNetwork]:
        """Export networks; those that fail are recorded.

        One process exports one after the other. Where it crashes, the network that it was at is the one that failed,
        and another process goes on with the next.
        """
        found: dict[str, PreparedNetwork] = {}
        log = self._folder.path / "logs" / "deploy-export.log"
        left = list(keys)
        while left:
            answers, exit_code = run_in_process(
                prepare_networks, (self._folder.path, left, self._settings.runtime, log), log
            )
            for answer in answers:
                if isinstance(answer, UserInputError):
                    raise answer
                found[answer.trial_key] = answer
            left = [key for key in left if key not in found]
            if left:
                found[left[0]] = PreparedNetwork(left[0], error=why_ended("exports", exit_code, log))
                del left[0]
        for key, network in found.items():
            if network.error is not None:
                self._fail(Turn(key, "f32", 1), 0, chosen[key], network.error)
        return found

    def _measure_turn(self, turn: Turn, position: int, network: PreparedNetwork, config: TrialConfig) -> None:
        settings = self._settings
        log = self._folder.path / "logs" / f"deploy-{turn.trial_key}-{turn.precision}-{turn.repetition}.log"
        known = {_deployed_as(record) for record in self._log.read() if record["kind"] == "accuracy"}
        deployed_as = (turn.trial_key, turn.precision, self._conditions["runtime"], self._hostname)
        task = MeasureTask(
            trial_key=turn.trial_key,
            file=network_file(self._folder.path, turn.trial_key),
            images=images_file(self._folder.path),
            runtime=settings.runtime,
            precision=turn.precision,  # type: ignore[arg-type]
            batch_sizes=settings.batch,
            n_threads=settings.threads,
            duration_s=settings.duration,
            warm_up_s=settings.warm_up,
            is_accuracy_due=deployed_as not in known,
            spec=self._spec(),
            log=log,
        )
        answers, exit_code = run_in_process(run_task, (task,), log)
        if exit_code != 0 or len(answers) != len(settings.batch):
            self._fail(turn, position, config, why_ended("measures", exit_code, log))
            return
        records = []
        if (logits := answers[0].pop("logits", None)) is not None:
            records.append(self._accuracy(turn, network, logits))
        for answer in answers:
            executed = answer.pop("layers")
            records.append(
                {
                    **self._base(turn, position, config),
                    **answer,
                    **layer_columns(network.layers, executed),
                    "status": "done",
                    "packed_weight_bytes": network.packed_weight_bytes,
                }
            )
        fallbacks = records[-1]["float_fallbacks"]
        if fallbacks:
            self._tell(f"WARNING: {config.schedule} ({turn.trial_key}): quantized layers ran in float: {fallbacks}")
        self._log.append(records)

    def _accuracy(self, turn: Turn, network: PreparedNetwork, logits: np.ndarray) -> Record:
        labels = read_images(images_file(self._folder.path)).labels
        classes = logits.argmax(1)
        return {
            "kind": "accuracy",
            "trial_key": turn.trial_key,
            "float_precision": turn.precision,
            "conditions": self._conditions,
            "deployed_test_accuracy": float(np.mean(classes == labels)),
            "simulated_test_accuracy": network.simulated_test_accuracy,
            "same_class": float(np.mean(classes == np.asarray(network.simulated_classes))),
        }

    def _base(self, turn: Turn, position: int, config: TrialConfig) -> Record:
        return {
            "kind": "window",
            **identity(self._manifest.run, config),
            "float_precision": turn.precision,
            "repetition": turn.repetition,
            "position": position,
            "n_threads": self._settings.threads,
            "hostname": self._hostname,
            "cpu_model": cpu_model(),
            "instruction_set": ", ".join(instruction_sets()) or None,
            "governor": governor(),
            "conditions": self._conditions,
            "session": self._session,
        }

    def _fail(self, turn: Turn, position: int, config: TrialConfig, reason: str) -> None:
        self._n_failed += 1
        self._tell(f"failed: {config.schedule} seed {config.seed} ({turn.trial_key}): {reason}")
        self._log.append([{**self._base(turn, position, config), "status": "failed", "error": reason}])

    def _measure_idle(self) -> None:
        """Leave the host without load for a time, and note its idle power where it can be told."""
        if self._settings.idle <= 0:
            return
        try:
            meter = LedgerMeter(self._spec(), "idle", os.getpid(), float(available_cpus()))
        except EnergyMeterError as error:
            self._tell(f"warning: no energy is measured: {error}")
            return
        try:
            meter.begin_window()
            time.sleep(self._settings.idle)
            reading = meter.end_window()
            if reading.idle_energy_kwh and meter.sources.idle_source != "unknown":
                self._idle_w.append(reading.idle_energy_kwh * JOULES_PER_KWH / reading.time_s)
        finally:
            meter.close()
        idle_w = sum(self._idle_w) / len(self._idle_w) if self._idle_w else None
        self._log.append([{"kind": "idle", "session": self._session, "idle_power_w": idle_w}])

    def finish(self, configs: Mapping[str, TrialConfig]) -> Deployed:
        """Write the tables and return what is in them."""
        records = self._log.read()
        idle_w = {one["session"]: one["idle_power_w"] for one in records if one["kind"] == "idle"}
        accuracy = {_deployed_as(one): one for one in records if one["kind"] == "accuracy"}
        rows = [
            {
                **accuracy.get(_deployed_as(one), {}),
                **one,
                "idle_power_w": idle_w.get(one["session"]),
                "energy_segment": one.get("segment"),
            }
            for one in without_overcome_failures(records)
            if one["kind"] == "window" and one["trial_key"] in configs
        ]
        path = write_inference_table(self._folder, rows, self._manifest.table_metadata)
        energy = EnergyLog(self._energy_folder)
        energy.update()
        energy.write_tables(self._manifest.run, self._manifest.table_metadata)
        with contextlib.suppress(OSError):
            images_file(self._folder.path).unlink()
        return Deployed(path, rows, self._n_failed, self.is_interrupted)


def _deployed_as(record: Record) -> tuple[str, str, str, str]:
    """Return what decides the logits of a network: its file, how float layers compute, runtime and host."""
    conditions = record["conditions"]
    return record["trial_key"], record["float_precision"], conditions["runtime"], conditions["hostname"]
