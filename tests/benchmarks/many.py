"""A capture of any number of exchanges that is made as it is read: no file, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.capture.batch import Batch, batches
from workbench.capture.exchange import Exchange, Request, Response
from workbench.capture.packing import pack

START_NS = 1_768_471_200_000_000_000
_METHODS = (b"GET", b"GET", b"GET", b"POST", b"PUT", b"DELETE")
_STATUSES = (200, 200, 200, 201, 304, 404, 500)


@dataclass(frozen=True)
class ManyExchanges:
    """`size` exchanges, a millisecond apart, of ten connections that overlap; every path is another one."""

    size: int
    path: Path = Path("many.generated")
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Exchange:
        if not 0 <= index < self.size:
            raise IndexError(index)
        start = START_NS + index * 1_000_000
        method, status = _METHODS[index % len(_METHODS)], _STATUSES[index % len(_STATUSES)]
        request = Request(
            method,
            b"https",
            b"shop-%d.example.com" % (index % 7),
            b"/orders/%d/items?page=%d" % (index, index % 13),
            b"HTTP/1.1",
            ((b"host", b"shop-%d.example.com" % (index % 7)), (b"user-agent", b"generated/1.0"), (b"accept", b"application/json")),
            b"",
            (),
            start,
            start + 50_000,
            b"shop-%d.example.com" % (index % 7),
        )
        body = b'{"order": %d}' % index
        headers = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"server", b"generated"))
        response = Response(status, b"", b"HTTP/1.1", headers, body, (), start + 4_000_000, start + 4_500_000)
        return Exchange(index, request, response, 1 + index % 10)

    def batches(self, size: int = 1000, max_bytes: int = 8 << 20) -> Iterator[Batch]:
        """The exchanges packed for the host."""
        packed = ((START_NS + index * 1_000_000, pack((self[index],))) for index in range(self.size))
        return batches(packed, size, max_bytes)
