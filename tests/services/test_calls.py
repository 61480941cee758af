from __future__ import annotations

from typing import Any

import pytest

from workbench.errors import ConfigError
from workbench.services import GrpcResponse, HttpResponse, Reset, Unreachable
from workbench.services.calls import MOST_BYTES


def test_values_become_bytes_and_names_lower_case() -> None:
    answer = HttpResponse(200, {"X-Up": "é"}, "text", [(b"T", b"\xff")])
    assert answer.headers == ((b"x-up", "é".encode()),)
    assert (answer.body, answer.trailers) == (b"text", ((b"t", b"\xff"),))
    assert GrpcResponse("m").message == b"m"


@pytest.mark.parametrize(
    "make",
    [
        lambda: HttpResponse(99),
        lambda: HttpResponse(600),
        lambda: HttpResponse(True),
        lambda: HttpResponse("200"),
        lambda: HttpResponse(latency_ms=-1),
        lambda: HttpResponse(latency_ms=float("nan")),
        lambda: HttpResponse(latency_ms=True),
        lambda: HttpResponse(latency_ms="5"),
        lambda: HttpResponse(headers=[("a",)]),
        lambda: HttpResponse(headers={"a": 1}),
        lambda: HttpResponse(headers=5),
        lambda: HttpResponse(body=5),
        lambda: HttpResponse(body=bytes(MOST_BYTES + 1)),
        lambda: HttpResponse(headers={"a": bytes(MOST_BYTES)}),
        lambda: GrpcResponse(status=17),
        lambda: GrpcResponse(status_message=b"x"),
        lambda: Unreachable(-1),
        lambda: Reset(1e10),
    ],
)
def test_what_is_no_answer(make: Any) -> None:
    with pytest.raises(ConfigError):
        make()
