"""Clusters from a YAML file, each key checked.

    clusters:
      auth:                               # the name that filters call
        answers:                          # a table: the first entry that fits answers
          - match: {method: GET, authority: auth.example, path: /check*}    # each may be left out; * stands for any characters
            status: 200                   # an HTTP answer: status, headers, body, trailers, latency_ms
            headers: {x-user: jane}       # a mapping, or a list of [name, value] where order or repeats matter
            latency_ms: 5
          - match: {service: pkg.Limits, method: Check}
            grpc: {status: 0, message_base64: CAE=, metadata: {a: b}, trailers: {}, latency_ms: 2}
          - match: {path: /flaky}
            sequence: [{failure: reset}, {failure: unreachable}, {failure: never}, {status: 200}]   # in turn; the last stays
            cycle: true                   # or from the beginning again
        otherwise: {status: 404}          # where no entry fits
      recorded: {capture: true}           # answered as it was when captured
      real: {url: "http://127.0.0.1:8080"}   # a real server: such a replay is not the same twice (gRPC too, then also grpc://)
      limits: {rls: {limitador: limits.yaml}}   # a rate-limit service with these limits: `services.ratelimit.settings`

A gRPC message is `message` (text), `message_base64` or `message_hex`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..errors import ConfigError
from .calls import NEVER, GrpcAnswer, GrpcResponse, HttpAnswer, HttpResponse, Reset, Unreachable
from .live import Live
from .recorded import Recorded
from .scripted import Entry, Match, Script

if TYPE_CHECKING:
    from .ratelimit.service import RateLimits

__all__ = ["read_clusters"]

_MOST_FILE = 16 << 20
_HTTP_KEYS = ("status", "headers", "body", "trailers", "latency_ms")
_GRPC_KEYS = ("status", "status_message", "message", "message_base64", "message_hex", "metadata", "trailers", "latency_ms")
_FAILURES: dict[str, Callable[[float], HttpAnswer]] = {"reset": Reset, "unreachable": Unreachable, "never": lambda _: NEVER}
_MESSAGES: dict[str, Callable[[str], bytes]] = {
    "message": str.encode,
    "message_base64": lambda text: base64.b64decode(text, validate=True),
    "message_hex": bytes.fromhex,
}
_REMEDY = "See `workbench replay --help` and the documentation of workbench.services.settings"

Source: TypeAlias = "Script | Recorded | Live | RateLimits"
Made = TypeVar("Made")


def read_clusters(path: Path) -> dict[str, Source]:
    """The clusters of a file. Raises ConfigError that names the file, the place in it and the remedy."""
    import yaml

    try:
        with path.open("rb") as file:
            data = file.read(_MOST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path), remedy="Check the path") from error
    if len(data) > _MOST_FILE:
        raise ConfigError(f"is larger than {_MOST_FILE >> 20} MiB", where=str(path), remedy="Make it smaller")
    try:
        found = yaml.safe_load(data)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1} column {mark.column + 1}" if mark is not None else ""
        problem = " ".join(str(getattr(error, "problem", None) or "it cannot be parsed").split())
        raise ConfigError(f"is not YAML{place}: {problem}", where=str(path), remedy="Mend the file") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"is not YAML that could be meant: {error}", where=str(path), remedy="Mend the file") from None
    try:
        top = _mapping(found, "the file", ("clusters",))
        clusters = _mapping(top.get("clusters"), "clusters", None)
        return {_text(name, "clusters"): _cluster(value, f"clusters.{name}", path.parent) for name, value in clusters.items()}
    except ConfigError as error:
        raise ConfigError(
            error.what, where=f"{path}: {error.where}" if error.where else str(path), remedy=error.remedy or _REMEDY
        ) from None


def _fault(what: str, where: str, remedy: str = "") -> ConfigError:
    return ConfigError(what, where=where, remedy=remedy)


def _mapping(value: Any, where: str, allowed: tuple[str, ...] | None) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _fault(f"is {_kind(value)} where a mapping is wanted", where)
    for key in value:
        if allowed is not None and key not in allowed:
            raise _fault(f"has the unknown key {str(key)[:80]!r}", where, f"Known are {', '.join(allowed)}")
    return value


def _kind(value: Any) -> str:
    return "empty" if value is None else f"of type {type(value).__name__}"


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _fault(f"is {_kind(value)} where text is wanted", where, "Put it in quotes")
    return value


def _cluster(value: Any, where: str, folder: Path) -> Source:
    given = _mapping(value, where, ("answers", "otherwise", "capture", "url", "rls"))
    ways = [key for key in ("answers", "capture", "url", "rls") if key in given]
    if len(ways) != 1 or ("otherwise" in given and ways != ["answers"]):
        raise _fault(f"has {' and '.join(given) or 'nothing'}", where, "Give one of answers (with otherwise), capture, url or rls")
    if ways == ["url"]:
        return _made(lambda: Live(_text(given["url"], f"{where}.url")), f"{where}.url")
    if ways == ["rls"]:
        from .ratelimit.settings import read_rls

        return read_rls(given["rls"], f"{where}.rls", folder)
    if ways == ["capture"]:
        if given["capture"] is not True:
            raise _fault("is not true", f"{where}.capture", "Write `capture: true`, or give another source")
        return Recorded()
    answers = given["answers"]
    if not isinstance(answers, list):
        raise _fault(f"is {_kind(answers)} where a list is wanted", f"{where}.answers")
    entries = [_entry(each, f"{where}.answers[{number}]") for number, each in enumerate(answers)]
    otherwise = _answer(given["otherwise"], f"{where}.otherwise") if "otherwise" in given else None
    return Script(entries, otherwise)


def _entry(value: Any, where: str) -> Entry:
    given = _mapping(value, where, ("match", "sequence", "cycle", "grpc", "failure", *_HTTP_KEYS))
    match = _mapping(given.get("match", {}), f"{where}.match", ("method", "authority", "path", "service"))
    texts = {key: _text(text, f"{where}.match.{key}") for key, text in match.items()}
    rest = {key: each for key, each in given.items() if key not in ("match", "sequence", "cycle")}
    if "sequence" not in given:
        if "cycle" in given:
            raise _fault("belongs to a sequence", f"{where}.cycle", "Remove it")
        return Entry((_answer(rest, where),), Match(**texts))
    sequence, cycle = given["sequence"], given.get("cycle", False)
    if rest or not isinstance(sequence, list) or not sequence:
        raise _fault("a sequence is a list of answers, and has no other answer beside it", f"{where}.sequence")
    if not isinstance(cycle, bool):
        raise _fault("is not true or false", f"{where}.cycle")
    answers = tuple(_answer(each, f"{where}.sequence[{number}]") for number, each in enumerate(sequence))
    return Entry(answers, Match(**texts), cycle)


def _answer(value: Any, where: str) -> HttpAnswer | GrpcAnswer:
    given = _mapping(value, where, ("grpc", "failure", *_HTTP_KEYS))
    if "failure" in given:
        _mapping(given, where, ("failure", "latency_ms"))
        name = _text(given["failure"], f"{where}.failure")
        if name not in _FAILURES:
            raise _fault(f"{name[:80]!r} is no failure", f"{where}.failure", f"Give one of {', '.join(_FAILURES)}")
        return _made(lambda: _FAILURES[name](given.get("latency_ms", 0.0)), where)
    if "grpc" in given:
        _mapping(given, where, ("grpc",))
        return _grpc(_mapping(given["grpc"], f"{where}.grpc", _GRPC_KEYS), f"{where}.grpc")
    return _made(lambda: HttpResponse(**_values(given, where)), where)


def _grpc(given: dict[Any, Any], where: str) -> GrpcResponse:
    messages = [key for key in given if key.startswith("message")]
    if len(messages) > 1:
        raise _fault(f"has {' and '.join(messages)}", where, "Give one of them")
    values = {key: value for key, value in given.items() if key not in messages}
    for key in messages:
        text = _text(given[key], f"{where}.{key}")
        try:
            values["message"] = _MESSAGES[key](text)
        except (ValueError, binascii.Error):
            raise _fault(f"is no {key.removeprefix('message_')}", f"{where}.{key}") from None
    return _made(lambda: GrpcResponse(**_values(values, where)), where)


def _values(given: dict[Any, Any], where: str) -> dict[str, Any]:
    """The same with pairs as such, and texts checked to be texts."""
    values = dict(given)
    for key in ("headers", "trailers", "metadata"):
        if key in given:
            values[key] = _pairs(given[key], f"{where}.{key}")
    for key in ("body", "status_message"):
        if key in given:
            _text(given[key], f"{where}.{key}")
    return values


def _pairs(value: Any, where: str) -> list[tuple[str, str]]:
    items = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(items, list) or not all(isinstance(item, (list, tuple)) and len(item) == 2 for item in items):
        raise _fault("is neither a mapping nor a list of [name, value]", where)
    return [(_text(name, where), _text(text, f"{where}.{name}")) for name, text in items]


def _made(make: Callable[[], Made], where: str) -> Made:
    """What `make` gives; its complaint gets the place."""
    try:
        return make()
    except ConfigError as error:
        raise _fault(error.what, error.where or where, error.remedy) from None
