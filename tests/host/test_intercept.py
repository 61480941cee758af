"""Functions that step into hostcalls: what they are shown, what the filter gets, what the trace says, and how they end a replay."""

from __future__ import annotations

import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.core.traffic import POST, Made, request
from tests.core.wat import OUT, TRAP, Loop, Nth, Raw, Ret, call, pairs, wasm
from workbench.chain import Chain, Filter
from workbench.errors import ConfigError, InterceptError
from workbench.host import driver
from workbench.host.compose import Composition
from workbench.host.hook import Call
from workbench.replay import Replay
from workbench.trace.numbers import LogLevel, MapType, Status
from workbench.trace.records import INSTEAD, Event, FailureKind, Kind
from workbench.trace.trace import Row

# what the call before left at its places for results, as a log line
TELL = Raw("(drop (call $proxy_log (i32.const 1) (i32.load (i32.const 1024)) (i32.load (i32.const 1040))))")
ASK = call("prop", "request\0path", OUT, OUT)
LOG = call("log", 2, "before")


Make = Callable[..., Chain]
Spend = Callable[[float], None]


@pytest.fixture
def chain(tmp_path: Path) -> Make:
    """A chain of scripted filters `a`, `b`, …; each script is a mapping for `wat.wasm`, with `options` for all filters."""

    def make(*scripts: dict[str, Any], **options: Any) -> Chain:
        filters = []
        for name, script in zip("abc", scripts, strict=False):
            path = tmp_path / f"{name}.wasm"
            path.write_bytes(wasm(**script))
            filters.append(Filter(path, name=name, **{"vm_id": name} | options))
        return Chain(*filters)

    return make


@pytest.fixture
def spend(monkeypatch: pytest.MonkeyPatch) -> Spend:
    """`spend(seconds)`: so much processor time, as the watchdog sees it, passes at once."""
    more = [0]
    monkeypatch.setattr("workbench.host.watchdog.time", SimpleNamespace(thread_time_ns=lambda: time.thread_time_ns() + more[0]))

    def spend(seconds: float) -> None:
        more[0] += round(seconds * 1e9)

    return spend


def traffic(count: int = 1, *items: Any) -> Made:
    return Made(items or [request(at_ms=10 * n, path=f"/{n}") for n in range(count)])


def rows(replay: Replay, name: str) -> list[Row]:
    trace = replay.trace
    found = (trace.row(seq) for seq in range(len(trace)))
    return [row for row in found if row.kind == Kind.HOSTCALL and trace.name(row) == name]


def events(replay: Replay, event: Event = Event.INTERCEPTED) -> list[Row]:
    trace = replay.trace
    found = (trace.row(seq) for seq in range(len(trace)))
    return [row for row in found if row.kind == Kind.EVENT and row.code == event]


def statuses(replay: Replay) -> dict[int, int]:
    """What the clients got."""
    return {row.exchange: row.result for row in events(replay, Event.DOWNSTREAM_RESPONSE)}


def told(replay: Replay) -> list[bytes]:
    """What the filters logged at level debug: see TELL."""
    return [row.fields[0] for row in rows(replay, "proxy_log") if row.a == 1 and row.fields]


ASKS = {"request_headers": [LOG, ASK, TELL]}


def test_a_hook_that_looks_changes_nothing(chain: Make) -> None:
    made, seen = chain(ASKS), list[Call]()
    plain = made.replay(traffic(2))
    with made.intercept("proxy_get_property", seen.append), made.intercept("proxy_log", seen.append):
        spied = made.replay(traffic(2))
    assert spied.digest() == plain.digest()
    first = seen[0]
    assert (first.name, first.filter, first.exchange, first.callback) == ("proxy_log", "a", 0, "proxy_on_request_headers")
    assert first.args == {"level": LogLevel.info, "message": "before"}
    assert first.time == traffic()[0].request.start_ns
    assert [each.args["path"] for each in seen if each.name == "proxy_get_property"] == ["request.path"] * 2
    assert seen[1].raw == {"path": b"request\0path"}
    assert [each.exchange for each in seen] == [0, 0, 0, 1, 1, 1]
    assert len({each.context_id for each in seen}) == 2


