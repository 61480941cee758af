"""The rate-limit service of the Envoy project (envoyproxy/ratelimit): its configuration, the limit of a descriptor, and its counters.

The rules are those of src/config/config_impl.go, src/service/ratelimit.go and src/limiter: windows aligned to the clock; each descriptor
judged alone; every hit counted, the denied ones too (as it is with `STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT` left off).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ..calls import LimitState
from ..yamlfile import Item, load, parse_all
from .faults import Fault
from .messages import OK, OVER_LIMIT, SHOULD, UNITS, RateLimitResponse
from .service import Counting, Decision, Descriptor, Plan, RateLimits, Request, compact

__all__ = ["EnvoyRateLimit"]

_DAY = 86_400
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": _DAY, "WEEK": 7 * _DAY, "MONTH": 30 * _DAY, "YEAR": 365 * _DAY}
_UNIT_SECONDS = {UNITS[name]: seconds for name, seconds in _SECONDS.items()}
_KEYS = (
    *("key", "value", "rate_limit", "descriptors", "shadow_mode", "quota_mode", "detailed_metric", "value_to_metric"),
    *("share_threshold", "metadata"),
)
_LIMIT_KEYS = ("unit", "requests_per_unit", "unlimited", "name", "replaces")
_ENDLESS = 0xFFFFFFFF
_UNKNOWN_STATUS = 2
_MOST_COUNTERS = 1_000_000
"""Counters that are kept; past these the oldest goes."""
_GROUP = ("backend_name", "model_name_override")
"""Entries that put descriptors of quota mode into one group."""


@dataclass(frozen=True, slots=True)
class _Limit:
    requests: int
    unit: int
    name: str = ""
    label: str = ""
    unlimited: bool = False
    shadow: bool = False
    quota: bool = False
    replaces: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Level:
    """What a list of descriptors leads to, by `key` or `key_value`."""

    next: dict[str, _Level] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    patterns: list[str] = field(default_factory=list)
    limit: _Limit | None = None
    shared: str | None = None
    """The pattern whose values have one counter together."""

    def find(self, key: str, value: str) -> _Level | None:
        """The exact pair, or the first that ends with * and is its beginning, or the key alone."""
        full = f"{key}_{value}"
        found = self.next.get(full)
        if found is None:
            found = next((self.next[begin] for begin in self.patterns if full.startswith(begin[:-1])), None)
        return self.next.get(key) if found is None else found


class EnvoyRateLimit(RateLimits):
    """An envoyproxy/ratelimit with these configurations (one for each domain), in virtual time.

    A configuration is a mapping as its YAML is. With `headers` its answers bring `RateLimit-Limit`, `-Remaining` and `-Reset`;
    `latency_ms`, `faults` and `carry_on` are as for `RateLimits`. Raises ConfigError.
    """

    def __init__(
        self,
        *configurations: Mapping[str, Any] | Item,
        headers: bool = False,
        latency_ms: float = 1.0,
        faults: Iterable[Fault] = (),
        carry_on: bool = False,
    ) -> None:
        super().__init__(latency_ms, faults, carry_on)
        if not isinstance(headers, bool):
            raise ConfigError(f"headers {headers!r} are neither on nor off", remedy="Give True or False")
        self.headers = headers
        self.domains: dict[str, _Level] = {}
        places: dict[str, Item] = {}
        for each in configurations:
            item = each if isinstance(each, Item) else Item.of(each)
            given = item.mapping(("domain", "descriptors"), ("domain",))
            domain = given["domain"].text()
            if not domain:
                raise given["domain"].fault("is empty", "Name the domain")
            if domain in places:
                raise given["domain"].fault(f"{domain!r} is a second time, first at {places[domain].where}", "Keep one file for a domain")
            places[domain] = given["domain"]
            self.domains[domain] = _level(given.get("descriptors"), f"{domain}.")

    @classmethod
    def load(cls, path: str | os.PathLike[str], **settings: Any) -> EnvoyRateLimit:
        """Read a file, or every `.yaml` and `.yml` of a folder. Raises ConfigError with file, line, the offending text and the remedy."""
        place = Path(path)
        files = sorted(each for each in place.iterdir() if each.suffix in (".yaml", ".yml")) if place.is_dir() else [place]
        if not files:
            raise ConfigError("holds no .yaml file", where=str(place), remedy="Put a configuration there, one for each domain")
        return cls(*map(load, files), **settings)

    @classmethod
    def parse(cls, text: str, name: str = "configuration", **settings: Any) -> EnvoyRateLimit:
        """Read configurations from a text, a document each; `name` is what errors call it."""
        return cls(*parse_all(text, name), **settings)

    def counting(self, before: Any = None) -> EnvoyCounting:
        """Fresh counters, or those of `before`: they are kept by domain and entries, whatever the configuration says."""
        return EnvoyCounting(self.domains, self.headers, before.counters if before is not None else {})

    def __repr__(self) -> str:
        return f"<EnvoyRateLimit for {', '.join(self.domains) or 'no domain'}>"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A descriptor of a request with the limit that it is subject to (None: none), and its hits."""

    limit: _Limit | None
    key: object
    text: str
    group: str
    hits: int


