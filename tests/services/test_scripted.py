from __future__ import annotations

from typing import Any

import pytest

from workbench.services import NEVER, Entry, GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Match, Reset, Script


def http(path: str = "/c", method: str = "GET", authority: str = "auth.example") -> HttpRequest:
    headers = ((b":method", method.encode()), (b":path", path.encode()), (b":authority", authority.encode()))
    return HttpRequest("svc", headers, b"", 0, 100, "f", 0)


def grpc(service: str = "pkg.Svc", method: str = "Get") -> GrpcRequest:
    return GrpcRequest("svc", (), b"m", 0, None, "f", None, service=service, method=method)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"method": "GET"}, True),
        ({"method": "POST"}, False),
        ({"path": "/c/d"}, True),
        ({"path": "/c"}, False),
        ({"path": "/c*"}, True),
        ({"path": "*/d"}, True),
        ({"path": "/c/d?q=1"}, True),
        ({"path": "/c/d?q=2"}, False),
        ({"path": "/c.d"}, False),
        ({"authority": "auth.*", "method": "GET", "path": "/*"}, True),
        ({"path": "*"}, True),
        ({"path": "/*/d"}, True),
        ({"path": "/c*c/d"}, False),
        ({"path": "/c/*/d"}, False),
        ({"path": "*c*d*"}, True),
        ({"path": "*d*c*"}, False),
        ({"path": "**"}, True),
        ({"authority": "other"}, False),
        ({"service": "pkg.Svc"}, False),
    ],
)
def test_what_fits_an_http_call(match: dict[str, str], fits: bool) -> None:
    assert Match(**match).http(http("/c/d?q=1")) is fits


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"service": "pkg.*"}, True),
        ({"method": "Get"}, True),
        ({"path": "/pkg.Svc/Get"}, True),
        ({"service": "x"}, False),
        ({"authority": "svc"}, True),
    ],
)
def test_what_fits_a_grpc_call(match: dict[str, str], fits: bool) -> None:
    assert Match(**match).grpc(grpc()) is fits


def test_a_pattern_costs_little_whatever_is_asked() -> None:
    assert not Match(path="*a*a*a*a*b").http(http("a" * 1_000_000))


def test_the_first_entry_that_fits_answers_and_turns_are_its_own() -> None:
    flaky = Entry((HttpResponse(500), Reset(), HttpResponse(200)), Match(path="/flaky"))
    ring = Entry((HttpResponse(201), HttpResponse(202)), Match(path="/ring"), cycle=True)
    script = Script([flaky, ring, HttpResponse(204)], otherwise=NEVER)
    for _ in range(2):
        playing = script.begin(None)
        assert [getattr(playing.http(http("/flaky")), "status", None) for _ in range(4)] == [500, None, 200, 200]
        assert [getattr(playing.http(http("/ring")), "status", None) for _ in range(3)] == [201, 202, 201]
        assert playing.http(http("/x")) == HttpResponse(204)


def test_where_nothing_fits() -> None:
    def kinds(script: Script) -> tuple[Any, Any]:
        playing = script.begin(None)
        return playing.http(http()), playing.grpc(grpc())

    missing, unimplemented = kinds(Script())
    assert (missing.status, missing.body) == (404, b"no answer is scripted for GET auth.example/c")
    assert (unimplemented.status, unimplemented.status_message) == (12, "no answer is scripted for /pkg.Svc/Get")
    assert kinds(Script(otherwise=NEVER)) == (NEVER, NEVER)


def test_answers_are_of_the_protocol_that_is_spoken() -> None:
    playing = Script([GrpcResponse(b"g"), HttpResponse(201)]).begin(None)
    assert playing.http(http()) == HttpResponse(201)
    assert playing.grpc(grpc()) == GrpcResponse(b"g")
    on_purpose = Script([Entry((HttpResponse(503),), Match(service="pkg.Svc"))]).begin(None)
    assert on_purpose.grpc(grpc()) == HttpResponse(503)
