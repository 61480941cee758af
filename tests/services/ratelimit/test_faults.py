from __future__ import annotations

from pathlib import Path

import pytest

from tests.services.ratelimit.asking import Asking, message
from workbench.errors import ConfigError
from workbench.services import Clusters, GrpcRequest, GrpcResponse, HttpRequest, Never, Unreachable
from workbench.services.ratelimit import EnvoyRateLimit, Fault, Limit, Limitador, scripted_answer
from workbench.services.ratelimit.messages import CHECK, OK, OVER_LIMIT, REPORT, SHOULD, RateLimitResponse
from workbench.services.ratelimit.service import RateLimits

LIMITS = [Limit("toys", 5, 10)]


def _asking(*faults: Fault) -> Asking:
    return Asking(Limitador(LIMITS, faults=faults))


def _kinds(ask: Asking, times: range, **entries: str) -> list[str]:
    given = [ask.raw(t, message("toys", entries)) for t in times]
    return [type(each).__name__ + (str(each.status) if isinstance(each, GrpcResponse) and each.status else "") for each in given]


def test_every_third() -> None:
    ask = _asking(Fault("unavailable", every=3, latency_ms=2))
    assert _kinds(ask, range(6)) == ["GrpcResponse", "GrpcResponse", "Unreachable"] * 2
    # what never arrived is not counted
    assert ask(6, "toys").limits[0].count == 5
    assert Asking(Limitador(LIMITS, faults=[Fault("unavailable", latency_ms=2)])).raw(0, message("toys")) == Unreachable(2)


def test_in_a_span_of_time() -> None:
    ask = _asking(Fault("status", status=13, message="broken", after_s=2, until_s=4))
    assert _kinds(ask, range(100, 106)) == ["GrpcResponse"] * 2 + ["GrpcResponse13"] * 2 + ["GrpcResponse"] * 2


def test_for_a_descriptor_a_domain_and_a_method() -> None:
    ask = _asking(
        Fault("never", descriptor={"user": "j*"}),
        Fault("status", status=9, domain="other*"),
        Fault("status", status=8, method="Check*"),
    )
    assert _kinds(ask, range(2), user="jane") == ["Never", "Never"]
    assert _kinds(ask, range(1), user="mary") == ["GrpcResponse"] == _kinds(ask, range(1))
    assert ask.raw(0, message("others")).status == 9
    assert (ask.raw(0, message("toys"), CHECK).status, ask.raw(0, message("toys"), REPORT).status) == (8, 0)
    assert isinstance(ask.raw(0, message("toys", {"user": "june"})), Never)


def test_slow_answers_are_counted() -> None:
    ask = _asking(Fault("slow", latency_ms=300, every=2), Fault("deadline", every=3))
    given = [ask.raw(t, message("toys"), timeout_ms=20) for t in range(4)]
    assert [each.latency_ms for each in given] == [1.0, 300, 30.0, 300]
    assert [each.limits[0].count for each in given] == [1, 2, 3, 4]
    assert _asking(Fault("deadline")).raw(0, message("toys"), timeout_ms=None).latency_ms == 1.0


def test_the_deadline_that_real_envoy_tells() -> None:
    service = Limitador(LIMITS, faults=[Fault("deadline")]).begin()
    told = ((b"x-envoy-expected-rq-timeout-ms", b"200"),)
    asked = GrpcRequest("rls", told, message("toys"), 0, None, "", 0, service=SHOULD[0], method=SHOULD[1])
    assert service.grpc(asked).latency_ms == 210.0  # type: ignore[union-attr]


