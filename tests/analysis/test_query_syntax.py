"""What a query means, and what is said of one that is wrong."""

from __future__ import annotations

import pytest
from mitmproxy import flowfilter

from workbench.analysis.query_syntax import All, Node, Not, Term, parse_query
from workbench.errors import QueryError


def spelt(node: Node) -> str:
    if isinstance(node, Term):
        value = getattr(node.value, "pattern", node.value)
        return node.name if value is None else f"{node.name}:{value.decode() if isinstance(value, bytes) else value}"
    if isinstance(node, Not):
        return f"!{spelt(node.inner)}"
    return "(" + (" & " if isinstance(node, All) else " | ").join(map(spelt, node.parts)) + ")"


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("", "all"),
        ("  ", "all"),
        ("toys", "u:toys"),
        ("~m POST & ~u /toys", "(m:POST & u:/toys)"),
        ("~m POST ~u /toys", "(m:POST & u:/toys)"),
        ("a | b c", "((u:a | u:b) & u:c)"),
        ("a | b & ! c", "(u:a | (u:b & !u:c))"),
        ("!!a", "u:a"),
        ("!!!a", "!u:a"),
        ("!(a | b)", "!(u:a | u:b)"),
        ("(~q)", "q"),
        ("~q&~s", "(q & s)"),
        ("(a b) | c", "((u:a & u:b) | u:c)"),
        ("a&b", "u:a&b"),
        ("~m !x", "m:!x"),
        ('\'a b\' "c\\"d"', '(u:a b & u:c"d)'),
        ("'a\\\\d'", "u:a\\d"),
        ("~over 20us", "over:20000.0"),
        ("~over 1.5ms", "over:1500000.0"),
        ("~outcome limited", "outcome:limited"),
        ("~c 404|~got 429", None),
    ],
)
def test_a_query_is_a_tree(query: str, tree: str | None) -> None:
    if tree is None:
        with pytest.raises(QueryError):
            parse_query(query)
    else:
        assert spelt(parse_query(query)) == tree


@pytest.mark.parametrize(
    ("query", "marked", "what", "fits"),
    [
        ("~outcom limited", "~outcom", "is no term", "~outcome"),
        ("~m GET & ~chnged x", "~chnged", "is no term", "~changed"),
        ("~outcome limitd", "limitd", "is not an outcome", "limited"),
        ("~decision maybe", "maybe", "is not a decision", "allowed"),
        ("~outcome", "~outcome", "wants one of", "passed"),
        ("~m GET & ~u", "~u", "wants a pattern", None),
        ("~u (a)", "~u", "wants a pattern", None),
        ("~c abc", "abc", "is no status", None),
        ("~over soon", "soon", "is no time", None),
        ("~u [a", "[a", "not a regular expression", None),
        ("~m '(' & a", "'('", "not a regular expression", None),
        ("a & ", "&", "nothing follows &", None),
        ("a | | b", "|", "nothing follows |", None),
        ("& a", "&", "nothing stands before &", None),
        ("(a & )", "&", "nothing follows &", None),
        ("!", "!", "nothing follows !", None),
        ("(a | b", "(", "not closed", None),
        ("a )", ")", "no parenthesis is open", None),
        ("()", "()", "nothing stands in these parentheses", None),
        ('~u "a', '"', "quote is not closed", None),
        ("a ~ b", "~", "name is missing", None),
        ("~marked", "~marked", "not kept", None),
        ("~dns", "~dns", "only HTTP and TCP", None),
        ("x" * 3000, "", "at most 2000 characters", None),
        ("(" * 100 + "a" + ")" * 100, "(", "nested too deeply", None),
    ],
)
def test_what_is_wrong_is_said_with_its_place(query: str, marked: str, what: str, fits: str | None) -> None:
    with pytest.raises(QueryError) as found:
        parse_query(query)
    error = found.value
    assert what in str(error)
    assert query[error.at : error.end] == marked
    assert error.remedy
    assert fits is None or fits in error.fits


@pytest.mark.parametrize("query", ["~b", "~c x", "(a", "a)", "~nothing", "~u (a)", "a~b", "~m", '"a', "~", "()"])
def test_what_mitmproxy_refuses_is_refused(query: str) -> None:
    with pytest.raises(ValueError):
        flowfilter.parse(query)
    with pytest.raises(QueryError):
        parse_query(query)


def test_a_long_run_of_not_needs_no_depth() -> None:
    assert spelt(parse_query("!" * 1001 + "a")) == "!u:a"
