from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import ConfigError
from workbench.services import NEVER, Clusters, Entry, GrpcResponse, HttpResponse, Live, Match, Recorded, Reset, Script, Unreachable

WHOLE = """
clusters:
  auth:
    answers:
      - match: {method: GET, authority: auth.example, path: /check*}
        status: 403
        headers: [[a, b], [a, c]]
        body: "no"
        trailers: {t: v}
        latency_ms: 5
      - match: {service: pkg.Limits, method: Check}
        grpc: {status: 0, message_base64: CAE=, metadata: {a: b}, trailers: {c: d}, latency_ms: 2}
      - match: {path: /flaky}
        sequence: [{failure: reset}, {failure: unreachable, latency_ms: 3}, {failure: never}, {status: 204}]
        cycle: true
      - grpc: {status: 7, status_message: no}
    otherwise: {status: 404}
  recorded: {capture: true}
  real: {url: "http://127.0.0.1:8080"}
"""


def test_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(WHOLE.replace("status_message: no", 'status_message: "no"'))
    clusters = Clusters.load(tmp_path / "c.yaml")
    assert list(clusters) == ["auth", "recorded", "real"]
    assert clusters["auth"] == Script(
        [
            Entry((HttpResponse(403, [("a", "b"), ("a", "c")], "no", {"t": "v"}, 5),), Match("GET", "auth.example", "/check*")),
            Entry(
                (GrpcResponse(b"\x08\x01", metadata={"a": "b"}, trailers={"c": "d"}, latency_ms=2),), Match("Check", service="pkg.Limits")
            ),
            Entry((Reset(0.0), Unreachable(3), NEVER, HttpResponse(204)), Match(path="/flaky"), cycle=True),
            Entry((GrpcResponse(status=7, status_message="no"),)),
        ],
        HttpResponse(404),
    )
    assert clusters["recorded"] == Recorded()
    assert clusters["real"] == Live("http://127.0.0.1:8080")
    assert clusters.measured == ("real",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file: is empty where a mapping is wanted"),
        ("a: [", "is not YAML at line 1"),
        ("clusters: {a: &x [*x]}", "clusters.a: is of type list"),
        ("cluster: {}", "the file: has the unknown key 'cluster'. Known are clusters"),
        ("clusters: {1: {capture: true}}", "clusters: is of type int where text is wanted"),
        ("clusters: {a: {}}", "clusters.a: has nothing"),
        ("clusters: {a: {capture: true, url: x}}", "clusters.a: has capture and url"),
        ("clusters: {a: {capture: yes please}}", "clusters.a.capture: is not true"),
        ("clusters: {a: {url: 'ftp://h'}}", "clusters.a.url: 'ftp://h' is no address"),
        ("clusters: {a: {url: 'http://h/path'}}", "clusters.a.url"),
        ("clusters: {a: {url: 'http://[h'}}", "clusters.a.url"),
        ("clusters: {a: {answers: {}}}", "clusters.a.answers: is of type dict where a list"),
        ("clusters: {a: {answers: [{status: 42}]}}", "clusters.a.answers[0]: an HTTP status"),
        ("clusters: {a: {answers: [{latency: 4}]}}", "clusters.a.answers[0]: has the unknown key 'latency'"),
        ("clusters: {a: {answers: [{headers: {a: 1}}]}}", "clusters.a.answers[0].headers.a: is of type int where text is wanted"),
        ("clusters: {a: {answers: [{headers: [a]}]}}", "clusters.a.answers[0].headers: is neither"),
        ("clusters: {a: {answers: [{body: 5}]}}", "clusters.a.answers[0].body"),
        ("clusters: {a: {answers: [{match: {host: x}}]}}", "clusters.a.answers[0].match: has the unknown key 'host'"),
        ("clusters: {a: {answers: [{failure: later}]}}", "clusters.a.answers[0].failure: 'later' is no failure. Give one of reset"),
        ("clusters: {a: {answers: [{failure: reset, status: 200}]}}", "clusters.a.answers[0]: has the unknown key 'status'"),
        ("clusters: {a: {answers: [{grpc: {}, body: x}]}}", "clusters.a.answers[0]: has the unknown key 'body'"),
        ("clusters: {a: {answers: [{grpc: {status: 99}}]}}", "clusters.a.answers[0].grpc: a gRPC status"),
        ("clusters: {a: {answers: [{grpc: {message_hex: xyz}}]}}", "clusters.a.answers[0].grpc.message_hex: is no hex"),
        ("clusters: {a: {answers: [{grpc: {message: a, message_hex: aa}}]}}", "has message and message_hex"),
        ("clusters: {a: {answers: [{sequence: []}]}}", "clusters.a.answers[0].sequence"),
        ("clusters: {a: {answers: [{sequence: [{status: 200}], status: 200}]}}", "clusters.a.answers[0].sequence"),
        ("clusters: {a: {answers: [{cycle: true}]}}", "clusters.a.answers[0].cycle"),
        ("clusters: {a: {otherwise: {status: 200}, url: 'http://h'}}", "clusters.a: has otherwise and url"),
        ("clusters: {a: {answers: [], otherwise: {x: 1}}}", "clusters.a.otherwise: has the unknown key 'x'"),
    ],
)
def test_each_fault_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        Clusters.load(tmp_path / "c.yaml")
    assert told in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "c.yaml"))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        Clusters.of(tmp_path / "none.yaml")


@pytest.mark.parametrize("given", [{"a": 5}, {"": "capture"}, {1: "capture"}, {"a": [5]}, {"a": "nowhere"}, 5])
def test_values_that_are_no_source(given: object) -> None:
    with pytest.raises(ConfigError):
        Clusters.of(given)  # type: ignore[arg-type]