def test_proceed_gives_what_the_host_gave(chain: Make) -> None:
    got = []

    def hook(call: Call) -> None:
        got.append(call.proceed())

    made = chain(ASKS)
    with made.intercept("proxy_get_property", hook):
        replay = made.replay(traffic())
    assert got == [(Status.Ok, {"value": b"/0"})]
    assert told(replay) == [b"/0"]
    assert events(replay) == []


def test_a_result_changed_after_the_call(chain: Make) -> None:
    def hook(call: Call) -> object:
        status, values = call.proceed()
        return call.result(status, value=values["value"] + b"/more")

    made = chain(ASKS)
    with made.intercept("proxy_get_property", hook):
        replay = made.replay(traffic())
    assert told(replay) == [b"/0/more"]
    (row,) = rows(replay, "proxy_get_property")
    assert (row.result, row.fields, row.flags) == (0, (b"request\0path", b"/0/more"), 1)
    (event,) = events(replay)
    assert (event.a, event.b, event.c, event.fields) == (row.seq, 1, 0, (b"value", b"/0", b"/0/more"))
    assert (event.exchange, event.filter, event.parent, event.context) == (0, 0, row.parent, row.context)
    (said,) = (part.message for each in replay[0].calls for part in each.children if part.name == "intercepted")
    assert said == 'intercepted: the host gave Ok, the filter got Ok, value "/0" → "/0/more"'


@pytest.mark.parametrize(
    "answer",
    [
        lambda call: call.result(value="mine"),
        lambda call: b"mine",
        lambda call: (0, {"value": "mine"}),
        lambda call: call.result("Ok", value=b"mine"),
    ],
)
def test_an_answer_in_the_hosts_place(chain: Make, answer: Callable[[Call], object]) -> None:
    made = chain(ASKS)
    with made.intercept("proxy_get_property", answer):
        replay = made.replay(traffic())
    assert told(replay) == [b"mine"]
    (row,) = rows(replay, "proxy_get_property")
    assert (row.result, row.fields, row.flags) == (0, (b"request\0path", b"mine"), 1 | INSTEAD)
    (event,) = events(replay)
    assert (event.b, event.fields) == (0, (b"value", b"", b"mine"))


def test_a_status_alone(chain: Make) -> None:
    made = chain(ASKS)
    with made.intercept("proxy_get_property", lambda call: call.result("NotFound")):
        replay = made.replay(traffic())
    assert [row.result for row in rows(replay, "proxy_get_property")] == [Status.NotFound]
    assert told(replay) == [b""]  # nothing is where the value would be
    with made.intercept("proxy_get_property", lambda call: Status.InternalFailure):
        assert [row.result for row in rows(made.replay(traffic()), "proxy_get_property")] == [10]


def test_a_change_that_the_host_never_made_is_none(chain: Make) -> None:
    whole = pairs((":authority", "h"), (":path", "/"), (":method", "POST"), (":scheme", "http"), ("x-forwarded-proto", "http"))
    steps = [call("add", 0, "X-New", "1"), call("remove", 0, "x-forwarded-proto"), call("set_pairs", 0, whole)]
    made = chain({"request_headers": steps, "request_body": [call("set_body", 0, 0, 100, "other")]})
    names = ("proxy_add_header_map_value", "proxy_remove_header_map_value", "proxy_set_header_map_pairs", "proxy_set_buffer_bytes")
    opened = [made.intercept(name, lambda call: call.result()) for name in names]
    for each in opened:
        each.__enter__()
    replay = made.replay(traffic(1, POST))
    assert len(replay.mutations) == 0 and replay[0].mutations == ()
    assert replay.count("changed") == 0
    assert [row.fields[:2] for row in rows(replay, names[0])] == [(b"x-new", b"1")]
    assert [each for each in replay[0].request if b"x-new" in str(each).encode()] == []
    for each in opened:
        each.remove()
    assert set(made.replay(traffic(1, POST)).mutations["op"]) == {"add", "remove", "set_all", "body"}


