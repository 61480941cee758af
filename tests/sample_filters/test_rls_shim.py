"""rls_shim in replays: each form of its configuration, what it asks, what it does with answers and failures."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.config.made import HOST, get, post
from tests.config.objects import ROUTE, loader, policy
from tests.core.traffic import Made, response
from workbench.config.kuadrant import Kuadrant
from workbench.replay import Replay
from workbench.services import NEVER, Entry, GrpcRequest, GrpcResponse, Script, Unreachable
from workbench.services.ratelimit.messages import RateLimitRequest, RateLimitResponse

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "sample_filters" / "rls_shim"
SHIM = FOLDER / "rls_shim.wasm"
FORMS = ("0.4", "0.6", "0.8", "0.11", "0.13")
OK, OVER = GrpcResponse(b"\x08\x01"), GrpcResponse(b"\x08\x02")


@pytest.fixture(scope="module")
def sample() -> Kuadrant:
    return wb.config.kuadrant.load(FOLDER / "policy.yaml", FOLDER / "route.yaml")


def statuses(replay: Replay) -> list[int]:
    return [one.result["downstream_response"]["status"] for one in replay]


def header(replay: Replay, name: str) -> list[str | None]:
    """The value of a header in each response."""
    return [dict(one.result["downstream_response"]["headers"]).get(name) for one in replay]


def body_is(replay: Replay, body: bytes) -> bool:
    """Whether the first response has this body."""
    response = replay[0].result["downstream_response"]
    return (response["body_size"], response["body_sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


class Asked:
    """A service that keeps what it is asked and always answers the same."""

    def __init__(self, answer: GrpcResponse = OK) -> None:
        self.calls: list[GrpcRequest] = []
        self._answer = answer

    def __call__(self, request: GrpcRequest) -> GrpcResponse:
        self.calls.append(request)
        return self._answer

    @property
    def messages(self) -> list[tuple[str, int, list[dict[str, str]]]]:
        """Domain, hits and descriptors of each."""
        parsed = [RateLimitRequest.FromString(call.message) for call in self.calls]
        return [
            (one.domain, one.hits_addend, [{entry.key: entry.value for entry in each.entries} for each in one.descriptors])
            for one in parsed
        ]


@pytest.mark.parametrize("form", FORMS)
def test_five_in_ten_seconds(sample: Kuadrant, form: str) -> None:
    """One POST a second: what a Limitador decides by its documented rules, windows beginning with the first counted request."""
    replay = sample.chain(SHIM, form, headers="draft03").replay(Made([post(at_ms=1000 * second) for second in range(12)]))
    assert statuses(replay) == [200] * 5 + [429] * 5 + [200] * 2
    assert header(replay, "x-ratelimit-remaining") == ["4", "3", "2", "1", "0", "0", "0", "0", "0", "0", "4", "3"]
    assert header(replay, "x-ratelimit-reset") == ["0", "9", "8", "7", "6", "5", "4", "3", "2", "1", "0", "9"]
    assert set(replay.decisions["kind"]) == {"allowed", "limited"}
    refused = replay[5].result["local_response"]
    assert (refused["status"], refused["filter"], refused["details"]) == (429, "rls_shim", "")


@pytest.mark.parametrize("form", FORMS)
def test_what_is_asked_about(sample: Kuadrant, form: str) -> None:
    asked = Asked()
    requests = [
        get(),
        post("/toys/1"),
        post("/toys?x=1"),
        post(host=f"{HOST}:8080"),
        post(host="other.com"),
        post(host=f"x.{HOST}"),
        post(),
    ]
    replay = sample.chain(SHIM, form, clusters={sample.cluster(form): asked}).replay(Made(requests))
    assert statuses(replay) == [200] * 7
    assert [call.exchange for call in asked.calls] == [2, 3, 6]
    key = "limit.create_toy__fb82c51a"
    assert asked.messages == [("default/toystore", 1, [{key: "1"}])] * 3
    assert {(call.service, call.method) for call in asked.calls} == {("envoy.service.ratelimit.v3.RateLimitService", "ShouldRateLimit")}
    assert {call.timeout_ms for call in asked.calls} == {5000 if form in ("0.4", "0.6") else 100}


def test_the_message_to_the_byte(sample: Kuadrant) -> None:
    asked = Asked()
    sample.chain(SHIM, clusters={sample.cluster(): asked}).replay(Made([post()]))
    entry = b"\x0a\x1alimit.create_toy__fb82c51a\x12\x011"
    assert asked.calls[0].message == b"\x0a\x10default/toystore\x12\x21\x0a\x1f" + entry + b"\x18\x01"


def test_tracing_goes_along(sample: Kuadrant) -> None:
    asked = Asked()
    sample.chain(SHIM, clusters={sample.cluster(): asked}).replay(
        Made([post("/toys", "traceparent: 00-a-b-01", "baggage: k=v", "x-other: 1")])
    )
    assert (asked.calls[0].header("traceparent"), asked.calls[0].header("baggage")) == (b"00-a-b-01", b"k=v")
    assert asked.calls[0].header("x-other") is None


@pytest.mark.parametrize("form", FORMS)
def test_nobody_answers(sample: Kuadrant, form: str) -> None:
    clusters = {sample.cluster(form): Unreachable()}
    denied = sample.chain(SHIM, form, failure_mode="deny", clusters=clusters).replay(Made([post(), get()]))
    assert (statuses(denied), list(denied.decisions["verdict"])) == ([500, 200], ["error refused"])
    assert denied[0].result["local_response"]["details"] == "" and body_is(denied, b"Internal Server Error.\n")
    allowed = sample.chain(SHIM, form, failure_mode="allow", clusters=clusters).replay(Made([post(), get()]))
    assert (statuses(allowed), list(allowed.decisions["verdict"])) == ([200, 200], ["error let through"])


@pytest.mark.parametrize("form", ["0.4", "0.13"])
@pytest.mark.parametrize(
    "failure",
    [GrpcResponse(status=4), *map(GrpcResponse, (b"", b"\x08\x00", b"\x08\x07", b"\xff\xff")), NEVER],
    ids=["status", "empty", "unknown", "other code", "unparsable", "timeout"],
)
def test_answers_that_are_failures(sample: Kuadrant, form: str, failure: Any) -> None:
    made, clusters = Made([post(), get(at_ms=9000)]), {sample.cluster(form): failure}
    for mode, status in (("deny", 500), ("allow", 200)):
        assert statuses(sample.chain(SHIM, form, failure_mode=mode, clusters=clusters).replay(made)) == [status, 200]


def test_a_cluster_that_is_not_there(sample: Kuadrant) -> None:
    config = sample.filter_config(failure_mode="deny")
    assert statuses(wb.Chain(wb.Filter(SHIM, config)).replay(Made([post(), get()]))) == [500, 200]
    config = sample.filter_config(failure_mode="allow")
    assert statuses(wb.Chain(wb.Filter(SHIM, config)).replay(Made([post(), get()]))) == [200, 200]


def test_headers_of_an_answer(sample: Kuadrant) -> None:
    """Refusals bring them; responses get them set, in the older forms added."""
    answer = RateLimitResponse(overall_code=1)
    answer.response_headers_to_add.add(key="X-Twice", value="1")
    answer.response_headers_to_add.add(key="X-Raw", raw_value=b"2")
    for form, kept in (("0.4", ["upstream", "1"]), ("0.8", ["upstream", "1"]), ("0.11", ["1"]), ("0.13", ["1"])):
        made = Made([(post(), response(200, "x-twice: upstream", "content-length: 2", body=b"ok"))])
        replay = sample.chain(SHIM, form, clusters={sample.cluster(form): GrpcResponse(answer.SerializeToString())}).replay(made)
        fields = replay[0].result["downstream_response"]["headers"]
        assert [value for name, value in fields if name == "x-twice"] == kept, form
        assert ["x-raw", "2"] in fields
    answer.overall_code = 2
    refused = sample.chain(SHIM, clusters={sample.cluster(): GrpcResponse(answer.SerializeToString())}).replay(Made([post()]))
    assert ["x-twice", "1"] in refused[0].result["downstream_response"]["headers"]
    assert body_is(refused, b"Too Many Requests\n")


def hostcalls(replay: Replay, callback: str) -> list[str]:
    table = replay.hostcalls
    return [name for name in table[table["callback"] == callback]["hostcall"] if name not in ("log", "random_get")]


def test_the_order_of_hostcalls(sample: Kuadrant) -> None:
    replay = sample.chain(SHIM, headers="draft03").replay(Made([post()]))
    assert hostcalls(replay, "on_configure") == [
        *["define_metric"] * 6, "increment_metric", "get_buffer_bytes", "get_log_level",
    ]  # fmt: skip
    assert hostcalls(replay, "on_request_headers") == [
        *["get_property"] * 3, "get_header_map_pairs", "increment_metric", "grpc_call",
    ]  # fmt: skip
    assert hostcalls(replay, "on_grpc_receive") == ["set_effective_context", "get_buffer_bytes", "continue_stream"]
    assert hostcalls(replay, "on_response_headers") == ["increment_metric", "get_header_map_pairs", "set_header_map_pairs"]


def counted(replay: Replay) -> dict[str, int]:
    """What the filter's counters have come to."""
    calls = replay.hostcalls[["hostcall", "arguments"]].itertuples(index=False)
    names: dict[str, str] = {}
    found: Counter[str] = Counter()
    for hostcall, arguments in calls:
        given = dict(part.split("=", 1) for part in arguments.split(", ")) if "metric" in hostcall else {}
        if hostcall == "define_metric":
            names[given["metric_id"]] = given["name"].strip('"').removeprefix("kuadrant.")
        elif hostcall == "increment_metric":
            found[names[given["metric_id"]]] += int(given["offset"])
    return dict(found)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("deny", {"configs": 1, "hits": 7, "misses": 1, "allowed": 5, "denied": 2, "errors": 1}),
        ("allow", {"configs": 1, "hits": 7, "misses": 1, "allowed": 6, "denied": 1, "errors": 1}),
    ],
)
def test_counters(sample: Kuadrant, mode: str, expected: dict[str, int]) -> None:
    """Six POSTs of which the last is too much, a GET, and a POST when the service is gone."""
    answers = Script([Entry((OK, OK, OK, OK, OK, OVER, Unreachable()))])
    chain = sample.chain(SHIM, failure_mode=mode, clusters={sample.cluster(): answers})
    made = Made([*(post(at_ms=10 * step) for step in range(6)), get(at_ms=100), post(at_ms=110)])
    assert counted(chain.replay(made)) == expected


