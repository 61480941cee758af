from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from workbench.chain import Filter
from workbench.errors import FilterLoadError
from workbench.host.driver import Settings, replay
from workbench.host.module import PAGE
from workbench.trace.records import NONE, Effect, Event, FailureKind, Kind, Policy
from workbench.trace.trace import Row, Trace

Text = Callable[..., str]
Assembled = Callable[..., Path]
Batches = Callable[..., list[Any]]

LOG = '(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))'
CREATE = '(func (export "proxy_on_context_create") (param i32 i32))'


@pytest.fixture
def sample(repo: Path, assembled: Assembled) -> Callable[[str], Path]:
    """One of `tests/filters/`, assembled."""
    return lambda name: assembled((repo / "tests" / "filters" / f"{name}.wat").read_text(), name)


def rows(trace: Trace, exchange: int, name: str) -> list[Row]:
    """The rows of one exchange by their name, found by columns: a flooded trace has millions."""
    kinds = {Kind.CALLBACK: trace.schema.callbacks, Kind.HOSTCALL: trace.schema.hostcalls}
    places = [(kind, code) for kind, names in kinds.items() for code, each in enumerate(names) if each.name == name]
    (place,) = places or [(Kind.EVENT, Event[name.upper()])]
    mine = (trace.column("exchange") == exchange) & (trace.column("kind") == place[0]) & (trace.column("code") == place[1])
    return [trace.row(int(seq)) for seq in mine.nonzero()[0]]


def statuses(trace: Trace, count: int) -> list[int]:
    return [rows(trace, index, "downstream_response")[0].result for index in range(count)]


def numbers(trace: Trace, count: int) -> list[str]:
    """The x-request-number that each exchange's request left with, `-` for none: a filter's count within its VM."""
    found = []
    for index in range(count):
        added = rows(trace, index, "proxy_add_header_map_value")
        found.append(added[0].fields[1].decode() if added else "-")
    return found


def failures(trace: Trace, count: int) -> list[tuple[int, FailureKind, Policy, Effect]]:
    return [(index, FailureKind(row.a), Policy(row.b), Effect(row.c)) for index in range(count) for row in rows(trace, index, "failure")]


def test_the_same_replay_twice_is_the_same_trace(sample: Callable[[str], Path], batches: Batches) -> None:
    chain = [Filter(sample("ten_hostcalls")), Filter(sample("ten_hostcalls"), vm_id="another", name="second")]
    first, again = replay(chain, batches(300)), replay(chain, batches(300))
    assert len(first) > 300 * 20
    assert first.digest() == again.digest()
    assert first.complete


def test_batches_are_only_packages(sample: Callable[[str], Path], batches: Batches) -> None:
    chain = [Filter(sample("ten_hostcalls"))]
    whole, pieces = replay(chain, batches(50, size=50)), replay(chain, batches(50, size=3))
    assert len(list(pieces.segments())) > len(list(whole.segments()))
    assert whole.digest() == pieces.digest()


def test_what_grows_can_be_seen_and_kept(sample: Callable[[str], Path], batches: Batches) -> None:
    """A snapshot stays as it was while the trace goes on, and says that it is not complete."""
    kept: list[Trace] = []
    whole = replay(
        [Filter(sample("spin_third"))], batches(4, size=1), Settings(callback_limit_s=0.2), grown=lambda t: kept.append(t.snapshot())
    )
    assert kept
    assert [len(one) for one in kept] == sorted(len(one) for one in kept) and 0 < len(kept[0]) < len(whole)
    assert not kept[0].complete and whole.complete
    assert kept[0].rows(0) == whole.rows(0)


def test_an_empty_capture_starts_and_ends_the_filters(sample: Callable[[str], Path]) -> None:
    trace = replay([Filter(sample("ten_hostcalls"))], [])
    names = [trace.name(row) for row in trace.rows()]
    assert names.count("proxy_on_configure") == 1
    assert "proxy_on_delete" in names


def test_a_chain_of_no_filters_passes_everything(batches: Batches) -> None:
    trace = replay([], batches(3))
    assert statuses(trace, 3) == [200] * 3


