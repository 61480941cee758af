"""Foreign functions: those that Envoy registers, as Envoy 1.40 answers them, and the user's own.

Source: envoy `source/extensions/common/wasm/foreign.cc`, and each function tried with real Envoy. What they need of the core's state
stands in `core/src/hostcalls/foreign.rs`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from ..capture.packing import pack_str
from ..trace.numbers import Status
from .compose import Composition
from .protobuf import Fields, number, serialised
from .statefactories import read_state

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from .expressions import Expressions

__all__ = ["NAME", "ForeignFunction", "ForeignFunctions"]

NAME = "proxy_call_foreign_function"

ForeignFunction: TypeAlias = Callable[[bytes], "bytes | int | tuple[int, bytes] | None"]
"""A user's own: the argument in, the result out, or a status, or both; None is Ok without a result."""

_Answer: TypeAlias = tuple[int, bytes]
_MOST_RESULT = 64 << 20
_MOST_DECLARED, _LONGEST_NAME, _MOST_CONTEXTS = 1000, 4096, 4096
"""Properties that one context may declare, bytes of a name, and contexts that are remembered: bounds of ours, Envoy has none."""
_SPANS = (0, 1, 2)
"""Life spans: filter chain, downstream request, downstream connection."""


class ForeignFunctions:
    """The functions that the filters of one replay can call."""

    def __init__(self, host: Composition, own: Mapping[str, ForeignFunction]) -> None:
        self._host = host
        self._own = dict(own)
        self._declared: dict[tuple[int, int], set[bytes]] = {}
        self._expressions: Expressions | None = None

    def own(self, name: bytes) -> ForeignFunction | None:
        """The user's function of that name; it goes before Envoy's."""
        return self._own.get(name.decode("utf-8", "replace"))

    def answer(self, vm: int, root: tuple[int, int], context: int, name: bytes, argument: bytes) -> _Answer | None:
        """What Envoy's function of that name answers in a context; None where there is none. `root` names the root context."""
        if name in _STATELESS:
            return _STATELESS[name](argument)
        if name == b"set_envoy_filter_state":
            return self._set_state(argument)
        if name == b"declare_property":
            return self._declare(vm, context, argument)
        if name in (b"expr_create", b"expr_evaluate", b"expr_delete"):
            if self._expressions is None:
                from .expressions import Expressions

                self._expressions = Expressions()
            return self._expressions.call(name, root, argument, partial(self._property, vm))
        return None

    def _property(self, vm: int, path: bytes) -> bytes | None:
        if self._host.call_with("foreign_property", path, vm) != Status.Ok:
            return None
        return self._host.read(self._host.call("foreign_value_ptr"), self._host.call("foreign_value_len"))

    def _declare(self, vm: int, context: int, argument: bytes) -> _Answer:
        fields = Fields.parse(argument)
        name = fields.text(1) if fields else None
        names = self._declared.setdefault((vm, context), set())
        if fields is None or name is None or name in names or len(names) >= _MOST_DECLARED or len(name) > _LONGEST_NAME:
            return Status.BadArgument, b""
        names.add(name)
        while len(self._declared) > _MOST_CONTEXTS:
            del self._declared[next(iter(self._declared))]  # a stream that is long over
        if fields.number(2):
            self._host.call_with("foreign_declare", name)
        return Status.Ok, b""

    def _set_state(self, argument: bytes) -> _Answer:
        fields = Fields.parse(argument)
        path, value = (fields.text(1), fields.text(2)) if fields else (None, None)
        if fields is None or path is None or value is None:
            return Status.BadArgument, b""
        found = read_state(path.decode(), value.decode())
        if isinstance(found, Status):
            return found, b""
        span = fields.number(3) if fields.number(3) in _SPANS else 0
        packed = struct.pack("<I", span) + pack_str(path) + pack_str(found.shown) + struct.pack("<I", found.readable)
        return self._host.call_with("foreign_set_state", packed), b""


def own_answer(returned: object, name: bytes) -> _Answer:
    """What a user's function returned, as status and result. TypeError for anything else."""
    status, result = returned if isinstance(returned, tuple) and len(returned) == 2 else (Status.Ok, returned)
    if isinstance(returned, int) and not isinstance(returned, bool):
        status, result = returned, b""
    if result is None:
        result = b""
    if not isinstance(status, int) or not isinstance(result, (bytes, bytearray)):
        raise TypeError(f"the foreign function {name.decode('utf-8', 'replace')!r} returns bytes, a status or both, not {returned!r:.100}")
    return status, bytes(result)


