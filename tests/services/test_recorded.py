"""The capture answers: by method, authority and path, the exchange nearest before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.traffic import MS, START_NS, exchanges, request, response
from workbench.errors import ConfigError
from workbench.services import GrpcRequest, GrpcResponse, HttpRequest, HttpResponse, Recorded, Reset, Unreachable


def asked(path: str = "/p", at_ms: int = 0, method: str = "GET") -> HttpRequest:
    headers = ((b":method", method.encode()), (b":path", path.encode()), (b":authority", b"h"))
    return HttpRequest("svc", headers, b"", START_NS + at_ms * MS, None, "f", 0)


CAPTURE = exchanges(
    (request(at_ms=10), response(201, "x: 1", body=b"first", after_ms=3, took_ms=4)),
    (request(at_ms=30), response(202)),
    (request("GET", "/lost", at_ms=40), None),
    (request("GET", "/big", at_ms=40), response(body=bytes((16 << 20) + 1))),
)


@pytest.mark.parametrize(("at_ms", "status"), [(0, 201), (10, 201), (29, 201), (30, 202), (999, 202)])
def test_of_several_the_last_before(at_ms: int, status: int) -> None:
    answer = Recorded().begin(CAPTURE).http(asked(at_ms=at_ms))  # type: ignore[arg-type]
    assert isinstance(answer, HttpResponse) and answer.status == status


def test_the_answer_is_the_recorded_one_after_its_time() -> None:
    answer = Recorded(CAPTURE).begin(None).http(asked())  # type: ignore[arg-type]
    assert answer == HttpResponse(201, {"x": "1"}, b"first", (), 7.0)


def test_what_was_not_recorded() -> None:
    playing = Recorded().begin(CAPTURE)  # type: ignore[arg-type]
    assert playing.http(asked("/other")) == Unreachable()
    assert playing.http(asked(method="POST")) == Unreachable()
    assert playing.http(asked("/lost")) == Unreachable(reason="connection termination")
    assert isinstance(playing.http(asked("/big")), Reset)
    with pytest.raises(ConfigError):
        Recorded().begin(None)


def test_grpc() -> None:
    grpc = request("POST", "/pkg.Svc/Get", "content-type: application/grpc", host="elsewhere")
    frame = b"\0\0\0\0\x04pong"
    good = response(200, "content-type: application/grpc", body=frame, trailers=("grpc-status: 0", "t: v"))
    bad = response(200, "grpc-status: 7", "grpc-message: no")
    broken = replace(good, body=frame[:-1])
    wanted = GrpcRequest("svc", (), b"ping", START_NS, None, "f", 0, service="pkg.Svc", method="Get")

    def play(answer: object) -> object:
        return Recorded().begin(exchanges((grpc, answer))).grpc(wanted)  # type: ignore[arg-type]

    assert play(good) == GrpcResponse(b"pong", trailers={"t": "v"}, latency_ms=3.0)
    assert play(bad) == GrpcResponse(status=7, status_message="no", latency_ms=3.0)
    assert isinstance(play(broken), Reset)
    assert play(response(403)) == HttpResponse(403, latency_ms=3.0)
    assert Recorded().begin(CAPTURE).grpc(wanted) == Unreachable()  # type: ignore[arg-type]