@pytest.mark.parametrize(
    ("policy", "fail_open", "expected_statuses", "expected_numbers"),
    [
        ("closed", False, [200, 200, 503, 503, 503, 503], ["1", "2", "-", "-", "-", "-"]),
        ("open", False, [200, 200, 503, 200, 200, 200], ["1", "2", "-", "-", "-", "-"]),
        ("closed", True, [200, 200, 200, 200, 200, 200], ["1", "2", "-", "-", "-", "-"]),
        ("restart", False, [200, 200, 503, 200, 200, 503], ["1", "2", "-", "1", "2", "-"]),
    ],
)
def test_a_trap_under_each_policy(
    sample: Callable[[str], Path],
    batches: Batches,
    policy: str,
    fail_open: bool,
    expected_statuses: list[int],
    expected_numbers: list[str],
) -> None:
    trace = replay([Filter(sample("trap_third"), failure_policy=policy, fail_open=fail_open)], batches(6))
    assert statuses(trace, 6) == expected_statuses
    assert numbers(trace, 6) == expected_numbers
    index, kind, _, _ = failures(trace, 6)[0]
    assert (index, kind) == (2, FailureKind.TRAP)
    message, callback = rows(trace, 2, "failure")[0].fields
    assert b"unreachable" in message
    assert callback == b"proxy_on_request_headers"
    assert rows(trace, 2, "proxy_log")[0].fields == (b"third request",)


def test_reload_brings_a_fresh_vm_a_second_after_the_last(sample: Callable[[str], Path], batches: Batches) -> None:
    # exchanges are a millisecond apart: the third fails, and the one a second after the VM's start finds a fresh one
    trace = replay([Filter(sample("trap_third"), failure_policy="reload")], batches(1005))
    got = numbers(trace, 1005)
    assert got[:3] == ["1", "2", "-"]
    assert set(got[3:1000]) == {"-"}
    assert got[1000:] == ["1", "2", "-", "-", "-"]
    assert Counter(statuses(trace, 1005)) == {503: 1001, 200: 4}


def test_an_endless_loop_is_ended_and_harms_no_other_exchange(sample: Callable[[str], Path], batches: Batches) -> None:
    trace = replay([Filter(sample("spin_third"), failure_policy="restart")], batches(5), Settings(callback_limit_s=0.2))
    assert numbers(trace, 5) == ["1", "2", "-", "1", "2"]
    assert statuses(trace, 5) == [200, 200, 503, 200, 200]
    (failure,) = rows(trace, 2, "failure")
    assert failure.a == FailureKind.TIMEOUT
    assert b"longer than 0.2 s" in failure.fields[0]
    spun = [row for row in rows(trace, 2, "proxy_on_request_headers") if not row.flags & 1]
    assert spun[0].ns > 0.15e9


def test_a_loop_of_hostcalls_is_ended_too(text: Text, assembled: Assembled, batches: Batches) -> None:
    imports = '(import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))'
    body = f"""{CREATE} (data (i32.const 16) ":path")
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (loop $forever
          (drop (call $get (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 4)))
          (br $forever))
        (i32.const 0))"""
    trace = replay([Filter(assembled(text(body, imports=imports)))], batches(1), Settings(callback_limit_s=0.1))
    assert [kind for _, kind, _, _ in failures(trace, 1)] == [FailureKind.TIMEOUT]
    assert statuses(trace, 1) == [503]


def test_an_allocator_that_never_returns_is_ended(text: Text, assembled: Assembled, batches: Batches) -> None:
    imports = '(import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))'
    allocator = '(func (export "malloc") (param i32) (result i32) (loop $forever (br $forever)) (i32.const 0))'
    body = f"""{CREATE} (data (i32.const 16) ":path")
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $get (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 4)))"""
    path = assembled(text(body, imports=imports, allocator=allocator))
    trace = replay([Filter(path, failure_policy="restart")], batches(2), Settings(callback_limit_s=0.1))
    assert [kind for _, kind, _, _ in failures(trace, 2)] == [FailureKind.TIMEOUT] * 2


def test_want_of_memory_is_named(sample: Callable[[str], Path], batches: Batches) -> None:
    trace = replay([Filter(sample("grow"), memory_limit=1024 * PAGE, failure_policy="restart")], batches(2))
    assert [(index, kind) for index, kind, _, _ in failures(trace, 2)] == [(0, FailureKind.MEMORY), (1, FailureKind.MEMORY)]
    message = rows(trace, 0, "failure")[0].fields[0]
    assert b"the limit is 64 MiB" in message
    assert rows(trace, 0, "proxy_log")[0].fields == (b"pages: 01010",)


