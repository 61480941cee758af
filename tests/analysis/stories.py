"""A chain made in code in whose exchanges all happens that a microscope shows: pauses, callouts, edits, shared state, a refusal."""

from __future__ import annotations

from pathlib import Path

from tests.core.traffic import Made, request, response
from tests.core.wat import LAST, OUT, Ret, call, pairs, wasm
from workbench.chain import Chain, Filter
from workbench.replay import Replay
from workbench.services import HttpResponse

__all__ = ["edits_in", "make", "verifies"]

_HEAD = pairs((":method", "GET"), (":path", "/verify"), (":authority", "users.example"))


def verifies() -> dict[str, list[object]]:
    """Asks a service, waits, then rewrites the request: removes, replaces, adds, reads a property, and is refused for an old CAS."""
    return {
        "configure": [call("proxy_define_metric", 0, "verified", OUT), call("proxy_define_metric", 1, "open", OUT)],
        "request_headers": [
            call("prop", "request\0path", OUT, OUT),
            call("get", 0, "authorization", OUT, OUT),
            call("proxy_set_shared_data", "cred", "one", 0),
            call("http_call", "users", _HEAD, b"", b"", 0, OUT),
            Ret(1),
        ],
        "http_call_response": [
            call("effective", LAST),
            call("proxy_set_shared_data", "cred", "two", 0),
            call("proxy_set_shared_data", "cred", "three", 99),
            call("remove", 0, "authorization"),
            call("replace", 0, "cookie", "theme=dark"),
            call("add", 0, "x-user", "store-17"),
            call("add", 0, "x-many", "3"),
            call("proxy_increment_metric", 4, 1),
            call("proxy_record_metric", 5, 7),
            call("log", 2, "verified"),
            call("cont", 0),
        ],
        "response_headers": [call("set_pairs", 2, pairs((":status", "200"), ("x-new", "1")))],
    }


def edits_in() -> dict[str, list[object]]:
    """Holds the whole request body, and writes in front of it and behind."""
    return {
        "request_body": [
            call("body", 0, 0, 100, OUT, OUT),
            call("set_body", 0, 0, 0, "<"),
            call("set_body", 0, 1000, 0, ">"),
            Ret(0),
        ],
        "response_body": [Ret(1)],
        "response_trailers": [call("add", 3, "x-trailer", "late")],
    }


def make(tmp_path: Path, *scripts: dict[str, list[object]], count: int = 1) -> Replay:
    """Replay `count` requests with a body and trailers through filters `a`, `b`, … that do what the scripts say."""
    files = []
    for place, script in enumerate(scripts):
        files.append(tmp_path / f"{'abcdef'[place]}.wasm")
        files[-1].write_bytes(wasm(**script))
    headers = ("authorization: Basic eA==", "cookie: session=1; theme=dark", "x-many: 1", "x-many: 2", "transfer-encoding: chunked")
    answer = response(200, "x-old: 1", "transfer-encoding: chunked", body=b"0123456789", trailers=("T: 1",), after_ms=9)
    made = Made((request("POST", "/toys", *headers, body=b"abcdef", at_ms=at * 20), answer) for at in range(count))
    chain = Chain(*(Filter(file) for file in files), clusters={"users": HttpResponse(200, body="{}", latency_ms=2)})
    return chain.replay(made, chunk_size=4)  # type: ignore[arg-type]
