"""Foreign functions: those that Envoy registers."""

from __future__ import annotations

import zlib

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, Show, call, show
from workbench.host.protobuf import number, serialised

_F = "proxy_call_foreign_function"
_SOURCE = "Envoy foreign.cc"


def _ask(name: str, argument: str | bytes = b"", kind: str | None = None) -> Show:
    return show(_F, name, argument, OUT, OUT, kind=kind)  # type: ignore[arg-type]


def _declared(name: str, *, read_only: bool = False, kind: int = 0) -> Show:
    """DeclarePropertyArguments: name 1, readonly 2, type 3."""
    return _ask("declare_property", serialised(1, name.encode()) + number(2, read_only) + number(3, kind))


def _state(path: str, value: str, span: int = 0) -> Show:
    """SetEnvoyFilterStateArguments: path 1, value 2, span 3."""
    return _ask("set_envoy_filter_state", serialised(1, path.encode()) + serialised(2, value.encode()) + number(3, span))


def _read(path: str) -> Show:
    return show("prop", path, OUT, OUT)


_TEXT = '{"items": [1, 2]}' * 3
_PACKED = zlib.compress(b"toys and toys and toys")
_STATES = (
    ("envoy.ratelimit.hits_addend", " 05"),
    ("envoy.ratelimit.hits_addend", "x"),
    ("envoy.bool", "Yes"),
    ("envoy.tcp_proxy.disable_tunneling", "TRUE"),
    ("envoy.network.ip", "::1"),
    ("envoy.filters.listener.original_dst.local_ip", "10.0.0.1:80"),
    ("envoy.network.application_protocols", "h2"),
    ("nosuch", "x"),
)
_HASH = serialised(1, b"sha256")
_KEY = bytes.fromhex(
    "3059301306072a8648ce3d020106082a8648ce3d030107034200041be0090b08adbf369416bd7353847c845bfdfdab2a2552bbdc4c11ab4f2a398c7b"
    "fb34d202c2c62e3c017a34f4414a1086d8f1d67aca3cfd8fd9257c1d68d018"
)
"""An elliptic curve's public key (P-256)."""
_SIGNATURE = bytes.fromhex(
    "304402201f59459f48f4c9214943c170da2170ead9c99c4ac01d401bd4f3086d42cb342302203797d2fe7e51c46bfe16aec397732070d8cc59ff06e1"
    "6605b6ef95eb1e1db8c8"
)
"""Of `text`, with the private key to it."""

