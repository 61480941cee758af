"""Replays of TCP connections and real Envoy agree: bytes both ways, and every callback with its arguments, in its order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from tests.core.conftest import Play, connection, play
from tests.core.wat import LAST, TRAP, Nth, Ret, call, wasm
from workbench.capture import Connection, Ending, open_capture
from workbench.chain import Chain, Filter
from workbench.envoy import FilterSpec, run_envoy_connections

__all__ = ["play"]
pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

CALLBACKS = ("new_connection", "downstream_data", "upstream_data", "downstream_connection_close", "upstream_connection_close")
_CALLED = re.compile(r"\[host->vm\] proxy_on_(\w+)\((\d+)(?:, )?([\d, ]*)\)")
_OF_ROOTS = ("tick", "vm_start", "configure")


def tcp(**scripts: Any) -> dict[str, Any]:
    return dict.fromkeys(CALLBACKS, ()) | scripts


def calls_in(log: tuple[str, ...]) -> list[str]:
    """The callbacks of a connection as Envoy logged them, which does not say whose they are."""
    found = [match for line in log if (match := _CALLED.search(line))]
    return [
        f"{name}({args})" if args and name != "context_create" else name
        for name, _, args in (m.groups() for m in found)
        if name not in _OF_ROOTS
    ]


# on a busy machine Envoy would else see two messages as one, or be given up too soon
PACE_S, PATIENCE_S = 0.05, 1.2
HALF = connection(">hello", "<hello!", ">more", "<+more")
PUSHED = connection("<one", "<two", ">x", "<three", ending=Ending.UPSTREAM)
TICK = {"configure": (call("tick", 150), Ret(1))}
CASES: dict[str, tuple[list[Any], Connection]] = {
    "plain": ([tcp(), tcp()], HALF),
    "pushed": ([tcp(), tcp()], PUSHED),
    "nothing said": ([tcp()], connection()),
    "upstream resets": ([tcp()], connection(">hello", "<h", ending=Ending.RESET)),
    "upstream not reached": ([tcp(), tcp()], connection(ending=Ending.UNREACHED)),
    "held": ([tcp(downstream_data=(Nth(1, (Ret(1),)),))], connection(">one", ">two", "<three")),
    "edited and held behind": (
        [tcp(downstream_data=(call("set_body", 2, 0, 0, "+"),)), tcp(downstream_data=(Nth(1, (Ret(1),)), Nth(2, (Ret(1),))))],
        connection(">one", ">two", ">three", "<four"),
    ),
    "held for the client": ([tcp(upstream_data=(call("set_body", 3, 99, 0, "+"), Nth(1, (Ret(1),)))), tcp()], PUSHED),
    "held for the client for ever": ([tcp(upstream_data=(Ret(1),)), tcp()], PUSHED),
    "held until a tick": (
        [tcp(downstream_data=(Nth(1, (Ret(1),)),), tick=(call("effective", LAST), call("cont", 2)), **TICK), tcp()],
        connection(">ask", "<answer"),
    ),
    "held at the begin until a tick": (
        [tcp(new_connection=(Ret(1),), tick=(call("effective", LAST), Nth(2, (call("cont", 2),))), **TICK), tcp()],
        connection(">ask", "<answer"),
    ),
    "continues in the callback": ([tcp(downstream_data=(call("cont", 2), Nth(1, (Ret(1),)))), tcp()], HALF),
    "takes all": ([tcp(downstream_data=(Nth(1, (call("set_body", 2, 0, 99, ""),)),)), tcp()], connection(">one", ">two", "<three")),
    "closes on the way up": ([tcp(downstream_data=(call("close", 2),)), tcp()], HALF),
    "closes on the way down": ([tcp(), tcp(upstream_data=(call("close", 3),))], HALF),
    "closes at the begin": ([tcp(new_connection=(call("close", 2),)), tcp()], HALF),
    "closes at the end of the upstream": (
        [tcp(), tcp(upstream_data=(Nth(2, (call("close", 2),)),))],
        connection("<one", ending=Ending.UPSTREAM),
    ),
    "traps": ([tcp(), tcp(downstream_data=(TRAP,))], HALF),
    "traps on the way down": ([tcp(), tcp(upstream_data=(TRAP,))], HALF),
    "traps at the upstream's end": ([tcp(upstream_connection_close=(TRAP,)), tcp()], HALF),
    "traps at the close": ([tcp(downstream_connection_close=(TRAP,)), tcp()], HALF),
    "traps at the begin": ([tcp(new_connection=(TRAP,)), tcp()], HALF),
    "traps, open": ([(tcp(downstream_data=(TRAP,)), {"failure_policy": "open"}), tcp()], HALF),
    "traps, fail_open": ([(tcp(downstream_data=(TRAP,)), {"fail_open": True}), tcp()], HALF),
}


@pytest.mark.parametrize("name", CASES)
def test_a_filter_here_and_in_envoy(name: str, play: Play, tmp_path: Path) -> None:
    filters, traffic = CASES[name]
    played = play(filters, [traffic])
    specs = []
    for letter, given in zip("abc", filters, strict=False):
        script, options = given if isinstance(given, tuple) else (given, {})
        path = tmp_path / f"envoy-{letter}.wasm"
        path.write_bytes(wasm(**script))
        specs.append(FilterSpec.of(Filter(path, name=letter, **{"vm_id": letter} | options)))
    (seen,) = run_envoy_connections([traffic], specs, wasm_log_level="trace", pace_s=PACE_S, patience_s=PATIENCE_S)
    calls = [each.partition(".")[2] for each in played.calls()]
    assert calls == calls_in(seen.log)
    upstream, client, _ = played.got()
    assert (traffic.sent(by_client=True) if upstream is None else upstream) == seen.to_upstream
    assert (traffic.sent(by_client=False) if client is None else client) == seen.to_client


def test_a_captured_file(repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "tcp_tag.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm((repo / "tests/filters/tcp_tag.wat").read_text(encoding="utf-8"))))
    chain = Chain(Filter(path))
    assert chain.kind_of() == "tcp"
    with open_capture(repo / "captures/tcp.mitm") as capture:
        replay = chain.replay(capture)
        seen = run_envoy_connections(capture.connections, [FilterSpec.of(each) for each in chain], pace_s=PACE_S, patience_s=PATIENCE_S)
        assert len(replay) == len(seen) == 6
        for view, real in zip(replay, seen, strict=True):
            for stages, got in ((view.request, real.to_upstream), (view.response, real.to_client)):
                assert stages[-1].body == got
