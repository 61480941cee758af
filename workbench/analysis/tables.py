"""Trace → tables. Each function gives a DataFrame of its own; columns are numbers, categories and captured text as data.

Where rows are many (callbacks, hostcalls) nothing is done row by row but what text needs. Captured text is not escaped: a table is
data, whoever shows it escapes it. Times called `time` are virtual (UTC), those ending in `_ns` are real nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..trace.numbers import LogLevel
from ..trace.records import NO_FILTER, NONE, RECORD, Event, Kind, split_fields
from ..trace.trace import Records, Row, Trace
from . import words
from .callouts import CALLS, callouts, ends_of
from .calls import callback_codes, callback_row, named_arguments, spelt
from .changes import mutation
from .decision import all_decisions
from .facts import Facts, Outcome
from .facts_changed import changed_rows
from .frames import Picked, category, clock, exchange_numbers, filter_names, nullable, results, seen
from .heads import HEADS, heads
from .limits import Limits, deciding
from .limits_gather import gather_limits
from .prints import distinct, numbered, slices
from .rowfields import Ints, lookup
from .selections import events, hostcalls, log_lines

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "callbacks_table", "decisions_table", "exchanges_table", "failures_table", "hostcalls_table", "logs_table", "mutations_table",
]  # fmt: skip

ARGUMENTS = 512
"""Characters of a hostcall's arguments in the table."""
_MOST_KEPT, _LONGEST_KEPT = 1 << 16, 512
"""How many calls are remembered by what they say, and of how many bytes at most."""
_PORTION = 1 << 16
_NUMBERS = Struct("<5I")
"""Of a hostcall: its code and a to d."""


def exchanges_table(trace: Trace, facts: Facts) -> pd.DataFrame:
    """One row an exchange or TCP connection, in capture order, its index the exchange's number. A connection's `method` is TCP, its
    `host` the upstream's address and its `path` the client's.

    index, time, method, host, path, status_upstream and status (nullable), outcome, changes, filter_ns, host_ns, hostcalls,
    callbacks, logs.
    """
    import pandas as pd

    names = [outcome.name.lower() for outcome in Outcome]
    method, host, path = _heads(trace, facts)
    columns: dict[str, Any] = {
        "index": facts.exchange,
        "time": clock(facts.time),
        "method": method,
        "host": host,
        "path": path,
        "status_upstream": nullable(facts.upstream_status, facts.response < 0, np.int16),
        "status": nullable(facts.status, facts.downstream < 0, np.int16),
        "outcome": category(facts.outcome, names),
        **{name: getattr(facts, name) for name in ("changes", "filter_ns", "host_ns", "hostcalls", "callbacks", "logs")},
    }
    return pd.DataFrame(columns, index=pd.Index(facts.exchange, name="exchange"))


def _heads(trace: Trace, facts: Facts) -> tuple[Any, Any, list[str]]:
    """Methods and hosts as categories, and paths."""
    known: tuple[dict[bytes, int], dict[bytes, int]] = ({}, {})
    numbers: tuple[list[Ints], list[Ints]] = ([np.empty(0, np.int64)], [np.empty(0, np.int64)])
    paths: list[str] = []
    for first in range(0, len(facts), _PORTION):
        found = heads(trace, facts, np.arange(first, min(first + _PORTION, len(facts))))
        for name, of, into in zip(HEADS, known, numbers, strict=False):
            into.append(numbered(found[name], of))
        paths += map(words.text, found["path"])
    method, host = (seen(np.concatenate(each), list(map(words.text, of))) for each, of in zip(numbers, known, strict=True))
    return method, host, paths


