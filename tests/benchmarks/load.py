"""The same requests for both sides of a comparison: packed for the host, and as a script for wrk."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from workbench.capture import Batch, Exchange, open_capture
from workbench.capture.packing import pack

__all__ = ["packed", "wrk_script"]


def _later(exchange: Exchange, shift_ns: int, index: int) -> Exchange:
    def moved(message):
        return message and dataclasses.replace(message, start_ns=message.start_ns + shift_ns, end_ns=message.end_ns + shift_ns)

    return dataclasses.replace(exchange, request=moved(exchange.request), response=moved(exchange.response), index=index)


def packed(capture: Path, at_least: int) -> list[Batch]:
    """The capture over and over, each round after the one before, until there are `at_least` exchanges."""
    exchanges = sorted(open_capture(capture), key=lambda exchange: exchange.request.start_ns)
    ends = [(exchange.response or exchange.request).end_ns for exchange in exchanges]
    span = max(ends) - exchanges[0].request.start_ns + 1_000_000
    batches: list[Batch] = []
    for round_ in range(-(-at_least // len(exchanges))):
        first = round_ * len(exchanges)
        part = [_later(exchange, round_ * span, first + i) for i, exchange in enumerate(exchanges)]
        batches.append(Batch(pack(part), len(part), part[0].request.start_ns))
    return batches


def wrk_script(capture: Path) -> str:
    """Lua that makes wrk send the capture's HTTP/1 requests in turn, headers and bodies as captured."""
    lines = ["local requests = {}"]
    for exchange in open_capture(capture):
        request = exchange.request
        if request.http_version != b"HTTP/1.1" or any(name.lower() == b"transfer-encoding" for name, _ in request.headers):
            continue
        head = b"".join(name + b": " + value + b"\r\n" for name, value in request.headers if name.lower() != b"connection")
        raw = request.method + b" " + request.path + b" HTTP/1.1\r\n" + head + b"\r\n" + request.body
        lines.append(f"requests[#requests + 1] = {json.dumps(raw.decode('latin-1'))}".replace("\\u00", "\\x"))
    lines.append("local i = 0\nfunction request() i = i % #requests + 1; return requests[i] end")
    return "\n".join(lines)
