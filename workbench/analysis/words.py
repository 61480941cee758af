"""The vocabulary: names for the ABI's numbers, and how times, sizes, counts and captured text are spelt for people.

Names are those of the Proxy-Wasm specification and of Envoy's header files, letter for letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..errors import visible
from ..trace.numbers import BufferType, LogLevel, MapType, MetricType, Status, StreamType
from ..trace.records import Effect, FailureKind, Policy

__all__ = [
    "BUFFERS", "GRPC_STATUSES", "LOG_LEVELS", "MAPS", "METRICS", "STATUSES", "STREAMS", "count", "duration", "effect",
    "enumerated", "excerpt", "failure", "grpc_status", "policy", "result", "short_name", "shorten", "signed", "size", "text", "visible",
]  # fmt: skip

STATUSES = tuple(each.name for each in Status)
LOG_LEVELS = tuple(each.name for each in LogLevel)
MAPS = tuple(each.name for each in MapType)
BUFFERS = tuple(each.name for each in BufferType)
STREAMS = tuple(each.name for each in StreamType)
PEERS = ("Unknown", "Local", "Remote")
METRICS = tuple(each.name for each in MetricType)
GRPC_STATUSES = (
    "Ok", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
    "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable",
    "DataLoss", "Unauthenticated",
)  # fmt: skip
_HEADERS_ACTIONS = (
    "Continue", "StopIteration", "ContinueAndEndStream", "StopAllIterationAndBuffer", "StopAllIterationAndWatermark",
)  # fmt: skip
_BODY_ACTIONS = ("Continue", "StopIterationAndBuffer", "StopIterationAndWatermark", "StopIterationNoBuffer")
_TRAILERS_ACTIONS = ("Continue", "StopIteration")
_DATA_ACTIONS = ("Continue", "StopIteration")
_BOOLS = ("false", "true")

_RESULTS: dict[str, Sequence[str]] = {
    "proxy_on_request_headers": _HEADERS_ACTIONS,
    "proxy_on_response_headers": _HEADERS_ACTIONS,
    "proxy_on_request_body": _BODY_ACTIONS,
    "proxy_on_response_body": _BODY_ACTIONS,
    "proxy_on_request_trailers": _TRAILERS_ACTIONS,
    "proxy_on_response_trailers": _TRAILERS_ACTIONS,
    "proxy_on_request_metadata": _TRAILERS_ACTIONS,
    "proxy_on_response_metadata": _TRAILERS_ACTIONS,
    "proxy_on_new_connection": _DATA_ACTIONS,
    "proxy_on_downstream_data": _DATA_ACTIONS,
    "proxy_on_upstream_data": _DATA_ACTIONS,
    "proxy_on_vm_start": _BOOLS,
    "proxy_on_configure": _BOOLS,
    "proxy_validate_configuration": _BOOLS,
    "proxy_on_done": _BOOLS,
}
_WITHOUT_RESULT = ("_initialize", "_start", "main", "__main_void", "proc_exit")

_POLICIES: dict[int, str] = {
    Policy.CLOSED: "fail_closed",
    Policy.OPEN: "fail_open",
    Policy.RELOAD: "fail_reload",
    Policy.RESTART: "restart",
}
# WASI preview 1 numbers that the host answers with; the rest appear as numbers.
_ERRNOS = {0: "SUCCESS", 8: "BADF", 20: "EXIST", 21: "FAULT", 28: "INVAL", 44: "NOENT", 52: "NOSYS", 58: "NOTSUP", 76: "NOTCAPABLE"}


def enumerated(names: Sequence[str], number: int) -> str:
    """The name of `number`, or the number itself where the ABI has no name for it."""
    return names[number] if 0 <= number < len(names) else str(number)


def grpc_status(number: int) -> str:
    """A gRPC status by name."""
    return enumerated(GRPC_STATUSES, number)


def result(name: str, number: int) -> str:
    """What a callback or hostcall returned, by name; empty for a call that returns nothing."""
    if name in _RESULTS:
        return enumerated(_RESULTS[name], number)
    if name.startswith("proxy_on_") or name in _WITHOUT_RESULT:
        return ""
    return enumerated(STATUSES, number) if name.startswith("proxy_") else _ERRNOS.get(number, str(number))


def policy(number: int) -> str:
    """A failure policy as machines read it in a result."""
    return _POLICIES.get(number, str(number))


def failure(number: int) -> str:
    """A kind of failure as machines read it in a result."""
    return FailureKind(number).name.lower() if number in FailureKind.__members__.values() else str(number)


def effect(number: int) -> str:
    """What a filter's failure did to the exchange, in words."""
    return "the filter counts as not there" if number == Effect.PASSED else "the exchange failed"


def short_name(name: str) -> str:
    """A callback or hostcall as on screen and in results: without `proxy_`."""
    return name.removeprefix("proxy_")


def text(data: bytes) -> str:
    """Captured bytes as text: UTF-8, or latin-1 where they are not. Nothing is escaped: this is data, see `visible`."""
    return _remembered(data) if len(data) <= _SHORT else _decoded(data)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


_SHORT = 256
"""Bytes of a text that is worth remembering; longer ones would fill the memory."""
_remembered = lru_cache(maxsize=8192)(_decoded)


def shorten(value: str, width: int) -> str:
    """At most `width` characters, an ellipsis at the end of what was cut."""
    return value if len(value) <= width else value[: max(width - 1, 0)] + "…"


def excerpt(data: bytes, width: int) -> str:
    """The beginning of captured bytes for a sentence: at most `width` characters, before what acts in them is escaped."""
    return visible(shorten(text(data), width))


def _figures(value: float) -> str:
    """Three figures, without zeros that say nothing."""
    return f"{value:.0f}" if value >= 99.95 else f"{value:.3g}"


def duration(ns: float) -> str:
    """A length of time in three figures: `740 ns`, `4.18 µs`, `1.84 ms`, `6 s`, `2 min 18 s`."""
    if ns < 0:
        return "\u2212" + duration(-ns)
    for unit, length in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if ns < 999.5 * length:
            return f"{_figures(ns / length)} {unit}"
    seconds = ns / 1e9
    if seconds < 59.95:
        return f"{_figures(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def size(n: int) -> str:
    """A number of bytes: `86 B`, `182 kB`, `1.1 MB`."""
    if n < 1000:
        return f"{n} B"
    value, units = n / 1000, ["TB", "GB", "MB"]
    unit = "kB"
    while value >= 999.5 and units:
        value, unit = value / 1000, units.pop()
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def count(n: int) -> str:
    """A number in full with narrow spaces: `1 204 118`."""
    return f"{n:,}".replace(",", "\u202f")


def signed(n: int) -> str:
    """A difference with its sign, U+2212 for minus."""
    return f"+{count(n)}" if n > 0 else f"\u2212{count(-n)}" if n < 0 else "0"