class EnvoyCounting(Counting):
    """The counters of one envoyproxy/ratelimit."""

    methods: Mapping[tuple[str, str], str] = {SHOULD: "should"}
    too_large = 8

    def __init__(self, domains: Mapping[str, _Level], headers: bool, counters: dict[Any, int]) -> None:
        self.counters = counters
        self._domains = domains
        self._headers = headers

    def plan(self, how: str, request: Request) -> Plan:
        """How it decides this request."""
        problem = ""
        if not request.domain:
            problem = "rate limit domain must not be empty"
        elif not request.descriptors:
            problem = "rate limit descriptor list must not be empty"
        found = [self._find(request.domain, each) for each in request.descriptors]
        if any(limit is not None and not limit.unlimited and limit.unit not in _UNIT_SECONDS for limit, _ in found):
            problem = "a descriptor brings a limit without a unit"
        if problem:
            failed = Decision(status=_UNKNOWN_STATUS, problem=problem)
            return lambda _: failed
        replaced = {name for limit, _ in found if limit is not None for name in limit.replaces}
        asked = []
        for (limit, entries), each in zip(found, request.descriptors, strict=True):
            hits = max(request.hits, 1) if each.hits is None else each.hits
            standing = limit if limit is None or limit.unlimited or not limit.name or limit.name not in replaced else None
            # windows of different units that begin together have one counter, as there
            key = compact((request.domain, entries))
            asked.append(_Asked(standing, key, ", ".join(f"{name}={value}" for name, value in entries), _group(each), hits))
        service = f"ratelimit {request.domain}"
        return lambda time_ns: self._decide(asked, service, time_ns)

    def _find(self, domain: str, descriptor: Descriptor) -> tuple[_Limit | None, tuple[tuple[str, str], ...]]:
        """The limit of a descriptor, and its entries as they are counted."""
        level, entries = self._domains.get(domain), list(descriptor.entries)
        if level is None:
            return None, descriptor.entries
        if descriptor.override is not None:
            requests, unit = descriptor.override
            return _Limit(requests, unit, label=".".join(f"{key}_{value}" if value else key for key, value in entries)), descriptor.entries
        limit = None
        for place, (key, value) in enumerate(descriptor.entries):
            level = level.find(key, value)
            if level is None:
                break
            if level.shared is not None:
                entries[place] = (key, level.shared.removeprefix(f"{key}_"))
            if place == len(entries) - 1:
                limit = level.limit
            if not level.next:
                break
        return limit, tuple(entries)

    def _decide(self, asked: Sequence[_Asked], service: str, time_ns: int) -> Decision:
        now = time_ns // 1_000_000_000
        answer = RateLimitResponse()
        states: list[LimitState] = []
        nearest: tuple[int, _Limit, int] | None = None
        failed = False
        groups: dict[str, bool] = {}
        for each in asked:
            status, limit = answer.statuses.add(code=OK), each.limit
            if limit is None:
                continue
            if limit.unlimited:
                status.limit_remaining = _ENDLESS
                states.append(LimitState(service, limit.label, each.text, False, _ENDLESS, 0, each.hits, flags="unlimited"))
                continue
            window = _UNIT_SECONDS[limit.unit]
            start = now - now % window
            count = self._count((each.key, start), each.hits)
            over, left, reset = count > limit.requests, max(limit.requests - count, 0), start + window - now
            status.code = OVER_LIMIT if over and not limit.shadow else OK
            status.current_limit.requests_per_unit = limit.requests
            status.current_limit.unit = limit.unit
            status.current_limit.name = limit.name
            status.limit_remaining = left
            status.duration_until_reset.seconds = reset
            if nearest is None or left < nearest[0]:
                nearest = left, limit, reset
            if limit.quota:
                groups[each.group] = groups.get(each.group, False) or status.code == OVER_LIMIT
            elif status.code == OVER_LIMIT:
                failed, nearest = True, (0, limit, reset)
            flags = "shadow" if over and limit.shadow else ""
            ns = (start * 1_000_000_000, (start + window) * 1_000_000_000)
            states.append(LimitState(service, limit.label, each.text, over, limit.requests, count, each.hits, window, *ns, flags))
        answer.overall_code = OVER_LIMIT if failed or (groups and all(groups.values())) else OK
        if self._headers and nearest is not None:
            left, limit, reset = nearest
            for name, value in (("Limit", limit.requests), ("Remaining", left), ("Reset", reset)):
                answer.response_headers_to_add.add(key=f"RateLimit-{name}", value=str(value))
        return Decision(answer.SerializeToString(), tuple(states))

    def _count(self, key: tuple[object, int], hits: int) -> int:
        count = self.counters[key] = self.counters.get(key, 0) + hits
        if len(self.counters) > _MOST_COUNTERS:
            self.counters.pop(next(iter(self.counters)))
        return count


