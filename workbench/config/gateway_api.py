"""Gateways and HTTPRoutes of the Gateway API, as far as a policy needs them: names, hostnames, listeners, rules and their matches."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ..services.yamlfile import Item
from .documents import choice, fault, listed, mapping, string, whole

__all__ = ["Gateway", "Listener", "Match", "Named", "Route", "Rule", "metadata", "more_specific", "read_gateway", "read_matches",
           "read_route", "within"]  # fmt: skip

GROUP = "gateway.networking.k8s.io"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_PATH_TYPES = ("Exact", "PathPrefix", "RegularExpression")
_ROUTE = ("parentRefs", "hostnames", "rules", "useDefaultGateways")
_RULE = ("name", "matches", "filters", "backendRefs", "timeouts", "retry", "sessionPersistence")
_GATEWAY = ("gatewayClassName", "listeners", "addresses", "infrastructure", "backendTLS", "allowedListeners", "tls", "defaultScope")
_LISTENER = ("name", "hostname", "port", "protocol", "tls", "allowedRoutes")
_PARENT = ("group", "kind", "namespace", "name", "sectionName", "port")
_HOSTNAME = re.compile(r"(?:\*\.)?[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Named:
    """Namespace and name, `default` where no namespace is given."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Match:
    """One of a rule's matches: what is None or empty matches anything. A header or query parameter is its type, name and value."""

    path: tuple[str, str] | None = None
    method: str | None = None
    headers: tuple[tuple[str, str, str], ...] = ()
    query: tuple[tuple[str, str, str], ...] = ()

    def says(self, part: Match) -> bool:
        """Whether this match says all that `part` does, in the same words."""
        return (
            (part.path is None or part.path == self.path)
            and (part.method is None or part.method == self.method)
            and set(part.headers) <= set(self.headers)
            and set(part.query) <= set(self.query)
        )


@dataclass(frozen=True)
class Rule:
    """A route's rule; `name` is `rule-N`, counted from 1, as policies name it in `sectionName`."""

    name: str
    matches: tuple[Match, ...]
    spot: Item = field(compare=False)


@dataclass(frozen=True)
class Parent:
    """A route's reference to a gateway, or to those of its listeners with a name or a port."""

    gateway: Named
    section: str | None
    port: int | None
    spot: Item


@dataclass(frozen=True)
class Route:
    """An HTTPRoute."""

    key: Named
    created: str
    parents: tuple[Parent, ...]
    hostnames: tuple[str, ...]
    rules: tuple[Rule, ...]
    spot: Item


@dataclass(frozen=True)
class Listener:
    """A gateway's listener; without a hostname it takes any."""

    name: str
    hostname: str = "*"
    port: int | None = None


@dataclass(frozen=True)
class Gateway:
    """A Gateway; one that no file describes is `implied` by the routes that name it, with one listener for any host."""

    key: Named
    class_name: str
    listeners: tuple[Listener, ...]
    implied: bool = False

    @property
    def hostnames(self) -> tuple[str, ...]:
        """Of its listeners."""
        return tuple(dict.fromkeys(each.hostname for each in self.listeners))


def metadata(fields: dict[str, Item], spot: Item) -> tuple[Named, str]:
    """Namespace with name, and when the object was made, empty where that is not said."""
    if "metadata" not in fields:
        raise fault(spot, "'metadata' is missing", "Add `metadata: {name: …, namespace: …}`")
    given = mapping(fields["metadata"], None, ("name",))
    namespace = string(given["namespace"]) if "namespace" in given else "default"
    created = str(given["creationTimestamp"].value) if "creationTimestamp" in given else ""
    return Named(namespace, string(given["name"])), created


def read_route(spot: Item) -> Route:
    """An HTTPRoute. Raises ConfigError for what is none."""
    fields = mapping(spot, ("apiVersion", "kind", "metadata", "spec", "status"), ("spec",))
    key, created = metadata(fields, spot)
    given = mapping(fields["spec"], _ROUTE)
    parents = [_parent(each, key.namespace) for each in listed(given["parentRefs"])] if "parentRefs" in given else []
    hostnames = [_hostname(each) for each in listed(given["hostnames"])] if "hostnames" in given else []
    rules = []
    for number, each in enumerate(listed(given["rules"]) if "rules" in given else (), start=1):
        rule = mapping(each, _RULE)
        matches = read_matches(rule["matches"]) if "matches" in rule else ()
        rules.append(Rule(f"rule-{number}", tuple(_completed(match) for match in matches) or (_ANY,), each))
    rules = rules or [Rule("rule-1", (_ANY,), spot)]
    return Route(key, created, tuple(each for each in parents if each is not None), tuple(hostnames), tuple(rules), spot)


