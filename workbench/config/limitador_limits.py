"""The limits that a policy means, as Limitador's file has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .cel import quoted
from .shim_selectors import domain_of
from .topology import Bound

__all__ = ["limits_of", "limits_yaml"]


def limits_of(bounds: Sequence[Bound], *, cel: bool) -> list[dict[str, Any]]:
    """Each rate of each limit once a domain, in the order of domains and names.

    Limitador 2 evaluates CEL over `descriptors`; before it a condition was `KEY == "VALUE"` and a variable a key.
    """
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    for bound in bounds:
        for applied in bound.limits:
            domain, limit, key = domain_of(bound, applied), applied.limit, applied.identifier
            name = domain if applied.policy.version == "v1beta2" and not cel else limit.name
            for rate in limit.rates:
                found[(domain, key, rate.seconds)] = {
                    "namespace": domain,
                    "max_value": rate.limit,
                    "seconds": rate.seconds,
                    "name": name,
                    "conditions": [f'{_entry(key)} == "1"' if cel else f'{key} == "1"'],
                    "variables": [_entry(counter.text) if cel else counter.text for counter in limit.counters],
                }
    return [found[key] for key in sorted(found)]


def _entry(key: str) -> str:
    return f"descriptors[0][{quoted(key)}]"


def limits_yaml(limits: list[dict[str, Any]]) -> str:
    """The limits as Limitador's YAML file."""
    import yaml

    return str(yaml.safe_dump(limits, sort_keys=False, default_flow_style=False, allow_unicode=True, width=1000))