def test_pairs_go_both_ways(chain: Make) -> None:
    given: list[Any] = []

    def hook(call: Call) -> object:
        given.append((call.args["map_type"], call.proceed().values["pairs"]))
        return call.result(pairs=[("only", "this"), (b"two", b"\xff")])

    made = chain({"request_headers": [LOG, call("pairs", 0, OUT, OUT), TELL]})
    with made.intercept("proxy_get_header_map_pairs", hook):
        replay = made.replay(traffic())
    assert given[0][0] is MapType.HttpRequestHeaders
    assert given[0][1][:2] == [(":authority", "h"), (":path", "/0")]
    assert told(replay) == [pairs(("only", "this"), (b"two", b"\xff"))]
    assert rows(replay, "proxy_get_header_map_pairs")[0].b == 2


def test_what_only_comes_back_stays_byte_for_byte(chain: Make) -> None:
    made = chain({"request_headers": [LOG, call("get", 0, "x", OUT, OUT), TELL]})
    with made.intercept("proxy_get_header_map_value", lambda call: call.proceed()):
        replay = made.replay(traffic(1, request("GET", "/", "x: \xff\xfe")))
    assert told(replay) == [b"\xff\xfe"]
    assert events(replay) == []


def test_wasi_too(chain: Make) -> None:
    body = [Raw("(i32.store (i32.const 2048) (i32.const 2100)) (i32.store (i32.const 2052) (i32.const 3))")]
    steps = [*body, call("random_get", 2100, 3), call("fd_write", 1, 2048, 1, OUT), Raw("(i32.store8 (i32.const 1030) (i32.const 9))")]
    made, seen = chain({"request_headers": steps}), []
    with (
        made.intercept("random_get", lambda call: call.result(data=b"abc")),
        made.intercept("fd_write", lambda call: seen.append(call.args) or call.result()),
    ):
        replay = made.replay(traffic())
    assert seen == [{"fd": 1, "message": "abc"}]
    (row,) = rows(replay, "fd_write")
    assert (row.result, row.b, row.fields) == (0, 3, (b"abc",))
    assert [event.fields for event in events(replay)] == [(b"data", b"", b"abc"), (b"size", b"", b"3")]


def test_random_bytes_of_another_number_are_refused(chain: Make) -> None:
    made = chain({"request_headers": [call("random_get", 2100, 3)]})
    with made.intercept("random_get", lambda call: call.result(data=b"abcdef")), pytest.raises(InterceptError, match="3 bytes"):
        made.replay(traffic())


def test_one_filter_only(chain: Make) -> None:
    made, seen = chain(ASKS, ASKS, vm_id="shared"), list[Any]()
    with made.intercept("proxy_get_property", lambda call: seen.append(call.filter), filter="b"):
        made.replay(traffic())
    with made.intercept("proxy_get_property", lambda call: seen.append(call.filter), filter=0):
        made.replay(traffic())
    with made.intercept("proxy_get_property", lambda call: seen.append(call.filter)):
        made.replay(traffic())
    assert seen == ["b", "a", "a", "b"]


def test_the_last_is_asked_first(chain: Make) -> None:
    made, order = chain(ASKS), list[Any]()

    def outer(call: Call) -> object:
        order.append("outer")
        status, values = call.proceed()
        return call.result(status, value=b"<" + values["value"] + b">")

    with made.intercept("proxy_get_property", lambda call: order.append("inner") or b"in"), made.intercept("proxy_get_property", outer):
        replay = made.replay(traffic())
    assert order == ["outer", "inner"]
    assert told(replay) == [b"<in>"]
    assert len(rows(replay, "proxy_get_property")) == len(events(replay)) == 1


def test_a_decorator_stays_until_removed(chain: Make) -> None:
    made = chain(ASKS)
    for answer in (b"old", b"new"):

        @made.intercept("proxy_get_property")
        def moved(call: Call, answer: bytes = answer) -> bytes:
            return answer

    assert told(made.replay(traffic())) == [b"new"]
    moved.remove()
    moved.remove()
    assert told(made.replay(traffic())) == [b"/0"]
    assert Chain(*made) == made


def test_wrong_names(chain: Make) -> None:
    made = chain(ASKS)
    with pytest.raises(ConfigError, match="proxy_get_property"):
        made.intercept("get_property")
    with pytest.raises(ConfigError, match="no filter named 'x'"):
        made.intercept("proxy_log", print, filter="x")
    with pytest.raises(ConfigError, match="proxy_log: has no function"), made.intercept("proxy_log"):
        pass


