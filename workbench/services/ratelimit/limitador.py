"""Limitador's limits: the file, which of them a request is subject to, and its counters.

The rules are Kuadrant/limitador's with counters in memory (limitador/src/storage/in_memory.rs, limitador-server/src/envoy_rls): fixed
windows that begin with the first counted hit after the last has expired; all counters of a request have room or none counts; what is
denied is not counted. A test holds them against what the real library was seen to do.
"""

from __future__ import annotations

import os
from collections import Counter as Names
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ..calls import LimitState
from ..yamlfile import Item, load, parse
from .conditions import Condition, Unanswerable, Variable
from .faults import Fault
from .messages import CHECK, OK, OVER_LIMIT, REPORT, SHOULD, RateLimitResponse
from .service import Counting, Decision, Plan, RateLimits, Request, compact

__all__ = ["HEADERS", "LIBRARIES", "Limit", "Limitador"]

HEADERS = ("none", "draft03")
LIBRARIES = ("0.11", "0.13", "0.14")
"""Releases of Limitador's library whose `X-RateLimit-*` differ."""
_UNAVAILABLE = 14
_MOST_COUNTERS = 1_000_000
"""Counters with variables that are kept; past these the oldest goes."""
_KEYS = ("namespace", "max_value", "seconds", "conditions", "variables", "name", "id")
_REQUIRED = _KEYS[:5]
_CODES = {code: RateLimitResponse(overall_code=code).SerializeToString() for code in (OK, OVER_LIMIT)}


