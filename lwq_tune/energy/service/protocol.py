"""What a client and the ledger of a host say to each other.

A client sends requests and gets one reply to each; both are JSON objects, a line each. A request holds ``do``, the name
of its class below, and its fields. A reply holds what the docstring of the request says, or ``error``.

Where the meaning or the form of anything changes, `PROTOCOL` does too. `Hello`, the first request, and `Greeting`, the
reply to it, keep their form in all versions, and fields that a later version adds to them are ignored: so a client
always learns that the ledger is of another version.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from lwq_tune.carbon.intensity import IntensitySeries
from lwq_tune.energy.ledger.run_ledger import RunSpec

PROTOCOL = 2
ANOTHER_HOLDS = 3  # exit code of a ledger that ends because another one runs


@dataclass(frozen=True)
class Hello:
    """Ask who answers. Reply: `Greeting`.

    Attributes:
        pid: The client's process.
    """

    do: ClassVar[str] = "hello"
    pid: int


@dataclass(frozen=True)
class Greeting:
    """Which ledger answers.

    Attributes:
        protocol: `PROTOCOL` of the ledger.
        version: Version of the package that it runs.
        pid: Its process.
    """

    protocol: int = 0
    version: str = "unknown"
    pid: int = 0

    @classmethod
    def of(cls, reply: dict[str, Any]) -> Greeting:
        """Return the greeting of a ledger of any version."""
        return cls(**_known(cls, reply))


@dataclass(frozen=True)
class OpenRun:
    """Measure for a run from now on, until its last client has left. Reply: nothing.

    Attributes:
        run: As in `RunSpec`.
        log: Absolute path of its log.
        intensity: Its carbon intensity, see `IntensitySeries.to_dict`.
        pue: As in `RunSpec`.
        session: Likewise.
    """

    do: ClassVar[str] = "open_run"
    run: str
    log: str
    intensity: dict[str, Any]
    pue: float
    session: str

    @classmethod
    def of(cls, spec: RunSpec, folder: Path) -> OpenRun:
        """Return the request for a run, whose log may be relative to the folder of the ledger."""
        return cls(spec.run, str(folder / spec.log), spec.intensity.to_dict(), spec.pue, spec.session)

    def spec(self) -> RunSpec:
        """Return the run."""
        return RunSpec(self.run, Path(self.log), IntensitySeries.from_dict(self.intensity), self.pue, self.session)


@dataclass(frozen=True)
class Register:
    """Open an account in the client's run. Reply: ``account``, its id; see `HostLedger.register`.

    Attributes:
        name: Name of the account in the log.
        pid: First process of the account.
        cpus: CPUs reserved for it.
        gpus: Fractions of GPUs reserved for it, by index.
        is_trial: Whether it counts towards concurrency.
        rest: Name of a second account, for the descendants of ``pid`` that have no account of their own.
    """

    do: ClassVar[str] = "register"
    name: str
    pid: int
    cpus: float = 0.0
    gpus: dict[str, float] = field(default_factory=dict)
    is_trial: bool = True
    rest: str | None = None


@dataclass(frozen=True)
class Mark:
    """Ask what an account has been charged with so far. Reply: see `HostLedger.mark`.

    Attributes:
        account: Its id.
    """

    do: ClassVar[str] = "mark"
    account: str


@dataclass(frozen=True)
class Sources:
    """Ask how the figures of the client's run are obtained. Reply: the fields of `MeterSources`."""

    do: ClassVar[str] = "sources"


@dataclass(frozen=True)
class Leave:
    """Close the client's accounts, and its run if it is the last client; all is then in the log. Reply: nothing."""

    do: ClassVar[str] = "leave"


Request = Hello | OpenRun | Register | Mark | Sources | Leave
REQUESTS: dict[str, type[Request]] = {kind.do: kind for kind in (Hello, OpenRun, Register, Mark, Sources, Leave)}


def request_line(request: Request) -> bytes:
    r"""Return what a client sends.

    >>> request_line(Mark("run/driver#1"))
    b'{"do": "mark", "account": "run/driver#1"}\n'
    """
    return reply_line({"do": request.do, **asdict(request)})


def reply_line(reply: dict[str, Any]) -> bytes:
    """Return what the ledger sends."""
    return json.dumps(reply).encode() + b"\n"


def read_request(line: bytes) -> Request:
    """Return the request that a client has sent.

    Raises:
        ValueError: It is none.
    """
    request = json.loads(line)
    kind = REQUESTS.get(request.pop("do", None)) if isinstance(request, dict) else None
    if kind is None:
        raise ValueError(f"a request must be one of {', '.join(REQUESTS)}, got {line[:80]!r}")
    try:
        return kind(**(_known(kind, request) if kind is Hello else request))
    except TypeError as error:
        names = ", ".join(one.name for one in fields(kind)) or "no fields"
        raise ValueError(f"the request {kind.do} must have {names}, got {', '.join(request) or 'none'}") from error


def _known(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    return {one.name: values[one.name] for one in fields(kind) if one.name in values}
