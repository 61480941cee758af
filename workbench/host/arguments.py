"""What each hostcall takes and gives, by name: wasm's numbers as a person reads them, and back.

The names are those of the trace's schema, so that what is decoded here and what the core records are the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import chain, pairwise
from typing import TypeAlias

from ..capture.exchange import Pairs
from ..trace import numbers
from ..trace.records import Hostcall

__all__ = ["Parameter", "Raw", "Read", "Signature", "parse_pairs", "serialise_pairs", "signature"]

Raw: TypeAlias = int | bytes
"""A value as it crosses the border: a number, or the bytes that a pointer and a size lead to."""
Read: TypeAlias = Callable[[int, int], bytes | None]
"""Reads (place, size) of the filter's memory; None outside it."""

# Inputs, then results: all of them come last in the ABI. A status is what every function gives besides.
_SIGNATURES = """
proxy_log level:LogLevel message:text
proxy_get_log_level -> level:LogLevel
proxy_get_status -> code:u32 message:text
proxy_get_property path:path -> value:bytes
proxy_set_property path:path value:bytes
proxy_get_configuration -> value:bytes
proxy_continue_request
proxy_continue_response
proxy_clear_route_cache
proxy_continue_stream stream_type:StreamType
proxy_close_stream stream_type:StreamType
proxy_send_local_response status_code:u32 details:text body:bytes headers:pairs grpc_status:i32
proxy_get_shared_data key:text -> value:bytes cas:u32
proxy_set_shared_data key:text value:bytes cas:u32
proxy_register_shared_queue name:text -> token:u32
proxy_resolve_shared_queue vm_id:text name:text -> token:u32
proxy_dequeue_shared_queue token:u32 -> value:bytes
proxy_enqueue_shared_queue token:u32 value:bytes
proxy_get_header_map_value map_type:MapType name:name -> value:text
proxy_add_header_map_value map_type:MapType name:name value:text
proxy_replace_header_map_value map_type:MapType name:name value:text
proxy_remove_header_map_value map_type:MapType name:name
proxy_get_header_map_pairs map_type:MapType -> pairs:pairs
proxy_set_header_map_pairs map_type:MapType pairs:pairs
proxy_get_header_map_size map_type:MapType -> size:u32
proxy_get_buffer_bytes buffer_type:BufferType start:u32 max_size:u32 -> value:bytes
proxy_get_buffer_status buffer_type:BufferType -> size:u32 flags:u32
proxy_set_buffer_bytes buffer_type:BufferType start:u32 size:u32 value:bytes
proxy_http_call upstream:text headers:pairs body:bytes trailers:pairs timeout_ms:u32 -> token:u32
proxy_grpc_call upstream:text service:text method:text metadata:pairs message:bytes timeout_ms:u32 -> token:u32
proxy_grpc_stream upstream:text service:text method:text metadata:pairs -> token:u32
proxy_grpc_send token:u32 message:bytes end_stream:u32
proxy_grpc_close token:u32
proxy_grpc_cancel token:u32
proxy_set_tick_period_milliseconds period:u32
proxy_get_current_time_nanoseconds -> time:u64
proxy_define_metric metric_type:MetricType name:text -> metric_id:u32
proxy_increment_metric metric_id:u32 offset:i64
proxy_record_metric metric_id:u32 value:u64
proxy_get_metric metric_id:u32 -> value:u64
proxy_set_effective_context context_id:u32
proxy_done
proxy_call_foreign_function name:text argument:bytes -> result:bytes
pthread_equal a:u32 b:u32
emscripten_notify_memory_growth memory:u32
fd_write fd:u32 message:pieces -> size:u32
fd_pwrite fd:u32 message:pieces offset:u64 -> size:u32
clock_time_get clock_id:u32 precision:u64 -> time:u64
clock_res_get clock_id:u32 -> resolution:u64
random_get -> data:buffer
environ_sizes_get -> count:u32 size:u32
args_sizes_get -> count:u32 size:u32
proc_exit code:u32
"""
_WIDTHS = {"u32": 4, "i32": 4, "u64": 8, "i64": 8}
_BYTES = ("bytes", "text", "name", "path", "pairs")
_MOST_READ = 64 << 20
"""Bytes of an argument that are read; the core takes no larger ones."""
_MOST_PIECES = 1024


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or result by name. `kind` is a width, an enumeration of `trace.numbers`, or what the bytes are."""

    name: str
    kind: str

    @property
    def is_bytes(self) -> bool:
        """Pointer and size, not a number."""
        return self.kind in (*_BYTES, "pieces", "buffer")

    @property
    def width(self) -> int:
        """Bytes of a number in memory."""
        return _WIDTHS.get(self.kind, 4)

    def shown(self, raw: Raw | None) -> object:
        """The value as a hook reads it: text, bytes, a list of pairs, a named number; None for bytes outside the filter's memory."""
        if raw is None:
            return None
        if isinstance(raw, int):
            names = getattr(numbers, self.kind, None)
            known = isinstance(names, type) and issubclass(names, IntEnum) and raw in list(names)
            return names(raw) if known and names is not None else raw
        if self.kind == "pairs":
            return [(_text(name), _text(value)) for name, value in parse_pairs(raw)]
        if self.kind == "path":
            return _text(raw.removesuffix(b"\0").replace(b"\0", b"."))
        return _text(raw) if self.kind in ("text", "name", "pieces") else raw

    def raw(self, value: object) -> Raw:
        """A value that a hook gives, as it crosses the border. TypeError or ValueError where it cannot."""
        if self.kind == "pairs" and not isinstance(value, (bytes, str)):
            items: Iterable[object] = value.items() if isinstance(value, Mapping) else value if isinstance(value, Iterable) else ()
            pairs = [tuple(item) if isinstance(item, Sequence) and not isinstance(item, (str, bytes)) else () for item in items]
            if any(len(pair) != 2 for pair in pairs) or not isinstance(value, (Mapping, Iterable)):
                raise TypeError(f"{self.name} is a list of pairs of name and value, not {type(value).__name__}")
            return serialise_pairs([(_encoded(self.name, name), _encoded(self.name, text)) for name, text in pairs])
        if self.is_bytes:
            return _encoded(self.name, value)
        if isinstance(value, str) and self.kind not in _WIDTHS:
            return _named(self.name, getattr(numbers, self.kind), value)
        if not isinstance(value, int):
            raise TypeError(f"{self.name} is a number, not {type(value).__name__}")
        if not -(1 << (8 * self.width - 1)) <= value < 1 << (8 * self.width):
            raise ValueError(f"{self.name} has {8 * self.width} bits, {value} does not fit")
        return value & ((1 << (8 * self.width)) - 1)


