"""Findings from what filters called and how they ended: calls that their phase forbids, silence, pauses, failures, logs, memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from ..trace.records import NO_FILTER, NONE, CalloutEnd, Event, FailureKind, Kind, Policy, Schema
from ..trace.trace import Trace
from . import words
from .facts import Facts
from .facts_changed import MUTATORS
from .findings import Block, Detector, Finding, Hits, Language, Plugin, made
from .findings_reasons import answered_call, last_words, refused_call
from .rowfields import Ints, lookup

__all__ = ["detectors"]

_BAD_ARGUMENT = 2
_NOT_FOUND = 1
_HEADER_CALLS = ("proxy_get_header_map_value", "proxy_get_header_map_size", "proxy_get_header_map_pairs")
_BUFFER_CALLS = ("proxy_get_buffer_bytes", "proxy_get_buffer_status", "proxy_set_buffer_bytes")
_CALLOUTS = ("proxy_http_call", "proxy_grpc_call", "proxy_grpc_stream")
_STREAM = ("headers", "body", "trailers", "data", "new_connection")
_AFTER = {
    0: ("request_body", "request_trailers", "response_headers", "response_body", "response_trailers"),
    1: ("response_headers", "response_body", "response_trailers"),
    2: ("response_body", "response_trailers"),
    3: (),
}
"""For each header map the callbacks that come when it has gone on."""
_MANY = 20
_PAGE = 65536


def detectors(trace: Trace, facts: Facts, plugins: Sequence[Plugin], language: Language) -> list[Detector]:
    """One of each."""
    return [
        _Silent(trace, facts, plugins, language),
        _Configuration(trace, plugins),
        _Failures(trace),
        _Pauses(trace),
        _Forbidden(trace),
        _Properties(trace),
        _Logs(trace),
        _Memory(trace),
        _Callouts(trace),
        _Unheeded(trace),
    ]


def _named(trace: Trace, names: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return lookup(code for code, call in enumerate(trace.schema.hostcalls) if call.name in names)


def _callback(schema: Schema, code: int) -> str:
    return words.short_name(schema.callbacks[code].name) if code < len(schema.callbacks) else "a callback"


class _Silent:
    """A filter that was called and asked the host for nothing, or was never called."""

    def __init__(self, trace: Trace, facts: Facts, plugins: Sequence[Plugin], language: Language) -> None:
        self.trace, self.facts, self.plugins, self.language = trace, facts, plugins, language
        self.stream = lookup(
            code for code, each in enumerate(trace.schema.callbacks) if each.name.removeprefix("proxy_on_").endswith(_STREAM)
        )
        n = max(len(trace.filters), 1)
        self.called, self.asked, self.acted = (np.zeros(n, np.int64) for _ in range(3))

    def look(self, block: Block) -> None:
        mine = (block.exchange != NONE) & (block.filter < len(self.trace.filters))
        stream = mine & (block.kind == Kind.CALLBACK) & self.stream[block.code]
        n = len(self.called)
        self.called += np.bincount(block.filter[stream], minlength=n)
        self.acted += np.bincount(block.filter[stream & (block.result != 0)], minlength=n)
        self.acted += np.bincount(block.filter[mine & (block.kind == Kind.EVENT) & (block.code == Event.FAILURE)], minlength=n)
        self.asked += np.bincount(block.filter[mine & (block.kind == Kind.HOSTCALL)], minlength=n)

    def findings(self) -> Iterator[Finding]:
        through = self.facts.exchange[(self.facts.local < 0) & (self.facts.failure < 0)]
        for place in range(len(self.trace.filters)):
            if self.called[place] and not self.asked[place] and not self.acted[place]:
                root_id = self.plugins[place].root_id if place < len(self.plugins) else ""
                configured = place >= len(self.plugins) or self.plugins[place].config
                reason = "It neither looked at an exchange nor changed one."
                remedy = "Check its configuration" if configured else "It has no configuration: give it one, if it needs it"
                if root_id or self.language(place) == "C++":
                    given = f"root_id {root_id!r} is" if root_id else "no root_id is"
                    reason += f" In Envoy a C++ filter whose module has no root context of that name stays silent too; {given} set."
                    remedy = "Give the root_id that the filter registers"
                yield made(
                    self.trace,
                    place,
                    "silent-filter",
                    "warning",
                    "was called and made no hostcall on any exchange",
                    reason,
                    remedy,
                    through,
                )
            elif not self.called[place] and len(through):
                yield made(
                    self.trace, place, "never-called", "warning", "was never called for an exchange",
                    "Its module exports none of the callbacks that this traffic makes.",
                    "Is it a filter of another kind, or built without its callbacks?", through,
                )  # fmt: skip


class _Configuration:
    """A configuration that is given and never read."""

    def __init__(self, trace: Trace, plugins: Sequence[Plugin]) -> None:
        self.trace, self.plugins = trace, plugins
        self.bytes, self.old = _named(trace, ("proxy_get_buffer_bytes",)), _named(trace, ("proxy_get_configuration",))
        self.read: set[tuple[int, int]] = set()
        self.refused: set[int] = set()
        self.vms: defaultdict[int, set[int]] = defaultdict(set)

    def look(self, block: Block) -> None:
        rows = block.calls(self.bytes)
        rows = rows[(block.a[rows] == 6) | (block.a[rows] == 7)]
        self.read.update(zip(block.filter[rows].tolist(), block.a[rows].tolist(), strict=True))
        for row in rows[block.a[rows] == 6].tolist():
            self.vms[int(block.vm[row])].add(6)
        for row in block.calls(self.old).tolist():
            self.read.update(((int(block.filter[row]), 6), (int(block.filter[row]), 7)))
        failed = block.events(Event.FAILURE)
        failed = failed[np.isin(block.a[failed], (FailureKind.START, FailureKind.CONFIGURE))]
        self.refused.update(block.filter[failed].tolist())

    def findings(self) -> Iterator[Finding]:
        shared = any(6 in seen for seen in self.vms.values())
        for place, plugin in enumerate(self.plugins[: len(self.trace.filters)]):
            for kind, what, given in ((7, "configuration", plugin.config), (6, "VM configuration", plugin.vm_config)):
                if not given or (place, kind) in self.read or place in self.refused or (kind == 6 and shared):
                    continue
                yield made(
                    self.trace, place, "ignored-configuration", "warning", f"never read its {what} ({words.size(len(given))})",
                    "What it does with these settings is what it does without them.",
                    "Is the setting meant for this filter, and does the filter read it in on_configure?", np.empty(0, np.int64),
                )  # fmt: skip


class _Failures:
    """Traps, calls past their limit, and who suffered."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.hits = Hits()

    def look(self, block: Block) -> None:
        rows = block.events(Event.FAILURE)
        self.hits.add(block, rows, block.filter[rows], block.a[rows])

    def findings(self) -> Iterator[Finding]:
        for place, kind in self.hits:
            row = self.trace.row(self.hits.example[place, kind])
            message, callback = (*(words.excerpt(each, 160) for each in row.fields), "", "")[:2]
            at = words.short_name(callback) or "its start"
            policy = words.policy(row.b)
            code, title, remedy = {
                FailureKind.TRAP: ("trapped", f"trapped in {at}: {message}", "Mend what made it trap: its last log lines often say what"),
                FailureKind.TIMEOUT: ("limit-exceeded", f"ran too long in {at}: {message}", "Find the loop, or give it more time"),
                FailureKind.MEMORY: ("limit-exceeded", f"took too much memory in {at}: {message}", "Find what it keeps, or give it more"),
                FailureKind.START: ("did-not-start", f"did not start: {message}", "Check vm_config and root_id"),
                FailureKind.CONFIGURE: ("did-not-start", f"refused its configuration: {message}", "Check config against what it expects"),
                FailureKind.EARLIER: ("failed-before", message, "Mend that failure: this one ends with it"),
            }.get(kind, ("failed", f"failed in {at}: {message}", "Look at its log"))
            whose = "a policy of this workbench that Envoy does not have" if row.b == Policy.RESTART else "in Envoy as here"
            reason = f"Its failure policy is {policy}: {words.effect(row.c)}, {whose}."
            if kind == FailureKind.EARLIER:
                title = "was out of order after its failure"
            elif said := last_words(self.trace, row):
                reason = f"It said: {said.rstrip('.')}{'' if said.endswith('…') else '.'} {reason}"
                remedy = "Mend that" if kind == FailureKind.TRAP else remedy
            if kind == FailureKind.HANG:
                code, title = "never-answered", f"waits in {at} for a call that was never answered: {message}"
                reason = "Nothing else lets the exchange go on: the client waits until Envoy's stream idle timeout, five minutes."
                remedy = "Give the call a timeout, and go on or answer when it fails"
            yield made(self.trace, place, code, "error", title, reason, remedy, self.hits.exchanges((place, kind)))