def test_a_hook_that_raises_stops_the_replay_there(chain: Make) -> None:
    def hook(call: Call) -> None:
        if call.exchange == 2:
            raise LookupError("not\nthis one")

    made = chain({"request_headers": [call("add", 0, "x", "y"), ASK]})
    with made.intercept("proxy_get_property", hook), pytest.raises(InterceptError) as caught:
        made.replay(traffic(5))
    error = caught.value
    for part in ("proxy_get_property", "filter a", "exchange 2", "proxy_on_request_headers", "LookupError: not this one", "replay"):
        assert part in str(error)
    assert isinstance(error.__cause__, LookupError)
    replay = error.replay
    assert not replay.complete
    assert statuses(replay) == {0: 200, 1: 200} and replay[0].mutations
    assert [row.flags & 1 for row in replay.trace.rows(2) if row.kind == Kind.CALLBACK][-1] == 0
    assert made.replay(traffic(5)).complete


def test_a_hook_may_stop_a_filters_start(chain: Make) -> None:
    def hook(call: Call) -> None:
        assert call.exchange is None
        raise ValueError

    made = chain({"configure": [LOG]})
    with made.intercept("proxy_log", hook), pytest.raises(InterceptError, match="filter a, in proxy_on_configure"):
        made.replay(traffic())


@pytest.mark.parametrize("raised", [SystemExit, GeneratorExit])
def test_whatever_a_hook_raises(chain: Make, raised: type[BaseException]) -> None:
    def hook(call: Call) -> None:
        raise raised

    made = chain(ASKS)
    with made.intercept("proxy_log", hook), pytest.raises(InterceptError) as caught:
        made.replay(traffic())
    assert isinstance(caught.value.__cause__, raised)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda call: call.result(nothing=1), "has no result 'nothing': it has value"),
        (lambda call: call.result("Fine"), "a status is one of Ok"),
        (lambda call: call.result(value=3), "value is text or bytes"),
        (lambda call: "text", "returns None"),
        (lambda call: (call.proceed(), call.proceed()), "let through already"),
    ],
)
def test_mistakes_in_a_hook_are_named(chain: Make, answer: Callable[[Call], object], why: str) -> None:
    made = chain(ASKS)
    with made.intercept("proxy_get_property", answer), pytest.raises(InterceptError, match=why):
        made.replay(traffic())


def test_a_call_is_over_when_its_hook_is(chain: Make) -> None:
    made, kept = chain(ASKS), list[Call]()
    with made.intercept("proxy_log", kept.append):
        made.replay(traffic())
    assert "before" in repr(kept[0])
    with pytest.raises(RuntimeError, match="is over"):
        kept[0].proceed()


def test_arguments_outside_the_memory(chain: Make) -> None:
    seen: list[Any] = []
    steps = [Raw("(drop (call $proxy_log (i32.const 77) (i32.const -8) (i32.const 64)))"), LOG]
    made = chain({"request_headers": steps})
    with made.intercept("proxy_log", lambda call: seen.append(call.args)):
        replay = made.replay(traffic())
    assert seen[0] == {"level": 77, "message": None}
    assert [row.result for row in rows(replay, "proxy_log")] == [2, 0]


def test_results_that_lead_nowhere(chain: Make) -> None:
    made = chain({"request_headers": [call("prop", "request\0path", 0xFFFFFFF0, OUT)]})
    with made.intercept("proxy_get_property", lambda call: b"mine"):
        replay = made.replay(traffic())
    assert [row.result for row in rows(replay, "proxy_get_property")] == [Status.InvalidMemoryAccess]


@pytest.mark.parametrize("proceeds", [True, False])
def test_an_allocator_that_falls_is_the_filters_failure(chain: Make, proceeds: bool) -> None:
    def hook(call: Call) -> object:
        try:
            return call.proceed() if proceeds else b"mine"
        except BaseException:  # not the hook's to take
            return b"other"

    made = chain({"malloc": [Raw("(unreachable)")], "request_headers": [ASK]})
    with made.intercept("proxy_get_property", hook):
        replay = made.replay(traffic(2))
    assert replay.complete
    assert [(row.a, row.exchange) for row in events(replay, Event.FAILURE)] == [(FailureKind.TRAP, 0), (FailureKind.EARLIER, 1)]
    assert statuses(replay) == {0: 503, 1: 503}