def test_answers_of_ones_own() -> None:
    answer = scripted_answer(
        "over_limit",
        response_headers={"retry-after": "3"},
        request_headers=[("x-tier", "free")],
        raw_body=b"slow down",
        dynamic_metadata={"tier": {"name": "free", "left": [1, None, True]}},
        latency_ms=7,
    )
    given = _asking(Fault("answer", answer=answer)).raw(0, message("toys"))
    told = RateLimitResponse.FromString(given.message)
    assert (given.latency_ms, given.limits, told.overall_code, told.raw_body) == (7, (), OVER_LIMIT, b"slow down")
    assert [(each.key, each.value) for each in told.response_headers_to_add] == [("retry-after", "3")]
    assert [(each.key, each.value) for each in told.request_headers_to_add] == [("x-tier", "free")]
    assert told.dynamic_metadata["tier"]["left"][2] is True


def test_each_replay_has_the_same_faults() -> None:
    source = Limitador(LIMITS, faults=[Fault("never", every=2)], carry_on=True)
    assert [_kinds(Asking(source), range(2)) for _ in range(2)] == [["GrpcResponse", "Never"]] * 2


def test_what_it_does_not_speak() -> None:
    service = Limitador(LIMITS).begin()
    unknown = GrpcRequest("rls", (), b"", 0, None, "f", 0, service="pkg.Other", method="Call")
    assert service.grpc(unknown) == service.peek(unknown)
    assert service.grpc(unknown).status == 12  # type: ignore[union-attr]
    known = GrpcRequest("rls", (), b"\xff\xff", 0, None, "f", 0, service=SHOULD[0], method=SHOULD[1])
    assert service.peek(known).status == 0 and service.grpc(known).status == 13  # type: ignore[union-attr]
    assert service.http(HttpRequest("rls", (), b"", 0, None, "f", 0)).status == 415  # type: ignore[union-attr]


@pytest.mark.parametrize(("source", "status"), [(Limitador(LIMITS), 11), (EnvoyRateLimit({"domain": "toys"}), 8)])
def test_a_message_that_is_larger_than_servers_take(source: RateLimits, status: int) -> None:
    ask = Asking(source)
    most = 4 << 20
    body = message("toys", {"k": "v" * (most - 30)})
    assert len(body) <= most and ask.raw(0, body).status == 0
    assert ask.raw(0, body + bytes(most)).status == status


def test_no_filter_decides_how_much_is_kept() -> None:
    """Long values stand for themselves, and are not kept."""
    limits = [Limit("toys", 1, 10, variables=("descriptors[0].user",))]
    descriptors = [{"key": "user", "rate_limit": {"unit": "year", "requests_per_unit": 1}}]
    for source in (Limitador(limits), EnvoyRateLimit({"domain": "toys", "descriptors": descriptors})):
        ask = Asking(source)
        users = ["a" * 5000, "a" * 5000 + "b", "c"]
        assert [ask(0, "toys", {"user": user}).code for user in users + users] == [OK] * 3 + [OVER_LIMIT] * 3
        assert len(repr(ask.service.counting.counters)) < 3000  # type: ignore[attr-defined]


CLUSTERS = """
clusters:
  limits:
    rls:
      limitador: toys/limits.yaml
      headers: draft03
      library: "0.14"
      latency_ms: 2.5
      carry_on: true
      faults:
        - {fault: slow, latency_ms: 300, descriptor: {user: "j*"}, every: 2}
        - {fault: status, status: 13, message: broken, after_s: 5, until_s: 8}
        - fault: answer
          answer: {code: OVER_LIMIT, response_headers: {retry-after: "3"}, request_headers: {a: b}, raw_body: x, dynamic_metadata: {a: 1}}
  ratelimit: {rls: {envoy: toys/config.yaml, headers: true}}
"""


def _files(folder: Path, clusters: str = CLUSTERS) -> Path:
    (folder / "toys").mkdir(exist_ok=True)
    (folder / "toys" / "limits.yaml").write_text("- {namespace: toys, max_value: 5, seconds: 10, conditions: [], variables: []}")
    (folder / "toys" / "config.yaml").write_text("domain: toys")
    (folder / "clusters.yaml").write_text(clusters)
    return folder / "clusters.yaml"


