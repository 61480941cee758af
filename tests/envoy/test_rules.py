"""Replays and real Envoy agree where filters fail, answer, pause and edit: the filters of tests/filters over made exchanges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from tests.core.traffic import spread
from workbench.capture import Exchange, open_capture
from workbench.chain import Chain, Filter
from workbench.envoy import FilterSpec, compare, run_envoy

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

Make = Callable[..., Exchange]
_MS = 1_000_000


@pytest.fixture
def assembled(repo: Path, tmp_path: Path) -> Callable[[str], Path]:
    def assemble(name: str) -> Path:
        built = tmp_path / f"{name}.wasm"
        built.write_bytes(bytes(wasmtime.wat2wasm((repo / f"tests/filters/{name}.wat").read_text(encoding="utf-8"))))
        return built

    return assemble


def _differences(exchanges: Any, chain: Chain, *, paced: bool = False) -> tuple[list[int], list[str]]:
    """What the replay gave the clients, and how Envoy differs."""
    results = list(chain.replay(exchanges).outcomes())
    made = list(exchanges)
    observed = run_envoy(made, [FilterSpec.of(each) for each in chain], paced=paced)
    statuses = [result["downstream_response"]["status"] if result["downstream_response"] else 0 for result in results]
    return statuses, [str(found) for found in compare(observed, run_envoy(made, []), results)]


@pytest.mark.parametrize(
    ("policy", "fail_open", "statuses"),
    [("closed", False, {503, 201}), ("open", False, {503, 200, 201}), ("closed", True, {200, 201})],
)
def test_a_trap_under_envoys_policies(
    repo: Path, assembled: Callable[[str], Path], policy: str, fail_open: bool, statuses: set[int]
) -> None:
    chain = Chain(Filter(assembled("trap_third"), failure_policy=policy, fail_open=fail_open))
    with open_capture(repo / "captures/burst.mitm") as capture:
        got, found = _differences(capture, chain)
    assert found == []
    assert set(got) == statuses


def test_a_trap_and_a_reload(exchange: Make, assembled: Callable[[str], Path]) -> None:
    # Envoy's back-off is a second to one and a half from the VM's start, a replay's a second: the next request comes later than both
    made = spread([exchange()] * 5, [0, 50, 100, 1600, 1650])
    got, found = _differences(made, Chain(Filter(assembled("trap_third"), failure_policy="reload")), paced=True)
    assert found == []
    assert got == [200, 200, 503, 200, 200]


@pytest.mark.parametrize("beside", [(), ("ten_hostcalls",)], ids=["alone", "behind another"])
def test_local_responses_in_each_phase(exchange: Make, assembled: Callable[[str], Path], beside: tuple[str, ...]) -> None:
    paths = ("request_headers", "request_body", "response_headers", "twice", "other")
    body = {"method": b"POST", "body": b"x=1"}
    made = spread([exchange(path=f"/local/{path}".encode(), **body) for path in paths])
    chain = Chain(*(Filter(assembled(name)) for name in (*beside, "local_response")))
    got, found = _differences(made, chain)
    assert found == []
    assert got == [418, 418, 418, 418, 200]


def test_pauses_in_each_phase(exchange: Make, assembled: Callable[[str], Path]) -> None:
    paths = ("request_headers", "response_headers", "request_body", "response_body", "none")
    made = spread([exchange(path=f"/pause/{path}".encode(), method=b"POST", body=b"abc") for path in paths])
    got, found = _differences(made, Chain(Filter(assembled("pause"))))
    assert found == []
    assert got == [200] * 5


def test_bad_pointers_in_every_hostcall(exchange: Make, assembled: Callable[[str], Path]) -> None:
    made = spread([exchange(method=b"POST", body=b"abc"), exchange()])
    got, found = _differences(made, Chain(Filter(assembled("oob"))))
    assert found == []
    assert got == [200, 200]
