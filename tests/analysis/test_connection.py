"""Results, tables and views of TCP connections, from replays of the sample capture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime

from workbench.analysis.summary import summary_text
from workbench.capture import open_capture
from workbench.chain import Chain, Filter
from workbench.cli import main
from workbench.errors import ConfigError
from workbench.replay import Replay, compare

REPO = Path(__file__).parents[2]
CLOSES = b"""(module
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (memory (export "memory") 1) (func (export "malloc") (param i32) (result i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1")) (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (drop (call $close (i32.const 2))) (i32.const 0)))"""


@pytest.fixture
def tag(tmp_path: Path) -> Path:
    path = tmp_path / "tag.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm((REPO / "tests/filters/tcp_tag.wat").read_text(encoding="utf-8"))))
    return path


@pytest.fixture
def closes(tmp_path: Path) -> Path:
    path = tmp_path / "closes.wasm"
    path.write_bytes(bytes(wasmtime.wat2wasm(CLOSES.decode())))
    return path


@pytest.fixture
def replayed() -> Callable[[Path], Replay]:
    return lambda path: Chain(Filter(path)).replay(open_capture(REPO / "captures/tcp.mitm"))


def test_results(tag: Path, replayed: Callable[[Path], Replay]) -> None:
    replay = replayed(tag)
    assert replay.of_connections and len(replay) == 6
    captured = replay.capture[0]
    (result, *_) = results = list(replay.outcomes())
    assert [each["connection"] for each in results] == list(range(6))
    sent = b"".join(b"> " + message.data for message in captured.messages if message.from_client)
    assert result["to_upstream"] == {
        "size_before": 40,
        "sha256_before": hashlib.sha256(captured.sent(by_client=True)).hexdigest(),
        "size_after": 50,
        "sha256_after": hashlib.sha256(sent).hexdigest(),
    }
    assert (result["connected"], result["closed"], result["closed_by"], result["error"]) == (True, "local", None, None)
    assert result["mutations"][1]["part"] == "downstream_data" and result["mutations"][1]["after"] == ["11", "> "]
    assert result["method"] == "TCP" and result["url"].startswith("tcp://127.0.0.1:")


def test_a_filter_that_closes_is_named(closes: Path, replayed: Callable[[Path], Replay]) -> None:
    replay = replayed(closes)
    view = replay[0]
    assert view.outcome == "denied" and view.finding == "connection closed by closes"
    assert view.result["closed_by"] == "closes"
    assert replay.exchanges["outcome"].tolist().count("denied") == 6
    assert set(replay.decisions["kind"]) == {"denied"}
    assert "denied 6" in summary_text(replay.summary)


def test_views(tag: Path, closes: Path, replayed: Callable[[Path], Replay]) -> None:
    replay = replayed(tag)
    view = replay[1]
    assert [(stage.label, stage.body_size) for stage in (*view.request, *view.response)] == [
        *(("client sent", 18), ("upstream got", 24)),
        *(("upstream sent", 44), ("client got", 48)),
    ]
    titles = [call.message for call in view.calls if call.kind == "event"]
    assert titles[0] == "client connects; it sends 18 B, the upstream 44 B"
    assert titles[-2].startswith("connection closed (local); upstream has 24 B, client 48 B")
    assert "TCP tcp://127.0.0.1" in view._repr_html_() and "6 connections" in replay._repr_html_()
    assert "Connections" in summary_text(replay.summary) and "9\u202f093 → 9\u202f105" in summary_text(replay.summary, width=140)
    table = replay.exchanges
    assert table["method"].tolist() == ["TCP"] * 6 and table["changes"].tolist() == [11, 5, 11, 10, 1, 3]
    other = compare(replay, replayed(closes))
    assert len(other.differences) == 6 and "bytes to the upstream" in other.differences[0].parts
    assert not compare(replay, replayed(tag)).differences


def test_the_command_line(tag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    assert main(["replay", str(REPO / "captures/tcp.mitm"), "--filter", str(tag), "--jsonl", str(out)]) == 0
    assert "3 HTTP exchanges beside the connections" in capsys.readouterr().out
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == 6 and lines[0]["to_client"]["size_after"] == 154
    # for HTTP: the connections are told, not lost
    assert main(["replay", str(REPO / "captures/tcp.mitm"), "--kind", "http", "--filter", str(tag), "--jsonl", str(out)]) == 0
    assert "6 TCP connections beside the exchanges" in capsys.readouterr().out
    assert [json.loads(line)["exchange"] for line in out.read_text().splitlines()] == [0, 1, 2]


def test_connections_alone_can_be_replayed(tag: Path) -> None:
    connections = open_capture(REPO / "captures/tcp.mitm").connections
    replay = Chain(Filter(tag)).replay(connections)
    assert len(replay) == 6 and replay.capture is connections
    with pytest.raises(ConfigError, match="these are TCP connections, and the chain is for HTTP"):
        Chain(Filter(tag), kind="http").replay(connections)
