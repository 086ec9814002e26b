"""A local Ray, quiet and on loopback."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Iterator

from lwq_tune.errors import ConfigError

# Set before Ray is imported; what the user has set stands.
ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",  # with verbose=0: no line on stdout
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's default; unset, it prints a notice
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they import torch in the driver and lose rows
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # A local Ray takes 127.0.0.1 as its address, and all its ports bind there. The name is Ray's: it made
    # this the default on Windows and macOS only; elsewhere GCS and raylet listen on all interfaces.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # so that Ray, CUDA and the energy meter number GPUs alike
}


@contextlib.contextmanager
def local_ray(n_cpus: int) -> Iterator[None]:
    """Run a Ray of our own for the body; SIGTERM ends a sweep as Ctrl-C does.

    Args:
        n_cpus: CPUs it may hand out.

    Raises:
        ConfigError: Ray could not start.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import ray

    try:
        ray.init(
            address="local",
            num_cpus=n_cpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except OSError as error:  # a full disk, or a path that is too long for a socket
        raise ConfigError(
            f"Ray needs a writable folder with a short path for its sockets, it could not start: {error}; "
            "set RAY_TMPDIR to one"
        ) from error
    # What Ray logs as an error comes as a traceback; it is told in one line at the end, and kept in the run folder.
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    # Tune ends a sweep on SIGINT and SIGUSR1, not on SIGTERM; until it takes SIGUSR1 over, that interrupts.
    handlers = {
        signal.SIGUSR1: lambda *_: signal.raise_signal(signal.SIGINT),
        signal.SIGTERM: lambda *_: signal.raise_signal(signal.SIGUSR1),
    }
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        ray.shutdown()
