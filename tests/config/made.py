"""A capture made in code, of requests to the toystore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.core.traffic import exchanges, request
from workbench.capture import Batch, Exchange
from workbench.capture.exchange import Request, Response
from workbench.capture.packing import pack

__all__ = ["HOST", "Made", "get", "post"]

HOST = "api.toystore.com"


class Made:
    """Exchanges as a capture gives them; a request alone gets a plain response."""

    path = Path("made.mitm")
    problems = ()

    def __init__(self, requests: Sequence[Request | tuple[Request, Response]]) -> None:
        self._exchanges = exchanges(*requests)

    def __len__(self) -> int:
        return len(self._exchanges)

    def __getitem__(self, index: int) -> Exchange:
        return self._exchanges[index]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._exchanges)

    def in_time(self) -> Iterator[Exchange]:
        return iter(self._exchanges)

    def batches(self) -> list[Batch]:
        return [Batch(pack(self._exchanges), len(self), self[0].request.start_ns)]


def post(path: str = "/toys", *headers: str, at_ms: int = 0, host: str = HOST) -> Request:
    """`POST /toys`, or what is said."""
    return request("POST", path, "content-length: 3", *headers, body=b"{ }", at_ms=at_ms, host=host)


def get(path: str = "/toys", *headers: str, at_ms: int = 0, host: str = HOST) -> Request:
    """`GET /toys`, or what is said."""
    return request("GET", path, *headers, at_ms=at_ms, host=host)
