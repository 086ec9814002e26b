"""Starts a Ray of the sweep's own, on loopback, or connects to a running cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lwq_tune.errors import ConfigError
from lwq_tune.sweep.cluster.ray_limits import check_address_space, explain_failed_start, process_limits
from lwq_tune.sweep.dashboard import Dashboard

# Set before Ray is imported; what the user has set stands.
ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0: no line on stdout
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's default; unset, it prints a notice
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they import torch in the driver and lose rows
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # Tune hands it on to the trials
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # so that Ray, CUDA and the energy meter number GPUs alike
}
LOCAL_ENVIRONMENT = {
    # A local Ray takes 127.0.0.1 as its address, and all its ports bind there. The name is Ray's: it made
    # this the default on Windows and macOS only; elsewhere GCS and raylet listen on all interfaces.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
WORKER_VARIABLES = ("CUDA_DEVICE_ORDER",)  # processes of a cluster do not inherit the driver's environment
JOB_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set in a job that `ray job submit` started
AUTH_MODE = "RAY_AUTH_MODE"
TOKEN = "RAY_AUTH_TOKEN"  # noqa: S105 (the name of a variable)
TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"  # noqa: S105
# No trial puts anything into Ray's object store. By default it is 30 % of the memory, all of which each process maps:
# with an address space of 8 GB (`ulimit -v`), no trial starts on a host of 24 GB. What does not fit goes to disk.
OBJECT_STORE_BYTES = 256 * 2**20


@contextlib.contextmanager
def local_ray(n_cpus: int, dashboard: Dashboard | None = None) -> Iterator[None]:
    """Run a local Ray during the body; SIGTERM and SIGHUP end a sweep as Ctrl-C does.

    Args:
        n_cpus: CPUs that it may assign to trials.
        dashboard: Its dashboard, None without one.

    Raises:
        ConfigError: Ray could not start, or a limit of the shell is too low for it.
    """
    _set_environment(ENVIRONMENT | LOCAL_ENVIRONMENT)
    token = _own_token()
    if "RAY_ADDRESS" in os.environ:
        logging.getLogger(__name__).warning(
            "RAY_ADDRESS names a cluster, but this sweep starts a Ray of its own; add --address auto to join that one"
        )
    check_address_space()
    for limit in process_limits():  # printed first, in case Ray aborts the process
        logging.getLogger(__name__).warning("%s", limit)
    if dashboard is None:
        from lwq_tune.sweep.tune.patches import leave_out_helper_processes

        leave_out_helper_processes()
    with _hangup_blocked():
        dashboard_url = _start_ray(n_cpus, dashboard)
    with _connected():
        if dashboard is None:
            yield
        else:
            with dashboard.announced(dashboard_url, token):
                yield


def _own_token() -> str | None:
    """Give the Ray of this process a token that ends with it; None where the environment names one.

    By default, Ray writes a token to ~/.ray/auth_token. From then on `ray start --head` asks for it, and refuses what
    the user runs without RAY_AUTH_MODE, such as `ray start --address`. That file is for other clusters.
    """
    if _environment_names_token():
        return None
    os.environ[TOKEN] = token = secrets.token_hex(32)
    return token


def _start_ray(n_cpus: int, dashboard: Dashboard | None) -> str:
    """Start a Ray and return the address of its dashboard, "" where it has none."""
    import ray

    try:
        context = ray.init(
            address="local",
            num_cpus=n_cpus,
            object_store_memory=OBJECT_STORE_BYTES,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            include_dashboard=dashboard is not None,
            **({} if dashboard is None else dashboard.init_arguments()),
        )
    except Exception as error:  # Ray raises a bare one where its processes take more than 30 s to come up
        raise ConfigError(explain_failed_start(error)) from error
    return str(context.dashboard_url)


@contextlib.contextmanager
def _hangup_blocked() -> Iterator[None]:
    """Block SIGHUP during the body: processes that are started in it inherit the block and outlive a closed terminal.

    The kernel sends SIGHUP to all of them as well as to the sweep, which needs them to end its trials in order. Ray
    itself blocks SIGINT for them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def prepare_for_cluster() -> dict[str, str]:
    """Set the environment variables of a driver that joins a cluster and return those that its workers need.

    Ray does not find the token of a cluster by itself where its address is given; a cluster without one takes any.
    """
    # A submitted job passes its variables to its workers, and Ray refuses a variable that is given twice.
    reached = {name for name in WORKER_VARIABLES if name in os.environ and JOB_VARIABLE in os.environ}
    _set_environment(ENVIRONMENT)
    if AUTH_MODE not in os.environ and _has_token():
        os.environ[AUTH_MODE] = "token"
    return {name: os.environ[name] for name in WORKER_VARIABLES if name not in reached}


def _has_token() -> bool:
    return _environment_names_token() or (Path.home() / ".ray" / "auth_token").is_file()


def _environment_names_token() -> bool:
    return any(os.environ.get(name) for name in (TOKEN, TOKEN_PATH))


@contextlib.contextmanager
def joined_ray(address: str, namespace: str, runtime_env: dict[str, Any]) -> Iterator[None]:
    """Connect to a running cluster during the body; the cluster keeps running. Signals act as in `local_ray`.

    Args:
        address: Address of its head, ``host:port``.
        namespace: Ray namespace of named actors.
        runtime_env: What the workers of this driver need.

    Raises:
        ConfigError: The cluster could not be joined.
    """
    import ray

    try:
        ray.init(
            address=address,
            namespace=namespace,
            runtime_env=runtime_env,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"the Ray cluster at {address} must accept this sweep, it did not: {reason}") from error
    with _connected():
        yield


def _set_environment(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def _connected() -> Iterator[None]:
    """Disconnect after the body, and let SIGTERM, and a terminal that is closed, end it as Ctrl-C does."""
    import ray

    # What Ray logs as an error has a traceback; the user gets one line at the end, and the rest is in the run folder.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    # Tune ends a sweep on SIGINT and SIGUSR1, not on SIGTERM; until it takes SIGUSR1 over, that interrupts.
    handlers = {
        signal.SIGUSR1: lambda *_: signal.raise_signal(signal.SIGINT),
        signal.SIGTERM: lambda *_: signal.raise_signal(signal.SIGUSR1),
    }
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # which is what `nohup` asks for
        handlers[signal.SIGHUP] = handlers[signal.SIGTERM]
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        ray.shutdown()
