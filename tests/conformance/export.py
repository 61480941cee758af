"""Cases as files for people who test another host: the module as text, settings and exchanges as JSON, the expected trace."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from tests.conformance.case import Case, Plugin, plugin_defaults
from tests.conformance.services import answers
from workbench.capture.connection import Connection, TcpMessage
from workbench.capture.exchange import Exchange, Pairs, Request, Response

__all__ = ["export"]


def export(cases: Sequence[Case], folder: Path) -> None:
    """Write `GROUP/NAME.json`, `.expected.txt` and, for each filter, `.a.wat`, `.b.wat`, …; the form is told in README.md."""
    for case in cases:
        group, _, title = case.name.partition("/")
        stem = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        target = folder / group
        target.mkdir(parents=True, exist_ok=True)
        names = [f"{stem}.{letter}.wat" for letter in "abcdefgh"[: len(case.filters)]]
        for name, each in zip(names, case.filters, strict=True):
            (target / name).write_text(each.wat + "\n", encoding="utf-8")
        told = {
            "name": case.name,
            "why": case.why,
            "filters": [_plugin(name, each) for name, each in zip(names, case.filters, strict=True)],
            "settings": dict(case.settings),
            "exchanges": [_exchange(each) for each in case.traffic],
            "connections": [_connection(each) for each in case.connections],
            "ends_by_idle_timeout": case.left_open,
            "not_in_envoy": case.here_only,
        }
        (target / f"{stem}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (target / f"{stem}.expected.txt").write_text(case.expected + "\n", encoding="utf-8")

    services = {name: {path: _answer(each) for path, each in by_path.items()} for name, by_path in answers().items()}
    (folder / "services.json").write_text(json.dumps(services, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _answer(answer: object) -> dict[str, Any]:
    assert is_dataclass(answer)
    values = {each.name: getattr(answer, each.name) for each in fields(answer)}
    told = {name: _text(value) if isinstance(value, bytes) else value for name, value in values.items()}
    pairs = {name: _pairs(value) for name, value in values.items() if isinstance(value, tuple)}
    return {"kind": type(answer).__name__, **told, **pairs}


def _plugin(file: str, plugin: Plugin) -> dict[str, Any]:
    options = plugin_defaults() | dict(plugin.options)
    return {"wat": file} | {name: _text(value) if isinstance(value, bytes) else value for name, value in options.items()}


def _exchange(exchange: Exchange) -> dict[str, Any]:
    first = exchange.request.start_ns
    return {
        "connection": exchange.connection,
        "request": _message(exchange.request, first)
        | {name: _text(getattr(exchange.request, name)) for name in ("method", "scheme", "authority", "path")},
        "websocket": exchange.websocket and _said(exchange.websocket.frames, first),
        "response": exchange.response and _message(exchange.response, first) | {"status": exchange.response.status},
    }


def _connection(connection: Connection) -> dict[str, Any]:
    return {
        "connection": connection.connection,
        "messages": _said(connection.messages, connection.start_ns),
        "ending": connection.ending.name.lower(),
    }


def _said(messages: Sequence[TcpMessage], first: int) -> list[dict[str, Any]]:
    return [
        {"from": "client" if each.from_client else "upstream", "at_ms": (each.time_ns - first) / 1e6, "bytes": _text(each.data)}
        for each in messages
    ]


def _message(message: Request | Response, first: int) -> dict[str, Any]:
    return {
        "http_version": _text(message.http_version),
        "headers": _pairs(message.headers),
        "body": _text(message.body),
        "trailers": _pairs(message.trailers),
        "start_ms": (message.start_ns - first) / 1e6,
        "end_ms": (message.end_ns - first) / 1e6,
    }


def _pairs(pairs: Pairs) -> list[list[Any]]:
    return [[_text(name), _text(value)] for name, value in pairs]


def _text(data: bytes) -> Any:
    """Text, or `{"base64": …}` for bytes that are not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
