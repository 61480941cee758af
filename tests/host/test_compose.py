from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from workbench.chain import Filter
from workbench.errors import FilterLoadError
from workbench.host import wat
from workbench.host.abi import BRIDGE, FAULT, FUEL, Abi
from workbench.host.compose import Composition, VmsUsedUp, core_interface
from workbench.host.driver import replay
from workbench.host.module import PAGE, FilterModule
from workbench.host.watchdog import Runs
from workbench.trace.records import FailureKind
from workbench.trace.trace import Trace

Text = Callable[..., str]
Assembled = Callable[..., Path]
Batches = Callable[..., list[object]]

ABIS = ("0_1_0", "0_2_0", "0_2_1")


def load(path: Path) -> FilterModule:
    return FilterModule.load(path, core_interface())


def callbacks(trace: Trace, exchange: int) -> list[tuple[str, int, int]]:
    return [(trace.name(row), row.result, row.flags & 1) for row in trace.rows(exchange) if trace.name(row).startswith("proxy_on")]


def test_the_core_asks_the_bridge_for_what_it_gives() -> None:
    interface = core_interface()
    assert set(BRIDGE) <= {each.name for each in interface.guest}
    linked = {each.name for each in interface.guest} - {*BRIDGE, FAULT, FUEL}
    reachable = {each.name for abi in Abi for each in interface.callbacks(abi).values()}
    assert linked == reachable


@pytest.mark.parametrize("abi", ABIS)
def test_headers_callbacks_have_the_form_of_their_abi(text: Text, assembled: Assembled, batches: Batches, abi: str) -> None:
    params = "i32 i32" if abi == "0_1_0" else "i32 i32 i32"
    body = f"""
      (func (export "proxy_on_context_create") (param i32 i32))
      (func (export "proxy_on_request_headers") (param {params}) (result i32) (i32.const 0))
      (func (export "proxy_on_response_headers") (param {params}) (result i32) (i32.const 0))"""
    trace = replay([Filter(assembled(text(body, abi=abi)))], batches(1))
    assert callbacks(trace, 0) == [
        ("proxy_on_context_create", 0, 1),
        ("proxy_on_request_headers", 0, 1),
        ("proxy_on_response_headers", 0, 1),
    ]


def test_the_results_that_the_old_text_leaves_out_may_be_left_out(text: Text, assembled: Assembled, batches: Batches) -> None:
    imports = '(import "env" "proxy_continue_request" (func $go)) (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))'
    body = """
      (data (i32.const 16) "went on")
      (func (export "proxy_on_context_create") (param i32 i32))
      (func (export "proxy_on_request_headers") (param i32 i32) (result i32)
        (call $go) (drop (call $log (i32.const 2) (i32.const 16) (i32.const 7))) (i32.const 0))"""
    trace = replay([Filter(assembled(text(body, imports=imports, abi="0_1_0")))], batches(1))
    names = [trace.name(row) for row in trace.rows(0)]
    assert "proxy_continue_request" in names
    assert "proxy_log" in names


def test_wasi_is_there_under_both_names(text: Text, assembled: Assembled, batches: Batches) -> None:
    imports = "".join(
        f'(import "{module}" "fd_write" (func ${module} (param i32 i32 i32 i32) (result i32)))'
        for module in ("wasi_snapshot_preview1", "wasi_unstable")
    )
    body = """
      (data (i32.const 16) "hello")
      (func (export "proxy_on_context_create") (param i32 i32))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (i32.store (i32.const 32) (i32.const 16)) (i32.store (i32.const 36) (i32.const 5))
        (drop (call $wasi_unstable (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40)))
        (drop (call $wasi_snapshot_preview1 (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 40)))
        (i32.const 0))"""
    trace = replay([Filter(assembled(text(body, imports=imports)))], batches(1))
    assert [row.fields for row in trace.rows(0) if trace.name(row) == "fd_write"] == [(b"hello",), (b"hello",)]


def test_pointers_outside_the_filters_memory_are_refused(assembled: Assembled, batches: Batches, repo: Path) -> None:
    source = (repo / "tests/filters/oob.wat").read_text()
    trace = replay([Filter(assembled(source))], batches(3))
    assert trace.exchanges.tolist() == [0, 1, 2]
    assert not [row for row in trace.rows(0) if trace.name(row) == "failure"]


RECURSES = """
  (data (i32.const 16) "deep")
  (func (export "proxy_on_context_create") (param i32 i32))
  (func $down (param i32) (result i32)
    (drop (call $log (i32.const 2) (i32.const 16) (i32.const 4)))
    (i32.add (i32.const 1) (call $down (i32.add (local.get 0) (i32.const 1)))))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $down (i32.const 0)))"""
LOG = '(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))'


def test_a_filter_that_recurses_into_hostcalls_fails_alone(text: Text, assembled: Assembled, batches: Batches) -> None:
    trace = replay([Filter(assembled(text(RECURSES, imports=LOG)), failure_policy="restart")], batches(3))
    failures = [[row for row in trace.rows(index) if trace.name(row) == "failure"] for index in range(3)]
    assert [[row.a for row in rows] for rows in failures] == [[FailureKind.TRAP]] * 3
    assert b"stack" in failures[0][0].fields[0]