CASES = [
    case(
        "foreign/compress",
        f"a zlib stream at the default level, to the byte what zlib-ng makes; of nothing too ({_SOURCE})",
        plugin(configure=[_ask("compress", "x")], request_headers=[_ask("compress", _TEXT), _ask("compress")]),
        r"""
        proxy_on_configure(1, 0) -> true
          proxy_call_foreign_function() -> Ok
          proxy_log(info) b"x\x9c\xab\x00\x00\x00y\x00y" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) b"x\x9c\xabV\xca,I\xcd-V\xb2R\x886\xd4Q0\x8a\xad\xad&(\x00\x00\x98\xd5\x0f^" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) b"x\x9c\x03\x00\x00\x00\x00\x01" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/uncompress",
        f"damaged, cut short or empty is SerializationFailure, bytes behind the stream do not matter ({_SOURCE})",
        plugin(request_headers=[_ask("uncompress", each) for each in (_PACKED, _PACKED[:-3], "junk", "", _PACKED + b"tail")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "toys and toys and toys" -> Ok
          proxy_call_foreign_function() -> SerializationFailure
          proxy_call_foreign_function() -> SerializationFailure
          proxy_call_foreign_function() -> SerializationFailure
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "toys and toys and toys" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/a name nobody registered",
        "NotFound, an empty name too (cpp-host exports.cc)",
        plugin(request_headers=[_ask("nosuch", "x"), _ask("", "x")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> NotFound
          proxy_call_foreign_function() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/no places for the result",
        "either pointer may be 0 where the result is not wanted (cpp-host exports.cc)",
        plugin(request_headers=[call(_F, "compress", "x", 0, 0), call(_F, "compress", "x", OUT, 0), call(_F, "compress", "x", 0, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_call_foreign_function() -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/clear_route_cache",
        f"Ok whatever the argument, in a root context too ({_SOURCE})",
        plugin(configure=[_ask("clear_route_cache")], request_headers=[_ask("clear_route_cache", "x")]),
        """
        proxy_on_configure(1, 0) -> true
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/declare_property in a root context",
        f"a read-only property can be set once; a name can be declared once ({_SOURCE}, context.cc)",
        plugin(
            configure=[_declared("fixed", read_only=True), _declared("free", kind=1), _declared("free"), _ask("declare_property", b"\xff")],
            request_headers=[
                call("set_prop", "fixed", "one"),
                call("set_prop", "fixed", "two"),
                _read("fixed"),
                call("set_prop", "free", "one"),
                call("set_prop", "free", "two"),
                _read("free"),
            ],
        ),
        """
        proxy_on_configure(1, 0) -> true
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_call_foreign_function() -> BadArgument
          proxy_call_foreign_function() -> BadArgument
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_property() -> Ok
          proxy_set_property() -> BadArgument
          proxy_get_property() -> Ok
          proxy_log(info) "one" -> Ok
          proxy_set_property() -> Ok
          proxy_set_property() -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "two" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/declare_property in a stream",
        f"it is kept with the stream, where set_property never looks ({_SOURCE}, context.cc)",
        plugin(
            request_headers=[
                _declared("fixed", read_only=True),
                _declared("fixed"),
                call("set_prop", "fixed", "one"),
                call("set_prop", "fixed", "two"),
                _read("fixed"),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_call_foreign_function() -> BadArgument
          proxy_set_property() -> Ok
          proxy_set_property() -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "two" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/set_envoy_filter_state",
        f"an object of Envoy's under its well-known name, read as filter_state; another life span leaves it ({_SOURCE})",
        plugin(
            configure=[_state("envoy.string", "x")],
            request_headers=[
                _state("envoy.string", "one"),
                _read("filter_state\0envoy.string"),
                _state("envoy.string", "two", 1),
                _read("filter_state\0envoy.string"),
                _state("envoy.string", "three"),
                _read("filter_state\0envoy.string"),
                _read("envoy.string"),
            ],
        ),
        """
        proxy_on_configure(1, 0) -> true
          proxy_call_foreign_function() -> NotFound
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "one" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "one" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "three" -> Ok
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/set_envoy_filter_state of other kinds",
        f"numbers, flags and addresses are read as what they are; unknown names are NotFound, bad values BadArgument ({_SOURCE})",
        plugin(request_headers=[step for path, value in _STATES for step in (_state(path, value), _read(f"filter_state\0{path}"))]),
        r"""
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "5" -> Ok
          proxy_call_foreign_function() -> BadArgument
          proxy_get_property() -> Ok
          proxy_log(info) "5" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "true" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "false" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "[::1]:0" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> Ok
          proxy_log(info) "\u0000\u0000\u0000\u0000" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_property() -> NotFound
          proxy_call_foreign_function() -> NotFound
          proxy_get_property() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/verify_signature",
        f"a result or the reason; exactly one form of the key ({_SOURCE})",
        plugin(
            request_headers=[
                _ask("verify_signature", _HASH + serialised(2, _KEY) + serialised(3, _SIGNATURE) + serialised(4, each))
                for each in (b"text", b"texT")
            ]
            + [
                _ask("verify_signature", each)
                for each in (_HASH, _HASH + serialised(2, b"junk"), serialised(1, b"md5") + serialised(2, _KEY))
            ]
        ),
        r"""
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\b\u0001" -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0012&Failed to verify digest. Error code: 0" -> Ok
          proxy_call_foreign_function() -> BadArgument
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0012#Failed to initialize digest verify." -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u0012\u0015md5 is not supported." -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "foreign/sign",
        f"a signature or the reason; exactly one form of the key ({_SOURCE})",
        plugin(
            request_headers=[
                _ask("sign", each) for each in (_HASH, _HASH + serialised(2, b"junk"), serialised(1, b"md5") + serialised(2, b"junk"))
            ]
        ),
        r"""
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> BadArgument
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u001a=Invalid key type: private key required for signing operation." -> Ok
          proxy_call_foreign_function() -> Ok
          proxy_log(info) "\u001a\u0015md5 is not supported." -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
]