TWO = """\
limits:
  per-user:
    rates: [{limit: 3, window: 10s}]
    counters: [{expression: "request.headers['x-user']"}]
    when: [{predicate: "'x-user' in request.headers"}]
  all:
    rates: [{limit: 5, window: 10s}]
    when: [{predicate: "!request.headers.exists(h, h.lowerAscii() == 'x-free')"}, {predicate: "queryMap(request.query)['a'] != 'b c'"}]"""


@pytest.mark.parametrize("form", FORMS[2:])
def test_predicates_and_counters(tmp_path: Path, form: str) -> None:
    found = loader(tmp_path)(policy(TWO, target="HTTPRoute/toystore/rule-2"), ROUTE)
    asked = Asked()
    requests = [
        post("/toys?a=1", "X-User: jane"),
        post("/toys?a=b%20c", "X-User: jane"),
        post("/toys?a=b%20c"),
        post("/toys?a=1", "X-Free: 1"),
    ]
    replay = found.chain(SHIM, form, clusters={found.cluster(form): asked}).replay(Made(requests))
    assert statuses(replay) == [200] * 4
    every, user = ({key: "1"} for key in [limit["conditions"][0].split('"')[1] for limit in found.limits()])
    user |= {"request.headers['x-user']": "jane"}
    scope = "default/toystore"
    if form == "0.11":
        assert asked.messages == [(scope, 1, [every | user]), (scope, 1, [user])]
    else:
        assert asked.messages == [(scope, 1, [every]), (scope, 1, [user]), (scope, 1, [user])]


