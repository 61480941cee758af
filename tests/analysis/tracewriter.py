"""Small traces by hand: rows as the core writes them, for what the analysis must make of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from workbench.capture.exchange import Exchange, Request, Response
from workbench.capture.packing import pack_pairs
from workbench.trace.records import FINISHED, NO_FILTER, NONE, RECORD, Event, Kind, Schema
from workbench.trace.trace import Trace

SCHEMA = Schema.parse(
    """\
c proxy_on_context_create parent_context_id
c proxy_on_configure plugin_configuration_size
c proxy_on_tick -
c proxy_on_request_headers num_headers,end_of_stream
c proxy_on_request_body body_size,end_of_stream
c proxy_on_response_headers num_headers,end_of_stream
c proxy_on_response_body body_size,end_of_stream
c proxy_on_log -
c proxy_on_delete -
h proxy_log level message
h proxy_get_property - path,value
h proxy_send_local_response status_code,grpc_status details,body,headers
h proxy_set_shared_data cas key,value
h proxy_get_shared_data cas key,value
h proxy_get_header_map_value map_type name,value
h proxy_add_header_map_value map_type name,value,before,after
h proxy_replace_header_map_value map_type name,value,before,after
h proxy_remove_header_map_value map_type name,before,after
h proxy_set_header_map_pairs map_type,count before,after
h proxy_set_buffer_bytes buffer_type,start,size,size_before value
h proxy_grpc_call timeout_ms,token upstream,service,method,metadata,message
h proxy_increment_metric metric_id,offset_low,offset_high -
h fd_write fd,size message
h wasi - name
"""
)
START = 1_768_471_200_250_000_000


def fields(*parts: bytes) -> bytes:
    """A blob's fields; also a list of values in a `before` or `after` field."""
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


class TraceWriter:
    """Appends rows; `take` gives the trace, in segments of at most `segment` rows."""

    def __init__(self, *filters: str) -> None:
        self.filters = filters
        self.rows: list[tuple[object, ...]] = []
        self.blobs: list[bytes] = []
        self.time = START
        self.callback_row = NONE

    def _row(self, kind: Kind, code: int, *, exchange: int, filter: int, parent: int, blob: bytes, result: int = 0,
             args: Sequence[int] = (), ns: int = 0, other_ns: int = 0, flags: int = FINISHED, context: int = 2) -> int:  # fmt: skip
        a, b, c, d = (*args, 0, 0, 0, 0)[:4]
        size = len(blob)
        self.rows.append((kind, filter, code, flags, exchange, context, parent, self.time, 0, size, result, a, b, c, d, ns, other_ns, 0))
        self.blobs.append(blob)
        return len(self.rows) - 1

    def callback(self, name: str, filter: int, exchange: int, *args: int, result: int = 0, ns: int = 1000, other_ns: int = 400,
                 flags: int = FINISHED) -> int:  # fmt: skip
        """A callback; the hostcalls that follow belong to it."""
        code = [each.name for each in SCHEMA.callbacks].index(name)
        self.callback_row = self._row(
            Kind.CALLBACK, code, exchange=exchange, filter=filter, parent=NONE, blob=b"", result=result, args=args, ns=ns,
            other_ns=other_ns, flags=flags,
        )  # fmt: skip
        return self.callback_row

    def hostcall(self, name: str, filter: int, exchange: int, args: Sequence[int], *parts: bytes, result: int = 0, ns: int = 100) -> int:
        """A hostcall in the latest callback."""
        code = [each.name for each in SCHEMA.hostcalls].index(name)
        return self._row(
            Kind.HOSTCALL, code, exchange=exchange, filter=filter, parent=self.callback_row, blob=fields(*parts), result=result, args=args,
            ns=ns,
        )  # fmt: skip

    def event(self, event: Event, exchange: int, args: Sequence[int] = (), *parts: bytes, result: int = 0, filter: int = NO_FILTER,
              parent: int = NONE) -> int:  # fmt: skip
        """An event."""
        return self._row(Kind.EVENT, event, exchange=exchange, filter=filter, parent=parent, blob=fields(*parts), result=result, args=args)

    def request(self, exchange: int, path: bytes = b"/toys", method: bytes = b"GET", body: int = 0, **more: bytes) -> None:
        """A REQUEST event, and no trailers."""
        pairs = ((b":authority", b"api.toystore.com"), (b":path", path), (b":method", method), (b":scheme", b"https"))
        pairs += tuple((name.replace("_", "-").encode(), value) for name, value in more.items())
        self.event(Event.REQUEST, exchange, (body, 0, 1), pack_pairs(pairs), pack_pairs(()))
        self.pairs = pairs

    def upstream(self, exchange: int, body: int = 0, pairs: tuple[tuple[bytes, bytes], ...] | None = None) -> None:
        """An UPSTREAM_REQUEST with the body as captured."""
        self.event(Event.UPSTREAM_REQUEST, exchange, (body, 0, 1), pack_pairs(pairs or self.pairs), pack_pairs(()), b"")

    def response(self, exchange: int, status: int = 200, body: int = 0, *pairs: tuple[bytes, bytes]) -> None:
        """A RESPONSE event."""
        pairs = ((b":status", str(status).encode()), *pairs)
        self.event(Event.RESPONSE, exchange, (body,), pack_pairs(pairs), pack_pairs(()), result=status)

    def downstream(self, exchange: int, status: int = 200, body: int = 0, *pairs: tuple[bytes, bytes], own: bytes | None = None) -> None:
        """A DOWNSTREAM_RESPONSE; `own` is a body that is not the captured one."""
        pairs = ((b":status", str(status).encode()), *pairs)
        args = (body, 0, 1) if own is None else (len(own), 0, 0)
        self.event(Event.DOWNSTREAM_RESPONSE, exchange, args, pack_pairs(pairs), pack_pairs(()), own or b"", result=status)

    def asked(self, exchange: int, message: bytes, answer: bytes = b"", *, filter: int = 0, end: int = 0, status: int = 0,
              service: bytes = b"envoy.service.ratelimit.v3.RateLimitService") -> int:  # fmt: skip
        """A unary gRPC call and what came of it; gives the hostcall's row."""
        call = self.hostcall("proxy_grpc_call", filter, exchange, (100, 5), b"rls", service, b"ShouldRateLimit", b"\0\0\0\0", message)
        self.event(
            Event.CALLOUT, exchange, (5, 1, end, 1500), b"rls", b"\0\0\0\0", answer, b"\0\0\0\0", result=status, filter=filter, parent=call
        )
        return call

    def limit(self, exchange: int, call: int, names: Sequence[bytes], args: Sequence[int], *, over: bool = False,
              window: tuple[int, int] = (0, 0), flags: bytes = b"", filter: int = 0) -> None:  # fmt: skip
        """A LIMIT event: domain, limit and key; maximum, counter, hits and window in seconds."""
        self.event(
            Event.LIMIT, exchange, args, *names, struct.pack("<2Q", *window), flags, result=2 if over else 1, filter=filter, parent=call
        )

    def take(self, segment: int = 1 << 20) -> Trace:
        """The trace so far."""
        trace = Trace(SCHEMA, self.filters)
        for first in range(0, len(self.rows), segment):
            part = np.array(self.rows[first : first + segment], RECORD)
            blobs = self.blobs[first : first + segment]
            sizes = np.cumsum([0] + [len(blob) for blob in blobs])
            part["blob"] = sizes[:-1]
            trace.append(part.tobytes(), b"".join(blobs))
        return trace