def _group(descriptor: Descriptor) -> str:
    """What its entries say of the model that a quota is for; without, they are a group of their own."""
    entries = dict(descriptor.entries)
    backend, model = (entries.get(name, "") for name in _GROUP)
    return f"{backend}|{model}" if backend or model else ";".join(f"{key}={value}" for key, value in descriptor.entries)


def _level(item: Item | None, path: str) -> _Level:
    level = _Level()
    if item is None or item.value is None:
        return level
    for each in item.items():
        given = each.mapping(_KEYS, ("key",))
        flags = {name: given[name].flag() for name in _KEYS[4:9] if name in given}
        key, value = given["key"].text(), given["value"].text() if "value" in given and given["value"].value is not None else ""
        if not key:
            raise given["key"].fault("is empty", "Name the entry's key")
        full = f"{key}_{value}" if value else key
        if full in level.next:
            first = f", first on line {level.lines[full]}" if level.lines[full] else ""
            raise given["key"].fault(f"{path}{full} is a second time{first}", "Keep one of them")
        below = _level(given.get("descriptors"), f"{path}{full}.")
        if flags.get("share_threshold"):
            if not full.endswith("*"):
                raise given["share_threshold"].fault(
                    f"is for values that end with *, not for {full!r}", "Remove it, or end the value with *"
                )
            below.shared = full
        if given.get("rate_limit") is not None:
            below.limit = _limit(given["rate_limit"], f"{path}{full}", flags)
        level.next[full], level.lines[full] = below, each.line
        if full.endswith("*"):
            level.patterns.append(full)
    return level


def _limit(item: Item, label: str, flags: Mapping[str, bool]) -> _Limit:
    given = item.mapping(_LIMIT_KEYS)
    name = given["name"].text() if "name" in given else ""
    unlimited = given["unlimited"].flag() if "unlimited" in given else False
    others = given["replaces"].items() if "replaces" in given else []
    replaces = frozenset(each.mapping(("name",), ("name",))["name"].text() for each in others)
    if "" in replaces or (name and name in replaces):
        raise given["replaces"].fault("names nothing, or this limit itself", "Name other limits")
    requests = given["requests_per_unit"].integer(0, _ENDLESS) if "requests_per_unit" in given else 0
    unit = 0
    if "unit" in given:
        text = given["unit"].text()
        if unlimited:
            raise given["unit"].fault(f"{text!r} beside unlimited", "Remove one of them")
        if text.upper() not in _SECONDS:
            raise given["unit"].fault(f"{text[:80]!r} is none", f"Give one of {', '.join(_SECONDS).lower()}")
        unit = UNITS[text.upper()]
    elif not unlimited:
        raise item.fault("has no unit", f"Give one of {', '.join(_SECONDS).lower()}")
    shadow, quota = flags.get("shadow_mode", False), flags.get("quota_mode", False)
    return _Limit(requests, unit, name, name or label, unlimited, shadow, quota, replaces)
