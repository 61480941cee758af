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


def test_the_same_answer_always(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("clusters: {auth: {otherwise: {status: 503}}}")
    assert Clusters.load(tmp_path / "c.yaml")["auth"] == Script([], HttpResponse(503))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: is empty where a mapping is wanted"),
        ("a: [", "this is not YAML"),
        ("clusters: {a: &x [*x]}", "is not YAML that could be meant"),
        ("cluster: {}", "line 1: cluster is no key that is known here. Known are clusters"),
        ("{}", "line 1: has no clusters"),
        ("clusters: []", "line 1: clusters is a list where a mapping is wanted"),
        ("clusters: {a: {}}", "a has nothing"),
        ("clusters: {a: {capture: true, url: x}}", "a has capture and url"),
        ("clusters: {a: {capture: yes please}}", "capture is not true"),
        ("clusters: {a: {url: 'ftp://h'}}", "url: 'ftp://h' is no address"),
        ("clusters: {a: {url: 'http://h/path'}}", "url: 'http://h/path'"),
        ("clusters: {a: {url: 'http://[h'}}", "url: 'http://[h'"),
        ("clusters: {a: {answers: {}}}", "answers is a mapping where a list"),
        ("clusters:\n  a:\n    answers:\n      - status: 200\n      - status: 42", "line 5: answers: an HTTP status"),
        ("clusters: {a: {answers: [{latency: 4}]}}", "latency is no key that is known here. Known are match, sequence"),
        ("clusters: {a: {answers: [{latency_ms: soon}]}}", "answers: a latency is a number"),
        ("clusters:\n  a:\n    answers:\n      - headers:\n          a: 1", "line 5: a is 1 where text is wanted"),
        ("clusters: {a: {answers: [{headers: [a]}]}}", "headers is neither"),
        ("clusters: {a: {answers: [{headers: 5}]}}", "headers is neither"),
        ("clusters: {a: {answers: [{headers: [[a, 5]]}]}}", "headers is 5 where text is wanted"),
        ("clusters: {a: {answers: [{body: 5}]}}", "body is 5 where text is wanted"),
        ("clusters: {a: {answers: [{match: {host: x}}]}}", "host is no key that is known here. Known are method"),
        ("clusters: {a: {answers: [{match: {path: 5}}]}}", "path is 5 where text is wanted"),
        ("clusters: {a: {answers: [{failure: later}]}}", "failure 'later' is none. Give one of reset"),
        ("clusters: {a: {answers: [{failure: reset, latency_ms: x}]}}", "latency_ms is 'x' where a number is wanted"),
        ("clusters: {a: {answers: [{failure: reset, status: 200}]}}", "status is no key that is known here. Known are failure"),
        ("clusters: {a: {answers: [{grpc: {}, body: x}]}}", "body is no key that is known here. Known are grpc"),
        ("clusters: {a: {answers: [{grpc: {status: 99}}]}}", "grpc: a gRPC status"),
        ("clusters: {a: {answers: [{grpc: {message_hex: xyz}}]}}", "message_hex is no hex"),
        ("clusters: {a: {answers: [{grpc: {message_base64: '?'}}]}}", "message_base64 is no base64"),
        ("clusters: {a: {answers: [{grpc: {message: a, message_hex: aa}}]}}", "grpc has message and message_hex"),
        ("clusters: {a: {answers: [{sequence: []}]}}", "sequence is a list of answers"),
        ("clusters: {a: {answers: [{sequence: {}}]}}", "sequence is a mapping where a list is wanted"),
        ("clusters: {a: {answers: [{sequence: [{status: 200}], status: 200}]}}", "sequence is a list of answers, with no other"),
        ("clusters: {a: {answers: [{sequence: [{status: 200}], cycle: 1}]}}", "cycle is 1 where true or false"),
        ("clusters: {a: {answers: [{cycle: true}]}}", "cycle belongs to a sequence"),
        ("clusters: {a: {otherwise: {status: 200}, url: 'http://h'}}", "a has otherwise and url"),
        ("clusters: {a: {answers: [], otherwise: {x: 1}}}", "x is no key that is known here"),
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
