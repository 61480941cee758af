from __future__ import annotations

from IPython.lib.pretty import pretty

from tests.config.objects import FIVE_V1, GATEWAY, ROUTE, Load, policy

TWO = """\
when: [{predicate: "source.address != '10.0.0.1'"}]
limits:
  b: {rates: [{limit: 9, window: 1m}, {limit: 2, window: 1s}], counters: [{expression: source.address}]}
  a: {}"""


def test_a_page(read: Load) -> None:
    route = ROUTE.replace("type: Exact, value: /toys", "type: RegularExpression, value: /t.*")
    found = read(policy(TWO), route, GATEWAY)
    ident = {limit["name"]: limit["conditions"][0].split('"')[1] for limit in found.limits()}["b"]
    assert found.text().splitlines()[:7] == [
        "behind gateway mesh/gw",
        "  GET api.toystore.com/toys*",
        f"    no rate: a of default/toystore, {found.policies[0].identifier('a')}",
        "      where source.address != '10.0.0.1'",
        f"    9 in 60 s and 2 in 1 s: b of default/toystore, {ident}",
        "      for each source.address",
        "  POST api.toystore.com with a path like /t.*",
    ]
    assert pretty(found) == found.text()


def test_hostile_names_stay_text(read: Load) -> None:
    found = read(policy(FIVE_V1.replace("create-toy", '"x\\e[31m\\n<b>"')), ROUTE)
    assert "\x1b" not in found.text() and r"x\x1b[31m\x0a<b>" in found.text()
    assert ", which no file describes" in found.text().splitlines()[0]
    assert max(map(len, read(policy(FIVE_V1.replace("create-toy", "n" * 900)), ROUTE).text().splitlines())) < 130
