"""A user's capture and chain beside real Envoy: what agrees, what differs and why, and an end for sure."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.traffic import Made, spread
from workbench.analysis.exchange import ExchangeView
from workbench.analysis.verification import Verification
from workbench.capture import Exchange, Response, open_capture
from workbench.chain import Chain, Filter
from workbench.errors import ConfigError, FilterLoadError
from workbench.replay import Replay

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

Make = Callable[..., Exchange]
MakeResponse = Callable[..., Response]
Build = Callable[[str], Path]
_MS = 1_000_000

# A word into a header of the response: $say(place, length); hexadecimal of bytes at 512 and the time in milliseconds at 256.
FRAME = """(module
(import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
(import "env" "proxy_get_current_time_nanoseconds" (func $clock (param i32) (result i32)))
(import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
(import "env" "proxy_send_local_response" (func $local (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
(memory (export "memory") 4)
(global $free (mut i32) (i32.const 65536))
(global $first (mut i64) (i64.const 0))
(func (export "malloc") (param i32) (result i32)
  (global.get $free) (global.set $free (i32.add (global.get $free) (local.get 0))))
(func (export "proxy_abi_version_0_2_1"))
(data (i32.const 16) "x-said") (data (i32.const 32) "source\\00address") (data (i32.const 64) "+")
(func $say (param i32 i32) (drop (call $add (i32.const 2) (i32.const 16) (i32.const 6) (local.get 0) (local.get 1))))
(func $milliseconds (result i64)
  (drop (call $clock (i32.const 8))) (i64.div_u (i64.load (i32.const 8)) (i64.const 1000000)))
(func $digits (param $n i64) (local $at i32)
  (local.set $at (i32.const 276))
  (loop $next
    (local.set $at (i32.sub (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $n) (i64.const 10)))))
    (local.set $n (i64.div_u (local.get $n) (i64.const 10)))
    (br_if $next (i32.gt_u (local.get $at) (i32.const 256)))))
(func $hex (param $n i32) (result i32)
  (i32.add (local.get $n) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $n) (i32.const 10)))))
"""
SAYS_THE_TIME = """(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
  (call $digits (call $milliseconds)) (call $say (i32.const 256) (i32.const 20)) (i32.const 0))"""
SAYS_RANDOM_BYTES = """(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (local $i i32)
  (drop (call $random (i32.const 512) (i32.const 8)))
  (loop $next
    (i32.store8 offset=600 (i32.shl (local.get $i) (i32.const 1))
      (call $hex (i32.and (i32.load8_u offset=512 (local.get $i)) (i32.const 15))))
    (i32.store8 offset=601 (i32.shl (local.get $i) (i32.const 1)) (i32.const 120))
    (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
  (call $say (i32.const 600) (i32.const 16)) (i32.const 0))"""
SAYS_THE_CLIENT = """(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
  (if (i32.eqz (call $property (i32.const 32) (i32.const 14) (i32.const 128) (i32.const 132)))
    (then (call $say (i32.load (i32.const 128)) (i32.load (i32.const 132)))))
  (i32.const 0))"""
ONE_SIGN_A_PIECE = """(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
  (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const -1) (i32.const 64) (i32.const 1))) (i32.const 0))"""
LIMITS_AFTER_A_SECOND = """(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
  (if (i64.eqz (global.get $first)) (then (global.set $first (call $milliseconds))))
  (if (i64.gt_u (i64.sub (call $milliseconds) (global.get $first)) (i64.const 1000))
    (then (drop (call $local (i32.const 429) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const -1)))))
  (i32.const 0))"""
PAUSES = '(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))'
SPINS = '(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (loop $on (br $on)) (i32.const 0))'


@pytest.fixture
def build(tmp_path: Path) -> Build:
    from wasmtime import wat2wasm

    def write(functions: str) -> Path:
        path = tmp_path / "filter.wasm"
        path.write_bytes(bytes(wat2wasm(f"{FRAME}{functions})")))
        return path

    return write


@pytest.fixture
def some(exchange: Make) -> Made:
    return spread([exchange(), exchange(), exchange(), exchange(), exchange()])


def replayed(capture: Any, *filters: Filter | Path, **settings: Any) -> Replay:
    return Chain(*filters).replay(capture, **settings)


def told(found: Verification) -> list[tuple[int, str, bool, str]]:
    """Exchange, what differs, whether it is explained, and the cause's first words."""
    return [(each.exchange, each.what, each.explained, " ".join(each.cause.split()[:2]).rstrip(",:")) for each in found.differences]


def test_what_agrees(repo: Path, sample_filter: Callable[[str], Path]) -> None:
    with open_capture(repo / "captures/burst.mitm") as capture:
        shown: list[tuple[int, int]] = []
        found = replayed(capture, sample_filter("trace_every_call")).verify_with_envoy(progress=lambda *at: shown.append(at))
    assert (found.exchanges, found.agreed, found.explained, found.unexplained, found.differences) == (15, 15, 0, 0, ())
    assert found.version.split(".")[0].isdigit()
    assert shown == [(at, 15) for at in range(1, 16)]
    assert "agree 15" in found.text()
    assert "15 exchanges compared in" in found.text()


