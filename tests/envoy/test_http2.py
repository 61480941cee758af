"""What was captured over HTTP/2 is replayed as Envoy shows it to filters over HTTP/2: callbacks, headers, trailers, protocol, answers."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import Play, fields, play, request, response
from tests.core.wat import OUT, call, show, wasm
from tests.envoy.test_tcp_judge import calls_in
from workbench.capture import Exchange, Request, Response, open_capture
from workbench.chain import Chain, Filter
from workbench.envoy import FilterSpec, compare, run_envoy_http2

__all__ = ["play"]
pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy_binary")]

H2 = b"HTTP/2"


def asked(method: str = "GET", path: str = "/p", *head: str, **more: Any) -> Request:
    return request(method, path, *head, version=H2, **more)


def answered(status: int = 200, *head: str, **more: Any) -> Response:
    made = response(status, *head, version=H2, **more)
    return replace(made, headers=fields(*head))


CASES: dict[str, tuple[Request, Response]] = {
    "get": (
        asked("GET", "/p?x=1", "User-Agent: u", "x-a: 1", "x-a: 2", "te: trailers"),
        answered(200, "content-type: text/plain", body=b"ok"),
    ),
    "cookies": (asked("GET", "/p", "cookie: a=1", "x-a: 1", "cookie: b=2", "x-z: 1"), answered(204)),
    "post": (asked("POST", "/p", "content-length: 3", body=b"abc"), answered(200, "set-cookie: a", "set-cookie: b", body=b"ok")),
    "post without a length": (asked("POST", "/p", body=b"abc"), answered(200)),
    "trailers": (
        asked("POST", "/p", body=b"abc", trailers=("x-t: 1", "x-t: 2")),
        answered(200, "x-r: 1", body=b"body", trailers=("x-rt: 1",)),
    ),
    "trailers without a body": (asked("POST", "/p", trailers=("x-t: 1",)), answered(200, trailers=("x-rt: 1",))),
    "head": (asked("HEAD", "/p"), answered(200, "content-length: 5")),
    "a method of its own": (asked("FOO", "/p"), answered(200, body=b"ok")),
    "expect and internal": (asked("POST", "/p", "expect: 100-continue", "x-envoy-internal: true", body=b"x"), answered(200)),
    "a fragment": (asked("GET", "/p#f"), answered(200)),
    "forwarded": (asked("GET", "/p", "x-forwarded-proto: https"), answered(200, "server: s", "date: d", body=b"ok")),
}
LOOK = (
    show("pairs", 0, OUT, OUT),
    show("prop", "request\0protocol", OUT, OUT),
    show("prop", "request\0scheme", OUT, OUT),
)


@pytest.mark.parametrize("name", CASES)
def test_a_filter_here_and_in_envoy(name: str, play: Play, tmp_path: Path) -> None:
    script: dict[str, Any] = {
        "request_headers": LOOK,
        "request_trailers": (show("pairs", 1, OUT, OUT),),
        "response_headers": (show("pairs", 2, OUT, OUT), call("add", 2, "x-seen", "1")),
        "response_trailers": (show("pairs", 3, OUT, OUT),),
    }
    played = play([script], [CASES[name]])
    path = tmp_path / "envoy.wasm"
    path.write_bytes(wasm(**script))
    exchange = _exchange(*CASES[name])
    (seen,) = run_envoy_http2([exchange], [FilterSpec.of(Filter(path, name="a", vm_id="a"))], wasm_log_level="trace")
    assert [each.partition(".")[2] for each in played.calls()] == calls_in(seen.log)
    assert played.status() == seen.status
    ours = [row.fields[0] for row in played.of("proxy_log")]
    theirs = _logged(seen.log)
    assert len(ours) == len(theirs)
    for mine, real in zip(ours, theirs, strict=True):
        assert _told(mine) == _told(real)


def _exchange(ask: Request, answer: Response) -> Exchange:
    return Exchange(0, ask, answer)


def _logged(log: tuple[str, ...]) -> list[bytes]:
    mark = "wasm log a a: "
    text = "\n".join(log)
    found = []
    for part in text.split(mark)[1:]:
        raw = part.split("\n[trace]")[0].split("\n[info]")[0]
        found.append(raw.encode("latin-1", "replace"))
    return found


def _told(raw: bytes) -> Any:
    """A pair list, its pseudo headers in any order: a capture does not keep the one that they came in. Else the bytes."""
    try:
        (count,) = struct.unpack_from("<I", raw)
        sizes = struct.unpack_from(f"<{2 * count}I", raw, 4)
    except struct.error:
        return raw
    at, parts = 4 + 8 * count, []
    for size in sizes:
        parts.append(raw[at : at + size])
        at += size + 1
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    return sorted(pair for pair in pairs if pair[0][:1] == b":"), [pair for pair in pairs if pair[0][:1] != b":"]


@pytest.mark.parametrize("sample", ["add_header", "body_rewrite"])
def test_captured_exchanges(sample: str, repo: Path) -> None:
    chain = Chain(Filter(repo / f"sample_filters/{sample}/{sample}.wasm"))
    with open_capture(repo / "captures/toystore.mitm") as capture:
        results = {each["exchange"]: each for each in chain.replay(capture).outcomes()}
        flows = [each for each in capture if each.request.http_version == b"HTTP/2.0"]
    assert len(flows) == 3
    observed = run_envoy_http2(flows, [FilterSpec.of(each) for each in chain])
    found = compare(observed, run_envoy_http2(flows, []), [results[each.index] for each in flows])
    assert [str(each) for each in found] == []
