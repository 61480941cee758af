"""Hostcalls' arguments by name: the same names and types as the core's and the trace's."""

from __future__ import annotations

import pytest

from workbench.host.arguments import Parameter, parse_pairs, serialise_pairs, signature
from workbench.host.compose import Composition, core_interface
from workbench.trace.numbers import BufferType, LogLevel


def test_signatures_are_those_of_the_core() -> None:
    interface = core_interface()
    for each in interface.host:
        assert signature(each.name, each.type.params).types == tuple(each.type.params), each.name
    assert {each.name for each in interface.host if each.name.startswith("proxy_") and not signature(each.name, ()).known} == set()


def test_what_a_signature_records_is_named_as_in_the_trace() -> None:
    schema = Composition().schema
    derived = {"before", "after", "size", "size_before", "count"}
    for each in schema.hostcalls:
        known = signature(each.name, ())
        if known.known:
            names = {parameter.name for parameter in (*known.inputs, *known.results)}
            wide = {f"{name}_{half}" for name in names for half in ("low", "high")}
            assert {*each.args, *each.fields} <= names | wide | derived, each.name


def test_pair_lists() -> None:
    listed = ((b"a", b"1"), (b"", b""), (b"b", b"two"))
    assert parse_pairs(serialise_pairs(listed)) == listed
    assert serialise_pairs(()) == b"" and parse_pairs(b"") == ()
    assert parse_pairs(serialise_pairs(listed)[:-2]) == () and parse_pairs(b"\xff" * 12) == ()


@pytest.mark.parametrize(
    ("kind", "value", "raw", "shown"),
    [
        ("text", "é", b"\xc3\xa9", "é"),
        ("text", b"\xff", b"\xff", "ÿ"),
        ("bytes", bytearray(b"x"), b"x", b"x"),
        ("path", "request", b"request", "request"),
        ("pairs", {"a": "b"}, serialise_pairs([(b"a", b"b")]), [("a", "b")]),
        ("pairs", [], b"", []),
        ("u32", -1, 0xFFFFFFFF, 0xFFFFFFFF),
        ("u64", 1 << 63, 1 << 63, 1 << 63),
        ("LogLevel", "warn", 3, LogLevel.warn),
        ("BufferType", 99, 99, 99),
        ("BufferType", BufferType.CallData, 8, BufferType.CallData),
    ],
)
def test_values_cross_the_border(kind: str, value: object, raw: object, shown: object) -> None:
    each = Parameter("x", kind)
    assert each.raw(value) == raw
    assert each.shown(each.raw(value)) == shown


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [
        ("u32", 1 << 32, ValueError),
        ("u32", "1", TypeError),
        ("LogLevel", "loud", ValueError),
        ("text", None, TypeError),
        ("pairs", [("a",)], TypeError),
        ("pairs", 5, TypeError),
        ("pairs", [("a", 5)], TypeError),
    ],
)
def test_values_that_cannot(kind: str, value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="x "):
        Parameter("x", kind).raw(value)