def test_a_value_that_follows_the_clock(build: Build, some: Made) -> None:
    found = replayed(some, build(SAYS_THE_TIME)).verify_with_envoy()
    assert told(found) == [(at, "header x-said", True, "the clock") for at in range(5)]
    assert (found.agreed, found.explained, found.unexplained) == (0, 5, 0)


def test_a_decision_that_hangs_on_the_pace(build: Build, some: Made) -> None:
    replay = replayed(some, build(LIMITS_AFTER_A_SECOND))
    found = replay.verify_with_envoy()
    assert {one[1:] for one in told(found)} == {("status", True, "the clock"), ("reached", True, "the clock")}
    assert {one.exchange for one in found.differences} == {4}
    assert found.seconds < 20
    paced = replay.verify_with_envoy(paced=True)
    assert (paced.agreed, paced.differences) == (5, ())


def test_a_value_made_of_random_bytes(build: Build, some: Made) -> None:
    found = replayed(some, build(SAYS_RANDOM_BYTES)).verify_with_envoy()
    assert told(found) == [(at, "header x-said", True, "random bytes") for at in range(5)]


def test_a_value_of_the_connection(build: Build, exchange: Make) -> None:
    one = replace(exchange(), attributes=((b"source\0address", b"10.1.2.3:4567"),))
    (found,) = replayed(spread([one]), build(SAYS_THE_CLIENT)).verify_with_envoy().differences
    assert found.ours == ["10.1.2.3:4567"]
    assert found.envoy[0].startswith("127.0.0.1:")
    assert (found.explained, found.cause.startswith("the connection")) == (True, True)


def test_a_body_that_comes_in_other_pieces(build: Build, exchange: Make, response: MakeResponse) -> None:
    long = exchange(response=response(((b"Transfer-Encoding", b"chunked"),), b"y" * 4_000_000))
    (found,) = replayed(spread([long]), build(ONE_SIGN_A_PIECE)).verify_with_envoy().differences
    assert (found.what, found.ours[0] < found.envoy[0], found.explained) == ("body", True, True)
    assert found.cause.startswith("how a body is cut")


def test_a_difference_without_known_cause(build: Build, some: Made) -> None:
    """Envoy gets another filter than the replay had: nothing may explain that away."""
    wasm = build(SAYS_THE_CLIENT)
    replay = replayed(some, wasm)
    build(SAYS_RANDOM_BYTES)
    found = replay.verify_with_envoy()
    assert (found.agreed, found.explained, found.unexplained) == (0, 0, 5)
    assert all("built anew" in each.cause for each in found.differences)
    assert "Unexplained" in found.text()