class _Pauses:
    """Directions that a filter stopped and never let go on."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.hangs: list[Ints] = [np.empty(0, np.int64)]
        self.paused: list[tuple[Ints, Ints]] = []
        self.resumed: list[tuple[Ints, Ints]] = []
        self.ended: list[tuple[Ints, Ints]] = []

    def look(self, block: Block) -> None:
        for event, kept in ((Event.PAUSE, self.paused), (Event.RESUME, self.resumed)):
            rows = block.events(event)
            key = block.exchange[rows].astype(np.int64) << 9 | block.filter[rows].astype(np.int64) << 1 | (block.a[rows] & 1)
            kept.append((key, rows + block.first))
        hangs = block.events(Event.FAILURE)
        hangs = hangs[block.a[hangs] == FailureKind.HANG]
        self.hangs.append(block.exchange[hangs].astype(np.int64) << 8 | block.filter[hangs].astype(np.int64))
        rows = block.events(Event.END)
        self.ended.append((block.exchange[rows].astype(np.int64), block.a[rows].astype(np.int64)))

    def findings(self) -> Iterator[Finding]:
        ended, bits = (np.concatenate(column) for column in zip(*self.ended, strict=True)) if self.ended else (np.empty(0, np.int64),) * 2
        left = {side: np.sort(ended[bits & (1 << side) != 0]) for side in (0, 1)}
        if not any(map(len, left.values())):
            return
        paused, resumed = _last(self.paused), _last(self.resumed)
        hits = Hits()
        keys, rows = paused
        again = np.full(len(keys), -1, np.int64)
        if len(resumed[0]):
            at = np.minimum(np.searchsorted(resumed[0], keys), len(resumed[0]) - 1)
            again = np.where(resumed[0][at] == keys, resumed[1][at], -1)
        told = np.isin(keys >> 1, np.concatenate(self.hangs))  # as a call that was never answered
        for side, direction in enumerate(("request", "response")):
            mine = ~told & (rows > again) & (keys & 1 == side) & np.isin(keys >> 9, left[side])
            for place in np.unique(keys[mine] >> 1 & 0xFF).tolist():
                these = mine & (keys >> 1 & 0xFF == place)
                hits.note((place, direction), (keys[these] >> 9).astype(np.uint32), int(rows[these][0]))
        for place, direction in hits:
            row = self.trace.row(hits.example[place, direction])
            phase = ("headers", "body", "trailers", "new_connection", "data")[row.b] if row.b < 5 else "a callback"
            what, callback = f"paused the {direction}", f"on_{direction}_{phase}"
            reason = "The client waits until Envoy's stream idle timeout, five minutes, ends the exchange."
            if row.b > 2:  # of a connection
                what, reason = "paused", "What came stays there, and nothing that follows passes."
                callback = f"on_{'downstream' if direction == 'request' else 'upstream'}_data" if phase == "data" else f"on_{phase}"
            if called := answered_call(self.trace, row):
                reason = f"{called} {reason}"
            yield made(
                self.trace, place, "never-resumed", "error", f"{what} in {callback} and never let it go on", reason,
                "Call continue_stream (resume) where the answer comes, or answer or close; check that a callout or tick does it",
                hits.exchanges((place, direction)),
            )  # fmt: skip


def _last(pieces: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """The last row of each key, keys in order."""
    if not pieces:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    keys, rows = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
    return keys[last], rows[last]


class _Forbidden:
    """Calls that answered BadArgument: most are right in another callback."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.hits = Hits()

    def look(self, block: Block) -> None:
        rows = np.flatnonzero((block.kind == Kind.HOSTCALL) & (block.result == _BAD_ARGUMENT) & (block.filter < NO_FILTER))
        rows = rows[[self.trace.schema.hostcalls[code].name.startswith("proxy_") for code in block.code[rows].tolist()]]
        kind = np.minimum(block.a[rows], 99)
        self.hits.add(block, rows, block.filter[rows], block.code[rows], block.callback[rows], kind)

    def findings(self) -> Iterator[Finding]:
        for key in self.hits:
            place, code, callback, kind = key
            exchanges = self.hits.exchanges(key)
            name = self.trace.schema.hostcalls[code].name
            at = _callback(self.trace.schema, callback)
            call = words.short_name(name)
            if name in MUTATORS[:4] and at.removeprefix("on_") in _AFTER.get(kind, ()):
                yield made(
                    self.trace, place, "headers-already-sent", "warning", f"changed {words.MAPS[kind]} in {at}, when they had been sent",
                    f"{call} answered BadArgument and did nothing; the Rust SDK panics on that.",
                    "Change them in their own callback, or return StopIteration there until they may go", exchanges,
                )  # fmt: skip
            elif name in MUTATORS[:4] + _HEADER_CALLS and kind < len(words.MAPS):
                yield made(
                    self.trace, place, "wrong-phase", "warning", f"asked for {words.MAPS[kind]} in {at}, where there are none",
                    f"{call} answered BadArgument; the Rust SDK panics on that, others see no value.",
                    "Keep what is needed from the callback that has it", exchanges,
                )  # fmt: skip
            elif name in _BUFFER_CALLS and kind < len(words.BUFFERS):
                yield made(
                    self.trace, place, "wrong-phase", "warning", f"{call} of {words.BUFFERS[kind]} in {at} answered BadArgument",
                    "That buffer can be changed in its own callback only, at its start, at its end or as a whole.",
                    "Change it in its callback, and replace all of it", exchanges,
                )  # fmt: skip
            elif name in _CALLOUTS:
                cluster, reason, remedy = refused_call(self.trace, self.trace.row(self.hits.example[key]))
                title = f"{call} to cluster {cluster} in {at} answered BadArgument"
                yield made(self.trace, place, "callout-refused", "warning", title, reason, remedy, exchanges)
            else:
                yield made(
                    self.trace, place, "bad-argument", "warning", f"{call} in {at} answered BadArgument",
                    "Envoy refuses it likewise, and the call did nothing.", "Check its arguments, and whether this callback may make it",
                    exchanges,
                )  # fmt: skip