def read_gateway(spot: Item) -> Gateway:
    """A Gateway. Raises ConfigError for what is none."""
    fields = mapping(spot, ("apiVersion", "kind", "metadata", "spec", "status"), ("spec",))
    key, _ = metadata(fields, spot)
    given = mapping(fields["spec"], _GATEWAY, ("gatewayClassName", "listeners"))
    listeners: dict[str, Listener] = {}
    for each in listed(given["listeners"]):
        listener = mapping(each, _LISTENER, ("name",))
        name = string(listener["name"])
        if name in listeners:
            raise fault(listener["name"], f"a second listener named {name!r}", "Give each a name of its own")
        hostname = _hostname(listener["hostname"]) if "hostname" in listener else "*"
        listeners[name] = Listener(name, hostname, whole(listener["port"]) if "port" in listener else None)
    return Gateway(key, string(given["gatewayClassName"]), tuple(listeners.values()))


_ANY = Match(("PathPrefix", "/"))
"""What the API server writes where a rule has no matches."""


def _completed(match: Match) -> Match:
    """With the path that the API server writes where a match has none."""
    return replace(match, path=match.path or _ANY.path)


def read_matches(spot: Item) -> tuple[Match, ...]:
    """A list of HTTPRouteMatch."""
    return tuple(_match(each) for each in listed(spot))


def _match(spot: Item) -> Match:
    given = mapping(spot, ("path", "method", "headers", "queryParams"))
    path = None
    if "path" in given:
        parts = mapping(given["path"], ("type", "value"))
        kind = choice(parts["type"], _PATH_TYPES) if "type" in parts else "PathPrefix"
        value = string(parts["value"]) if "value" in parts else "/"
        if kind != "RegularExpression" and not value.startswith("/"):
            raise fault(parts["value"], f"the path {value!r} does not begin with /", "Write the path from the root on")
        path = (kind, value)
    method = choice(given["method"], METHODS) if "method" in given else None
    return Match(path, method, _pairs(given.get("headers")), _pairs(given.get("queryParams")))


def _pairs(spot: Item | None) -> tuple[tuple[str, str, str], ...]:
    if spot is None:
        return ()
    found = []
    for each in listed(spot):
        given = mapping(each, ("type", "name", "value"), ("name", "value"))
        kind = choice(given["type"], ("Exact", "RegularExpression")) if "type" in given else "Exact"
        found.append((kind, string(given["name"]), string(given["value"])))
    return tuple(found)


def _parent(spot: Item, namespace: str) -> Parent | None:
    """None for a parent that is no Gateway, such as a Service of a mesh."""
    given = mapping(spot, _PARENT, ("name",))
    if "kind" in given and string(given["kind"]) != "Gateway":
        return None
    where = string(given["namespace"]) if "namespace" in given else namespace
    section = string(given["sectionName"]) if "sectionName" in given else None
    return Parent(Named(where, string(given["name"])), section, whole(given["port"]) if "port" in given else None, spot)


def _hostname(spot: Item) -> str:
    value = string(spot)
    if not _HOSTNAME.fullmatch(value):
        raise fault(
            spot, f"{value!r} is no hostname", "Write it in lower case; only its first label may be *, and a port does not belong to it"
        )
    return value


def within(name: str, other: str) -> bool:
    """Whether a hostname is among those that `other` stands for; either may begin with `*`."""
    if other.startswith("*"):
        return len(name) >= len(other) and name.endswith(other[1:]) if name.startswith("*") else name.endswith(other[1:])
    return name == other


def more_specific(name: str) -> tuple[int, bool, str]:
    """A key that sorts hostnames from the most specific to the least [Kuadrant/kuadrant-operator:internal/utils]."""
    return -len(name.split(".")), name.startswith("*"), name