def exchange(index: int, body: bytes = b"", response: bytes = b"", path: bytes = b"/toys") -> Exchange:
    """A captured exchange to go with it."""
    request = Request(b"GET", b"https", b"api.toystore.com", path, b"HTTP/1.1", (), body, (), START, START)
    return Exchange(index, request, Response(200, b"OK", b"HTTP/1.1", (), response, (), START, START))


def every_ending() -> TraceWriter:
    """A chain `auth`, `limit`, `hello`, and an exchange for each way in which one can end."""
    w = TraceWriter("auth", "limit", "hello")
    limits = pack_pairs(((b":status", b"429"), (b"x-ratelimit-limit", b"5, 5;w=10"), (b"x-ratelimit-remaining", b"0")))

    def answer(
        index: int, filter: int, status: int, details: bytes, pairs: bytes = b"\0\0\0\0", body: bytes = b"", grpc: int = NONE
    ) -> None:
        w.hostcall("proxy_send_local_response", filter, index, (status, grpc), details, body, pairs)
        noted = details.replace(b" ", b"_")
        w.event(Event.LOCAL_RESPONSE, index, (grpc, 0), noted, body, pairs, result=status, filter=filter, parent=w.callback_row)
        w.downstream(index, status, own=body)

    w.request(0)
    w.callback("proxy_on_request_headers", 0, 0, 4, 1)
    w.hostcall("proxy_get_header_map_value", 0, 0, (0,), b"authorization", b"Basic eA==")
    w.upstream(0)
    w.response(0, 200, 2)
    w.callback("proxy_on_response_headers", 2, 0, 1, 0)
    w.hostcall("proxy_add_header_map_value", 2, 0, (2,), b"hello", b"world", b"", fields(b"world"))
    w.event(Event.MAP, 0, (2,), pack_pairs(((b":status", b"200"), (b"hello", b"world"))), filter=2, parent=w.callback_row)
    w.downstream(0, 200, 2, (b"hello", b"world"))
    w.event(Event.END, 0)

    w.request(1, method=b"POST")
    w.callback("proxy_on_request_headers", 1, 1, 4, 1, result=1)
    w.hostcall("proxy_log", 1, 1, (2,), b"limited")
    answer(1, 1, 429, b"Too many requests", limits, b"slow down")

    w.request(2, b"/productpage")
    w.callback("proxy_on_request_headers", 0, 2, 4, 1, result=1)
    answer(2, 0, 401, b"No credentials")

    w.request(3)
    w.callback("proxy_on_request_headers", 0, 3, 4, 1, flags=0)
    w.event(Event.FAILURE, 3, (1, 2, 1), b"unreachable", b"proxy_on_request_headers", filter=0, parent=w.callback_row)
    w.event(Event.LOCAL_RESPONSE, 3, (14, 1), b"wasm_fail_stream", b"", pack_pairs(((b":status", b"503"),)), result=503, filter=0)
    w.downstream(3, 503, own=b"")

    w.request(4, method=b"OPTIONS")
    w.callback("proxy_on_request_headers", 0, 4, 4, 1, result=1)
    answer(4, 0, 204, b"preflight")

    w.request(5)
    w.upstream(5)
    w.event(Event.LOCAL_RESPONSE, 5, (NONE, 2), b"upstream_reset", b"gone", pack_pairs(((b":status", b"503"),)), result=503)
    w.downstream(5, 503, own=b"gone")

    w.request(6)
    w.callback("proxy_on_request_headers", 1, 6, 4, 1)
    w.hostcall("proxy_set_shared_data", 1, 6, (7,), b"tokens", b"\x04\0\0\0\0\0\0\0")
    w.hostcall("proxy_replace_header_map_value", 1, 6, (0,), b"x-user", b"a", fields(b"a"), fields(b"a"))
    w.upstream(6)
    w.response(6, 200, 2)
    w.downstream(6, 200, 2)
    return w
