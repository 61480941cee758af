"""What a rate-limit service was asked and answered, read from the messages as they were sent.

Field numbers are those of envoy/service/ratelimit/v3/rls.proto and of the files it imports. Only what tells of limits is read, unknown
fields are skipped, and a message that is none gives None: a captured or scripted answer can be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from . import words

__all__ = ["OVER_LIMIT", "Asked", "Quota", "Said", "read_answer", "read_question", "read_quotas"]

OVER_LIMIT = 2
_UNITS = {1: 1, 2: 60, 3: 3600, 4: 86_400, 5: 30 * 86_400, 6: 365 * 86_400, 7: 7 * 86_400}
_UNIT_NAMES = {"second": 1, "minute": 2, "hour": 3, "day": 4, "month": 5, "year": 6, "week": 7}
_MOST = 64
"""Descriptors, statuses and headers of one message that are read."""
_QUOTA_HEADER = re.compile(r"(?:x-)?ratelimit-(limit|remaining|reset)(?:-(\w+))?")
_NUMBER = re.compile(r"\s*(\d{1,18})")
_POLICY = re.compile(r"(\d{1,18})\s*;\s*w\s*=\s*(\d{1,9})")
_POLICY_NAME = re.compile(r';\s*name\s*=\s*"([^"]{0,200})"')


class Asked(NamedTuple):
    """A RateLimitRequest: each descriptor as `key=value, key=value`."""

    domain: str
    descriptors: tuple[str, ...]
    hits: int


class Quota(NamedTuple):
    """One limit as a service or a filter told of it, -1 for what was not said.

    `maximum`, `remaining` and `counter` in requests, `window_s` in seconds, `reset_ns` from now. `aligned` where the window ends at the
    reset and is as long as said. `descriptor` is its place among those asked for.
    """

    name: str
    maximum: int = -1
    remaining: int = -1
    window_s: int = -1
    reset_ns: int = -1
    over: bool = False
    aligned: bool = False
    descriptor: int = -1
    counter: int = -1


class Said(NamedTuple):
    """A RateLimitResponse: its overall code, and the limits that it tells of."""

    code: int
    quotas: tuple[Quota, ...]


@lru_cache(maxsize=65536)
def read_question(message: bytes) -> Asked | None:
    """Read a RateLimitRequest."""
    try:
        domain, hits = "", 1
        descriptors: list[str] = []
        for number, value in _fields(message):
            if number == 1:
                domain = _text(value)
            elif number == 2 and len(descriptors) < _MOST:
                descriptors.append(", ".join(_entries(_bytes(value))))
            elif number == 3 and isinstance(value, int):
                hits = value or 1
        return Asked(domain, tuple(descriptors), hits)
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def read_answer(message: bytes) -> Said | None:
    """Read a RateLimitResponse: the limits of its statuses, or where it has none those of the headers that it asks to be added."""
    try:
        code, place = 0, 0
        quotas: list[Quota] = []
        headers: list[tuple[str, str]] = []
        for number, value in _fields(message):
            if number == 1 and isinstance(value, int):
                code = value
            elif number == 2 and place < _MOST:
                quota = _status(_bytes(value), place)
                quotas += [quota] if quota is not None else []
                place += 1
            elif number == 3 and len(headers) < _MOST:
                headers.append(_header(_bytes(value)))
        return Said(code, tuple(quotas) or tuple(each._replace(over=code == OVER_LIMIT) for each in read_quotas(headers)))
    except ValueError:
        return None


def read_quotas(headers: Iterable[tuple[str, str]]) -> list[Quota]:
    """The limits that `ratelimit-*` and `x-ratelimit-*` headers tell of (draft-ietf-httpapi-ratelimit-headers and its forerunners).

    `x-ratelimit-limit: 5, 5;w=10;name="n"` names the window and the limit; headers ending in a unit (`…-limit-minute`) are a limit each.
    """
    found: dict[str, Quota] = {}
    for name, value in headers:
        match, number = _QUOTA_HEADER.fullmatch(name.lower()), _NUMBER.match(value)
        if not match or not number:
            continue
        unit = match[2] or ""
        quota = found.get(unit) or Quota(unit, window_s=_UNITS[_UNIT_NAMES[unit]] if unit in _UNIT_NAMES else -1)
        if match[1] == "limit" and quota.maximum < 0:
            quota = _policy(quota._replace(maximum=int(number[1])), value)
        elif match[1] == "remaining" and quota.remaining < 0:
            quota = quota._replace(remaining=int(number[1]))
        elif match[1] == "reset" and quota.reset_ns < 0:
            quota = quota._replace(reset_ns=min(int(number[1]), 1 << 31) * 10**9)
        found[unit] = quota
    return list(found.values())


def _policy(quota: Quota, value: str) -> Quota:
    """The window and the name of the policy that has the quota's own number, else of the first."""
    parts = [(match, part) for part in value.split(",") if (match := _POLICY.search(part))]
    if not parts:
        return quota
    match, part = next((pair for pair in parts if int(pair[0][1]) == quota.maximum), parts[0])
    name = _POLICY_NAME.search(part)
    return quota._replace(window_s=int(match[2]), name=quota.name or (name[1] if name else ""))


def _entries(descriptor: bytes) -> Iterator[str]:
    for number, value in _fields(descriptor):
        if number == 1:
            parts = {place: _text(part) for place, part in _fields(_bytes(value)) if place in (1, 2)}
            yield f"{parts.get(1, '')}={parts.get(2, '')}"


def _status(message: bytes, place: int) -> Quota | None:
    """A DescriptorStatus; None for a descriptor that no limit was found for."""
    code, limit, remaining, reset = 0, None, 0, -1
    for number, value in _fields(message):
        if number == 1 and isinstance(value, int):
            code = value
        elif number == 2:
            limit = dict(_fields(_bytes(value)))
        elif number == 3 and isinstance(value, int):
            remaining = value
        elif number == 4:
            parts = dict(_fields(_bytes(value)))
            reset = min(_int(parts.get(1, 0)), 1 << 31) * 10**9 + _int(parts.get(2, 0))
    if limit is None:
        return None
    window = _UNITS.get(_int(limit.get(2, 0)), -1)
    return Quota(_text(limit.get(3, b"")), _int(limit.get(1, 0)), remaining, window, reset, code == OVER_LIMIT, True, place)


def _header(message: bytes) -> tuple[str, str]:
    parts = dict(_fields(message))
    return _text(parts.get(1, b"")), _text(parts.get(2) or parts.get(3, b""))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field; ValueError where the bytes are no message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            number, at = _varint(message, at)
            yield tag >> 3, number
            continue
        size, at = {1: (8, at), 5: (4, at)}.get(kind) or (_varint(message, at) if kind == 2 else (-1, at))
        if size < 0 or at + size > len(message):
            raise ValueError("no protobuf message")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("no protobuf message")


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("no number")
    return value


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("no message")
    return value


def _text(value: int | bytes) -> str:
    return words.text(_bytes(value))