@dataclass(frozen=True)
class Signature:
    """A hostcall's parameters. `known` is False for the rare ones whose numbers are only counted: they are named `a`, `b`, …"""

    inputs: tuple[Parameter, ...]
    results: tuple[Parameter, ...]
    known: bool = True

    @property
    def types(self) -> tuple[str, ...]:
        """The wasm types of the parameters."""
        of_inputs = (_input_types(each) for each in self.inputs)
        of_results = (("i32", "i32") if each.is_bytes else ("i32",) for each in self.results)
        return tuple(chain.from_iterable((*of_inputs, *of_results)))

    def read(self, values: Sequence[int], read: Read) -> dict[str, Raw | None]:
        """The arguments of a call by name."""
        found: dict[str, Raw | None] = {}
        at = 0
        for each in self.inputs:
            if not each.is_bytes:
                found[each.name] = _signed(values[at], each)
            elif each.kind == "pieces":
                found[each.name] = _pieces(values[at], values[at + 1], read)
            else:
                found[each.name] = _read(values[at], values[at + 1], read)
            at += len(_input_types(each))
        return found

    def places(self, values: Sequence[int]) -> list[tuple[Parameter, tuple[int, ...]]]:
        """Each result and the pointers that the filter gave for it."""
        at, found = sum(len(_input_types(each)) for each in self.inputs), []
        for each in self.results:
            count = 2 if each.is_bytes else 1
            found.append((each, tuple(values[at : at + count])))
            at += count
        return found

    def record(self, call: Hostcall, values: Mapping[str, Raw | None]) -> tuple[list[int], list[bytes]]:
        """Numbers a to d and the fields of the trace's row, as the core would have recorded the call."""
        named = dict(values)
        for name in ("value", "data", "pairs", "message"):
            if isinstance(given := named.get(name), bytes):
                named.setdefault("size", len(given))
                named.setdefault("count", int.from_bytes(given[:4], "little") if name == "pairs" else 0)
        for name, value in list(named.items()):
            if isinstance(value, int):
                named |= {f"{name}_low": value & 0xFFFFFFFF, f"{name}_high": value >> 32 & 0xFFFFFFFF}
        kinds = {each.name: each.kind for each in (*self.inputs, *self.results)}
        args = [value & 0xFFFFFFFF if isinstance(value := named.get(name), int) else 0 for name in call.args]
        return args, [_field(kinds.get(name, ""), named.get(name), call.name) for name in call.fields]


