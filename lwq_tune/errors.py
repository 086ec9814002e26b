"""Errors that the command line turns into one message and exit code 2.

Every message states the rule, then the offending value, then the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserInputError(Exception):
    """Base of all errors that a user can fix: bad configuration, missing data, unusable folders."""


class ConfigError(UserInputError, ValueError):
    """A trial, sweep or search-space setting breaks a rule."""


class DatasetError(UserInputError):
    """A data set is missing, unreadable or not of the expected form."""


class ResultsError(UserInputError):
    """A run folder cannot be written, read or continued."""


class EnergyMeterError(RuntimeError):
    """The energy meter did not deliver a reading; a figure in its place would be wrong."""


class TrialDivergedError(RuntimeError):
    """The training loss is no longer finite."""


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return a hint with the closest known word, or an empty string.

    >>> near_miss("batchsize", ["batch_size", "lr"])
    "; did you mean 'batch_size'?"
    >>> near_miss("zebra", ["batch_size", "lr"])
    ''
    """
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{matches[0]}'?" if matches else ""