def test_the_stack_ends_in_the_filters_name_at_any_depth(text: Text, assembled: Assembled) -> None:
    # one hostcall after so many plain calls: somewhere between 0 and the depth that overflows by itself lies the worst one
    body = """
      (data (i32.const 16) "deep")
      (func $down (export "down") (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
          (else (call $log (i32.const 2) (i32.const 16) (i32.const 4)))))"""
    host = Composition()
    host.call_with("configure", struct.pack("<QQIIII", 0, 0, 0, 1 << 20, 1 << 20, 0))
    vm = host.add_vm(load(assembled(text(body, imports=LOG))))
    down = vm.exports["down"]
    fits, overflows = 0, 100_000
    seen_in_host = []
    while overflows - fits > 1:
        depth = (fits + overflows) // 2
        host.watch.host_again()
        try:
            with host.watch.filter_call():
                down(host.store, depth)
            fits = depth
        except wasmtime.Trap as trap:
            assert trap.trap_code is wasmtime.TrapCode.STACK_OVERFLOW
            seen_in_host.append(host.watch.runs is not Runs.FILTER)
            host.unwind()
            overflows = depth
    # and now every depth near the edge, where the core would be entered with little left
    for depth in range(fits - 40, fits + 40):
        host.watch.host_again()
        try:
            with host.watch.filter_call():
                down(host.store, depth)
        except wasmtime.Trap:
            seen_in_host.append(host.watch.runs is not Runs.FILTER)
            host.unwind()
    assert len(seen_in_host) > 40
    assert not any(seen_in_host)


def test_without_the_probe_the_core_would_run_out_of_stack(
    text: Text, assembled: Assembled, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.host.compose.imports_wat", lambda *given: wat.imports_wat(*given).replace("(call $probe) ", ""))
    trapped_in_host = False
    host = Composition()
    host.call_with("configure", struct.pack("<QQIIII", 0, 0, 0, 1 << 20, 1 << 20, 0))
    vm = host.add_vm(load(assembled(text(RECURSES.replace("(func $down", '(func $down (export "down")'), imports=LOG))))
    try:
        with host.watch.filter_call():
            vm.exports["down"](host.store, 0)
    except wasmtime.Trap:
        trapped_in_host = host.watch.runs is not Runs.FILTER
    assert trapped_in_host


def test_a_start_section_that_traps_is_refused(text: Text, assembled: Assembled, batches: Batches) -> None:
    path = assembled(text("(func $begin (unreachable)) (start $begin)"))
    with pytest.raises(FilterLoadError, match="unreachable"):
        replay([Filter(path)], batches(1))


def test_a_start_section_that_calls_the_host_does_no_harm(text: Text, assembled: Assembled, batches: Batches) -> None:
    body = '(data (i32.const 16) "early") (func $begin (drop (call $log (i32.const 2) (i32.const 16) (i32.const 5)))) (start $begin)'
    with pytest.raises(FilterLoadError):
        replay([Filter(assembled(text(body, imports=LOG)))], batches(1))


def test_growing_past_the_limit_is_refused(text: Text, assembled: Assembled, batches: Batches) -> None:
    imports = '(import "env" "proxy_send_local_response" (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))'
    body = """
      (func (export "proxy_on_context_create") (param i32 i32))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (drop (call $answer (i32.add (i32.const 200) (memory.size))
          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
        (i32.const 1))"""
    trace = replay([Filter(assembled(text(body, imports=imports)), memory_limit=32 * PAGE)], batches(1))
    (answer,) = [row for row in trace.rows(0) if trace.name(row) == "local_response"]
    assert answer.result == 232


def test_vms_are_bounded(text: Text, assembled: Assembled) -> None:
    host = Composition(most_vms=3)
    module = load(assembled(text()))
    for _ in range(3):
        host.add_vm(module)
    with pytest.raises(VmsUsedUp):
        host.add_vm(module)


def test_a_hostcall_can_be_intercepted_in_one_vm(text: Text, assembled: Assembled) -> None:
    body = """
      (data (i32.const 16) "deep")
      (func (export "say") (result i32) (call $log (i32.const 2) (i32.const 16) (i32.const 4)))"""
    host = Composition()
    host.call_with("configure", struct.pack("<QQIIII", 0, 0, 0, 1 << 20, 1 << 20, 0))
    module = load(assembled(text(body, imports=LOG)))
    one, other = host.add_vm(module), host.add_vm(module)
    slot = [each.export for each in wat.core_exports(host.interface)].index("proxy_log")
    seen = []

    def instead(level: int, at: int, size: int) -> int:
        seen.append(bytes(one.memory.read(host.store, at, at + size)))
        return 7

    i32 = wasmtime.ValType.i32()
    one.imports["table"].set(host.store, slot, wasmtime.Func(host.store, wasmtime.FuncType([i32] * 3, [i32]), instead))
    assert one.exports["say"](host.store) == 7
    assert other.exports["say"](host.store) == 0
    assert seen == [b"deep"]