def test_a_flood_of_log_lines_is_ended(text: Text, assembled: Assembled, batches: Batches) -> None:
    body = f"""{CREATE}
      (func $flood (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (loop $forever (drop (call $log (i32.const 2) (i32.const 0) (i32.const 100000))) (br $forever))
        (i32.const 0))"""
    path = assembled(text(body, imports=LOG))
    trace = replay([Filter(path)], batches(2), Settings(callback_limit_s=0.5))
    assert failures(trace, 1)[0][1] == FailureKind.TIMEOUT
    # past some 16 MiB a callback's hostcalls are only counted
    assert 100 < len(rows(trace, 0, "proxy_log")) < 1000
    assert statuses(trace, 2) == [503, 503]


def test_a_flood_of_shared_data_is_ended(text: Text, assembled: Assembled, batches: Batches) -> None:
    imports = '(import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))'
    body = f"""{CREATE}
      (func $flood (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (loop $forever
          (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
          (drop (call $set (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 100000) (i32.const 0)))
          (br $forever))
        (i32.const 0))"""
    path = assembled(text(body, imports=imports))
    trace = replay([Filter(path)], batches(2), Settings(callback_limit_s=30))
    assert failures(trace, 1)[0][1] == FailureKind.MEMORY
    assert rows(trace, 0, "failure")[0].fields[0] == b"made the host keep more than 768 MiB"
    assert statuses(trace, 2) == [503, 503]


def test_restarts_give_their_memory_back(sample: Callable[[str], Path], batches: Batches) -> None:
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs /proc to see the process's memory")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    # each VM touches 64 MiB and dies: 40 of them would be 2.5 GiB
    trace = replay([Filter(sample("grow"), memory_limit=1024 * PAGE, failure_policy="restart")], batches(40))
    assert len(failures(trace, 40)) == 40
    assert resident() - before < 400 << 20


def test_after_the_last_vm_the_failure_stays(text: Text, assembled: Assembled, batches: Batches) -> None:
    body = f'{CREATE} (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))'
    trace = replay([Filter(assembled(text(body)), failure_policy="restart")], batches(10), Settings(most_vms=4))
    assert statuses(trace, 10) == [503] * 10
    assert max(row.vm for row in rows(trace, NONE, "vm")) == 3


STARTS_ONCE = f"""{CREATE}
  (data (i32.const 16) "starting")
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
    (drop (call $log (i32.const 2) (i32.const 16) (i32.const 8))) (i32.const 1))"""


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (
            '(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))',
            "refused its configuration, in proxy_on_configure",
        ),
        ('(func (export "proxy_on_configure") (param i32 i32) (result i32) (unreachable))', "unreachable"),
        ('(func (export "_initialize") (unreachable))', "unreachable"),
        ('(func (export "_start") (loop $forever (br $forever)))', "longer than 0.1 s"),
    ],
)
def test_a_filter_that_does_not_start(text: Text, assembled: Assembled, batches: Batches, body: str, says: str) -> None:
    path = assembled(text(STARTS_ONCE + body, imports=LOG))
    settings = Settings(callback_limit_s=0.1)
    with pytest.raises(FilterLoadError, match=says) as caught:
        replay([Filter(path, name="shy")], batches(2), settings)
    assert "filter shy" in str(caught.value)
    assert caught.value.where == str(path)
    if "proxy_on_configure" in body:
        assert "it logged last: starting" in str(caught.value)
    anyway = replay([Filter(path)], batches(2), Settings(callback_limit_s=0.1, start_anyway=True))
    assert statuses(anyway, 2) == [503, 503]


def test_a_restart_that_fails_to_start_is_given_up(text: Text, assembled: Assembled, batches: Batches) -> None:
    # the core's shared data outlives the VM: the second start finds the mark of the first, and traps
    imports = """
      (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))"""
    body = f"""{CREATE}
      (data (i32.const 16) "mark")
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (if (i32.eqz (call $get (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 8))) (then (unreachable)))
        (drop (call $set (i32.const 16) (i32.const 4) (i32.const 16) (i32.const 4) (i32.const 0)))
        (i32.const 1))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (unreachable))"""
    trace = replay([Filter(assembled(text(body, imports=imports)), failure_policy="restart")], batches(5))
    assert statuses(trace, 5) == [503] * 5
    assert len(rows(trace, NONE, "vm")) == 2


