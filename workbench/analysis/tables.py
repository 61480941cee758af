"""Trace → tables. Each function gives a DataFrame of its own; columns are numbers, categories and captured text as data.

Where rows are many (callbacks, hostcalls) nothing is done row by row but what text needs. Captured text is not escaped: a table is
data, whoever shows it escapes it. Times called `time` are virtual (UTC), those ending in `_ns` are real nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..capture.packing import unpack_pairs
from ..trace.records import NO_FILTER, NONE, Event, Kind
from ..trace.trace import Row, Trace
from . import words
from .callouts import CALLS, callouts, ends_of
from .calls import arguments, callback_row, connection_ends, log_line, spelt
from .changes import mutation
from .decision import all_decisions
from .facts import Facts, Outcome
from .facts_changed import changed_rows
from .limits import Limits, deciding
from .limits_gather import gather_limits
from .rowfields import Ints

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "callbacks_table", "decisions_table", "exchanges_table", "failures_table", "hostcalls_table", "logs_table", "mutations_table",
]  # fmt: skip

ARGUMENTS = 512
"""Characters of a hostcall's arguments in the table."""


def exchanges_table(trace: Trace, facts: Facts) -> pd.DataFrame:
    """One row an exchange or TCP connection, in capture order, its index the exchange's number. A connection's `method` is TCP, its
    `host` the upstream's address and its `path` the client's.

    index, time, method, host, path, status_upstream and status (nullable), outcome, changes, filter_ns, host_ns, hostcalls,
    callbacks, logs.
    """
    import pandas as pd

    heads = [_head(trace, row) for row in np.maximum(facts.request, facts.connection).tolist()]
    method, host, path = zip(*heads, strict=True) if heads else ((), (), ())
    names = [outcome.name.lower() for outcome in Outcome]
    columns: dict[str, Any] = {
        "index": facts.exchange,
        "time": _clock(facts.time),
        "method": pd.Categorical(method),
        "host": pd.Categorical(host),
        "path": list(path),
        "status_upstream": _status(facts.upstream_status, facts.response),
        "status": _status(facts.status, facts.downstream),
        "outcome": _category(facts.outcome, names),
        **{name: getattr(facts, name) for name in ("changes", "filter_ns", "host_ns", "hostcalls", "callbacks", "logs")},
    }
    return pd.DataFrame(columns, index=pd.Index(facts.exchange, name="exchange"))


def _head(trace: Trace, row: int) -> tuple[str, str, str]:
    """Method, host and path of a REQUEST event; of a CONNECTION, TCP, the upstream's address and the client's."""
    if row < 0:
        return "", "", ""
    event = trace.row(row)
    if event.code == Event.CONNECTION:
        client, upstream = connection_ends(event)
        return "TCP", upstream, client
    pairs, _ = unpack_pairs(event.fields[0])
    pseudo = {name: value for name, value in pairs if name[:1] == b":"}
    method, host, path = (words.text(pseudo.get(name, b"")) for name in (b":method", b":authority", b":path"))
    return method, host, path


def _status(values: Ints, row: Ints) -> Any:
    import pandas as pd

    return pd.arrays.IntegerArray(values.astype(np.int16), row < 0)


def _clock(ns: npt.NDArray[Any]) -> Any:
    import pandas as pd

    return pd.DatetimeIndex(ns.astype("datetime64[ns]")).tz_localize("UTC")


def callbacks_table(trace: Trace) -> pd.DataFrame:
    """One row a callback, in order, its index the row's number in the trace.

    exchange (nullable: root contexts have none), filter, callback, time, filter_ns, host_ns, hostcalls, result by name, finished.
    """
    import pandas as pd

    chosen = _rows(trace, Kind.CALLBACK, ("exchange", "filter", "code", "time", "ns", "other_ns", "result", "flags"))
    host = np.minimum(chosen["other_ns"], chosen["ns"])
    names = [call.name for call in trace.schema.callbacks]
    calls = np.zeros(len(trace), np.int64)
    for _, records in trace.segments():
        parents = records["parent"][(records["kind"] == Kind.HOSTCALL) & (records["parent"] != NONE)]
        np.add.at(calls, parents[parents < len(calls)], 1)
    return pd.DataFrame(
        {
            "exchange": _exchange(chosen["exchange"]),
            "filter": _filters(trace, chosen["filter"]),
            "callback": _category(chosen["code"], [words.short_name(name) for name in names]),
            "time": _clock(chosen["time"]),
            "filter_ns": (chosen["ns"] - host).astype(np.int64),
            "host_ns": host.astype(np.int64),
            "hostcalls": calls[chosen["seq"]],
            "result": _results(names, chosen["code"], chosen["result"]),
            "finished": (chosen["flags"] & 1).astype(bool),
        },
        index=pd.Index(chosen["seq"], name="row"),
    )