def callbacks_table(trace: Trace) -> pd.DataFrame:
    """One row a callback, in order, its index the row's number in the trace.

    exchange (nullable: root contexts have none), filter, callback, time, filter_ns, host_ns, hostcalls, result by name, finished.
    """
    import pandas as pd

    chosen = _rows(trace, Kind.CALLBACK, ("exchange", "filter", "code", "time", "ns", "other_ns", "result", "flags"))
    host = np.minimum(chosen["other_ns"], chosen["ns"])
    names = [call.name for call in trace.schema.callbacks]
    calls = np.zeros(len(trace), np.int32)
    for _, records in trace.segments():
        parents = records["parent"][(records["kind"] == Kind.HOSTCALL) & (records["parent"] < len(calls))].astype(np.int64)
        if len(parents):
            low, high = int(parents.min()), int(parents.max()) + 1
            calls[low:high] += np.bincount(parents - low, minlength=high - low).astype(np.int32)
    return pd.DataFrame(
        {
            "exchange": exchange_numbers(chosen["exchange"]),
            "filter": filter_names(trace, chosen["filter"]),
            "callback": category(chosen["code"], [words.short_name(name) for name in names]),
            "time": clock(chosen["time"]),
            "filter_ns": (chosen["ns"] - host).astype(np.int64),
            "host_ns": host.astype(np.int64),
            "hostcalls": calls[chosen["seq"]].astype(np.int64),
            "result": results(names, chosen["code"], chosen["result"]),
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

    chosen = _rows(trace, Kind.HOSTCALL, ("exchange", "filter", "code", "time", "ns", "other_ns", "result"))
    inside = np.minimum(chosen["other_ns"], chosen["ns"])
    names = [call.name for call in trace.schema.hostcalls]
    callbacks = [words.short_name(call.name) for call in trace.schema.callbacks]
    within, told, texts = _told(trace)
    return pd.DataFrame(
        {
            "exchange": exchange_numbers(chosen["exchange"]),
            "filter": filter_names(trace, chosen["filter"]),
            "callback": category(within, callbacks),
            "hostcall": category(chosen["code"], [words.short_name(name) for name in names]),
            "arguments": category(told, texts),
            "status": results(names, chosen["code"], chosen["result"]),
            "time": clock(chosen["time"]),
            "host_ns": (chosen["ns"] - inside).astype(np.int64),
            "filter_ns": inside.astype(np.int64),
        },
        index=pd.Index(chosen["seq"], name="row"),
    )


def mutations_table(trace: Trace) -> pd.DataFrame:
    """One row a change (see `changes`), in order: exchange, time, filter, callback, part, op, name, before, after (lists of text)."""
    import pandas as pd

    picked = Picked(trace)
    found: list[Change] = []
    for first, records, blob in trace.blocks():
        at = changed_rows(trace.schema, records, blob)
        at = at[records["exchange"][at] != NONE]
        made = list(_changes(trace, first, records, blob, at))
        picked.add(first, records, at[np.fromiter((one is not None for one in made), bool, len(made))])
        found += (one for one in made if one is not None)
    part, op, name, before, after = map(list, zip(*found, strict=True)) if found else ([], [], [], [], [])
    columns = {"part": pd.Categorical(part), "op": pd.Categorical(op), "name": pd.Categorical(name)}
    return picked.frame(**columns, before=list(map(list, before)), after=list(map(list, after)))


Change: TypeAlias = tuple[str, str, str, tuple[str, ...], tuple[str, ...]]
"""Part, operation, name, before and after of a change."""


def _changes(trace: Trace, first: int, records: Records, blob: memoryview, at: Ints) -> Iterator[Change | None]:
    """What each of these calls changed, None for nothing; one that says what another said is looked at once."""
    names = [call.name for call in trace.schema.hostcalls]
    known: dict[bytes, Change | None] = {}
    for place, key in zip(at.tolist(), _keys(records, blob, at), strict=True):
        if key not in known:
            row = trace.row(first + place)
            one = mutation(trace, names[row.code], row, "")
            known[key] = None if one is None else (one.part, one.op, one.name, one.before, one.after)
        yield known[key]


def _keys(records: Records, blob: memoryview, at: Ints) -> list[bytes]:
    """For each of these calls all that it says, as one text: the same for two that say the same."""
    numbers = np.empty((len(at), 5), "<u4")
    for column, name in enumerate(("code", "a", "b", "c", "d")):
        numbers[:, column] = records[name][at]
    heads = numbers.tobytes()
    tails = slices(np.frombuffer(blob, np.uint8), records["blob"][at].astype(np.int64), records["blob_len"][at].astype(np.int64))
    size = _NUMBERS.size
    return [heads[size * place : size * (place + 1)] + tail for place, tail in enumerate(tails)]


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
    names = [call.name for call in trace.schema.hostcalls]
    logs = lookup([code for code, name in enumerate(names) if name == "proxy_log"])
    picked = Picked(trace)
    messages: list[str] = []
    levels, sources = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for first, records, blob, at, said in log_lines(trace):
        lines, which = distinct(np.frombuffer(blob, np.uint8), *said)
        decoded = list(map(words.text, lines))
        messages += [decoded[place] for place in which.tolist()]
        code, number = records["code"][at], records["a"][at].astype(np.int64)
        levels.append(np.where(logs[code], number, np.where(number == 2, LogLevel.error, LogLevel.info)))
        sources.append(code.astype(np.int64))
        picked.add(first, records, at)
    numbers, level = np.unique(np.concatenate(levels), return_inverse=True)
    named = [words.enumerated(words.LOG_LEVELS, number) for number in numbers.tolist()]
    return picked.frame(level=seen(level, named), message=messages, source=seen(np.concatenate(sources), names))


def failures_table(trace: Trace) -> pd.DataFrame:
    """One row a failure, in order: exchange (nullable), time, filter, callback, kind, message, policy, effect in words."""
    columns = ("exchange", "time", "filter", "callback", "kind", "message", "policy", "effect")
    rows = []
    for row in _rows_of(trace, events(trace, Event.FAILURE)):
        message, callback = (*(words.text(field) for field in row.fields), "", "")[:2]
        kind, policy, result = words.failure(row.a), words.policy(row.b), words.effect(row.c)
        rows.append((row.seq, row.exchange, row.time, trace.filter_name(row), words.short_name(callback), kind, message, policy, result))
    return _frame(columns, rows, ("filter", "callback", "kind", "policy", "effect"))


def callouts_table(trace: Trace) -> pd.DataFrame:
    """One row a call to another service, in order: exchange (nullable), time, filter, callback, kind, token, target, request, ended,
    status (nullable), latency_ms in virtual time (NaN where no end came), size of the answer in bytes."""

    columns = ("exchange", "time", "filter", "callback", "kind", "token", "target", "request", "ended", "status", "latency_ms", "size")
    ends = ends_of(_rows_of(trace, events(trace, Event.CALLOUT)))
    named = ((trace.name(row), row) for row in _rows_of(trace, hostcalls(trace, CALLS)))
    rows = [
        (
            each.seq, each.exchange, each.time, each.filter, _callback(trace, trace.row(each.seq)), each.kind, each.token, each.target,
            each.request, each.ended, -1 if each.status is None else each.status, each.latency_ms, each.size,
        )
        for each in callouts(trace, named, ends)
    ]  # fmt: skip
    frame = _frame(columns, rows, ("filter", "callback", "kind", "ended"))
    status = frame["status"].to_numpy(np.int64)
    frame["status"] = nullable(status, status < 0)
    return frame.astype({"latency_ms": "float64"})


def _rows_of(trace: Trace, selected: Iterable[tuple[int, Records, memoryview, Ints]]) -> Iterator[Row]:
    """Selected rows one by one: for tables of few."""
    return (trace.row(first + place) for first, _, _, at in selected for place in at.tolist())


def _callback(trace: Trace, row: Row) -> str:
    found = callback_row(trace, row)
    return words.short_name(trace.name(found)) if found is not None else ""


def _rows(trace: Trace, kind: Kind, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Columns of all rows of one kind, and their numbers as `seq`."""
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [np.empty(0, RECORD[name])] for name in names}
    parts["seq"] = [np.empty(0, np.int64)]
    for first, records in trace.segments():
        at = np.flatnonzero(records["kind"] == kind)
        parts["seq"].append(at + first)
        for name in names:
            parts[name].append(records[name][at])
    return {name: np.concatenate(found) for name, found in parts.items()}


def _told(trace: Trace) -> tuple[Ints, Ints, list[str]]:
    """Of each hostcall the code of its callback (-1: none) and the number of its arguments' text, and these texts."""
    texts: dict[str, int] = {}
    within, numbers = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    known: dict[bytes, int] = {}
    names = [call.name for call in trace.schema.hostcalls]
    for first, records, blob, at in hostcalls(trace, names):
        found = []
        for key in _keys(records, blob, at):
            number = known.get(key)
            if number is None:
                code, *given = _NUMBERS.unpack_from(key)
                told = named_arguments(trace.schema, Kind.HOSTCALL, code, given, split_fields(key[_NUMBERS.size :]))
                parts = [f"{name}={spelt(name, value, names[code])}" for name, value in told.items()]
                number = texts.setdefault(words.shorten(", ".join(parts), ARGUMENTS), len(texts))
                if len(known) >= _MOST_KEPT:
                    known.clear()
                if len(key) <= _LONGEST_KEPT:
                    known[key] = number
            found.append(number)
        numbers.append(np.array(found, np.int64))
        callback = callback_codes(trace, first, records, at)
        within.append(np.where(callback == 255, -1, callback))
    return np.concatenate(within), np.concatenate(numbers), list(texts)


def _frame(columns: Sequence[str], rows: list[tuple[Any, ...]], categories: Sequence[str]) -> pd.DataFrame:
    """A table from tuples whose first member is the row's number in the trace."""
    import pandas as pd

    frame = pd.DataFrame(rows, columns=pd.Index(["row", *columns])).set_index("row")
    frame["exchange"] = exchange_numbers(frame["exchange"].to_numpy(np.int64))
    frame["time"] = clock(frame["time"].to_numpy(np.int64))
    return frame.astype({name: "category" for name in categories})
