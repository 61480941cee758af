"""The rules of envoyproxy/ratelimit: windows on the clock, each descriptor alone, every hit counted."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.services.ratelimit.asking import START_NS, Asking, S
from workbench.errors import ConfigError
from workbench.services import GrpcRequest
from workbench.services.ratelimit import EnvoyRateLimit
from workbench.services.ratelimit.messages import CHECK, OK, OVER_LIMIT, SHOULD, UNITS, RateLimitRequest

FILE = """
domain: toys
descriptors:
  - key: path
    value: /toys
    rate_limit: {unit: minute, requests_per_unit: 5}
    descriptors:
      - key: user
        rate_limit: {unit: second, requests_per_unit: 1}
      - {key: user, value: root, rate_limit: {unlimited: true}}
  - key: path
    rate_limit: {unit: hour, requests_per_unit: 100, name: any path}
  - key: file
    value: img/*
    rate_limit: {unit: minute, requests_per_unit: 2}
    share_threshold: true
  - key: file
    value: "doc/*"
    rate_limit: {unit: minute, requests_per_unit: 1}
  - key: file
    value: "*.pdf"
    rate_limit: {unit: minute, requests_per_unit: 1}
  - key: shadow
    rate_limit: {unit: minute, requests_per_unit: 1}
    shadow_mode: true
  - key: tenant
    value: gold
    rate_limit: {unit: minute, requests_per_unit: 50, name: gold, replaces: [{name: any path}]}
    detailed_metric: true
    value_to_metric: true
    metadata: {tier: [gold]}
"""


def _ask(headers: bool = False) -> Asking:
    return Asking(EnvoyRateLimit.parse(FILE, headers=headers))


def test_ten_requests_a_second_apart_from_the_middle_of_a_minute() -> None:
    """Five a minute, from 55 s on: the clock's minute ends after five, and not ten seconds after the first."""
    ask = _ask(headers=True)
    answers = [ask(52 + t, "toys", {"path": "/toys"}) for t in range(10)]
    assert [each.code for each in answers] == [OK] * 5 + [OVER_LIMIT] * 3 + [OK] * 2
    statuses = [each.statuses[0] for each in answers]
    assert [each.limit_remaining for each in statuses] == [4, 3, 2, 1, 0, 0, 0, 0, 4, 3]
    assert [each.duration_until_reset.seconds for each in statuses] == [8, 7, 6, 5, 4, 3, 2, 1, 60, 59]
    assert {(each.current_limit.requests_per_unit, each.current_limit.unit) for each in statuses} == {(5, UNITS["MINUTE"])}
    assert [each.headers["RateLimit-Reset"] for each in answers[:2]] == ["8", "7"]
    assert answers[0].headers == {"RateLimit-Limit": "5", "RateLimit-Remaining": "4", "RateLimit-Reset": "8"}
    # what is denied is counted too
    assert [each.limits[0].count for each in answers] == [1, 2, 3, 4, 5, 6, 7, 8, 1, 2]
    first = answers[0].limits[0]
    assert (first.service, first.name, first.key, first.window_s) == ("ratelimit toys", "toys.path_/toys", "path=/toys", 60)
    assert (first.start_ns, first.end_ns) == (START_NS, START_NS + 60 * S)
    assert answers[8].limits[0].start_ns == START_NS + 60 * S


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [("second", 1), ("MINUTE", 60), ("hour", 3600), ("day", 86400), ("week", 604800), ("month", 2592000), ("year", 31536000)],
)
def test_units(unit: str, seconds: int) -> None:
    given = {"domain": "d", "descriptors": [{"key": "k", "rate_limit": {"unit": unit, "requests_per_unit": 1}}]}
    state = Asking(EnvoyRateLimit(given))(1, "d", {"k": "v"}).limits[0]
    now = START_NS // S + 1
    assert (state.window_s, state.start_ns // S, state.end_ns // S) == (seconds, now // seconds * seconds, (now // seconds + 1) * seconds)


def test_the_limit_of_a_descriptor() -> None:
    ask = _ask()
    names = {
        ("/toys",): "toys.path_/toys",
        ("/other",): "any path",
    }
    for (path,), name in names.items():
        assert [state.name for state in ask(0, "toys", {"path": path}).limits] == [name]
    assert [state.name for state in ask(0, "toys", {"path": "/toys", "user": "jane"}).limits] == ["toys.path_/toys.user"]
    # more entries than the configuration has, an unknown key, an unknown domain: no limit
    for domain, entries in (
        ("toys", {"path": "/toys", "user": "jane", "more": "x"}),
        ("toys", {"path": "/other", "user": "jane"}),
        ("toys", {"other": "x"}),
        ("none", {"path": "/toys"}),
        ("toys", {}),
    ):
        answer = ask(0, domain, entries)
        assert (answer.code, answer.limits) == (OK, ())
        assert answer.statuses[0].code == OK and not answer.statuses[0].HasField("current_limit")


def test_each_descriptor_is_judged_alone() -> None:
    ask = _ask()
    jane = {"path": "/toys", "user": "jane"}
    answers = [ask(0.1 * t, "toys", {"path": "/toys"}, jane) for t in range(2)]
    assert [each.code for each in answers] == [OK, OVER_LIMIT]
    assert [[status.code for status in each.statuses] for each in answers] == [[OK, OK], [OK, OVER_LIMIT]]
    assert [state.count for state in answers[1].limits] == [2, 2]


def test_unlimited() -> None:
    answer = _ask()(0, "toys", {"path": "/toys", "user": "root"})
    assert (answer.code, answer.statuses[0].limit_remaining, answer.limits[0].flags) == (OK, 0xFFFFFFFF, "unlimited")


def test_patterns() -> None:
    ask = _ask()
    assert [ask(t, "toys", {"file": f"img/{t}.png"}).code for t in range(3)] == [OK, OK, OVER_LIMIT]
    assert ask(3, "toys", {"file": "img/9.png"}).limits[0].key == "file=img/*"
    # without share_threshold each value has a counter of its own
    assert [ask(4, "toys", {"file": name}).code for name in ("doc/a", "doc/b", "doc/a")] == [OK, OK, OVER_LIMIT]
    # only at the end is a * more than itself
    assert [len(ask(5, "toys", {"file": name}).limits) for name in ("a.pdf", "*.pdf")] == [0, 1]


def test_shadow_mode() -> None:
    ask = _ask()
    answers = [ask(t, "toys", {"shadow": "x"}) for t in range(2)]
    assert [each.code for each in answers] == [OK, OK]
    assert [(each.limits[0].over, each.limits[0].flags) for each in answers] == [(False, ""), (True, "shadow")]
    assert (answers[1].statuses[0].code, answers[1].statuses[0].limit_remaining) == (OK, 0)


def test_a_limit_replaces_another() -> None:
    ask = _ask()
    answer = ask(0, "toys", {"path": "/other"}, {"tenant": "gold"})
    assert [state.name for state in answer.limits] == ["gold"]
    assert not answer.statuses[0].HasField("current_limit") and answer.statuses[1].current_limit.name == "gold"


def test_a_limit_and_hits_that_a_descriptor_brings() -> None:
    ask = _ask()

    def body(hits: int | None, unit: int = UNITS["HOUR"], whole: int = 0) -> bytes:
        request = RateLimitRequest(domain="toys", hits_addend=whole)
        descriptor = request.descriptors.add()
        descriptor.entries.add(key="path", value="/toys")
        descriptor.limit.requests_per_unit, descriptor.limit.unit = 3, unit
        if hits is not None:
            descriptor.hits_addend.value = hits
        return bytes(request.SerializeToString())

    codes, counts = [], []
    for hits, whole in ((2, 0), (0, 5), (None, 0), (None, 2)):
        answer = ask.read(ask.raw(0, body(hits, whole=whole)))
        codes.append(answer.code)
        counts.append(answer.limits[0].count)
        assert answer.limits[0].window_s == 3600
    assert (codes, counts) == ([OK, OK, OK, OVER_LIMIT], [2, 2, 3, 5])
    assert ask.raw(0, body(None, UNITS["UNKNOWN"])).status == 2


def test_what_it_refuses_to_decide() -> None:
    ask = _ask()
    assert (ask.raw(0, b"").status, ask.raw(0, b"").status_message) == (2, "rate limit domain must not be empty")
    assert ask.raw(0, b"\x0a\x01d").status_message == "rate limit descriptor list must not be empty"
    assert ask.raw(0, b"\x0a\x01d", CHECK).status == 12
    assert ask.service.grpc(GrpcRequest("rls", (), b"\xff", 0, None, "f", 0, service=SHOULD[0], method=SHOULD[1])).status == 13  # type: ignore[union-attr]


def test_quota_mode_is_over_where_every_group_is() -> None:
    given = {
        "domain": "d",
        "descriptors": [
            {"key": "backend_name", "value": name, "quota_mode": True, "rate_limit": {"unit": "minute", "requests_per_unit": limit}}
            for name, limit in (("a", 1), ("b", 2))
        ],
    }
    ask = Asking(EnvoyRateLimit(given))
    codes = [ask(0, "d", {"backend_name": "a"}, {"backend_name": "b"}).code for _ in range(3)]
    assert codes == [OK, OK, OVER_LIMIT]


def test_the_nearest_limit_is_the_one_in_the_headers() -> None:
    ask = _ask(headers=True)
    assert ask(0, "toys", {"path": "/other"}, {"path": "/toys"}).headers["RateLimit-Limit"] == "5"
    assert ask(0, "toys", {"other": "x"}).headers == {}


@pytest.mark.parametrize("seed", range(4))
def test_against_a_model_that_keeps_every_hit(seed: int) -> None:
    dice = random.Random(seed)
    limits = {"a": ("second", 1, 2), "b": ("minute", 60, 5)}
    given = {
        "domain": "d",
        "descriptors": [{"key": key, "rate_limit": {"unit": unit, "requests_per_unit": most}} for key, (unit, _, most) in limits.items()],
    }
    ask, kept, t = Asking(EnvoyRateLimit(given)), [], 0.0
    for _ in range(300):
        t += dice.choice([0.0, 0.125, 0.5, 2.0])
        asked = [{dice.choice("ab"): dice.choice("xy")} for _ in range(dice.randint(1, 3))]
        hits, codes = dice.choice([0, 1, 2]), []
        for entries in asked:
            ((key, value),) = entries.items()
            _, seconds, most = limits[key]
            kept.append((key, value, t, hits or 1))
            same = [
                h for k, v, at, h in kept if (k, v) == (key, value) and (START_NS // S + at) // seconds == (START_NS // S + t) // seconds
            ]
            codes.append(OVER_LIMIT if sum(same) > most else OK)
        answer = ask(t, "d", *asked, hits=hits)
        assert [each.code for each in answer.statuses] == codes
        assert answer.code == max(codes)


def test_several_domains(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(
            f"domain: {name}\ndescriptors: [{{key: k, rate_limit: {{unit: day, requests_per_unit: 1}}}}]"
        )
    source = EnvoyRateLimit.load(tmp_path)
    assert list(source.domains) == ["one", "two"]
    assert [Asking(source)(0, name, {"k": "v"}).limits[0].name for name in source.domains] == ["one.k", "two.k"]
    (tmp_path / "three.yml").write_text("# what for\ndomain: two")
    with pytest.raises(ConfigError, match=r"two\.yaml: line 1: domain 'two' is a second time, first at .*three\.yml: line 2"):
        EnvoyRateLimit.load(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(ConfigError, match=r"holds no \.yaml file"):
        EnvoyRateLimit.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("descriptors: []", "line 1: has no domain"),
        ("domain: ''", "line 1: domain is empty"),
        ("domain: d\ndescriptor: []", "line 2: descriptor is no key that is known here. Known are domain, descriptors"),
        ("domain: d\ndescriptors:\n  - value: x", "line 3: descriptors has no key"),
        ("domain: d\ndescriptors:\n  - key: ''", "line 3: key is empty"),
        ("domain: d\ndescriptors:\n  - key: a\n    limit: 5", "line 4: limit is no key that is known here"),
        ("domain: d\ndescriptors:\n  - key: a\n    value: b\n  - {key: a_b}", "line 5: key d.a_b is a second time, first on line 3"),
        ("domain: d\ndescriptors:\n  - key: a\n    rate_limit: {unit: fortnight}", "line 4: unit 'fortnight' is none. Give one of second"),
        ("domain: d\ndescriptors:\n  - key: a\n    rate_limit: {requests_per_unit: 5}", "line 4: rate_limit has no unit"),
        ("domain: d\ndescriptors:\n  - key: a\n    rate_limit: {unit: day, unlimited: true}", "line 4: unit 'day' beside unlimited"),
        ("domain: d\ndescriptors:\n  - key: a\n    rate_limit: {unit: day, requests_per_unit: -5}", "line 4: requests_per_unit is -5"),
        ("domain: d\ndescriptors:\n  - key: a\n    shadow_mode: 1", "line 4: shadow_mode is 1 where true or false"),
        ("domain: d\ndescriptors:\n  - key: a\n    share_threshold: true", "line 4: share_threshold is for values that end with *"),
        (
            "domain: d\ndescriptors:\n  - key: a\n    rate_limit: {unit: day, name: x, replaces: [{name: x}]}",
            "line 4: replaces names nothing, or this limit itself",
        ),
    ],
)
def test_what_is_wrong_in_a_file(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        EnvoyRateLimit.load(tmp_path / "config.yaml")
    assert f"{tmp_path / 'config.yaml'}: {told}" in str(error.value) and "\n" not in str(error.value)


def test_what_is_wrong_in_python() -> None:
    with pytest.raises(ConfigError, match="has no domain"):
        EnvoyRateLimit({})
    with pytest.raises(ConfigError, match="headers 'draft03'"):
        EnvoyRateLimit({"domain": "d"}, headers="draft03")  # type: ignore[arg-type]