def test_in_the_clusters_file(tmp_path: Path) -> None:
    clusters = Clusters.load(_files(tmp_path))
    limitador, envoy = clusters["limits"], clusters["ratelimit"]
    assert isinstance(limitador, Limitador) and isinstance(envoy, EnvoyRateLimit)
    assert (limitador.limits, limitador.headers, limitador.library) == (tuple(LIMITS), "draft03", "0.14")
    assert (limitador.latency_ms, limitador.carry_on) == (2.5, True)
    assert limitador.faults[:2] == (
        Fault("slow", latency_ms=300, descriptor={"user": "j*"}, every=2),
        Fault("status", status=13, message="broken", after_s=5, until_s=8),
    )
    answer = scripted_answer(
        "OVER_LIMIT", response_headers={"retry-after": "3"}, request_headers={"a": "b"}, raw_body=b"x", dynamic_metadata={"a": 1}
    )
    assert limitador.faults[2].answer == answer
    assert envoy.headers and clusters.measured == ()


@pytest.mark.parametrize(
    ("rls", "told"),
    [
        ("5", "rls is 5 where a mapping is wanted"),
        ("{}", "rls gives both or neither of limitador and envoy"),
        ("{limitador: a, limits: b}", "limits is no key that is known here"),
        ("{limitador: none.yaml}", "none.yaml: cannot be read"),
        ("{limitador: toys/limits.yaml, headers: v9}", "headers 'v9' are none that Limitador knows. Give one of none, draft03"),
        ("{limitador: toys/limits.yaml, headers: true}", "headers is True where text is wanted"),
        ("{envoy: toys/config.yaml, headers: draft03}", "headers is 'draft03' where true or false is wanted"),
        ("{limitador: toys/limits.yaml, library: '9'}", "library '9' is none that is known. Give one of 0.11, 0.13, 0.14"),
        ("{envoy: toys/config.yaml, library: '0.14'}", "library is of Limitador alone"),
        ("{limitador: toys/limits.yaml, latency_ms: -1}", "a latency is a number"),
        ("{limitador: toys/limits.yaml, carry_on: 1}", "carry_on is 1 where true or false"),
        ("{limitador: toys/limits.yaml, faults: [{every: 2}]}", "faults has no fault"),
        ("{limitador: toys/limits.yaml, faults: [{fault: later}]}", "fault 'later' is none. Give one of unavailable"),
        ("{limitador: toys/limits.yaml, faults: [{fault: never, every: 0}]}", "faults: every 0 is not a whole number from 1"),
        ("{limitador: toys/limits.yaml, faults: [{fault: status, status: 0}]}", "faults: status 0 is no failure"),
        ("{limitador: toys/limits.yaml, faults: [{fault: status, status: 99}]}", "faults: a gRPC status"),
        ("{limitador: toys/limits.yaml, faults: [{fault: answer}]}", "faults: an answer belongs"),
        ("{limitador: toys/limits.yaml, faults: [{fault: answer, answer: {code: MAYBE}}]}", "'MAYBE' is no code of an answer"),
        ("{limitador: toys/limits.yaml, faults: [{fault: answer, answer: {code: OK, body: x}}]}", "body is no key that is known here"),
    ],
)
def test_what_is_wrong_there(rls: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        Clusters.load(_files(tmp_path, f"clusters: {{limits: {{rls: {rls}}}}}"))
    assert told in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(f"{tmp_path / 'clusters.yaml'}: line 1: ")


def test_a_mistake_in_the_limits_is_told_with_both_files(tmp_path: Path) -> None:
    path = _files(tmp_path)
    (tmp_path / "toys" / "limits.yaml").write_text("- namespace: a\n  max_value: x")
    with pytest.raises(ConfigError, match=r"clusters\.yaml: line 5: limitador: .*limits\.yaml: line 1: has no seconds"):
        Clusters.load(path)
