"""The few flat protobuf messages of Envoy's foreign functions, read and written (protobuf encoding guide)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Fields", "number", "serialised"]

_FIXED = {1: 8, 5: 4}


@dataclass(frozen=True)
class Fields:
    """The fields of a message by number, the last of each; one of another wire type than asked for counts as unknown."""

    numbers: dict[int, int]
    strings: dict[int, bytes]

    @classmethod
    def parse(cls, data: bytes) -> Fields | None:
        """Read a message; None where it is none."""
        found, at = cls({}, {}), 0
        while at < len(data):
            tag = _varint(data, at)
            if tag is None or not tag[0] >> 3:
                return None
            (key, at), kind = tag, tag[0] & 7
            if kind in _FIXED:
                at += _FIXED[kind]
                if at > len(data):
                    return None
                continue
            value = _varint(data, at) if kind in (0, 2) else None
            if value is None:
                return None
            size, at = value
            if kind == 0:
                found.numbers[key >> 3] = size
                continue
            if at + size > len(data):
                return None
            found.strings[key >> 3] = data[at : at + size]
            at += size
        return found

    def number(self, field: int) -> int:
        """A number, 0 without one."""
        return self.numbers.get(field, 0)

    def data(self, field: int) -> bytes:
        """Bytes, none without them."""
        return self.strings.get(field, b"")

    def text(self, field: int) -> bytes | None:
        """A string, empty without one; None where it is not UTF-8, which makes the whole message invalid."""
        value = self.data(field)
        try:
            value.decode()
        except UnicodeDecodeError:
            return None
        return value


def _varint(data: bytes, at: int) -> tuple[int, int] | None:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            return None
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value & ((1 << 64) - 1), at
    return None


def _written(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def number(field: int, value: int) -> bytes:
    """A field with a number."""
    return _written(field << 3) + _written(value)


def serialised(field: int, value: bytes) -> bytes:
    """A field with bytes or a string."""
    return _written(field << 3 | 2) + _written(len(value)) + value