class _Properties:
    """Properties that are there in one callback and were asked for in another."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.code = _named(trace, ("proxy_get_property",))
        self.found: defaultdict[tuple[int, bytes], set[int]] = defaultdict(set)
        self.missing = Hits()

    def look(self, block: Block) -> None:
        rows = block.calls(self.code)
        rows = rows[(block.result[rows] == 0) | (block.result[rows] == _NOT_FOUND)]
        rows = rows[block.blob_len[rows] >= 4]
        start = block.blob[rows]
        end = start + 4 + block.numbers(start)
        raw = block.octets.tobytes() if len(rows) else b""
        by: defaultdict[tuple[int, bytes, int, int], list[int]] = defaultdict(list)
        columns = (block.filter[rows], start + 4, end, block.callback[rows], block.result[rows], rows)
        for place, first, last, callback, result, row in zip(*(column.tolist() for column in columns), strict=True):
            by[place, raw[first:last], callback, result].append(row)
        for (place, path, callback, result), these in by.items():
            if result == 0:
                self.found[place, path].add(callback)
            else:
                at = np.array(these)
                self.missing.note((place, path, callback), block.exchange[at], block.first + these[0])

    def findings(self) -> Iterator[Finding]:
        for key in self.missing:
            place, path, callback = key
            there = self.found[place, path] - {callback}
            if not there or callback in self.found[place, path]:
                continue
            exchanges = self.missing.exchanges(key)
            name = words.excerpt(path.rstrip(b"\0").replace(b"\0", b"."), 80)
            others = ", ".join(_callback(self.trace.schema, each) for each in sorted(there))
            yield made(
                self.trace, place, "property-not-there", "note",
                f"asked for {name} in {_callback(self.trace.schema, callback)}, where it is NotFound",
                f"It is there in {others}: request properties go with the request's headers, those of the response come with it.",
                "Ask for it there and keep it", exchanges,
            )  # fmt: skip


class _Logs:
    """Lines that a filter logged as warnings or worse."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.log, self.write = _named(trace, ("proxy_log",)), _named(trace, ("fd_write",))
        self.hits = Hits()
        self.lines: Counter[tuple[int, int]] = Counter()

    def look(self, block: Block) -> None:
        for codes, least in ((self.log, 3), (self.write, 2)):
            rows = block.calls(codes)
            rows = rows[(block.a[rows] >= least) & (block.a[rows] < 6)]
            level = block.a[rows] if codes is self.log else np.full(len(rows), 4)
            self.hits.add(block, rows, block.filter[rows], level)
            self.lines.update(zip(block.filter[rows].tolist(), level.tolist(), strict=True))

    def findings(self) -> Iterator[Finding]:
        for place, level in self.hits:
            row = self.trace.row(self.hits.example[place, level])
            said = words.visible(words.shorten(words.text(row.fields[0]).strip(), 160)) if row.fields else ""
            n = self.lines[place, level]
            lines = f"{words.count(n)} line{'' if n == 1 else 's'}"
            yield made(
                self.trace, place, "logged", "note" if level == 3 else "warning", f"logged {lines} at level {words.LOG_LEVELS[level]}",
                f"The first: {said}", "Read them in .logs, and mend what they tell of", self.hits.exchanges((place, level)),
            )  # fmt: skip


