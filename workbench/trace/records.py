"""What the core writes while it replays: rows of 64 bytes, and the bytes they point to.

A trace is a list of rows (`RECORD`) in the order in which things began, and a blob. A row's blob is a run of
fields, each `u32 length, bytes`; rows of a message whose headers did not change since may share theirs. There are three kinds of rows:

CALLBACK  the host called a filter. `code` is its place in `Schema.callbacks`, `result` what the filter returned,
          `ns` real time of the whole call, `other_ns` the part of it spent in the host.
HOSTCALL  a filter called the host. `code` is its place in `Schema.hostcalls`, `result` the ABI status,
          `ns` real time of the whole call, `other_ns` the part of it spent in the filter (its allocator; of many small
          allocations some are timed, and what is typical of them stands for the others).
          `a` to `d` and the blob's fields are what `Hostcall.args` and `Hostcall.fields` name.
EVENT     anything else that happened to an exchange or a VM, see `Event`.

`flags` bit 0 (`FINISHED`) is missing on a call that never returned: a trap unwound it. Bit 1 (`INSTEAD`) is set on a hostcall that a
user's function answered (`host.intercept`): the host did nothing, and the row says what the filter asked and got. Bit 2
(`LAST`) is set on a proxy_set_buffer_bytes that changed the body it had looked at last (CallData); its `a` says which that is.
`parent` is the row number of the callback that a row belongs to. `time` is virtual, nanoseconds since the Unix epoch.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

__all__ = [
    "FINISHED", "INSTEAD", "LAST", "MAIN", "NONE", "NO_FILTER", "RECORD", "TRIAL", "Callback", "CalloutEnd", "CalloutKind", "Effect",
    "Event", "FailureKind", "Hostcall", "Kind", "Policy", "ResponseSource", "Schema", "split_fields", "split_values",
]  # fmt: skip

NONE = 0xFFFFFFFF
"""No exchange (a root context's call), no parent, or a number not given."""
NO_FILTER = 255
FINISHED = 1
MAIN = 255
"""In place of a worker: Envoy's main thread, which has a VM of each filter too, and no exchanges."""
TRIAL = 254
"""In place of a worker: a VM in which a configuration is tried on the main thread, and which is thrown away."""
INSTEAD = 2
LAST = 4

RECORD = np.dtype(
    [
        ("kind", "u1"),
        ("filter", "u1"),  # place in the chain from 0, or NO_FILTER
        ("code", "u1"),
        ("flags", "u1"),
        ("exchange", "<u4"),  # Exchange.index, or NONE
        ("context", "<u4"),  # Proxy-Wasm context id
        ("parent", "<u4"),
        ("time", "<u8"),
        ("blob", "<u4"),  # place and length in the segment's blob
        ("blob_len", "<u4"),
        ("result", "<i4"),
        ("a", "<u4"),
        ("b", "<u4"),
        ("c", "<u4"),
        ("d", "<u4"),
        ("ns", "<u4"),  # real time; 4.29 s and more read as the largest number
        ("other_ns", "<u4"),
        ("vm", "<u4"),
    ]
)
assert RECORD.itemsize == 64


class Kind(IntEnum):
    """`kind` of a row."""

    CALLBACK = 1
    HOSTCALL = 2
    EVENT = 3


class Event(IntEnum):
    """`code` of an EVENT row. `pairs` fields are in the form of `capture.packing`."""

    REQUEST = 1
    """The request as Envoy shows it to the first filter. a body size, b trailers, c connection, d worker; pairs headers, pairs
    trailers."""
    RESPONSE = 2
    """The upstream's response as the last filter is shown it. result status, a body size, b trailers; pairs headers, pairs trailers.
    What the proxy makes because the capture has none is a LOCAL_RESPONSE."""
    MAP = 3
    """A header map after a callback that changed it. a map type (0 to 3), parent the callback; pairs."""
    BODY = 4
    """What a filter sees of a body after a callback that changed it. a 0 request, 1 response, 2 and 3 a connection's bytes from the
    client and from the upstream; b size before; bytes after."""
    UPSTREAM_REQUEST = 5
    """What the upstream gets, when it is whole. a body size, c 1 where the body is as captured; pairs headers, pairs trailers, body
    (empty if c)."""
    DOWNSTREAM_RESPONSE = 6
    """What the client gets. result status, a body size, c 1 where the body is the captured one, d 1 where the stream was reset
    before its end; pairs headers, pairs trailers, body (empty if c)."""
    LOCAL_RESPONSE = 7
    """A response made here. result HTTP status, a gRPC status or NONE, b ResponseSource, c 1 where it had no effect; details, body,
    pairs headers: as the response filters see them, or where it had no effect as they were given."""
    FAILURE = 8
    """A filter failed, or suffers from an earlier failure of its VM. a FailureKind, b Policy, c Effect, parent the callback; message,
    callback name."""
    PAUSE = 9
    """A filter paused a direction. a 0 request or 1 response (of a connection: bytes from the client, from the upstream), b 0 headers,
    1 body, 2 trailers, 3 new connection, 4 data, c what it returned."""
    RESUME = 10
    """A filter's direction goes on. a direction, b bytes of body that were held."""
    END = 11
    """The exchange or connection is over. a bits: 1 request left paused, 2 response left paused, 4 reset (of a connection: the client
    was not told of the upstream's end), 8 waited for a callout that nobody answers."""
    VM = 12
    """A filter was started in a VM. a how many of this filter so far on this thread, b 0 start, 1 reload, 2 restart, c the worker from 0,
    `MAIN` or `TRIAL`."""
    NOTE = 13
    """Something a user should know. text."""
    CALLOUT = 14
    """What a call to another service came to, once for each. result the HTTP or gRPC status, -1 for none, a token, b `CalloutKind`,
    c `CalloutEnd`, d microseconds since it was asked, parent the hostcall that asked; cluster, pairs headers, body or message, pairs
    trailers. For a failure the status is what the filter was told."""
    CALLOUT_PART = 15
    """Initial metadata or a message that came in a gRPC stream; as CALLOUT, c and result 0."""
    DATA = 16
    """Bytes of a TCP connection came in. a 0 from the client or 1 from the upstream, b size, c 1 where that side has ended, d 1 where
    it reset the connection."""
    CONNECTION = 17
    """A TCP connection begins. a bytes that the client sends, b that the upstream sends, c connection, d captured messages;
    pairs attributes."""
    CONNECTION_END = 18
    """It is over. filter the one that closed it, where one did; result who closed, as the ABI says it: 1 local, 2 remote. a bytes that
    the upstream got, b that the client got, c bits: 1 and 2 where these are the captured ones, 4 where they are too many to be kept,
    d 1 where the proxy connected to the upstream; what the upstream got, what the client got (empty if as captured)."""
    INTERCEPTED = 19
    """A user's function changed what a hostcall gave. result what the filter got, a the hostcall's row, b 1 where the host had done it, c
    the host's own result if so, d the hostcall's code, ns the whole call; for each changed value its name, what the host gave (empty
    where it gave nothing), and what the filter got."""
    MEMORY = 21
    """A VM's memory grew in a callback, or had this size after the first. a pages of 64 KiB, b pages before (0: the first), parent the
    callback; `vm` says whose it is."""
    FUEL = 23
    """How much a filter executed in a callback that came back, where the replay counts it: a and b the low and high 32 bits of a number of
    instructions, as wasmtime counts fuel: its own and its allocator's, not the host's. parent the callback; `vm` says in whose it ran."""
    LIMIT = 22
    """A counter that a rate-limit service consulted for a callout, as it is told when the callout is made: the service counts also where
    its answer comes too late. Services that say nothing of their counters leave no such row. filter, exchange, parent as CALLOUT, `time`
    when it was consulted. result 1 within the limit or 2 over it, a the limit's maximum, b the counter as kept after this hit, c hits
    asked for (each the largest number where it is more), d the window in seconds (0: none); service and domain, the limit's name (where
    it has none what tells it from others), the counter's key (`name=value, name=value`, empty for a counter without), 16 bytes: u64
    begin and end of the window in virtual time (0: unknown), and what is special: `shadow` (over, and let through), `unlimited`,
    `check` (asked, not counted), or nothing."""


class FailureKind(IntEnum):
    """In which way a filter failed; EARLIER: it suffers from an earlier failure of its VM."""

    TRAP = 1
    TIMEOUT = 2
    MEMORY = 3
    START = 4
    CONFIGURE = 5
    EARLIER = 6
    HANG = 7
    """The exchange stayed paused for a callout that nobody answers."""


class Policy(IntEnum):
    """Envoy's failure policies by its numbers, and `restart`, ours."""

    RELOAD = 1
    CLOSED = 2
    OPEN = 3
    RESTART = 4


class Effect(IntEnum):
    """What a filter's failure did to the exchange."""

    FAILED = 1
    """The exchange was answered with 503 or reset."""
    PASSED = 2
    """The filter counts as not there."""


class ResponseSource(IntEnum):
    """Who made a local response: a filter, the host for one that failed, or the proxy for want of a captured one."""

    FILTER = 0
    FAILURE = 1
    PROXY = 2


class CalloutKind(IntEnum):
    """The low two bits of a callout's token."""

    HTTP = 0
    UNARY = 1
    STREAM = 2


class CalloutEnd(IntEnum):
    """How a callout ended."""

    ANSWERED = 0
    TIMEOUT = 1
    FAILED = 2
    """No connection, or the answer broke off."""
    CANCELLED = 3
    """By the filter, or with its VM."""
    UNANSWERED = 4


@dataclass(frozen=True, slots=True)
class Callback:
    """`args` name a to d of the row (the context id is in `context`)."""

    name: str
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hostcall:
    """`args` name a to d of the row; `fields` the blob's fields. A field called `before` or `after` is a list, see
    `split_values`; those of proxy_set_header_map_pairs are whole maps, as pairs."""

    name: str
    args: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """Names of what the rows' codes mean; the core brings them (`core.wasm` export `schema`), this is no second list."""

    callbacks: tuple[Callback, ...]
    hostcalls: tuple[Hostcall, ...]

    @classmethod
    def parse(cls, text: str) -> Schema:
        """Read the core's schema: a line each, `c name arg,arg` or `h name arg,arg field,field` (`-` for none)."""
        callbacks: list[Callback] = []
        hostcalls: list[Hostcall] = []
        for line in text.splitlines():
            mark, name, *lists = line.split(" ")
            parts = [() if part == "-" else tuple(part.split(",")) for part in lists]
            if mark == "c":
                callbacks.append(Callback(name, parts[0]))
            else:
                hostcalls.append(Hostcall(name, parts[0], parts[1]))
        return cls(tuple(callbacks), tuple(hostcalls))


_U32 = struct.Struct("<I")


def split_fields(blob: bytes | memoryview) -> list[bytes]:
    """The fields of a row's blob."""
    data = bytes(blob)  # taken out once: slices of it are fields already
    fields, at, end = [], 0, len(data)
    while at < end:
        begin = at + 4
        at = begin + _U32.unpack_from(data, at)[0]
        fields.append(data[begin:at])
    return fields


def split_values(field: bytes) -> list[bytes]:
    """The values in a `before` or `after` field: they are packed like a blob's fields."""
    return split_fields(field)
