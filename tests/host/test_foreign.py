"""Foreign functions: the user's own, and what of Envoy's the conformance cases do not show."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.core.wat import OUT, Loop, call, wasm
from tests.host.test_intercept import TELL, Make, Spend, chain, events, rows, spend, told, traffic
from workbench.chain import Chain
from workbench.errors import ConfigError, InterceptError
from workbench.host.expressions import Expressions
from workbench.host.foreign import NAME, ForeignFunctions, own_answer
from workbench.host.protobuf import Fields, number, serialised
from workbench.host.statefactories import State, read_state
from workbench.trace.numbers import Status
from workbench.trace.records import Event, FailureKind

__all__ = ["chain", "spend"]

LOG = call("log", 2, "before")


def asks(name: str, argument: str | bytes = b"", *places: object) -> dict[str, Any]:
    return {"request_headers": [LOG, call(NAME, name, argument, *(places or (OUT, OUT))), TELL]}


def replayed(made: Chain) -> Any:
    return made.replay(traffic())


def test_a_function_of_the_users(chain: Make) -> None:
    made, seen = chain(asks("greet", b"me\xff")), list[bytes]()
    made.foreign("greet", lambda argument: seen.append(argument) or b"hello " + argument)
    replay = replayed(made)
    assert seen == [b"me\xff"]
    assert told(replay) == [b"hello me\xff"]
    (row,) = rows(replay, NAME)
    assert (row.result, row.fields, row.flags) == (0, (b"greet", b"me\xff", b"hello me\xff"), 1)
    assert events(replay) == []
    assert 'result="hello meÿ"' in replay.hostcalls["arguments"].iloc[1]


@pytest.mark.parametrize(
    ("given", "status", "result"),
    [(None, 0, b""), (2, 2, b""), ((10, b"why"), 10, b"why"), (bytearray(b"x"), 0, b"x"), (Status.Empty, 7, b"")],
)
def test_what_a_function_may_give(chain: Make, given: Any, status: int, result: bytes) -> None:
    replay = replayed(chain_with(chain(asks("own")), given))
    assert [(row.result, row.fields[2]) for row in rows(replay, NAME)] == [(status, result)]
    assert told(replay) == [result]


def chain_with(made: Chain, given: Any) -> Chain:
    return Chain(*made, foreign={"own": lambda argument: given})


@pytest.mark.parametrize("given", ["text", (1, 2, 3), True])
def test_anything_else_is_a_mistake(chain: Make, given: Any) -> None:
    with pytest.raises(InterceptError, match=r"foreign function 'own'.* returns bytes, a status or both"):
        replayed(chain_with(chain(asks("own")), given))


def test_a_function_that_raises(chain: Make) -> None:
    def own(argument: bytes) -> bytes:
        raise LookupError("nothing here")

    made = Chain(*chain(asks("own")), foreign={"own": own})
    with pytest.raises(InterceptError, match=r"filter a, exchange 0.*foreign function 'own' raised LookupError: nothing here") as caught:
        replayed(made)
    assert isinstance(caught.value.__cause__, LookupError)


def test_it_goes_before_envoys_and_with_the_chain(chain: Make, tmp_path: Path) -> None:
    made = Chain(*chain(asks("compress", b"x")), foreign={"compress": lambda argument: b"mine"})
    assert told(replayed(made)) == [b"mine"]
    other = tmp_path / "other.wasm"
    other.write_bytes(wasm(**asks("compress", b"y")))
    assert told(replayed(made.with_filter(other))) == [b"mine"]
    assert zlib.decompress(told(replayed(Chain(*made)))[0]) == b"x"


def test_a_hook_goes_before_a_function(chain: Make) -> None:
    made = Chain(*chain(asks("own", b"x")), foreign={"own": lambda argument: b"<" + argument + b">"})
    with made.intercept(NAME, lambda call: call.proceed().values["result"] + b"!"):
        replay = replayed(made)
    assert told(replay) == [b"<x>!"]
    (event,) = events(replay)
    assert (event.b, event.fields) == (1, (b"result", b"<x>", b"<x>!"))
    with made.intercept(NAME, lambda call: call.result("Empty")):
        assert [row.result for row in rows(replayed(made), NAME)] == [Status.Empty]


def test_results_that_lead_nowhere(chain: Make) -> None:
    assert [row.result for row in rows(replayed(chain(asks("compress", b"x", 0xFFFFFFF0, OUT))), NAME)] == [Status.InvalidMemoryAccess]
    assert [row.result for row in rows(replayed(chain(asks("compress", b"x", 0, 0))), NAME)] == [Status.Ok]


def test_wrong_functions(chain: Make) -> None:
    made = chain(asks("x"))
    for name, function in (("", print), ("x", None)):
        with pytest.raises(ConfigError):
            made.foreign(name, function)  # type: ignore[arg-type]


def test_own_answers_are_bytes() -> None:
    assert own_answer((3, b"x"), b"n") == (3, b"x")


def known(name: bytes, argument: bytes) -> tuple[int, bytes]:
    """An answer that needs nothing of a host."""
    answer = ForeignFunctions(None, {}).answer(0, (0, 0), 0, name, argument)  # type: ignore[arg-type]
    assert answer is not None
    return answer


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def _keys(key: Any) -> tuple[bytes, bytes, bytes, bytes]:
    public, info = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PrivateFormat.PKCS8
    encodings = (serialization.Encoding.DER, serialization.Encoding.PEM)
    made = [key.public_key().public_bytes(each, public) for each in encodings]
    made += [key.private_bytes(each, info, serialization.NoEncryption()) for each in encodings]
    return made[0], made[1], made[2], made[3]


@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ec"])
def test_signatures(key: Any) -> None:
    public, public_pem, private, private_pem = _keys(key)
    for given in (serialised(2, private), serialised(4, private_pem)):
        status, made = known(b"sign", serialised(1, b"SHA256") + given + serialised(3, b"text"))
        fields = Fields.parse(made)
        assert status == 0 and fields is not None and fields.number(1) == 1
        for shown in (serialised(2, public), serialised(5, public_pem)):
            rest = shown + serialised(3, fields.data(2))
            assert known(b"verify_signature", serialised(1, b"sha256") + rest + serialised(4, b"text")) == (0, number(1, 1))
            failed = serialised(2, b"Failed to verify digest. Error code: 0")
            assert known(b"verify_signature", serialised(1, b"sha256") + rest + serialised(4, b"texT")) == (0, failed)


def test_keys_that_envoy_does_not_take() -> None:
    plain = serialization.PrivateFormat.TraditionalOpenSSL
    wrong = serialised(3, b"Invalid key type: private key required for signing operation.")
    for field, encoding in ((2, serialization.Encoding.DER), (4, serialization.Encoding.PEM)):
        key = RSA.private_bytes(encoding, plain, serialization.NoEncryption())
        assert known(b"sign", serialised(1, b"sha256") + serialised(field, key)) == (0, wrong)
    for key in (b"junk", b"", b"\x30"):
        assert known(b"sign", serialised(1, b"sha256") + serialised(2, key or b"0")) == (0, wrong)
    assert known(b"sign", serialised(1, b"md5") + serialised(2, b"0")) == (0, serialised(3, b"md5 is not supported."))
    assert known(b"sign", serialised(1, b"\xff") + serialised(2, b"0")) == (Status.BadArgument, b"")


def test_a_bomb_is_refused() -> None:
    bomb = zlib.compress(bytes(70 << 20), 9)
    assert known(b"uncompress", bomb) == (Status.SerializationFailure, b"")


@pytest.mark.parametrize(
    "data", [b"\x08", b"\x0a\x05a", b"\x0d\x00", b"\x0b", b"\x00\x01", b"\xff" * 11, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"]
)
def test_messages_that_are_none(data: bytes) -> None:
    assert Fields.parse(data) is None


def test_messages() -> None:
    fields = Fields.parse(number(1, 300) + serialised(2, b"x" * 200) + serialised(2, b"last") + b"\x1d1234" + b"\x21" + bytes(8))
    assert fields is not None
    assert (fields.number(1), fields.data(2), fields.text(9), fields.number(2)) == (300, b"last", b"", 0)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("envoy.ratelimit.hits_addend", " 05", State(b"5")),
        ("envoy.ratelimit.hits_addend", "9" * 5000, Status.BadArgument),
        ("envoy.upstream.dynamic_port", "٣", Status.BadArgument),
        ("envoy.network.ip", "::1", State(b"[::1]:0")),
        ("envoy.network.ip", "::1:80:", Status.BadArgument),
        ("envoy.filters.listener.original_dst.local_ip", "[::1]:80", State(bytes(4))),
        ("envoy.filters.listener.original_dst.local_ip", "::1:80", Status.BadArgument),
        ("envoy.bool", "No", State(b"false")),
        ("nosuch", "x", Status.NotFound),
    ],
)
def test_state_from_strings(name: str, value: str, found: object) -> None:
    assert read_state(name, value) == found


def test_an_endless_loop_of_foreign_calls_is_ended(chain: Make) -> None:
    made = chain({"request_headers": [Loop((call(NAME, "compress", "x" * 3000, 0, 0),))]})
    replay = made.replay(traffic(), callback_limit_s=0.3)
    assert [row.a for row in events(replay, Event.FAILURE)] == [FailureKind.TIMEOUT]


def test_the_time_of_a_users_function_does_not_count(chain: Make, spend: Spend) -> None:
    made = Chain(*chain({"request_headers": [Loop((), 40_000_000), *asks("own")["request_headers"], Loop((), 40_000_000)]}))
    made.foreign("own", lambda _: spend(100))
    replay = made.replay(traffic(), callback_limit_s=50)
    assert events(replay, Event.FAILURE) == []


def expressions(*texts: str | bytes) -> list[tuple[int, bytes]]:
    """What `expr_create` answers to each, in one root context."""
    made = Expressions()
    return [made.call(b"expr_create", (0, 0), text.encode() if isinstance(text, str) else text, lambda path: None) for text in texts]


def test_expressions_are_bounded() -> None:
    bomb = "[" + ",".join("1" * 500) + "]"
    nested = f"{bomb}.map(a, {bomb}.map(b, {bomb}.map(c, {bomb}.all(d, true))))"
    deep = "(" * 5000 + "1" + ")" * 5000
    found = expressions("1", " " * 20_000 + "1", nested, deep, b"\xff", "[1].map(x, x)")
    assert [status for status, _ in found] == [0, 2, 2, 2, 2, 0]


def test_an_expression_that_makes_much_of_little() -> None:
    """Each loop doubles a text; between the signs of a call may stand comments."""
    doubled = "['aa']" + ". // c\n map // c\n (x, x + x)" * 24
    assert expressions(doubled) == [(Status.BadArgument, b"")]


def test_an_expression_that_takes_too_many_steps() -> None:
    made = Expressions()
    many = "[" + ",".join("1" * 1000) + "]"
    _, token = made.call(b"expr_create", (0, 0), f"{many}.all(a, {many}.all(b, a == b))".encode(), lambda path: None)
    assert made.call(b"expr_evaluate", (0, 0), token, lambda path: None) == (Status.InternalFailure, b"")


def test_declarations_are_bounded(chain: Make) -> None:
    names = [serialised(1, f"{n}".encode()) for n in range(1001)] + [serialised(1, b"x" * 5000)]
    made = chain({"configure": [call(NAME, "declare_property", name, OUT, OUT) for name in names]})
    replay = made.replay(traffic(), callback_limit_s=60)
    assert [row.result for row in rows(replay, NAME)] == [0] * 1000 + [2, 2]


def test_values_of_expressions_as_envoy_writes_them() -> None:
    """Bytes seen with Envoy 1.40."""
    made = Expressions()
    wanted = {
        "[1,'a']": "0200000008000000000000000100000000000000" + "0100000000000000" + "0000" + "61" + "0000",
        "{'a':1}": "01000000010000000800000061000100000000000000" + "00",
        "duration('1s')": "00ca9a3b00000000",
        "timestamp('2020-01-01T00:00:00Z')": "00008ab9359ae515",
        "timestamp('2020-01-01T00:00:00.000000007Z')": "07008ab9359ae515",
        "1.5": "000000000000f83f",
        "true": "01",
    }
    for token, (text, value) in enumerate(wanted.items()):
        made.call(b"expr_create", (0, 0), text.encode(), lambda path: None)
        assert made.call(b"expr_evaluate", (0, 0), token.to_bytes(4, "little"), lambda path: None) == (0, bytes.fromhex(value)), text