class _Memory:
    """A VM whose memory keeps growing."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.grown: list[tuple[Ints, ...]] = []

    def look(self, block: Block) -> None:
        rows = block.events(Event.MEMORY)
        self.grown.append(tuple(column[rows].astype(np.int64) for column in (block.vm, block.filter, block.exchange, block.a, block.b)))

    def findings(self) -> Iterator[Finding]:
        if not self.grown:
            return
        vms, filters, exchanges, after, before = (np.concatenate(column) for column in zip(*self.grown, strict=True))
        every = self.trace.exchanges.astype(np.int64)
        if len(every) < _MANY:
            return
        for vm in np.unique(vms).tolist():
            mine = (vms == vm) & (exchanges != NONE) & (before > 0)
            if not mine.any():
                continue
            # in each of the last three quarters of the replay, and as fast at its end as before: no cache that fills up
            part = np.searchsorted(every, exchanges[mine]) * 4 // len(every)
            gained = np.bincount(part, (after - before)[mine], 4)
            if not (gained[1:] > 0).all() or 2 * gained[3] < gained[1]:
                continue
            place = int(np.bincount(filters[mine]).argmax())
            first, last = int(before[mine][0]) * _PAGE, int(after[mine][-1]) * _PAGE
            each = (last - first) // len(every)
            yield made(
                self.trace, place, "memory-grows", "warning",
                f"grew its memory from {words.size(first)} to {words.size(last)}, some {words.size(each)} an exchange",
                "It keeps something of every exchange; in Envoy the VM lives for weeks, and at its limit each call fails.",
                "Drop what belongs to a stream in on_done or on_delete", np.unique(exchanges[mine]),
            )  # fmt: skip


class _Callouts:
    """Calls to other services that came to nothing."""

    _ENDS: ClassVar = {CalloutEnd.TIMEOUT: "ran into its timeout", CalloutEnd.FAILED: "failed: no connection, or the answer broke off"}

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.hits = Hits()

    def look(self, block: Block) -> None:
        rows = block.events(Event.CALLOUT)
        rows = rows[np.isin(block.c[rows], tuple(self._ENDS)) & (block.filter[rows] < NO_FILTER)]
        self.hits.add(block, rows, block.filter[rows], block.c[rows])

    def findings(self) -> Iterator[Finding]:
        for place, end in self.hits:
            row = self.trace.row(self.hits.example[place, end])
            cluster = words.excerpt(row.fields[0], 60) if row.fields else ""
            yield made(
                self.trace, place, "callout-failed", "note", f"its call to cluster {cluster} {self._ENDS[CalloutEnd(end)]}",
                "Envoy tells the filter with a 504 or 503 of its own, or a gRPC status: it must expect that.",
                "Look at .callouts, and at what the filter does then"
                + ('; a cluster answered by "capture" knows only calls that were captured' if end == CalloutEnd.FAILED else ""),
                self.hits.exchanges((place, end)),
            )  # fmt: skip


class _Unheeded:
    """Local responses that had no effect."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.hits = Hits()

    def look(self, block: Block) -> None:
        rows = block.events(Event.LOCAL_RESPONSE)
        rows = rows[(block.c[rows] == 1) & (block.filter[rows] < NO_FILTER)]
        self.hits.add(block, rows, block.filter[rows], block.callback[rows])

    def findings(self) -> Iterator[Finding]:
        for place, callback in self.hits:
            row = self.trace.row(self.hits.example[place, callback])
            yield made(
                self.trace, place, "response-without-effect", "warning",
                f"sent a local response {row.result} in {_callback(self.trace.schema, callback)} that had no effect",
                "The call answers Ok, but the response had begun, or another was on its way: the client gets that one.",
                "Send it in the request's callbacks or in on_response_headers, and once", self.hits.exchanges((place, callback)),
            )  # fmt: skip