def test_the_first_refusal_ends_it(tmp_path: Path) -> None:
    found = loader(tmp_path)(policy("limits: {a: {}, b: {}}"), ROUTE)
    asked = Asked(OVER)
    assert statuses(found.chain(SHIM, "0.8", clusters={found.cluster("0.8"): asked}).replay(Made([post()]))) == [429]
    assert len(asked.calls) == 1


def test_what_cannot_be_evaluated_is_a_failure(tmp_path: Path) -> None:
    spec = "limits: {a: {counters: [{expression: \"request.headers['x-user']\"}]}}"
    found = loader(tmp_path)(policy(spec), ROUTE)
    for mode, expected in (("deny", [500, 200]), ("allow", [200, 200])):
        asked = Asked()
        for form in FORMS[2:]:
            chain = found.chain(SHIM, form, failure_mode=mode, clusters={found.cluster(form): asked})
            assert statuses(chain.replay(Made([post(), post("/toys", "x-user: jane")]))) == expected
        assert len(asked.calls) == 3


def test_matches_is_a_glob(sample: Kuadrant) -> None:
    for value, paths in (
        ("/toy?", ["/toy", "/toys"]),
        ("/t*", ["/toy", "/toys", "/t"]),
        ("/t+s", ["/toys"]),
        ("*", ["/toy", "/toys", "/t", "/x"]),
    ):
        config = sample.filter_config("0.4")
        config["rateLimitPolicies"][0]["rules"][0]["conditions"] = [
            {"allOf": [{"selector": "request.url_path", "operator": "matches", "value": value}]}
        ]
        asked = Asked()
        chain = wb.Chain(wb.Filter(SHIM, config), clusters={sample.cluster("0.4"): asked})
        made = Made([post(path) for path in ("/toy", "/toys", "/t", "/x")])
        chain.replay(made)
        assert [made[call.exchange].request.path.decode() for call in asked.calls if call.exchange is not None] == paths


