"""Gathers what the trace tells of limits (`limits`): from the services themselves, from their answers, and from what filters keep."""

from __future__ import annotations

import numpy as np

from ..trace.records import NONE, CalloutEnd, CalloutKind, Event
from ..trace.trace import Trace
from . import words
from .facts import Facts
from .limits import ALLOWED, ANSWER, LIMITED, MOST, SERVICE, SHADOW, UNLIMITED, Limit, Limits
from .limits_kept import add_kept
from .limits_rows import LimitRows, calls
from .ratelimit_answers import OVER_LIMIT, Quota, read_answer, read_question
from .rowfields import field_spans
from .selections import events

__all__ = ["gather_limits"]


def gather_limits(trace: Trace, facts: Facts) -> Limits:
    """Read the whole trace once for each kind of witness."""
    book = LimitRows()
    explained = _explained(trace, book)
    _answered(trace, book, explained)
    known = {(row[1], row[3]) for part in book.parts for row in part[:, :4].tolist()} | {(row[1], row[3]) for row in book.rows}
    add_kept(trace, facts, book, known)
    return book.close()


def _explained(trace: Trace, book: LimitRows) -> set[int]:
    """LIMIT events; gives the hostcalls that they explain."""
    asked: set[int] = set()
    known: dict[bytes, int] = {}
    for first, rows, blob, at in events(trace, Event.LIMIT):
        at = at[rows["exchange"][at] != NONE]
        octets = np.frombuffer(blob, np.uint8)
        (_, _), (_, _), (key, key_size), (window, window_size), (flags, flags_size) = field_spans(octets, rows, at, 5)
        groups = np.empty(len(at), np.int64)
        begins = rows["blob"][at].astype(np.int64)
        for place, (start, end) in enumerate(zip(begins.tolist(), (key + key_size).tolist(), strict=True)):
            text = bytes(blob[start:end])
            if text not in known:
                known[text] = book.place(_named(text))
            groups[place] = known[text]
        whole = window_size == 16
        ends = np.full((len(at), 2), -1, np.int64)
        if whole.any():
            said = octets[window[whole][:, None] + np.arange(16)].view("<u8")
            ends[whole] = np.where(said > 0, np.minimum(said, MOST).astype(np.int64), -1)
        over = rows["result"][at] == OVER_LIMIT
        maximum, counter = rows["a"][at].astype(np.int64), rows["b"][at].astype(np.int64)
        verdict = np.where(over, LIMITED, ALLOWED)
        for place in np.flatnonzero(flags_size > 0).tolist():
            flag = bytes(blob[flags[place] : flags[place] + flags_size[place]])
            if b"shadow" in flag and over[place]:
                verdict[place] = SHADOW
            if b"unlimited" in flag:
                verdict[place], maximum[place] = UNLIMITED, -1
        window_s = rows["d"][at].astype(np.int64)
        columns = (
            at + first, rows["exchange"][at], rows["time"][at], rows["filter"][at], groups, verdict, maximum, counter,
            np.where(maximum >= 0, np.maximum(maximum - counter, 0), -1), rows["c"][at], np.where(window_s > 0, window_s, -1),
            ends[:, 0], ends[:, 1], np.full(len(at), SERVICE),
        )  # fmt: skip
        book.parts.append(np.stack([column.astype(np.int64) for column in columns], axis=1))
        asked.update(rows["parent"][at].tolist())
    return asked


def _named(text: bytes) -> Limit:
    parts: list[str] = []
    at = 0
    while at + 4 <= len(text) and len(parts) < 3:
        size = int.from_bytes(text[at : at + 4], "little")
        parts.append(words.text(text[at + 4 : at + 4 + size]))
        at += 4 + size
    return Limit(*(*parts, "", "", "")[:3])


def _answered(trace: Trace, book: LimitRows, explained: set[int]) -> None:
    """RateLimitResponses to calls that no LIMIT event explains."""
    calls = _questions(trace, explained)
    if not calls:
        return
    for first, rows, blob, at in events(trace, Event.CALLOUT):
        kept = (rows["b"][at] == CalloutKind.UNARY) & (rows["c"][at] == CalloutEnd.ANSWERED) & (rows["result"][at] == 0)
        at = at[kept & (rows["exchange"][at] != NONE)]
        _, _, (start, size), _ = field_spans(np.frombuffer(blob, np.uint8), rows, at, 4)
        columns = (at + first, rows["parent"][at], rows["exchange"][at], rows["time"][at], start, size)
        for seq, parent, exchange, time, begin, length in zip(*(column.tolist() for column in columns), strict=True):
            if parent not in calls:
                continue
            filter_, message = calls[parent]
            asked, said = read_question(message), read_answer(bytes(blob[begin : begin + length]))
            if asked is None or said is None or said.code == 0:
                continue
            every = "; ".join(asked.descriptors)
            for quota in said.quotas or (Quota("", over=said.code == OVER_LIMIT),):
                key = asked.descriptors[quota.descriptor] if 0 <= quota.descriptor < len(asked.descriptors) else every
                limit = book.place(Limit(asked.domain, quota.name, key))
                shadow = quota.over and said.code != OVER_LIMIT
                book.add(seq, exchange, time, filter_, limit, quota.over, quota, asked.hits, ANSWER)
                if shadow:
                    book.rows[-1] = (*book.rows[-1][:5], SHADOW, *book.rows[-1][6:])


def _questions(trace: Trace, explained: set[int]) -> dict[int, tuple[int, bytes]]:
    """Filter and message of each gRPC call to a rate-limit service, by its row."""
    found: dict[int, tuple[int, bytes]] = {}
    for seq, _, filter_, (_, service, _, _, message) in calls(
        trace, "proxy_grpc_call", ("upstream", "service", "method", "metadata", "message")
    ):
        if seq not in explained and b"RateLimitService" in service:
            found[seq] = (filter_, message)
    return found