def test_the_time_in_a_hook_is_not_the_filters(chain: Make, spend: Spend) -> None:
    spent = []

    def slow(call: Call) -> None:
        began = time.monotonic_ns()
        spend(100)
        time.sleep(0.02)
        spent.append(time.monotonic_ns() - began)
        call.proceed()

    made = chain({"request_headers": [Loop((), 40_000_000), ASK, Loop((), 40_000_000)]})
    with made.intercept("proxy_get_property", slow):
        replay = made.replay(traffic(), callback_limit_s=50)
    assert events(replay, Event.FAILURE) == []
    (callback,) = (row for row in replay.trace.rows(0) if replay.trace.name(row) == "proxy_on_request_headers")
    assert callback.ns > callback.other_ns >= spent[0]  # the host's part, of which a hook is


def test_a_filter_that_spins_below_a_hook_is_ended(chain: Make) -> None:
    made = chain({"malloc": [Loop(())], "request_headers": [ASK]})
    with made.intercept("proxy_get_property", lambda call: call.proceed()):
        replay = made.replay(traffic(), callback_limit_s=0.2)
    assert [row.a for row in events(replay, Event.FAILURE)] == [FailureKind.TIMEOUT]


def test_an_interrupt_leaves_a_hook_that_spins(chain: Make) -> None:
    def spin(call: Call) -> None:
        if call.exchange == 1:
            signal.raise_signal(signal.SIGINT)
            while True:
                pass

    made = chain(ASKS)
    with made.intercept("proxy_get_property", spin):
        replay = made.replay(traffic(3))
    assert not replay.complete
    assert statuses(replay) == {0: 200}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_replay_cancelled_in_a_hook(chain: Make) -> None:
    cancel = threading.Event()
    made = chain({"request_headers": [ASK, Nth(2, (Loop(()),)), Ret(0)]})
    with made.intercept("proxy_get_property", lambda call: cancel.set() if call.exchange == 1 else None):
        replay = made.replay(traffic(3), cancel=cancel, callback_limit_s=100)
    assert not replay.complete


def test_a_hook_may_replay_another_chain(chain: Make) -> None:
    made = chain(ASKS)
    other = Chain(*made)
    with made.intercept("proxy_get_property", lambda call: told(other.replay(traffic()))[0] + b" inside"):
        assert told(made.replay(traffic())) == [b"/0 inside"]


@pytest.mark.parametrize("wrong", [{}, {"nothing": 1}], ids=["raises", "mistaken"])
def test_nothing_keeps_the_store(chain: Make, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]) -> None:
    stores: list[weakref.ref[object]] = []
    made_one = driver.Composition

    def watched(*args: Any) -> Composition:
        host = made_one(*args)
        stores.append(weakref.ref(host.store))
        return host

    monkeypatch.setattr(driver, "Composition", watched)

    def hook(call: Call) -> None:
        call.proceed()
        if call.exchange == 1:
            call.result(**wrong)
            raise LookupError

    made = chain(ASKS)
    gc.collect()
    gc.disable()
    try:
        with made.intercept("proxy_get_property", hook):
            made.replay(traffic(1))
            assert stores[0]() is None
            with pytest.raises(InterceptError) as caught:
                made.replay(traffic(2))
            assert caught.value.__cause__ is not None and caught.value.__cause__.__traceback__ is not None
            assert stores[1]() is None
    finally:
        gc.enable()


def test_hooks_see_every_worker(chain: Make) -> None:
    made, seen = chain({"configure": [LOG], **ASKS}), list[Call]()
    with made.intercept("proxy_get_property", seen.append), made.intercept("proxy_log", seen.append):
        replay = made.replay(traffic(4), workers=2)
    assert [call.exchange for call in seen if call.name == "proxy_get_property"] == [0, 1, 2, 3]
    assert len(seen) == len(rows(replay, "proxy_log")) + 4


def test_a_reloaded_filter_is_hooked_again(chain: Make) -> None:
    made, seen = chain({"request_headers": [LOG, Nth(2, (TRAP,))]}, failure_policy="restart"), list[Call]()
    with made.intercept("proxy_log", seen.append):
        replay = made.replay(traffic(4))
    assert [call.exchange for call in seen] == [0, 1, 2, 3]
    assert len(events(replay, Event.FAILURE)) == 2