@pytest.mark.parametrize(
    "predicate",
    [
        "'Toy'.lowerAscii() + 'Toy'.upperAscii() + ' x '.trim() == 'toyTOYx'",
        "'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b' && ['a', 'b'].join() == 'ab'",
        "'ünü'.charAt(1) == 'n' && 'ünü'.substring(1) == 'nü' && 'ünü'.substring(0, 1) == 'ü' && 'a'.charAt(1) == ''",
        "'ünü'.indexOf('n') == 1 && 'ünü'.lastIndexOf('ü') == 2 && 'a'.indexOf('b') == -1 && 'aba'.replace('a', 'c') == 'cbc'",
        "queryMap(request.query) == {'a': '1', 'b': 'x y+z', 'c': ''}",
        "queryMap(request.query, true)['a'] == ['1', '2'] && decodeQueryString(request.query, false)['a'] == '1'",
        "request.url_path.matches('^/t.ys$') && request.path.startsWith('/toys?') && size(request.headers['x-list']) == 3",
        "request.headers['x-list'] == '1,2' && request.headers['none'] == null && !has(request.headers.no) && 'x-list' in request.headers",
        "string(1) + string(2u) + string(true) == '12true' && int('5') > 4 && [1, 2].exists(n, n == 2)",
        "request.scheme == 'http' && connection.mtls == false && source.service == null && metadata.none == null",
        "request.size == 3",
    ],
)
def test_cel(sample: Kuadrant, predicate: str) -> None:
    config = sample.filter_config("0.11")
    config["actionSets"][0]["routeRuleConditions"]["predicates"] = [predicate]
    asked = Asked()
    chain = wb.Chain(wb.Filter(SHIM, config), clusters={sample.cluster(): asked})
    replay = chain.replay(Made([post("/toys?a=1&a=2&b=x%20y+z&c", "x-list: 1", "x-list: 2")]))
    assert (statuses(replay), len(asked.calls)) == ([200], 1), list(replay.logs["message"])