def hostcalls_table(trace: Trace) -> pd.DataFrame:
    """One row a hostcall, in order, its index the row's number in the trace.

    exchange, filter, callback (the one it was made in), hostcall, arguments (in words, escaped, bounded), status by name, time,
    host_ns, filter_ns.
    """
    import pandas as pd

    chosen = _rows(trace, Kind.HOSTCALL, ("exchange", "filter", "code", "time", "ns", "other_ns", "result", "parent"))
    inside = np.minimum(chosen["other_ns"], chosen["ns"])
    names = [call.name for call in trace.schema.hostcalls]
    texts: dict[str, int] = {}
    codes = np.fromiter(_argument_codes(trace, texts), np.int64, len(chosen["seq"]))
    return pd.DataFrame(
        {
            "exchange": _exchange(chosen["exchange"]),
            "filter": _filters(trace, chosen["filter"]),
            "callback": _parents(trace, chosen["parent"]),
            "hostcall": _category(chosen["code"], [words.short_name(name) for name in names]),
            "arguments": _category(codes, list(texts)),
            "status": _results(names, chosen["code"], chosen["result"]),
            "time": _clock(chosen["time"]),
            "host_ns": (chosen["ns"] - inside).astype(np.int64),
            "filter_ns": inside.astype(np.int64),
        },
        index=pd.Index(chosen["seq"], name="row"),
    )


def mutations_table(trace: Trace) -> pd.DataFrame:
    """One row a change (see `changes`), in order: exchange, time, filter, callback, part, op, name, before, after (lists of text)."""
    columns = ("exchange", "time", "filter", "callback", "part", "op", "name", "before", "after")

    def found() -> Iterator[tuple[Any, ...]]:
        names = [call.name for call in trace.schema.hostcalls]
        for first, records, blob in trace.blocks():
            for at in changed_rows(trace.schema, records, blob).tolist():
                row = trace.row(first + at)
                one = mutation(trace, names[row.code], row, _callback(trace, row))
                if one is not None and row.exchange != NONE:
                    before, after = list(one.before), list(one.after)
                    yield row.seq, one.exchange, one.time, one.filter, one.callback, one.part, one.op, one.name, before, after

    return _frame(columns, list(found()), ("filter", "callback", "part", "op", "name"))


