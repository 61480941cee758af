"""Which limit is for which requests, on a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import visible
from .gateway_api import Gateway, Match
from .topology import Applied, Bound

__all__ = ["overview"]

_LONGEST = 120


def overview(gateway: Gateway, bounds: Sequence[Bound]) -> str:
    """A line for each kind of request, and below it one for each of its limits. A path ends in * where any may begin so."""
    found: dict[str, dict[str, None]] = {}
    for bound in bounds:
        for hostname in bound.hostnames:
            for match in bound.rule.matches:
                limits = found.setdefault(_request(hostname, match), {})
                limits |= dict.fromkeys(line for applied in bound.limits for line in _limit(applied))
    implied = ", which no file describes" if gateway.implied else ""
    lines = [f"behind gateway {gateway.key}{implied}"]
    for request, limits in found.items():
        lines += [f"  {request}", *(f"    {limit}" for limit in limits)]
    return "\n".join(_printable(line) for line in lines)


def _request(hostname: str, match: Match) -> str:
    kind, value = match.path or ("PathPrefix", "/")
    path = {"Exact": value, "PathPrefix": f"{value}*", "RegularExpression": f" with a path like {value}"}[kind]
    more = [f"{name}: {text}" for _, name, text in match.headers] + [f"?{name}={text}" for _, name, text in match.query]
    return f"{match.method or 'any method'} {hostname}{path}{''.join(f', {each}' for each in more)}"


def _limit(applied: Applied) -> Iterator[str]:
    rates = " and ".join(f"{rate.limit} in {rate.seconds} s" for rate in applied.limit.rates) or "no rate"
    yield f"{rates}: {applied.limit.name} of {applied.policy.key}, {applied.identifier}"
    if applied.limit.counters:
        yield f"  for each {', '.join(counter.text for counter in applied.limit.counters)}"
    for condition in applied.when:
        yield f"  where {condition.cel()}"


def _printable(line: str) -> str:
    """With signs that a terminal would act on written out, and not endless."""
    text = visible(line)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