@pytest.mark.parametrize("predicate", ["'abc'.substring(4)", "'abc'.charAt(-1)", "[1].join(',')", "1", "x.y()"])
def test_routes_that_cannot_be_decided(sample: Kuadrant, predicate: str) -> None:
    config = sample.filter_config("0.11", failure_mode="allow")
    config["actionSets"][0]["routeRuleConditions"]["predicates"] = [predicate]
    replay = wb.Chain(wb.Filter(SHIM, config)).replay(Made([post()]))
    assert statuses(replay) == [500] and not replay.failures.size


def test_reserved_keys_and_labels(sample: Kuadrant) -> None:
    config = sample.filter_config("0.11")
    data = config["actionSets"][0]["actions"][0]["conditionalData"][0]["data"]
    data += [
        {"static": {"key": "ratelimit.domain", "value": "elsewhere"}},
        {"expression": {"key": "ratelimit.hits_addend", "value": "1 + 1"}},
    ]
    config["requestData"] = {"metrics.labels.user": "request.headers['x-user']", "other.path": "request.path"}
    asked = Asked()
    wb.Chain(wb.Filter(SHIM, config), clusters={sample.cluster(): asked}).replay(Made([post("/toys?x", "x-user: jane")]))
    assert asked.messages == [("elsewhere", 2, [{"limit.create_toy__fb82c51a": "1"}, {"user": "jane", "other.path": "/toys?x"}])]


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("form", "change", "told"),
    [
        ("0.4", lambda config: config.pop("failureMode"), "missing field `failureMode`"),
        ("0.4", lambda config: config["rateLimitPolicies"][0]["rules"][0]["data"].append({"other": {}}), "unknown variant `other`"),
        ("0.6", lambda config: config["extensions"].clear(), 'no extension "limitador"'),
        ("0.8", lambda config: config["services"].clear(), 'no service "ratelimit-service"'),
        ("0.8", lambda config: config["services"]["ratelimit-service"].update(timeout="5"), '"5" is no duration'),
        ("0.8", lambda config: config["actionSets"][0]["actions"][0].update(service="auth-service"), "knows rate limits only"),
        ("0.11", lambda config: config["actionSets"][0]["routeRuleConditions"].update(predicates=["a =="]), '"a ==" is not CEL'),
        ("0.13", lambda config: config["actionSets"][0]["actions"][0].update(type="deny"), 'an action of type "deny"'),
        ("0.13", lambda config: config["actionSets"][0]["actions"][0].update(messageBuilder="1"), "no RateLimitRequest is made"),
        ("0.13", lambda config: config["actionSets"][0]["actions"][0].update(predicate="X{}"), "makes a message where a value is wanted"),
        ("0.13", lambda config: config.pop("services"), "missing field `services`"),
    ],
)  # fmt: skip
def test_configurations_that_are_refused(sample: Kuadrant, form: str, change: Change, told: str) -> None:
    config = json.loads(json.dumps(sample.filter_config(form)))
    change(config)
    with pytest.raises(wb.FilterLoadError) as caught:
        wb.Chain(wb.Filter(SHIM, config)).replay(Made([post()]))
    assert told in str(caught.value)
