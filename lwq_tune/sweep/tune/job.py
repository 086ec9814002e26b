"""What a trial's process is told: the trial, its share of the machine, where its energy is counted. No Ray.

`make_job` makes the job of a trial of a sweep, `make_jobs` those of a space for a `tune.Tuner` of your own, see
``examples/own_tuner.py``.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lwq_tune.carbon.intensity import WORLD_AVERAGE, IntensitySeries
from lwq_tune.config.trial import TrialConfig
from lwq_tune.data.catalog import describe_dataset
from lwq_tune.data.preparation import prepare_images, report_dataset
from lwq_tune.energy.ledger.run_ledger import RunSpec
from lwq_tune.energy.service.host_spool import RunLocation, run_spec
from lwq_tune.energy.service.location import ledger_folder
from lwq_tune.errors import ConfigError
from lwq_tune.files.atomic import whole_file
from lwq_tune.files.private_folder import make_private_folder
from lwq_tune.host.threads import n_threads
from lwq_tune.models.spec import file_of, is_file, split_factory
from lwq_tune.output_streams import say
from lwq_tune.results.networks import with_kept_code
from lwq_tune.sweep.plan import Plan, find_initial
from lwq_tune.sweep.slots import Slots
from lwq_tune.sweep.space.candidates import show_count
from lwq_tune.sweep.space.search_space import SearchSpace


@dataclass(frozen=True)
class TrialJob:
    """A trial and all that its process needs to know; `lwq_tune.sweep.tune.trainable.Trainable` takes it as ``job``.

    Attributes:
        trial: What is computed.
        run_dir: Folder of the run, absolute; logs and the energy log go there.
        data_dir: Folder of downloaded data sets, absolute.
        n_cpus: CPUs that the trial reserves.
        n_gpus: GPUs that it reserves.
        n_threads: Threads that it computes with.
        intensities: Carbon intensity by host; that of all other hosts is under the empty name.
        session: Identifies this start of the sweep in the energy logs.
        pue: Power usage effectiveness.
        epoch_limit_s: Seconds that an epoch, or the setup, may take; None for no limit.
        run_location: Where the run folder is; None if all hosts share it.
        storage: Address of the storage of the run; None without one.
        run: Name of the run in that storage.
        initial: Checkpoints of the trial that this one starts from.
        resume_from: Its own checkpoints, newest first.
        network_code: Content of the user's own file that makes its network, which no other host needs to have.
    """

    trial: TrialConfig
    run_dir: Path
    data_dir: Path
    n_cpus: float
    n_gpus: float
    n_threads: int
    intensities: Mapping[str, IntensitySeries]
    session: str
    pue: float = 1.0
    epoch_limit_s: float | None = None
    run_location: RunLocation | None = None
    storage: str | None = None
    run: str = ""
    initial: tuple[str, ...] = ()
    resume_from: tuple[str, ...] = ()
    network_code: bytes | None = None

    @property
    def trial_key(self) -> str:
        """Key of the trial."""
        return self.trial.trial_key

    def folder_here(self) -> Path:
        """Return where this host writes logs: the run folder, or the spool of this host."""
        location = self.run_location
        spool = None if location is None else location.spool_name(socket.gethostname(), self.session)
        return self.run_dir if spool is None else ledger_folder() / spool

    def trial_here(self) -> TrialConfig:
        """Return the trial, its network made by the code that came with the job, which this host need not have."""
        if self.network_code is None:
            return self.trial
        folder = ledger_folder() / "networks"
        make_private_folder(folder)
        file = folder / f"{self.trial.source_digest}.py"
        if not file.exists():
            with whole_file(file) as part:
                part.write_bytes(self.network_code)
        factory = split_factory(self.trial.model)[1]
        return self.trial.model_copy(update={"model": f"{file}:{factory}"})

    def spec(self) -> RunSpec:
        """Return what the energy ledger of this host needs to know.

        Raises:
            KeyError: No carbon intensity is known for this host.
        """
        host = socket.gethostname()
        return run_spec(self.run_dir, self.intensities, self.pue, host, self.session, self.run_location)


def make_job(plan: Plan, trial: TrialConfig, slots: Slots) -> TrialJob:
    """Return the job of a trial of a sweep.

    Raises:
        CannotStartError: The network that it starts from does not exist.
        ResultsError: A storage does not answer.
    """
    config = plan.config
    (trial,) = with_kept_code(plan.folder, {trial.trial_key: trial}).values()
    return TrialJob(
        trial=trial,
        run_dir=plan.folder.path.resolve(),
        data_dir=config.data_dir.resolve(),
        n_cpus=slots.cpus,
        n_gpus=slots.gpus,
        n_threads=n_threads(slots.cpus),
        intensities=plan.intensities,
        session=plan.session,
        pue=config.pue,
        epoch_limit_s=config.epoch_limit,
        run_location=plan.run_location,
        storage=config.storage,
        run=config.run,
        initial=tuple(find_initial(plan, trial)),
        resume_from=tuple(plan.resume_from.get(trial.trial_key, ())),
        network_code=_network_code(trial),
    )


def make_jobs(
    space: SearchSpace,
    run_dir: Path,
    *,
    data_dir: Path = Path("data"),
    n_cpus: float = 1.0,
    n_gpus: float = 0.0,
    intensities: Mapping[str, IntensitySeries] | None = None,
) -> list[TrialJob]:
    """Return the jobs of a space's trials, for a `tune.Tuner` of your own; the data set is prepared.

    Args:
        space: From `load_space`.
        run_dir: Where logs and the energy log go; all hosts must share it.
        data_dir: Folder of downloaded data sets.
        n_cpus: CPUs of a trial, and its threads; reserve as many with `tune.with_resources`.
        n_gpus: GPUs of a trial.
        intensities: Carbon intensity by host, from `lwq_tune.carbon.host_intensities.find_intensities`; the world
            average by default.

    Raises:
        ConfigError: A trial starts from another one's network, which a sweep trains first; or the space has too many
            trials to list.
        DatasetError: The data set cannot be used.
    """
    if space.unlisted is not None:
        raise ConfigError(
            f"a Tuner of your own takes the trials of a space one by one, bit_widths has "
            f"{show_count(space.unlisted.size)} schedules; list those that are wanted under schedules, or use run_sweep"
        )
    dataset = describe_dataset(space.dataset)
    fraction = space.base.validation_fraction
    space = space.with_dataset(dataset.dataset, dataset.digest).with_network()
    starting = next((trial for trial in space.trials if trial.init_from != "scratch"), None)
    if starting is not None:
        raise ConfigError(
            f"a trial of a Tuner of your own must start from scratch, {starting.schedule} has init_from: "
            f"{starting.init_from}; use run_sweep, which trains first what others start from"
        )
    report_dataset(dataset, fraction, say)
    prepare_images(dataset.dataset, data_dir, say)
    session = secrets.token_hex(8)
    return [
        TrialJob(
            trial=trial,
            run_dir=run_dir.resolve(),
            data_dir=data_dir.resolve(),
            n_cpus=n_cpus,
            n_gpus=n_gpus,
            n_threads=n_threads(n_cpus),
            intensities=intensities or {"": WORLD_AVERAGE},
            session=session,
            network_code=_network_code(trial),
        )
        for trial in space.trials
    ]


def _network_code(trial: TrialConfig) -> bytes | None:
    return file_of(trial.model).read_bytes() if is_file(trial.model) else None
