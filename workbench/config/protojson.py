"""Messages of protobuf in their JSON form, as Envoy's configuration is written, in JSON or YAML.

Fields are called `snake_case` or `camelCase`, null means left out, and what holds any message (`google.protobuf.Any`) says in `@type`
which one it is. https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..services.yamlfile import Item, load_all, parse_all, read
from .documents import choice, fault, listed, mapping, string
from .scalars import as_json, in_envoy

__all__ = ["STRUCT", "any_bytes", "data", "flag", "message", "messages", "option", "pairs", "read_file", "typed", "written"]

STRUCT = "google.protobuf.Struct"

_TYPED_STRUCTS = ("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct")
_KNOWN_VALUES = "StringValue, BytesValue or Struct"
_CAPITAL = re.compile(r"(?<=[a-z0-9])[A-Z]")
_PAIR = re.compile(rb"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\.")


def read_file(path: Path) -> list[Item]:
    """The documents of a file as Envoy would read them: as JSON where it is called `.json`, else as YAML."""
    if path.suffix.lower() != ".json":
        return load_all(path, in_envoy)
    # YAML is JSON but for characters beyond 16 bits, which JSON writes as two escapes
    return parse_all(_PAIR.sub(_character, read(path)), str(path), as_json)


def written(value: Any, place: Item, name: str = "") -> Item:
    """A value of Python's as if it stood in place of another; Items in it keep theirs."""
    if isinstance(value, Item):
        return value
    if isinstance(value, Mapping):
        value = {key: written(each, place, key) for key, each in value.items()}
    elif isinstance(value, (list, tuple)):
        value = [written(each, place, name) for each in value]
    return Item(value, place.line, place.file, name)


def _character(found: re.Match[bytes]) -> bytes:
    if not found[1]:
        return found[0]
    return (int(found[1], 16) << 16 | int(found[2], 16)).to_bytes(4, "big").decode("utf-16-be").encode()


def message(item: Item, known: Collection[str] | None = None, required: Collection[str] = ()) -> dict[str, Item]:
    """The fields of a message by their `snake_case` names, without those that are null; `known` are those it may have, None: any."""
    if not isinstance(item.value, dict):
        return mapping(item, known, required)
    fields: dict[str, Item] = {}
    for name, value in item.value.items():
        own = name if name.startswith("@") else _CAPITAL.sub(lambda found: f"_{found[0].lower()}", name)
        if own in fields:
            raise fault(value, f"is {own} a second time", "Keep one of them")
        fields[own] = value
    return mapping(replace(item, value=fields), known, required)


def messages(item: Item | None) -> list[Item]:
    """The values of a repeated field, which may not be there."""
    return [] if item is None else listed(item)


def pairs(item: Item | None) -> dict[str, Item]:
    """A map's values by their keys, which are kept as they are; a null is the value that is taken where none is said."""
    if item is not None:
        mapping(item, None)
    return {} if item is None else dict(item.value)


def flag(item: Item | None) -> bool:
    """A bool, False where it is left out."""
    if item is None:
        return False
    if not isinstance(item.value, bool) and item.value not in ("true", "false"):
        raise fault(item, "must be true or false", "Write one of them, without quotes")
    return item.value in (True, "true")


def option(item: Item, numbers: Mapping[str, int]) -> str:
    """The name of an enum's value, which may be given in small letters or by its number."""
    for name, number in numbers.items():
        if item.value in (name.lower(), str(number)) or (type(item.value) is int and item.value == number):
            return name
    return choice(item, numbers)


def data(item: Item) -> bytes:
    """What is written in base64."""
    try:
        # protobuf takes base64 of URLs too, with or without its end
        text = string(item, empty=True).translate(str.maketrans("-_", "+/")).rstrip("=")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (ValueError, binascii.Error):
        raise fault(item, "is no base64", "Write the bytes in base64") from None


def typed(item: Item) -> tuple[str, Item]:
    """The name of the message in an Any, and the item that has its fields; a TypedStruct, which mesh operators write, is unwrapped."""
    fields = message(item, None, ("@type",))
    name = _type(fields["@type"])
    if name in _TYPED_STRUCTS:
        fields = message(item, ("@type", "type_url", "value"), ("type_url",))
        name = _type(fields["type_url"])
        return name, fields.get("value") or replace(item, value={})
    return name, replace(item, value={key: value for key, value in item.value.items() if key != "@type"})


def _type(item: Item) -> str:
    name = string(item).rpartition("/")[2]
    if not name:
        raise fault(item, "names no type", "Write type.googleapis.com/NAME")
    return name


def any_bytes(item: Item | None) -> tuple[bytes, str]:
    """What Envoy gives a filter of the Any in its configuration, and the message's type, none where nothing is there.

    Text and bytes come as they are, any other message in protobuf's own form. That holds for a Struct too, though Envoy's
    documentation says it came as JSON (seen in Envoy 1.40; the order of its fields, there chance, is theirs by name here).
    """
    if item is None or not message(item):
        return b"", ""
    name = _type(message(item, None, ("@type",))["@type"])
    if name == "google.protobuf.StringValue":
        value = message(item, ("@type", "value")).get("value")
        return (b"" if value is None else _text(value)), name
    if name == "google.protobuf.BytesValue":
        value = message(item, ("@type", "value")).get("value")
        return (b"" if value is None else data(value)), name
    return _serialised(item, name), name


def _text(item: Item) -> bytes:
    try:
        return string(item, empty=True).encode()
    except UnicodeEncodeError:
        raise fault(item, "has half a character (a surrogate)", "Write the whole character") from None


def _serialised(item: Item, name: str) -> bytes:
    from google.protobuf import any_pb2, duration_pb2, empty_pb2, json_format, struct_pb2, timestamp_pb2, wrappers_pb2  # noqa: F401

    found = any_pb2.Any()
    try:
        json_format.ParseDict(item.plain(), found)
        if name == STRUCT:
            struct = struct_pb2.Struct()
            found.Unpack(struct)
            return bytes(struct.SerializeToString(deterministic=True))
    except (json_format.ParseError, ValueError, TypeError, AttributeError, OverflowError) as error:
        what = " ".join(str(error).split())[:200]
        raise fault(item, f"cannot be written as {name}: {what}", f"Give a google.protobuf {_KNOWN_VALUES}") from None
    return bytes(found.value)
