"""Clusters from a YAML file, each key checked, each mistake told with its line.

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
        otherwise: {status: 404}          # where no entry fits, or alone: the same answer always
      recorded: {capture: true}           # answered as it was when captured
      real: {url: "http://127.0.0.1:8080"}   # a real server: such a replay is not the same twice (gRPC too, then also grpc://)
      limits: {rls: {limitador: limits.yaml}}   # a rate-limit service with these limits: `services.ratelimit.settings`

A gRPC message is `message` (text), `message_base64` or `message_hex`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ..errors import ConfigError
from .calls import NEVER, GrpcAnswer, GrpcResponse, HttpAnswer, HttpResponse, Reset, Unreachable
from .live import Live
from .recorded import Recorded
from .scripted import Entry, Match, Script
from .yamlfile import Item, load

if TYPE_CHECKING:
    from .ratelimit.service import RateLimits

__all__ = ["read_clusters"]

_HTTP_KEYS = ("status", "headers", "body", "trailers", "latency_ms")
_GRPC_KEYS = ("status", "status_message", "message", "message_base64", "message_hex", "metadata", "trailers", "latency_ms")
_FAILURES: dict[str, Callable[[float], HttpAnswer]] = {"reset": Reset, "unreachable": Unreachable, "never": lambda _: NEVER}
_MESSAGES: dict[str, Callable[[str], bytes]] = {
    "message": str.encode,
    "message_base64": lambda text: base64.b64decode(text, validate=True),
    "message_hex": bytes.fromhex,
}

Source: TypeAlias = "Script | Recorded | Live | RateLimits"
Made = TypeVar("Made")


def read_clusters(path: Path) -> dict[str, Source]:
    """The clusters of a file. Raises ConfigError that names the file, the line and the remedy."""
    clusters = load(path).mapping(("clusters",), ("clusters",))["clusters"]
    return {name: _cluster(item, path.parent) for name, item in clusters.mapping().items()}


def _cluster(item: Item, folder: Path) -> Source:
    given = item.mapping(("answers", "otherwise", "capture", "url", "rls"))
    ways = [key for key in ("answers", "capture", "url", "rls") if key in given or (key == "answers" and "otherwise" in given)]
    if len(ways) != 1:
        raise item.fault(f"has {' and '.join(given) or 'nothing'}", "Give answers, otherwise or both, or one of capture, url and rls")
    if ways == ["url"]:
        return _made(lambda: Live(given["url"].text()), given["url"])
    if ways == ["rls"]:
        from .ratelimit.settings import read_rls

        return read_rls(given["rls"], folder)
    if ways == ["capture"]:
        if given["capture"].value is not True:
            raise given["capture"].fault("is not true", "Write `capture: true`, or give another source")
        return Recorded()
    otherwise = _answer(given["otherwise"]) if "otherwise" in given else None
    return Script([_entry(each) for each in given["answers"].items()] if "answers" in given else [], otherwise)


def _entry(item: Item) -> Entry:
    given = item.mapping(("match", "sequence", "cycle", "grpc", "failure", *_HTTP_KEYS))
    match = given["match"].mapping(("method", "authority", "path", "service")) if "match" in given else {}
    matching = Match(**{key: each.text() for key, each in match.items()})
    rest = {key: each for key, each in given.items() if key not in ("match", "sequence", "cycle")}
    if "sequence" not in given:
        if "cycle" in given:
            raise given["cycle"].fault("belongs to a sequence", "Remove it")
        return Entry((_answer(replace(item, value=rest)),), matching)
    sequence = given["sequence"].items()
    if rest or not sequence:
        raise given["sequence"].fault("is a list of answers, with no other answer beside it", "Give at least one answer, and only there")
    return Entry(tuple(map(_answer, sequence)), matching, given["cycle"].flag() if "cycle" in given else False)


def _answer(item: Item) -> HttpAnswer | GrpcAnswer:
    given = item.mapping(("grpc", "failure", *_HTTP_KEYS))
    if "failure" in given:
        item.mapping(("failure", "latency_ms"))
        name = given["failure"].text()
        if name not in _FAILURES:
            raise given["failure"].fault(f"{name[:80]!r} is none", f"Give one of {', '.join(_FAILURES)}")
        latency_ms = given["latency_ms"].number() if "latency_ms" in given else 0.0
        return _made(lambda: _FAILURES[name](latency_ms), item)
    if "grpc" in given:
        item.mapping(("grpc",))
        return _grpc(given["grpc"])
    return _made(lambda: HttpResponse(**_values(given)), item)


def _grpc(item: Item) -> GrpcResponse:
    given = item.mapping(_GRPC_KEYS)
    messages = [key for key in given if key.startswith("message")]
    if len(messages) > 1:
        raise item.fault(f"has {' and '.join(messages)}", "Give one of them")
    values = _values({key: each for key, each in given.items() if key not in messages})
    for key in messages:
        try:
            values["message"] = _MESSAGES[key](given[key].text())
        except (ValueError, binascii.Error):
            raise given[key].fault(f"is no {key.removeprefix('message_')}", "Mend it") from None
    return _made(lambda: GrpcResponse(**values), item)


def _values(given: dict[str, Item]) -> dict[str, Any]:
    """The same in plain values: pairs as such, and texts checked to be texts."""
    values = {key: item.plain() for key, item in given.items()}
    for key in ("headers", "trailers", "metadata"):
        if key in given:
            values[key] = _pairs(given[key])
    for key in ("body", "status_message"):
        if key in given:
            given[key].text()
    return values


def _pairs(item: Item) -> list[tuple[str, str]]:
    if isinstance(item.value, dict):
        return [(name, each.text()) for name, each in item.mapping().items()]
    pairs: list[Any] = [each.value for each in item.value] if isinstance(item.value, list) else [None]
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise item.fault("is neither a mapping nor a list of [name, value]", "Write it as one of them")
    return [(name.text(), each.text()) for name, each in pairs]


def _made(make: Callable[[], Made], item: Item) -> Made:
    """What `make` gives; its complaint gets the place."""
    try:
        return make()
    except ConfigError as error:
        raise error if error.where else item.fault(f": {error.what}", error.remedy) from None