def test_a_fault_of_the_replay_is_not_excused_by_the_clock(build: Build, some: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Statuses and headers that follow the clock are explained; beside them a header that the replay makes up, each time, is not."""
    honest = ExchangeView.result.func  # type: ignore[attr-defined]

    def faulty(view: ExchangeView) -> Any:
        result = honest(view)
        if view.index == 2:
            result["downstream_response"]["headers"].append(["x-fault", "1"])
        return result

    monkeypatch.setattr(ExchangeView, "result", property(faulty))
    found = replayed(some, build(SAYS_THE_TIME)).verify_with_envoy()
    assert [(each.exchange, each.what) for each in found.differences if not each.explained] == [(2, "header x-fault")]
    assert (found.explained, found.unexplained) == (4, 1)


def test_the_settings_of_the_replay_hold_when_it_runs_again(build: Build, exchange: Make, response: MakeResponse) -> None:
    """The control would not reproduce the differences with other settings."""
    long = exchange(response=response(((b"Transfer-Encoding", b"chunked"),), b"y" * 400_000))
    (found,) = replayed(spread([long]), build(ONE_SIGN_A_PIECE), chunk_size=50_000, seed=7).verify_with_envoy().differences
    assert found.ours[0] == 9
    assert found.cause.startswith("how a body is cut")


def test_streams_left_paused_do_not_take_hours(build: Build, exchange: Make) -> None:
    some = spread([exchange() for _ in range(40)])
    found = replayed(some, build(PAUSES)).verify_with_envoy(timeout=1)
    assert (found.exchanges, found.unexplained) == (40, 0)
    assert found.seconds < 40, "each of them was waited for"


def test_a_filter_that_never_returns(build: Build, some: Made) -> None:
    found = replayed(some, build(SPINS), callback_limit_s=0.1).verify_with_envoy(timeout=0.5, limit=1)
    assert [(each.what, each.explained) for each in found.differences] == [("crashed", True)]
    assert "does not return" in found.differences[0].cause


def test_an_envoy_that_falls_over_and_over_again(exchange: Make, tmp_path: Path) -> None:
    """Continuing a response that is not there ends Envoy 1.40: each exchange is told, and after five times no more are tried."""
    from wasmtime import wat2wasm

    wasm = tmp_path / "crashes.wasm"
    wasm.write_bytes(
        bytes(
            wat2wasm("""(module (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
            (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) i32.const 0)
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
              (drop (call $continue (i32.const 1))) (i32.const 0)))""")
        )
    )
    posts = [exchange(method=b"POST", headers=((b"Host", b"toys.example"), (b"Content-Length", b"3")), body=b"abc") for _ in range(9)]
    found = replayed(spread(posts), wasm).verify_with_envoy()
    assert "signal 11" in found.stopped
    assert 0 < found.exchanges < 9
    assert {(each.what, each.explained) for each in found.differences} == {("crashed", True)}
    assert "stopped: " in found.text()


def test_too_much_differs_to_look_into_all_of_it(build: Build, some: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.envoy.verify._EXAMINED", 2)
    found = replayed(some, build(SAYS_THE_TIME)).verify_with_envoy()
    assert [each.explained for each in found.differences] == [True, True, False, False, False]
    assert found.differences[-1].cause.startswith("not looked into")


def test_websockets(repo: Path, sample_filter: Callable[[str], Path]) -> None:
    with open_capture(repo / "captures/websocket.mitm") as capture:
        found = replayed(capture, sample_filter("add_header")).verify_with_envoy()
    assert (found.exchanges, found.agreed) == (len(capture), len(capture))


def test_the_first_exchanges_in_time(repo: Path, sample_filter: Callable[[str], Path]) -> None:
    with open_capture(repo / "captures/toystore.mitm") as capture:
        found = replayed(capture, sample_filter("trace_every_call")).verify_with_envoy(limit=7)
    assert (found.exchanges, found.wanted, found.agreed) == (7, 93, 7)
    assert "7 of 93 exchanges" in found.text()


def test_where_an_event_loop_runs(build: Build, some: Made) -> None:
    async def cell() -> int:
        return replayed(some, build("")).verify_with_envoy().agreed

    assert asyncio.run(cell()) == 5


def test_stopped_from_another_thread(build: Build, some: Made) -> None:
    cancel = threading.Event()

    def third(done: int, total: int) -> None:
        if done == 3:
            cancel.set()

    found = replayed(some, build("")).verify_with_envoy(progress=third, cancel=cancel)
    assert (found.stopped, 3 <= found.exchanges < 5) == ("interrupted", True)


def test_stopped_while_causes_are_looked_for(build: Build, some: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    replay, cancel = replayed(some, build(SAYS_THE_TIME)), threading.Event()
    again = Replay._again

    def last(self: Replay, exchanges: Any, /, **changes: int) -> Any:
        assert not cancel.is_set()
        cancel.set()
        return again(self, exchanges, **changes)

    monkeypatch.setattr(Replay, "_again", last)
    found = replay.verify_with_envoy(cancel=cancel)
    assert (found.stopped, found.exchanges, found.unexplained) == ("interrupted", 5, 5)


def test_an_interrupt_while_causes_are_looked_for(build: Build, some: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes while the replay runs again, which takes it for itself."""
    replay = replayed(some, build(SAYS_THE_TIME))
    honest = Chain.replay

    def interrupted(self: Chain, capture: Any, **settings: Any) -> Replay:
        again = honest(self, capture, **settings)
        again.trace.complete = False
        return again

    monkeypatch.setattr(Chain, "replay", interrupted)
    found = replay.verify_with_envoy()
    assert (found.stopped, found.exchanges) == ("interrupted", 5)


def test_what_envoy_cannot_have(build: Build, some: Made) -> None:
    with pytest.raises(ConfigError, match="no failure policy 'restart'"):
        replayed(some, Filter(build(""), failure_policy="restart")).verify_with_envoy()
    refuses = '(func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))'
    with pytest.raises(FilterLoadError, match="Failed to configure"):
        replayed(some, build(refuses), start_anyway=True).verify_with_envoy()


def test_nothing_to_compare(build: Build) -> None:
    assert replayed(spread([]), build("")).verify_with_envoy().exchanges == 0


def test_values_cannot_become_markup_or_leave_their_line(build: Build, exchange: Make) -> None:
    hostile = replace(exchange(), attributes=((b"source\0address", b"<script>\x1b[31m\xe2\x80\xae"),))
    found = replayed(spread([hostile]), build(SAYS_THE_CLIENT)).verify_with_envoy()
    assert found.differences[0].ours is not None
    assert "<script>" not in found._repr_html_()
    assert "\x1b" not in found.text() and "\u202e" not in found.text()
    assert json.loads(json.dumps(found.as_dict()))["differences"][0]["replay"] == found.differences[0].ours
    assert found.table.loc[0, "explained"]


_HOLD = """
import sys, time
from workbench.envoy.config import bootstrap
from workbench.envoy.process import EnvoyProcess
with EnvoyProcess(bootstrap([], 9)) as envoy:
    print(envoy.pid, envoy.log_path.parent, flush=True)
    time.sleep(600)
"""


def gone(pid: int, seconds: float = 120) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_envoy_does_not_outlive_a_parent_that_is_killed(repo: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _HOLD], cwd=repo, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        # As a notebook's server ends a kernel: the whole process group, by force.
        os.killpg(parent.pid, signal.SIGKILL)
    assert gone(int(pid))
    until = time.monotonic() + 120
    while Path(folder).exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(folder).exists()
