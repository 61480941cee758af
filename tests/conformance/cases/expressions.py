"""Foreign functions that evaluate CEL."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import request
from tests.core.wat import OUT, Show, call, show

_F = "proxy_call_foreign_function"
_SOURCE = "Envoy foreign.cc"


def _ask(name: str, argument: str | bytes = b"", kind: str | None = None) -> Show:
    return show(_F, name, argument, OUT, OUT, kind=kind)  # type: ignore[arg-type]


def _read(path: str) -> Show:
    return show("prop", path, OUT, OUT)


def _token(n: int) -> bytes:
    return n.to_bytes(4, "little")


_EXPRESSIONS = (
    "request.path == '/p' && request.headers['x-a'] == '1'", "1.5", "-1", "b'ab'", "['a']", "{'a': 'b'}", "duration('1s')",
    "timestamp('2020-01-01T00:00:00Z')", "request.nosuch", "has(request.nosuch)", "nosuch", "1 / 0", "null", "type(1)", "request",
    "request.path.matches('^/p$') || 1 / 0 == 1", "['a'].map(x, x + 'b')", "request.time > timestamp('2000-01-01T00:00:00Z')",
    "response.code",
)  # fmt: skip
CASES = [
    case(
        "expressions/expressions",
        f"a token counts from 0 in the root context; what cannot be read or built is BadArgument ({_SOURCE})",
        plugin(
            configure=[_ask("expr_create", "'start'", "number")],
            request_headers=[
                _ask("expr_create", "request.path"),
                _ask("expr_create", "request.path +"),
                _ask("expr_create", "nosuch(1)"),
                _ask("expr_create", "size(request.path)"),
                *(_ask("expr_evaluate", _token(n)) for n in range(5)),
            ],
        ),
        r"""
        proxy_on_configure(1, 0) -> true
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "0" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0001\u0000\u0000\u0000" -> Ok
          proxy_call_foreign_function() -> BadArgument
          proxy_call_foreign_function() -> BadArgument
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0003\u0000\u0000\u0000" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "start" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "/p" -> Ok
          proxy_call_foreign_function() -> NotFound
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0002\u0000\u0000\u0000\u0000\u0000\u0000\u0000" -> Ok
          proxy_call_foreign_function() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "expressions/values of expressions",
        f"as properties are serialised; what fails is InternalFailure, what cannot be written SerializationFailure ({_SOURCE}, context.cc)",
        plugin(
            request_headers=[
                step
                for n, text in enumerate(_EXPRESSIONS)
                for step in (call("log", 2, text), call(_F, "expr_create", text, OUT, OUT), _ask("expr_evaluate", _token(n)))
            ]
        ),
        r"""
        proxy_on_request_headers(2, 6, 1) -> Continue
          proxy_log(info) "request.path == '/p' && request.headers['x-a'] == '1'" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0001" -> Ok
          proxy_log(info) "1.5" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) b"\x00\x00\x00\x00\x00\x00\xf8?" -> Ok
          proxy_log(info) "-1" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) b"\xff\xff\xff\xff\xff\xff\xff\xff" -> Ok
          proxy_log(info) "b'ab'" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "ab" -> Ok
          proxy_log(info) "['a']" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0001\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0000\u0000\u0000\u0000a\u0000\u0000" -> Ok
          proxy_log(info) "{'a': 'b'}" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0001\u0000\u0000\u0000\u0001\u0000\u0000\u0000\u0001\u0000\u0000\u0000a\u0000b\u0000" -> Ok
          proxy_log(info) "duration('1s')" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0000ʚ;\u0000\u0000\u0000\u0000" -> Ok
          proxy_log(info) "timestamp('2020-01-01T00:00:00Z')" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) b"\x00\x00\x8a\xb95\x9a\xe5\x15" -> Ok
          proxy_log(info) "request.nosuch" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> InternalFailure
          proxy_log(info) "has(request.nosuch)" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0000" -> Ok
          proxy_log(info) "nosuch" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> InternalFailure
          proxy_log(info) "1 / 0" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> InternalFailure
          proxy_log(info) "null" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> SerializationFailure
          proxy_log(info) "type(1)" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> SerializationFailure
          proxy_log(info) "request" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> SerializationFailure
          proxy_log(info) "request.path.matches('^/p$') || 1 / 0 == 1" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0001" -> Ok
          proxy_log(info) "['a'].map(x, x + 'b')" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0001\u0000\u0000\u0000\u0002\u0000\u0000\u0000\u0000\u0000\u0000\u0000ab\u0000\u0000" -> Ok
          proxy_log(info) "request.time > timestamp('2000-01-01T00:00:00Z')" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0001" -> Ok
          proxy_log(info) "response.code" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> InternalFailure
        upstream: as sent
        client: as answered
        """,
        traffic=[request("GET", "/p", "x-a: 1")],
    ),
    case(
        "expressions/expr_delete",
        f"a deleted token is gone, an unknown one is no error; a token has four bytes ({_SOURCE})",
        plugin(
            request_headers=[
                _ask("expr_create", "1"),
                _ask("expr_delete", _token(0)),
                _ask("expr_evaluate", _token(0)),
                _ask("expr_delete", _token(9)),
                _ask("expr_delete", "abc"),
                _ask("expr_evaluate", "abc"),
            ]
        ),
        r"""
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0000\u0000\u0000\u0000" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_call_foreign_function() -> NotFound
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_call_foreign_function() -> BadArgument
          proxy_call_foreign_function() -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "expressions/an expression of the context that was entered",
        f"an effective context does not matter to expr_evaluate ({_SOURCE})",
        plugin(
            request_headers=[
                _ask("expr_create", "request.path"),
                call("effective", 1),
                _ask("expr_evaluate", _token(0)),
                _read("request\0path"),
            ]
        ),
        r"""
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0000\u0000\u0000\u0000" -> Ok
          proxy_set_effective_context(1) -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "/p" -> Ok
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
]