def decisions_table(trace: Trace, facts: Facts, limits: Limits | None = None) -> pd.DataFrame:
    """One row an exchange on which a filter decided, its index the row that shows it.

    exchange, time, kind (limited, allowed, denied, error), verdict (the same, errors as `error let through` or `error refused`), filter,
    reason, status, limit (how many), limit_name and key (where the filter or its service tells), counter after this exchange, remaining,
    reset in seconds. Of several limits it is the one that limited, else the one with the least left.
    """
    import pandas as pd

    columns = ("exchange", "time", "kind", "verdict", "filter", "reason", "status", "limit", "remaining", "reset")
    rows = []
    for one in all_decisions(trace, facts):
        time = int(facts.time[facts.position(one.exchange)])
        row = (one.seq, one.exchange, time, one.kind, one.verdict, one.filter, one.reason, one.status, one.limit, one.remaining, one.reset)
        rows.append(row)
    frame = _frame(columns, rows, ("kind", "verdict", "filter"))
    frame = frame.astype({name: "Int64" for name in ("status", "limit", "remaining", "reset")})
    limits = gather_limits(trace, facts) if limits is None else limits
    places = {name: place for place, name in enumerate(trace.filters)}
    filters = np.array([places.get(name, NO_FILTER) for name in frame["filter"]], np.int64)
    at = deciding(limits, frame["exchange"].to_numpy(np.int64), filters)
    known, place = at >= 0, np.maximum(at, 0)

    def told(values: Ints) -> Any:
        found = np.where(known, values[place], -1) if len(values) else np.full(len(at), -1)
        return pd.arrays.IntegerArray(np.maximum(found, 0), found < 0)

    names = [limits.limits[int(limits.limit[one])] if one >= 0 else None for one in at.tolist()]
    reset = np.where(limits.end < 0, -1, -((limits.time - limits.end) // 10**9))
    for name, values in (("limit", limits.maximum), ("remaining", limits.remaining), ("reset", np.maximum(reset, -1))):
        frame[name] = frame[name].fillna(pd.Series(told(values), index=frame.index))
    frame.insert(8, "limit_name", pd.Series([one and one.name for one in names], frame.index, "category"))
    frame.insert(9, "key", pd.Series([one and one.key for one in names], frame.index, "category"))
    frame.insert(10, "counter", told(limits.counter))
    return frame


def logs_table(trace: Trace) -> pd.DataFrame:
    """One row a log line, in order: exchange (nullable), time, filter, callback, level, message as written, source (the hostcall)."""
    columns = ("exchange", "time", "filter", "callback", "level", "message", "source")
    names = [call.name for call in trace.schema.hostcalls]
    codes = [code for code, name in enumerate(names) if name in ("proxy_log", "fd_write")]
    rows = []
    for seq in _where(trace, Kind.HOSTCALL, codes):
        row = trace.row(seq)
        line = log_line(trace, row, _callback(trace, row))
        if line is not None:
            rows.append((seq, row.exchange, row.time, line.filter, line.callback, line.level, line.message, names[row.code]))
    return _frame(columns, rows, ("filter", "callback", "level", "source"))


def failures_table(trace: Trace) -> pd.DataFrame:
    """One row a failure, in order: exchange (nullable), time, filter, callback, kind, message, policy, effect in words."""
    columns = ("exchange", "time", "filter", "callback", "kind", "message", "policy", "effect")
    rows = []
    for seq in _where(trace, Kind.EVENT, [Event.FAILURE]):
        row = trace.row(seq)
        message, callback = (*(words.text(field) for field in row.fields), "", "")[:2]
        kind, policy, result = words.failure(row.a), words.policy(row.b), words.effect(row.c)
        rows.append((seq, row.exchange, row.time, trace.filter_name(row), words.short_name(callback), kind, message, policy, result))
    return _frame(columns, rows, ("filter", "callback", "kind", "policy", "effect"))


def callouts_table(trace: Trace) -> pd.DataFrame:
    """One row a call to another service, in order: exchange (nullable), time, filter, callback, kind, token, target, request, ended,
    status (nullable), latency_ms in virtual time (NaN where no end came), size of the answer in bytes."""
    import pandas as pd

    columns = ("exchange", "time", "filter", "callback", "kind", "token", "target", "request", "ended", "status", "latency_ms", "size")
    ends = ends_of(trace.row(seq) for seq in _where(trace, Kind.EVENT, [Event.CALLOUT]))
    codes = [code for code, call in enumerate(trace.schema.hostcalls) if call.name in CALLS]
    named = ((trace.name(row), row) for row in (trace.row(seq) for seq in _where(trace, Kind.HOSTCALL, codes)))
    rows = [
        (
            each.seq, each.exchange, each.time, each.filter, _callback(trace, trace.row(each.seq)), each.kind, each.token, each.target,
            each.request, each.ended, -1 if each.status is None else each.status, each.latency_ms, each.size,
        )
        for each in callouts(trace, named, ends)
    ]  # fmt: skip
    frame = _frame(columns, rows, ("filter", "callback", "kind", "ended"))
    status = frame["status"].to_numpy(np.int64)
    frame["status"] = pd.arrays.IntegerArray(np.where(status < 0, 0, status), status < 0)
    return frame.astype({"latency_ms": "float64"})


def _callback(trace: Trace, row: Row) -> str:
    found = callback_row(trace, row)
    return words.short_name(trace.name(found)) if found is not None else ""


def _where(trace: Trace, kind: Kind, codes: Sequence[int]) -> Iterator[int]:
    for first, records in trace.segments():
        yield from (np.flatnonzero((records["kind"] == kind) & np.isin(records["code"], codes)) + first).tolist()


def _rows(trace: Trace, kind: Kind, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Columns of all rows of one kind, and their numbers as `seq`."""
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [np.empty(0, np.int64)] for name in (*names, "seq")}
    for first, records in trace.segments():
        at = np.flatnonzero(records["kind"] == kind)
        parts["seq"].append(at + first)
        for name in names:
            parts[name].append(records[name][at].astype(np.int64))
    return {name: np.concatenate(found) for name, found in parts.items()}


def _category(codes: npt.NDArray[Any], names: Sequence[str]) -> Any:
    import pandas as pd

    return pd.Categorical.from_codes(codes, pd.Index(list(names)))


def _exchange(values: npt.NDArray[Any]) -> Any:
    import pandas as pd

    return pd.arrays.IntegerArray(np.where(values == NONE, 0, values).astype(np.int64), values == NONE)


def _filters(trace: Trace, places: npt.NDArray[Any]) -> Any:
    """Categories in chain order; two filters of one name are one category, as in the chain a name is what tells them apart."""

    names = list(dict.fromkeys(trace.filters))
    code = np.array([names.index(name) for name in trace.filters] + [-1], np.int64)
    return _category(code[np.minimum(places, len(trace.filters))], names)


def _results(names: Sequence[str], codes: npt.NDArray[Any], results: npt.NDArray[Any]) -> Any:
    """By name: there are few pairs of call and result, so each is named once."""

    pairs, inverse = np.unique(codes << 32 | (results & 0xFFFFFFFF), return_inverse=True)
    texts = [words.result(names[pair >> 32], int(np.int32(np.uint32(pair & 0xFFFFFFFF)))) for pair in pairs.tolist()]
    categories = list(dict.fromkeys(texts))
    place = np.array([categories.index(text) for text in texts] or [0], np.int64)
    return _category(place[inverse], categories)


def _parents(trace: Trace, parents: npt.NDArray[Any]) -> Any:
    """Names of the callbacks that rows belong to; what lies in a hostcall (a filter's allocator) belongs to that one's callback."""

    code, up, kind = (trace.column(name) for name in ("code", "parent", "kind"))
    at = np.where(parents < len(code), parents, -1)
    for _ in range(4):
        inside = at >= 0
        inside[inside] = kind[at[inside]] == Kind.HOSTCALL
        if not inside.any():
            break
        above = up[at[inside]].astype(np.int64)
        at[inside] = np.where(above < len(code), above, -1)
    known = at >= 0
    known[known] = kind[at[known]] == Kind.CALLBACK
    found = np.full(len(at), -1, np.int64)
    found[known] = code[at[known]]
    return _category(found, [words.short_name(call.name) for call in trace.schema.callbacks])


def _argument_codes(trace: Trace, texts: dict[str, int]) -> Iterator[int]:
    """For each hostcall the number of its arguments' text in `texts`, which grows; the same call is put in words once."""
    seen: dict[tuple[Any, ...], int] = {}
    names = [call.name for call in trace.schema.hostcalls]
    for first, records, blob in trace.blocks():
        at = np.flatnonzero(records["kind"] == Kind.HOSTCALL)
        columns = [records[name][at].tolist() for name in ("code", "a", "b", "c", "d", "blob", "blob_len")]
        for place, code, a, b, c, d, start, size in zip(at.tolist(), *columns, strict=True):
            key = (code, a, b, c, d, bytes(blob[start : start + size]))
            number = seen.get(key)
            if number is None:
                given = arguments(trace, trace.row(first + place))
                parts = (f"{name}={spelt(name, value, names[code])}" for name, value in given.items())
                text = words.shorten(", ".join(parts), ARGUMENTS)
                number = texts.setdefault(text, len(texts))
                if size <= ARGUMENTS:
                    seen[key] = number
            yield number


def _frame(columns: Sequence[str], rows: list[tuple[Any, ...]], categories: Sequence[str]) -> pd.DataFrame:
    """A table from tuples whose first member is the row's number in the trace."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=pd.Index(["row", *columns])).set_index("row")
    frame["exchange"] = _exchange(frame["exchange"].to_numpy(np.int64))
    frame["time"] = _clock(frame["time"].to_numpy(np.int64))
    return frame.astype({name: "category" for name in categories})