@dataclass(frozen=True)
class Limit:
    """`max_value` requests in `seconds`, for those of the domain `namespace` that meet all `conditions`; each combination of values of
    the `variables` has a counter of its own. Both are CEL over `descriptors` and `limit`, or of the form of Limitador 1.x.

    Raises ConfigError for what is none.
    """

    namespace: str
    max_value: int
    seconds: int
    conditions: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    name: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        for what in ("max_value", "seconds"):
            value = getattr(self, what)
            if type(value) is not int or not 0 <= value < 1 << 64:
                raise ConfigError(f"{what} is a whole number from 0, not {value!r}")
        for each in ("conditions", "variables"):
            texts = getattr(self, each)
            if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
                raise ConfigError(f"{each} are a list of texts, not {texts!r}")
            object.__setattr__(self, each, tuple(texts))
        _ = self.made

    @cached_property
    def made(self) -> tuple[tuple[Condition, ...], tuple[Variable, ...]]:
        """Conditions and variables, ready to be evaluated."""
        return tuple(map(Condition, self.conditions)), tuple(map(Variable, sorted(set(self.variables))))

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two limits share a counter; the maximum and the names are no part of it."""
        return self.namespace, self.seconds, tuple(sorted(set(self.conditions))), tuple(sorted(set(self.variables)))

    @property
    def rule(self) -> str:
        """The limit without a name, in words."""
        return f"{' && '.join(self.conditions) or 'every request'} in {self.seconds} s"


class Limitador(RateLimits):
    """A Limitador with these limits, in virtual time; a limit may be a mapping with the keys of the file.

    With `headers="draft03"` its answers bring `X-RateLimit-*`, as a server started with that switch. `library` is the release of its
    library that they are as: until 0.11 there is no `Reset`; until 0.13 it is 0 where the last window has expired, and what remains is
    less this hit also where that was denied; from 0.14 on `Reset` is then a whole window, and a denied hit takes nothing.
    `latency_ms`, `faults` and `carry_on` are as for `RateLimits`. Raises ConfigError for limits that contradict each other.
    """

    def __init__(
        self,
        limits: Iterable[Limit | Mapping[str, Any]],
        *,
        headers: str = "none",
        library: str = "0.13",
        latency_ms: float = 1.0,
        faults: Iterable[Fault] = (),
        carry_on: bool = False,
    ) -> None:
        super().__init__(latency_ms, faults, carry_on)
        if headers not in HEADERS:
            raise ConfigError(f"headers {headers!r} are none that Limitador knows", remedy=f"Give one of {', '.join(HEADERS)}")
        if library not in LIBRARIES:
            raise ConfigError(f"library {library!r} is none that is known", remedy=f"Give one of {', '.join(LIBRARIES)}")
        self.headers = headers
        self.library = library
        self.limits = tuple(each if isinstance(each, Limit) else _limit(Item.of(each, "limits")) for each in limits)
        for each, other in _twice(self.limits):
            raise ConfigError(_contradiction(each, other, "another"))

    @classmethod
    def load(cls, path: str | os.PathLike[str], **settings: Any) -> Limitador:
        """Read a limits file. Raises ConfigError with file, line, the offending text and the remedy."""
        return cls(_read(load(Path(path))), **settings)

    @classmethod
    def parse(cls, text: str, name: str = "limits", **settings: Any) -> Limitador:
        """Read limits from a text; `name` is what errors call it."""
        return cls(_read(parse(text, name)), **settings)

    def counting(self, before: Any = None) -> LimitadorCounting:
        """Fresh counters, or what `before` has kept of those that these limits have too."""
        kept = {limit.identity for limit in self.limits}
        counters = {key: counter for key, counter in before.counters.items() if key[0] in kept} if before is not None else {}
        return LimitadorCounting(self.limits, self.library if self.headers == "draft03" else None, counters)

    def __repr__(self) -> str:
        return f"<Limitador, {len(self.limits)} limit{'s' * (len(self.limits) != 1)}>"


@dataclass(slots=True)
class _Counter:
    """A count, and when it expires, in microseconds since the Unix epoch."""

    value: int = 0
    expiry: int = 0

    def now(self, now: int) -> int:
        if self.expiry <= now:
            self.value = 0
        return self.value

    def add(self, hits: int, window: int, now: int) -> None:
        value = self.now(now)
        if self.expiry <= now:
            self.expiry = now + window
        self.value = value + hits


@dataclass(frozen=True, slots=True)
class _Applying:
    """A limit that applies to a request, and the counter it does so with."""

    limit: Limit
    label: str
    key: tuple[tuple[object, ...], object]
    values: str


class LimitadorCounting(Counting):
    """The counters of one Limitador."""

    methods: Mapping[tuple[str, str], str] = {SHOULD: "should", CHECK: "check", REPORT: "report"}
    too_large = 11

    def __init__(self, limits: tuple[Limit, ...], headers_of: str | None, counters: dict[Any, _Counter]) -> None:
        self.counters = counters
        self._headers_of = headers_of
        self._by_namespace: dict[str, list[tuple[Limit, str]]] = {}
        alike = Names((limit.namespace, limit.name) for limit in limits)
        for limit in limits:
            # an operator gives several limits one name
            shared = limit.name and alike[limit.namespace, limit.name] > 1
            label = f"{limit.name} ({limit.rule})" if shared else limit.name or limit.rule
            self._by_namespace.setdefault(limit.namespace, []).append((limit, label))

    def plan(self, how: str, request: Request) -> Plan:
        """How Limitador decides this request."""
        if not request.domain:
            return lambda _: Decision()  # overall_code UNKNOWN
        try:
            applying = self._applying(request)
        except Unanswerable as error:
            failed = Decision(status=_UNAVAILABLE, problem=f"Service unavailable: {error}")
            return lambda _: failed
        hits = request.hits or 1
        service = f"limitador {request.domain}"
        if how == "check":
            return lambda time_ns: self._check(applying, service, time_ns)
        if how == "report":
            return lambda time_ns: self._report(applying, service, hits, time_ns)
        return lambda time_ns: self._should(applying, service, hits, time_ns)

    def _applying(self, request: Request) -> list[_Applying]:
        descriptors = [dict(each.entries) for each in request.descriptors]
        found = []
        for limit, label in self._by_namespace.get(request.domain, ()):
            about = {"name": limit.name, "id": limit.id}
            conditions, variables = limit.made
            if not all(condition.holds(descriptors, about) for condition in conditions):
                continue
            values = [variable.value(descriptors, about) for variable in variables]
            known = tuple(value for value in values if value is not None)
            if len(known) == len(values):
                text = ", ".join(f"{variable.name}={value}" for variable, value in zip(variables, known, strict=True))
                found.append(_Applying(limit, label, (limit.identity, compact(known)), text))
        return found

    def _should(self, applying: list[_Applying], service: str, hits: int, time_ns: int) -> Decision:
        now = time_ns // 1000
        counters = [self._counter(each, now) for each in applying]
        values = [counter.now(now) for counter in counters]
        overs = [value + hits > each.limit.max_value for value, each in zip(values, applying, strict=True)]
        code = OVER_LIMIT if any(overs) else OK
        message = self._with_headers(code, applying, counters, hits, now) if self._headers_of is not None and applying else _CODES[code]
        if code == OK:
            for each, counter in zip(applying, counters, strict=True):
                counter.add(hits, each.limit.seconds * 1_000_000, now)
        states = (_state(*one, service, hits, now) for one in zip(applying, counters, overs, strict=True))
        return Decision(message, tuple(states))

    def _check(self, applying: list[_Applying], service: str, time_ns: int) -> Decision:
        now, fresh = time_ns // 1000, _Counter()
        counters = [self.counters.get(each.key, fresh) for each in applying]
        overs = [counter.now(now) + 1 > each.limit.max_value for counter, each in zip(counters, applying, strict=True)]
        states = (_state(*one, service, 1, now, "check") for one in zip(applying, counters, overs, strict=True))
        return Decision(_CODES[OVER_LIMIT if any(overs) else OK], tuple(states))

    def _report(self, applying: list[_Applying], service: str, hits: int, time_ns: int) -> Decision:
        now = time_ns // 1000
        counters = [self._counter(each, now) for each in applying]
        for each, counter in zip(applying, counters, strict=True):
            counter.add(hits, each.limit.seconds * 1_000_000, now)
        states = (_state(each, counter, False, service, hits, now) for each, counter in zip(applying, counters, strict=True))
        return Decision(_CODES[OK], tuple(states))

    def _counter(self, each: _Applying, now: int) -> _Counter:
        found = self.counters.get(each.key)
        if found is None:
            # one with variables is made when it is first looked at, and its window runs from then; one without expired long ago
            found = self.counters[each.key] = _Counter(0, now + each.limit.seconds * 1_000_000 if each.values else 0)
            if len(self.counters) > _MOST_COUNTERS:
                self.counters.pop(next(key for key in self.counters if key[1]))
        return found

    def _with_headers(self, code: int, applying: list[_Applying], counters: list[_Counter], hits: int, now: int) -> bytes:
        """The answer with `X-RateLimit-*` of draft 03: as things are before this hit, but for what remains after it."""
        latest = self._headers_of == LIBRARIES[-1]
        taken = 0 if latest and code == OVER_LIMIT else hits
        left = []
        for each, counter in zip(applying, counters, strict=True):
            idle = each.limit.seconds if latest else 0
            reset = (counter.expiry - now) // 1_000_000 if counter.expiry > now else idle
            left.append((max(each.limit.max_value - counter.now(now) - taken, 0), each.limit, reset))
        left.sort(key=lambda one: one[0])
        policies = "".join(f", {limit.max_value};w={limit.seconds}{_named(limit.name)}" for _, limit, _ in left)
        remaining, limit, reset = left[0]
        answer = RateLimitResponse(overall_code=code)
        add = answer.response_headers_to_add.add
        add(key="X-RateLimit-Limit", value=f"{limit.max_value}{policies}")
        add(key="X-RateLimit-Remaining", value=str(remaining))
        if self._headers_of != LIBRARIES[0]:
            add(key="X-RateLimit-Reset", value=str(reset))
        data: bytes = answer.SerializeToString()
        return data


def _named(name: str | None) -> str:
    return "" if name is None else ';name="{}"'.format(name.replace('"', "'"))


def _state(each: _Applying, counter: _Counter, over: bool, service: str, hits: int, now: int, flags: str = "") -> LimitState:
    window = each.limit.seconds
    start, end = ((counter.expiry - window * 1_000_000) * 1000, counter.expiry * 1000) if counter.expiry > now else (0, 0)
    return LimitState(service, each.label, each.values, over, each.limit.max_value, counter.value, hits, window, start, end, flags)


def _read(top: Item) -> list[Limit]:
    if top.value is None:
        return []
    read = [(_limit(item), item) for item in top.items()]
    items = {id(limit): item for limit, item in read}
    for each, other in _twice([limit for limit, _ in read]):
        first = items[id(each)]
        raise items[id(other)].fault(_contradiction(other, each, f"that of line {first.line}"), "Keep one of them")
    return [limit for limit, _ in read]


def _limit(item: Item) -> Limit:
    given = item.mapping(_KEYS, _REQUIRED)
    name, id_ = (given[key].text() if key in given and given[key].value is not None else None for key in ("name", "id"))
    return Limit(
        given["namespace"].text(),
        given["max_value"].integer(),
        given["seconds"].integer(),
        _expressions(given["conditions"], Condition),
        _expressions(given["variables"], Variable),
        name,
        id_,
    )


def _expressions(item: Item, check: Callable[[str], object]) -> tuple[str, ...]:
    texts = []
    for each in item.items():
        texts.append(each.text())
        try:
            check(texts[-1])
        except ConfigError as error:
            raise each.fault(f": {error.what}", "Mend the expression") from None
    return tuple(texts)


def _twice(limits: Iterable[Limit]) -> Iterable[tuple[Limit, Limit]]:
    """Pairs that share a counter, the earlier first."""
    seen: dict[tuple[object, ...], Limit] = {}
    for limit in limits:
        other = seen.setdefault(limit.identity, limit)
        if other is not limit:
            yield other, limit


def _contradiction(limit: Limit, other: Limit, which: str) -> str:
    of = f"limit of namespace {limit.namespace} for {limit.rule}"
    if limit.max_value == other.max_value:
        return f"{of} is the same as {which}: they have one counter, and one of them is ignored"
    return f"{of} allows {limit.max_value} and contradicts {which}, which allows {other.max_value}: they have one counter"