@cache
def _signatures() -> dict[str, Signature]:
    found = {}
    for line in _SIGNATURES.strip().splitlines():
        name, *words = line.split()
        cut = words.index("->") if "->" in words else len(words)
        parts = [tuple(Parameter(*word.split(":")) for word in some) for some in (words[:cut], words[cut + 1 :])]
        found[name] = Signature(parts[0], parts[1])
    return found


def signature(name: str, types: Sequence[str]) -> Signature:
    """That of a hostcall by its name in the ABI; `types` are its wasm parameters, which name those that have no names here."""
    known = _signatures().get(name)
    if known is not None:
        return known
    return Signature(tuple(Parameter(chr(ord("a") + place), f"u{type_[1:]}") for place, type_ in enumerate(types)), (), known=False)


def _input_types(each: Parameter) -> tuple[str, ...]:
    if each.is_bytes:
        return ("i32", "i32")
    return (f"i{8 * each.width}",)


def _signed(value: int, each: Parameter) -> int:
    bits = 8 * each.width
    value &= (1 << bits) - 1
    return value - (1 << bits) if each.kind.startswith("i") and value >> (bits - 1) else value


def _read(at: int, size: int, read: Read) -> bytes | None:
    at, size = at & 0xFFFFFFFF, size & 0xFFFFFFFF
    if not at and not size:
        return b""
    return read(at, size) if size <= _MOST_READ else None


def _pieces(at: int, count: int, read: Read) -> bytes | None:
    table = _read(at, 8 * min(count & 0xFFFFFFFF, _MOST_PIECES), read)
    if table is None:
        return None
    numbers_ = [int.from_bytes(table[i : i + 4], "little") for i in range(0, len(table), 4)]
    parts, room = [], 16 << 20
    for place, size in zip(numbers_[::2], numbers_[1::2], strict=True):
        part = read(place, min(size, room)) if size else b""
        if part is None:
            return None
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _field(kind: str, value: Raw | None, call: str) -> bytes:
    from ..capture.packing import pack_pairs

    if not isinstance(value, bytes):
        return b""
    if kind == "name":
        return value.lower()
    if kind == "pieces":
        return value.removesuffix(b"\n")
    # the core keeps these as it reads them, those of callouts as they came
    return pack_pairs(parse_pairs(value)) if kind == "pairs" and call == "proxy_send_local_response" else value


def parse_pairs(data: bytes) -> Pairs:
    """A pair list as the ABI has it: count, sizes, then each part with a NUL behind it. A malformed one is empty, as in Envoy."""
    count = int.from_bytes(data[:4], "little")
    if len(data) < 4 + 8 * count or not count:
        return ()
    sizes = [int.from_bytes(data[at : at + 4], "little") for at in range(4, 4 + 8 * count, 4)]
    starts = [4 + 8 * count]
    for size in sizes:
        starts.append(starts[-1] + size + 1)
    if starts[-1] > len(data):
        return ()
    parts = [data[start : end - 1] for start, end in pairwise(starts)]
    return tuple(zip(parts[::2], parts[1::2], strict=True))


def serialise_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The reverse; nothing at all for an empty list, as in Envoy."""
    listed = list(pairs)
    if not listed:
        return b""
    parts = [part for pair in listed for part in pair]
    sizes = b"".join(len(part).to_bytes(4, "little") for part in parts)
    return len(listed).to_bytes(4, "little") + sizes + b"".join(part + b"\0" for part in parts)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _encoded(name: str, value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"{name} is text or bytes, not {type(value).__name__}")


def _named(name: str, names: type[IntEnum], value: str) -> int:
    if value not in names.__members__:
        raise ValueError(f"{name} is one of {', '.join(names.__members__)}, not {value!r}")
    return names[value]