def test_filters_of_one_vm_fail_and_restart_together(sample: Callable[[str], Path], batches: Batches) -> None:
    path = sample("trap_third")
    chain = [Filter(path, name="one", failure_policy="restart"), Filter(path, name="two", failure_policy="restart")]
    shared = replay(chain, batches(4))
    # both count in one VM: the second exchange brings its third request
    assert statuses(shared, 4) == [200, 503, 200, 503]
    # each counts in its own, and `two` never saw the exchange that `one` failed
    apart = replay([chain[0], Filter(path, name="two", vm_id="other", failure_policy="restart")], batches(4))
    assert statuses(apart, 4) == [200, 200, 503, 503]


def test_a_trap_at_the_end_lets_the_others_end(text: Text, assembled: Assembled, batches: Batches) -> None:
    ends_badly = assembled(text(f'{CREATE} (func (export "proxy_on_done") (param i32) (result i32) (unreachable))'), "bad")
    ends_well = assembled(text(f'{CREATE} (func (export "proxy_on_delete") (param i32))'), "good")
    trace = replay([Filter(ends_badly), Filter(ends_well)], [])
    ended = rows(trace, NONE, "proxy_on_delete")
    assert [trace.filter_name(row) for row in ended] == ["good"]


def test_progress_rises_to_the_end(sample: Callable[[str], Path], batches: Batches) -> None:
    seen: list[tuple[int, int]] = []
    replay([Filter(sample("ten_hostcalls"))], batches(2000), progress=lambda done, total: seen.append((done, total)), total=2000)
    assert seen[-1] == (2000, 2000)
    assert seen == sorted(seen)


def test_cancelling_between_batches_keeps_what_was_done(sample: Callable[[str], Path], batches: Batches) -> None:
    cancel = threading.Event()

    def fed() -> Iterator[Any]:
        for number, batch in enumerate(batches(1000)):
            if number == 3:
                cancel.set()
            yield batch

    trace = replay([Filter(sample("ten_hostcalls"))], fed(), cancel=cancel)
    assert not trace.complete
    assert 100 <= len(trace.exchanges) <= 400
    assert statuses(trace, 100) == [200] * 100


@pytest.mark.parametrize("way", ["event", "signal"])
def test_cancelling_ends_a_filter_that_spins(sample: Callable[[str], Path], batches: Batches, way: str) -> None:
    cancel = threading.Event()

    def stop() -> None:
        if way == "event":
            cancel.set()
        else:
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.3, stop)

    def told(done: int, total: int) -> None:
        # after the first batch: in the second the filter spins, and only then is there a handler of the replay's for sure
        if not timer.ident:
            timer.start()

    settings = Settings(callback_limit_s=100)
    trace = replay([Filter(sample("spin_third"))], batches(5, size=2), settings, cancel=cancel, progress=told)
    timer.join()
    assert failures(trace, 5) == [] and not trace.complete
    assert statuses(trace, 2) == [200, 200]
    assert signal.getsignal(signal.SIGINT) is handler


def test_replays_run_beside_each_other(sample: Callable[[str], Path], batches: Batches) -> None:
    path, digests = sample("ten_hostcalls"), []
    threads = [threading.Thread(target=lambda: digests.append(replay([Filter(path)], batches(300)).digest())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 3
    assert len(set(digests)) == 1


def test_nothing_is_left_of_a_replay_that_is_over(sample: Callable[[str], Path], batches: Batches, monkeypatch: pytest.MonkeyPatch) -> None:
    stores: list[weakref.ref[wasmtime.Store]] = []
    made = wasmtime.Store.__init__

    def noted(self: wasmtime.Store, *args: Any) -> None:
        made(self, *args)
        stores.append(weakref.ref(self))

    monkeypatch.setattr(wasmtime.Store, "__init__", noted)
    before = set(threading.enumerate())
    gc.disable()
    try:
        replay([Filter(sample("trap_third"), failure_policy="restart")], batches(10))
        assert [store() for store in stores] == [None]
    finally:
        gc.enable()
    assert set(threading.enumerate()) <= before


def test_a_go_filter_sets_its_header(sample_filter: Callable[[str], Path], batches: Batches) -> None:
    trace = replay([Filter(sample_filter("add_header"))], batches(20))
    assert failures(trace, 20) == []
    changed = [rows(trace, index, "proxy_replace_header_map_value") for index in range(20)]
    assert [[row.fields[:2] for row in each] for each in changed] == [[(b"hello", b"world")]] * 20