def _compress(argument: bytes) -> _Answer:
    # Envoy is built with zlib-ng, whose output differs from zlib's
    from zlib_ng import zlib_ng

    return Status.Ok, zlib_ng.compress(argument, 6)


def _uncompress(argument: bytes) -> _Answer:
    from zlib_ng import zlib_ng

    inflating = zlib_ng.decompressobj()
    try:
        result = inflating.decompress(argument, _MOST_RESULT)
    except zlib_ng.error:  # type: ignore[misc]
        return Status.SerializationFailure, b""
    # what stands behind the stream is left alone, as in Envoy
    return (Status.Ok, result) if inflating.eof else (Status.SerializationFailure, b"")


def _key(fields: Fields | None, der: int, pem: int) -> tuple[bytes, bool] | None:
    """The key, and whether it is PEM; None where not exactly one of the two is given."""
    if fields is None:
        return None
    plain, text = fields.data(der), fields.text(pem)
    if text is None or bool(plain) == bool(text):
        return None
    return (text, True) if text else (plain, False)


def _hash(name: bytes) -> HashAlgorithm | None:
    from cryptography.hazmat.primitives import hashes

    known: dict[bytes, HashAlgorithm] = {
        b"sha1": hashes.SHA1(),
        b"sha224": hashes.SHA224(),
        b"sha256": hashes.SHA256(),
        b"sha384": hashes.SHA384(),
        b"sha512": hashes.SHA512(),
    }
    return known.get(name.lower())


def _verify(argument: bytes) -> _Answer:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    fields = Fields.parse(argument)
    given, name = _key(fields, 2, 5), fields.text(1) if fields else None
    if fields is None or given is None or name is None:
        return Status.BadArgument, b""
    algorithm = _hash(name)
    if algorithm is None:
        return Status.Ok, serialised(2, name + b" is not supported.")
    try:
        key = (load_pem_public_key if given[1] else load_der_public_key)(given[0])
    except (ValueError, UnsupportedAlgorithm):
        key = None
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(fields.data(3), fields.data(4), padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(fields.data(3), fields.data(4), ec.ECDSA(algorithm))
        else:
            return Status.Ok, serialised(2, b"Failed to initialize digest verify.")
    except InvalidSignature:
        return Status.Ok, serialised(2, b"Failed to verify digest. Error code: 0")
    return Status.Ok, number(1, 1)


def _sign(argument: bytes) -> _Answer:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    fields = Fields.parse(argument)
    given, name = _key(fields, 2, 4), fields.text(1) if fields else None
    if fields is None or given is None or name is None:
        return Status.BadArgument, b""
    algorithm = _hash(name)
    if algorithm is None:
        return Status.Ok, serialised(3, name + b" is not supported.")
    key = None
    # Envoy takes PKCS #8 only
    if not given[1] or b"BEGIN PRIVATE KEY" in given[0]:
        try:
            key = (load_pem_private_key if given[1] else load_der_private_key)(given[0], None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
    if isinstance(key, rsa.RSAPrivateKey) and (given[1] or _is_pkcs8(given[0])):
        made = key.sign(fields.data(3), padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePrivateKey) and (given[1] or _is_pkcs8(given[0])):
        made = key.sign(fields.data(3), ec.ECDSA(algorithm))
    else:
        return Status.Ok, serialised(3, b"Invalid key type: private key required for signing operation.")
    return Status.Ok, number(1, 1) + serialised(2, made)


def _is_pkcs8(der: bytes) -> bool:
    """PrivateKeyInfo (RFC 5208): behind the version stands an algorithm, not a number as in PKCS #1."""
    head = 2 if len(der) > 1 and der[1] < 0x80 else 2 + (der[1] & 0x7F) if len(der) > 1 else 0
    return der[head : head + 3] == b"\x02\x01\x00" and der[head + 3 : head + 4] == b"\x30"


_STATELESS: dict[bytes, Callable[[bytes], _Answer]] = {
    b"compress": _compress,
    b"uncompress": _uncompress,
    b"clear_route_cache": lambda argument: (Status.Ok, b""),  # there is one route in a replay
    b"verify_signature": _verify,
    b"sign": _sign,
}
"""Those that need nothing of a replay."""
