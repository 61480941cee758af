"""Facts of a trace that grows, against facts of the whole one, and against what its rows say one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from tests.widgets.held import HeldCapture
from workbench.analysis.changes import mutation
from workbench.analysis.facts import Facts, FactsGatherer, Outcome, gather_facts, outcome_of_local
from workbench.analysis.facts_changed import MUTATORS
from workbench.analysis.redaction import Redaction
from workbench.replay import Replay
from workbench.trace.records import NO_FILTER, NONE, Event, Kind
from workbench.trace.trace import Records, Trace

from .tracewriter import SCHEMA, TraceWriter, fields

NAMES = tuple(Facts.__dataclass_fields__)
LOCAL = ((429, NONE, 0), (403, NONE, 0), (200, 8, 0), (204, NONE, 0), (503, 14, 1), (413, NONE, 2))
HEADERS = (b"", fields(b"a"), fields(b"b"), fields(b"a", b"b"))


def same(one: Facts, other: Facts) -> bool:
    columns = [(getattr(one, name), getattr(other, name)) for name in NAMES]
    return all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in columns)


def busy(seed: int, exchanges: int = 25, first: int = 0, gap: int = 1) -> TraceWriter:
    """Exchanges that overlap, some of which end long after others or never; root contexts tick, change and log; a filter is swapped."""
    chance = random.Random(seed)
    w = TraceWriter("auth", "limit", "limit-2")
    under_way: list[Iterator[None]] = []
    index = first
    while under_way or index < first + exchanges * gap:
        if index < first + exchanges * gap and (not under_way or chance.random() < 0.3):
            steps = connection if chance.random() < 0.15 else an_exchange
            under_way.append(steps(w, index, chance))
            index += gap
        w.time += 1000
        if chance.random() < 0.15:
            root(w, chance)
        one = chance.choice(under_way)
        if chance.random() < 0.01:
            under_way.remove(one)  # it never ends
        elif next(one, "over") == "over":
            under_way.remove(one)
    return w


def root(w: TraceWriter, chance: random.Random) -> None:
    """What belongs to no exchange."""
    w.callback("proxy_on_tick", chance.randrange(3), NONE, ns=chance.randrange(5000))
    chance.choice(
        (
            lambda: w.hostcall("proxy_log", 0, NONE, (2,), b"tick"),
            lambda: w.hostcall("proxy_replace_header_map_value", 0, NONE, (0,), b"n", b"b", fields(b"a"), fields(b"b")),
            lambda: w.event(Event.VM, NONE, (2, 1, 0), filter=2),
            lambda: w.event(Event.NOTE, NONE, (), b"limit makes way for limit-2"),
            lambda: w.event(Event.FAILURE, NONE, (1, 2, 1), b"unreachable", b"proxy_on_tick", filter=0, parent=w.callback_row),
        )
    )()


def an_exchange(w: TraceWriter, index: int, chance: random.Random) -> Iterator[None]:
    filter_ = chance.randrange(3)
    if chance.random() < 0.9:
        w.request(index)
    yield
    for _ in range(chance.randrange(4)):
        w.callback("proxy_on_request_headers", filter_, index, 4, 1, ns=chance.randrange(10_000), other_ns=chance.randrange(10_000))
        for _ in range(chance.randrange(4)):
            called(w, filter_, index, chance)
        yield
    end = chance.random()
    if end < 0.3:
        for _ in range(chance.randrange(1, 3)):  # the first that takes effect counts
            status, grpc, source = chance.choice(
                ((429, NONE, 0), (403, NONE, 0), (200, 8, 0), (204, NONE, 0), (503, 14, 1), (413, NONE, 2))
            )
            w.event(Event.LOCAL_RESPONSE, index, (grpc, source, chance.randrange(2)), b"d", b"", b"\0\0\0\0", result=status, filter=filter_)
            yield
    elif end < 0.4:
        for _ in range(chance.randrange(1, 3)):
            w.event(Event.FAILURE, index, (1, 2, 1), b"unreachable", b"proxy_on_request_headers", filter=filter_, parent=w.callback_row)
            yield
    elif end < 0.9:
        w.response(index, chance.choice((200, 404, 500)))
    yield
    if chance.random() < 0.8:
        w.downstream(index, chance.choice((200, 404, 429, 503)))
    yield
    w.callback("proxy_on_log", filter_, index, ns=chance.randrange(1000))


def called(w: TraceWriter, filter_: int, index: int, chance: random.Random) -> None:
    before, after, result = chance.choice(HEADERS), chance.choice(HEADERS), chance.choice((0, 0, 0, 2))
    map_, size = chance.randrange(6), chance.randrange(5)
    chance.choice(
        (
            lambda: w.hostcall("proxy_log", filter_, index, (2,), b"said"),
            lambda: w.hostcall("proxy_get_property", filter_, index, (), b"source", b"1"),
            lambda: w.hostcall("proxy_add_header_map_value", filter_, index, (map_,), b"n", b"v", before, after, result=result),
            lambda: w.hostcall("proxy_remove_header_map_value", filter_, index, (map_,), b"n", before, after, result=result),
            lambda: w.hostcall("proxy_set_buffer_bytes", filter_, index, (map_, 0, size, 4), b"x" * size, result=result),
            lambda: w.hostcall("proxy_set_buffer_bytes", filter_, index, (map_, 4, 0, 4), b""),
        )
    )()


def connection(w: TraceWriter, index: int, chance: random.Random) -> Iterator[None]:
    w.event(Event.CONNECTION, index, (3, 3, index, 2), b"\0\0\0\0")
    yield
    w.event(Event.DATA, index, (0, 3))
    yield
    w.event(Event.CONNECTION_END, index, (3, 3), b"", b"", result=1, filter=chance.choice((NO_FILTER, 1)))


def cuts(w: TraceWriter, chance: random.Random) -> list[int]:
    inside = sorted(chance.sample(range(1, len(w.rows)), min(12, len(w.rows) - 1)))
    return [0, *inside, len(w.rows)]


def segments(w: TraceWriter, at: list[int]) -> Iterator[tuple[bytes, bytes]]:
    whole = w.take()
    (_, records, blob) = next(whole.blocks())
    for begin, end in pairwise(at):
        part = records[begin:end].copy()
        base, last = int(part["blob"][0]), int(part["blob"][-1]) + int(part["blob_len"][-1])
        part["blob"] -= base
        yield part.tobytes(), bytes(blob[base:last])


def by_rows(trace: Trace) -> dict[str, list[int]]:
    """What facts should be, from one row after the other."""
    found: dict[int, dict[str, int]] = {}
    changed = []
    firsts = {
        Event.REQUEST: ("request", {"time": "time"}),
        Event.RESPONSE: ("response", {"upstream_status": "result"}),
        Event.DOWNSTREAM_RESPONSE: ("downstream", {"status": "result"}),
        Event.LOCAL_RESPONSE: ("local", {"local_status": "result", "local_grpc": "a", "local_source": "b", "local_filter": "filter"}),
        Event.CONNECTION: ("connection", {"time": "time"}),
        Event.CONNECTION_END: ("closed", {"closer": "filter"}),
        Event.FAILURE: ("failure", {"failure_filter": "filter"}),
    }
    for row in map(trace.row, range(len(trace))):
        name = trace.name(row)
        changes = row.kind == Kind.HOSTCALL and name in MUTATORS and row.result == 0 and mutation(trace, name, row, "") is not None
        if changes:
            changed.append(row.seq)
        if row.exchange == NONE:
            continue
        one = found.setdefault(row.exchange, {"exchange": row.exchange, "local_grpc": NONE})
        add = {"changes": changes, "callbacks": row.kind == Kind.CALLBACK, "hostcalls": row.kind == Kind.HOSTCALL}
        add["logs"] = row.kind == Kind.HOSTCALL and name in ("proxy_log", "fd_write")
        if row.kind == Kind.CALLBACK:
            host = min(row.other_ns, row.ns)
            add |= {"host_ns": host, "filter_ns": row.ns - host}
        for key, value in add.items():
            one[key] = one.get(key, 0) + value
        if row.kind == Kind.EVENT and row.code in firsts and not (row.code == Event.LOCAL_RESPONSE and row.c):
            key, values = firsts[Event(row.code)]
            if key not in one:
                one[key] = row.seq
                one |= {column: getattr(row, source) for column, source in values.items()}
    for one in found.values():
        outcome = Outcome.CHANGED if one.get("changes") else Outcome.PASSED
        if "local" in one:
            outcome = outcome_of_local(one["local_status"], one["local_grpc"], one["local_source"])
        if one.get("closer", NO_FILTER) != NO_FILTER:
            outcome = Outcome.DENIED
        one["outcome"] = Outcome.ERROR if "failure" in one else outcome
    none = dict.fromkeys((key for key, _ in firsts.values()), -1) | dict.fromkeys(("local_filter", "failure_filter", "closer"), NO_FILTER)
    columns = {name: [int(found[index].get(name, none.get(name, 0))) for index in sorted(found)] for name in NAMES}
    return columns | {"changed": changed}


@pytest.mark.parametrize("seed", range(30))
def test_reading_on_gives_what_reading_all_gives(seed: int) -> None:
    chance = random.Random(1000 + seed)
    w = busy(seed, first=chance.choice((0, 0, 3)), gap=chance.choice((1, 1, 4)))
    trace, gatherer = Trace(SCHEMA, w.filters), FactsGatherer(SCHEMA)
    given: list[tuple[Trace, Facts]] = []
    for records, blob in segments(w, cuts(w, chance)):
        trace.append(records, blob)
        if chance.random() < 0.7:
            given.append((trace.snapshot(), gatherer.facts(trace.snapshot())))
            if chance.random() < 0.7:
                given[-1][0].span(0)  # some are asked early, some when the trace has gone on
    given.append((trace, gatherer.facts(trace, last=chance.random() < 0.5)))
    for part, facts in given:  # the earlier ones are as they were
        assert same(facts, gather_facts(part))
        anew = Trace(SCHEMA, w.filters)
        for _, rows, data in part.blocks():
            anew.append(rows.tobytes(), bytes(data))
        assert [part.span(index) for index in (*range(130), NONE)] == [anew.span(index) for index in (*range(130), NONE)]
        assert part.exchanges.tolist() == facts.exchange.tolist()
    assert {name: getattr(facts, name).tolist() for name in NAMES} == by_rows(w.take())
    early = given[0][0]
    assert same(gatherer.facts(early), gather_facts(early)), "one that was left behind is read anew"


def test_the_kinds_of_rows_all_occur() -> None:
    """The property above is only as good as the traces it is tried on."""
    every = [gather_facts(busy(seed).take()) for seed in range(30)]
    assert set(np.concatenate([each.outcome for each in every]).tolist()) == set(Outcome)
    for name in ("request", "response", "downstream", "local", "connection", "closed", "failure"):
        column = np.concatenate([getattr(each, name) for each in every])
        assert (column >= 0).any() and (column < 0).any(), name
    ended = [each.downstream[each.downstream >= 0] for each in every]
    assert all((np.diff(rows) < 0).any() for rows in ended), "some end after others that began later"


def test_only_new_rows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    w = busy(1)
    trace, gatherer = Trace(SCHEMA, w.filters), FactsGatherer(SCHEMA)
    asked: list[int] = []
    blocks = Trace.blocks

    def noted(self: Trace, since: int = 0) -> Iterator[tuple[int, Records, memoryview]]:
        for block in blocks(self, since):
            asked.append(block[0])
            yield block

    at = [0, len(w.rows) // 3, len(w.rows) // 2, len(w.rows)]
    parts = list(segments(w, at))
    monkeypatch.setattr(Trace, "blocks", noted)
    for records, blob in parts:
        trace.append(records, blob)
        gatherer.facts(trace.snapshot())
    assert asked == at[:-1]


def test_an_interrupt_leaves_nothing_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = busy(2).take(50)
    gatherer = FactsGatherer(SCHEMA)
    calls = 0
    add = FactsGatherer._add

    def interrupted(self: FactsGatherer, first: int, records: Records, blob: memoryview) -> None:
        nonlocal calls
        add(self, first, records, blob)
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(FactsGatherer, "_add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        gatherer.facts(trace)
    assert same(gatherer.facts(trace), gather_facts(trace))


def test_a_redacted_replay_reads_on_too(replayed: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.host.driver._PROGRESS_S", 0)
    redaction = Redaction(("x-user",))
    read: list[int] = []
    given: list[Replay] = []
    add = FactsGatherer._add

    def noted(self: FactsGatherer, first: int, records: Records, blob: memoryview) -> None:
        read.append(first)
        add(self, first, records, blob)

    def partial(replay: Replay) -> None:
        given.append(replay.redacted(redaction))
        assert len(given[-1].facts)

    capture = HeldCapture(replayed.capture, 10)
    capture.release()
    monkeypatch.setattr(FactsGatherer, "_add", noted)
    given.append(replayed.chain.replay(capture, partial=partial).redacted(redaction))
    assert len(given[-1].facts) == 93 and len(read) == len(set(read)) > 2, "no row twice"
    assert all(same(each.facts, gather_facts(each.trace)) for each in given)
