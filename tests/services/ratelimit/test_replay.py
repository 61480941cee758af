"""Filters that ask a rate-limit service, from the clusters to the trace."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.core.traffic import START_NS, Made, request
from tests.core.wat import LAST, OUT, Ret, call, pairs, wasm
from tests.services.ratelimit.asking import S, message
from workbench.chain import Chain
from workbench.cli import main
from workbench.replay import Replay
from workbench.services import Clusters, GrpcResponse
from workbench.services.ratelimit import EnvoyRateLimit, Fault, Limit, Limitador
from workbench.services.ratelimit.messages import SHOULD, RateLimitResponse
from workbench.trace.records import CalloutEnd, Event, Kind
from workbench.trace.trace import Row

CAPTURE = Path(__file__).resolve().parents[3] / "captures" / "burst.mitm"
LIMITS = Limitador([Limit("toys", 5, 10, name="create")])


def _asks(folder: Path, timeout_ms: int = 20) -> Path:
    path = folder / "asks.wasm"
    asked = call("grpc_call", "rls", *SHOULD, b"", message("toys", {"user": "jane"}), timeout_ms, OUT)
    goes_on = [call("effective", LAST), call("cont", 0)]
    path.write_bytes(wasm(request_headers=[asked, Ret(1)], grpc_receive=goes_on, grpc_close=goes_on))
    return path


def _each_second(count: int) -> Made:
    return Made(request(at_ms=1000 * t) for t in range(count))


def _rows(replay: Replay, event: Event) -> Sequence[Row]:
    rows = (replay.trace.row(seq) for seq in range(len(replay.trace)))
    return [row for row in rows if row.kind == Kind.EVENT and row.code == event]


def test_verdicts_and_counters_in_the_trace(tmp_path: Path) -> None:
    chain = Chain(_asks(tmp_path), clusters={"rls": LIMITS})
    replay = chain.replay(_each_second(12))  # type: ignore[arg-type]
    codes = [RateLimitResponse.FromString(row.fields[2]).overall_code for row in _rows(replay, Event.CALLOUT)]
    assert codes == [1] * 5 + [2] * 5 + [1] * 2
    limits = _rows(replay, Event.LIMIT)
    assert [(row.exchange, row.result, row.a, row.b, row.d) for row in limits][4:7] == [
        (4, 1, 5, 5, 10),
        (5, 2, 5, 5, 10),
        (6, 2, 5, 5, 10),
    ]
    assert limits[0].fields[:3] == (b"limitador toys", b"create", b"") and limits[0].time == START_NS
    assert limits[11].fields[3] == (START_NS + 10 * S).to_bytes(8, "little") + (START_NS + 20 * S).to_bytes(8, "little")
    assert chain.replay(_each_second(12)).digest() == replay.digest()  # type: ignore[arg-type]
    assert not replay.notes or not any("second time" in note for note in replay.notes)


def test_what_is_answered_too_late_is_counted(tmp_path: Path) -> None:
    source = Limitador(LIMITS.limits, faults=[Fault("deadline", every=2)])
    replay = Chain(_asks(tmp_path), clusters={"rls": source}).replay(_each_second(4))  # type: ignore[arg-type]
    assert [row.c for row in _rows(replay, Event.CALLOUT)] == [CalloutEnd.ANSWERED, CalloutEnd.TIMEOUT] * 2
    assert [row.b for row in _rows(replay, Event.LIMIT)] == [1, 2, 3, 4]


def test_a_service_that_is_away(tmp_path: Path) -> None:
    for fault, status in (("unavailable", 14), ("never", 14), ("status", 14)):
        replay = Chain(_asks(tmp_path), clusters={"rls": Limitador([], faults=[Fault(fault)])}).replay(_each_second(1))  # type: ignore[arg-type]
        assert [row.result for row in _rows(replay, Event.CALLOUT)] == [status]
        assert _rows(replay, Event.LIMIT) == []


def test_a_stream_is_refused_as_a_server_would(tmp_path: Path) -> None:
    path = tmp_path / "streams.wasm"
    talks = [call("grpc_stream", "rls", "pkg.Other", "Talk", b"", OUT), Ret(0)]
    path.write_bytes(wasm(request_headers=talks))
    replay = Chain(path, clusters={"rls": LIMITS}).replay(_each_second(1))  # type: ignore[arg-type]
    assert [row.result for row in _rows(replay, Event.CALLOUT)] == [12]
    http = [call("http_call", "rls", pairs((":method", "GET"), (":path", "/"), (":authority", "rls")), b"", b"", 0, OUT), Ret(0)]
    path.write_bytes(wasm(request_headers=http))
    replay = Chain(path, clusters={"rls": LIMITS}).replay(_each_second(1))  # type: ignore[arg-type]
    assert [row.result for row in _rows(replay, Event.CALLOUT)] == [415]


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "limits.yaml").write_text("- {namespace: toys, max_value: 5, seconds: 10, conditions: [], variables: []}")
    (tmp_path / "clusters.yaml").write_text("clusters: {rls: {rls: {limitador: limits.yaml}}}")
    command = ["replay", str(CAPTURE), "--filter", str(_asks(tmp_path)), "--clusters", str(tmp_path / "clusters.yaml")]
    assert main(command) == 0
    assert "rls" in capsys.readouterr().out
    (tmp_path / "limits.yaml").write_text("- {namespace: toys, max_value: 5, seconds: 10, conditions: ['a =='], variables: []}")
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "limits.yaml: line 1: conditions: 'a ==' is no CEL: Syntax error" in error and error.count("\n") == 1


def test_sources_are_sources() -> None:
    assert list(Clusters({"a": LIMITS, "b": EnvoyRateLimit({"domain": "d"})})) == ["a", "b"]
    assert Clusters({"a": LIMITS}).measured == ()


@pytest.mark.slow
def test_a_hundred_thousand_requests(tmp_path: Path) -> None:
    """A callout to Limitador, decision and all, costs less than as much again as one that a function answers; a fifth is usual."""
    many = Made(request(at_ms=t) for t in range(100_000))
    path = _asks(tmp_path)
    answer = RateLimitResponse(overall_code=1).SerializeToString()

    def plain(asked: object) -> object:
        return GrpcResponse(answer)

    seconds = []
    for source in (plain, Limitador(LIMITS.limits, headers="draft03")):
        began = time.process_time()
        replay = Chain(path, clusters={"rls": source}).replay(many)  # type: ignore[arg-type, dict-item]
        seconds.append(time.process_time() - began)
        assert len(replay) == 100_000
    assert seconds[1] < 2 * seconds[0], f"{seconds} s"
