"""Limitador's rules. The table of the toystore example is its documented behaviour, worked out second by second."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.services.ratelimit.asking import START_NS, Asking, S, message
from workbench.errors import ConfigError
from workbench.services import GrpcResponse
from workbench.services.packing import grpc_parts, pack_parts
from workbench.services.ratelimit import Limit, Limitador
from workbench.services.ratelimit.messages import CHECK, OK, OVER_LIMIT, REPORT, UNKNOWN
from workbench.services.ratelimit.service import Request

TOY = "limit.create_toy__88f990c6"
FILE = """
- namespace: default/toystore
  max_value: 5
  seconds: 10
  name: default/toystore
  conditions: ['{condition}']
  variables: []
"""


@pytest.mark.parametrize("condition", [f'{TOY} == "1"', f'descriptors[0]["{TOY}"] == "1"'])
def test_the_toystore_second_by_second(condition: str, tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(FILE.format(condition=condition))
    ask = Asking(Limitador.load(tmp_path / "limits.yaml", headers="draft03"))
    answers = [ask(t, "default/toystore", {TOY: "1"}) for t in range(12)]
    assert [each.code for each in answers] == [OK] * 5 + [OVER_LIMIT] * 5 + [OK] * 2
    assert [each.headers["X-RateLimit-Remaining"] for each in answers] == [*"432100000043"]
    assert [each.headers["X-RateLimit-Reset"] for each in answers] == [*"098765432109"]
    assert {each.headers["X-RateLimit-Limit"] for each in answers} == {'5, 5;w=10;name="default/toystore"'}
    assert list(answers[0].headers) == ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
    assert [each.limits[0].count for each in answers] == [1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 1, 2]
    assert [each.limits[0].over for each in answers] == [each.code == OVER_LIMIT for each in answers]
    windows = {(each.limits[0].start_ns - START_NS) // S for each in answers}
    assert windows == {0, 10} and answers[0].limits[0].end_ns == START_NS + 10 * S
    assert all(not each.statuses for each in answers)


@pytest.mark.parametrize(("delay", "cycle"), [(0.0, 10), (0.1, 10), (0.12, 9), (0.24, 9), (0.3, 8), (0.5, 7), (0.7, 6), (1.0, 5), (3.0, 5)])
def test_the_window_drifts_with_the_client(delay: float, cycle: int) -> None:
    """A request each second and a bit: ceil(10 / (1 + d)) of them in a window, of which the first five pass."""
    ask = Asking(Limitador([Limit("toys", 5, 10)]))
    codes = [ask(k * (1 + delay), "toys").code for k in range(3 * cycle)]
    assert codes == ([OK] * 5 + [OVER_LIMIT] * (cycle - 5)) * 3


def test_a_hit_exactly_at_the_end_opens_the_next_window() -> None:
    ask = Asking(Limitador([Limit("toys", 1, 10)]))
    assert [ask(t, "toys").code for t in (0, 9.999999, 10, 19.999999, 20.000001)] == [OK, OVER_LIMIT, OK, OVER_LIMIT, OK]


def test_all_counters_have_room_or_none_counts() -> None:
    ask = Asking(Limitador([Limit("toys", 5, 10, name="a"), Limit("toys", 2, 60, variables=("descriptors[0].user",), name="b")]))
    jane = [ask(t, "toys", {"user": "jane"}) for t in range(4)]
    assert [each.code for each in jane] == [OK, OK, OVER_LIMIT, OVER_LIMIT]
    assert [[(state.name, state.over, state.count) for state in each.limits] for each in jane] == [
        [("a", False, 1), ("b", False, 1)],
        [("a", False, 2), ("b", False, 2)],
        [("a", False, 2), ("b", True, 2)],
        [("a", False, 2), ("b", True, 2)],
    ]
    june = ask(4, "toys", {"user": "june"})
    assert [(state.key, state.count) for state in june.limits] == [("", 3), ("user=june", 1)]
    # one whose variable is missing does not apply
    assert [state.name for state in ask(5, "toys", {"tier": "gold"}).limits] == ["a"]


def test_headers_of_several_limits() -> None:
    limits = [Limit("toys", 9, 60, name='say "hi"'), Limit("toys", 3, 10, variables=("descriptors[0].user",))]
    ask = Asking(Limitador(limits, headers="draft03"))
    first, second = ask(0, "toys", {"user": "jane"}), ask(0.5, "toys", {"user": "jane"})
    assert first.headers == {
        "X-RateLimit-Limit": "3, 3;w=10, 9;w=60;name=\"say 'hi'\"",
        "X-RateLimit-Remaining": "2",
        # a counter with variables begins its window when it is looked at, one without says what was before
        "X-RateLimit-Reset": "10",
    }
    assert (second.headers["X-RateLimit-Remaining"], second.headers["X-RateLimit-Reset"]) == ("1", "9")
    assert ask(1, "others", {"user": "jane"}).headers == {}


def test_hits() -> None:
    ask = Asking(Limitador([Limit("toys", 5, 10)], headers="draft03"))
    assert [ask(t, "toys", hits=h).code for t, h in enumerate((3, 3, 2, 0, 1))] == [OK, OVER_LIMIT, OK, OVER_LIMIT, OVER_LIMIT]
    many = ask(6, "toys", hits=7)
    assert (many.code, many.headers["X-RateLimit-Remaining"], many.limits[0].hits, many.limits[0].count) == (OVER_LIMIT, "0", 7, 5)


def test_a_limit_of_nothing_and_one_of_no_time() -> None:
    ask = Asking(Limitador([Limit("none", 0, 10), Limit("always", 1, 0)]))
    refused = ask(0, "none")
    assert refused.code == OVER_LIMIT and (refused.limits[0].start_ns, refused.limits[0].end_ns) == (0, 0)
    assert [ask(0, "always").code for _ in range(3)] == [OK, OK, OK]


def test_domains() -> None:
    ask = Asking(Limitador([Limit("toys", 0, 10)]))
    assert (ask(0, "").code, ask(0, "").limits) == (UNKNOWN, ())
    assert (ask(0, "unknown").code, ask(0, "unknown").limits) == (OK, ())


def test_check_and_report_of_kuadrants_service() -> None:
    ask = Asking(Limitador([Limit("toys", 2, 10)], headers="draft03"))
    check = [ask(0, "toys", hits=9, method=CHECK) for _ in range(3)]
    assert [each.code for each in check] == [OK] * 3 and check[0].headers == {}
    assert [(state.count, state.hits, state.flags) for state in check[2].limits] == [(0, 1, "check")]
    report = [ask(1, "toys", hits=3, method=REPORT), ask(2, "toys", method=REPORT)]
    assert [(each.code, each.limits[0].count, each.limits[0].over, each.headers) for each in report] == [
        (OK, 3, False, {}),
        (OK, 4, False, {}),
    ]
    assert ask(3, "toys", method=CHECK).code == OVER_LIMIT
    assert ask(11, "toys", method=CHECK).code == OK
    assert ask(0, "", method=REPORT).code == UNKNOWN == ask(0, "", method=CHECK).code


def test_an_expression_without_a_value_fails_the_request() -> None:
    ask = Asking(Limitador([Limit("toys", 2, 10, ("descriptors[0].n + 1 == 2",))]))
    failed = ask.raw(0, b"\x0a\x04toys\x12\x08\x0a\x06\x0a\x01n\x12\x011")
    assert failed.status == 14 and "Service unavailable" in failed.status_message


def test_each_replay_begins_anew_unless_told_otherwise() -> None:
    fresh, kept = Limitador([Limit("toys", 1, 10)]), Limitador([Limit("toys", 1, 10)], carry_on=True)
    for source, codes in ((fresh, [OK, OK]), (kept, [OK, OVER_LIMIT])):
        assert [Asking(source)(t, "toys").code for t in (0, 1)] == codes


def test_counters_outlive_a_change_of_the_maximum() -> None:
    counting = Limitador([Limit("toys", 5, 10, name="a"), Limit("gone", 5, 10)]).counting()
    for source in ("toys", "gone"):
        plan = counting.plan("should", _request(source))
        assert [plan(START_NS).limits[0].count for _ in range(3)] == [1, 2, 3]
    changed = Limitador([Limit("toys", 3, 10, name="b")]).counting(counting)
    assert changed.plan("should", _request("toys"))(START_NS).limits[0].over
    again = Limitador([Limit("gone", 5, 10)]).counting(changed)
    assert again.plan("should", _request("gone"))(START_NS).limits[0].count == 1


def _request(domain: str) -> Request:
    return Request.parse(message(domain))


def test_limits_of_one_name_are_told_apart() -> None:
    limits = [Limit("toys", 5, 10, name="per"), Limit("toys", 50, 3600, name="per"), Limit("toys", 9, 60, ("descriptors[0].a == 'b'",))]
    names = [state.name for state in Asking(Limitador(limits))(0, "toys", {"a": "b"}).limits]
    assert names == ["per (every request in 10 s)", "per (every request in 3600 s)", "descriptors[0].a == 'b' in 60 s"]


@pytest.mark.parametrize("seed", range(6))
def test_against_a_model_that_keeps_every_hit(seed: int) -> None:
    """The same verdicts as an account of all hits that were let through, searched anew at each request."""
    dice = random.Random(seed)
    limits = [Limit("d", dice.randint(1, 6), dice.choice([1, 2, 5, 10]), (), ("descriptors[0].u",) * (n % 2), str(n)) for n in range(3)]
    limits = list({limit.identity: limit for limit in limits}.values())
    ask, passed, t = Asking(Limitador(limits)), [], 0.0
    opened: dict[tuple[str | None, str], float] = {}
    seen: set[tuple[str | None, str]] = set()
    for _ in range(400):
        t += dice.choice([0.0, 0.125, 0.5, 1.0, 1.5])
        user, hits = dice.choice("abc"), dice.choice([0, 1, 1, 2])
        counts = []
        for limit in limits:
            key = (limit.name, user if limit.variables else "")
            begin = opened.get(key)
            if begin is not None and begin + limit.seconds <= t:
                del opened[key]
                begin = None
            if begin is None and limit.variables and key not in seen:
                # the first look is enough, later only a hit
                opened[key] = begin = t
            seen.add(key)
            counts.append((key, limit, sum(h for k, at, h in passed if k == key and begin is not None and at >= begin)))
        fits = all(count + (hits or 1) <= limit.max_value for _, limit, count in counts)
        answer = ask(t, "d", {"u": user}, hits=hits)
        assert (answer.code == OK) == fits
        for (key, _, count), state in zip(counts, answer.limits, strict=True):
            assert state.count == count + fits * (hits or 1)
            if fits:
                opened.setdefault(key, t)
                passed.append((key, t, hits or 1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1", "limits.yaml: line 1: is a mapping where a list is wanted"),
        ("- {namespace: a", "limits.yaml: line "),
        ("- {namespace: a, max_value: 1}", "limits.yaml: line 1: has no seconds and no conditions and no variables. Add seconds"),
        ("- namespace: a\n  max: 1", "limits.yaml: line 2: max is no key that is known here. Known are namespace, max_value"),
        ("- namespace: a\n  max_value: -1\n  seconds: 1\n  conditions: []\n  variables: []", "limits.yaml: line 2: max_value is -1"),
        (
            "- namespace: a\n  max_value: '5'\n  seconds: 1\n  conditions: []\n  variables: []",
            "line 2: max_value is '5' where a whole number",
        ),
        (
            "- namespace: a\n  max_value: 5\n  seconds: 1\n  conditions: x == 'a'\n  variables: []",
            "line 4: conditions is \"x == 'a'\" where a",
        ),
        (
            "- namespace: a\n  max_value: 5\n  seconds: 1\n  conditions:\n    - a == 'x'\n    - descriptors[0].a ==\n  variables: []",
            "limits.yaml: line 6: conditions: 'descriptors[0].a ==' is no CEL: Syntax error",
        ),
        (
            "- namespace: a\n  max_value: 5\n  seconds: 1\n  conditions: []\n  variables: ['descriptors[0']",
            "limits.yaml: line 5: variables: 'descriptors[0' is no CEL",
        ),
        (
            "- &a {namespace: a, max_value: 5, seconds: 1, conditions: [], variables: []}\n\n- {namespace: a, max_value: 9, seconds: 1,"
            " conditions: [], variables: [], name: b}",
            "limits.yaml: line 3: limit of namespace a for every request in 1 s allows 9 and contradicts that of line 1, which allows 5",
        ),
        (
            "- &a {namespace: a, max_value: 5, seconds: 1, conditions: [], variables: []}\n- *a",
            "limit of namespace a for every request in 1 s is the same as that of line 1",
        ),
    ],
)
def test_what_is_wrong_in_a_file(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        Limitador.load(tmp_path / "limits.yaml")
    assert told in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "limits.yaml"))


def test_an_empty_file_limits_nothing(tmp_path: Path) -> None:
    (tmp_path / "limits.yaml").write_text("# none yet\n")
    assert Limitador.load(tmp_path / "limits.yaml").limits == () == Limitador.parse("[]").limits


def test_limits_as_mappings() -> None:
    given = {"namespace": "a", "max_value": 1, "seconds": 2, "conditions": ["x == 'y'"], "variables": [], "name": None}
    assert Limitador([given]).limits == (Limit("a", 1, 2, ("x == 'y'",)),)
    with pytest.raises(ConfigError, match="limits: max is no key that is known here"):
        Limitador([{**given, "max": 1}])
    with pytest.raises(ConfigError, match="line 2: begins a second document"):
        Limitador.parse("[]\n--- []")


def test_a_window_without_an_end_in_sight() -> None:
    ask = Asking(Limitador([Limit("toys", (1 << 64) - 1, (1 << 64) - 1)]))
    state = ask(0, "toys", hits=0xFFFFFFFF).limits[0]
    (part,) = grpc_parts(GrpcResponse(limits=(state,)))
    assert pack_parts([part])


def test_what_is_wrong_in_python() -> None:
    with pytest.raises(ConfigError, match="seconds is a whole number"):
        Limit("a", 1, 1.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="conditions are a list"):
        Limit("a", 1, 1, "x == 'y'")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="is no CEL"):
        Limit("a", 1, 1, ("x ==",))
    with pytest.raises(ConfigError, match="contradicts another"):
        Limitador([Limit("a", 1, 1), Limit("a", 2, 1)])
    with pytest.raises(ConfigError, match="headers 'v1'"):
        Limitador([], headers="v1")
    with pytest.raises(ConfigError, match="latency"):
        Limitador([], latency_ms=-1)
