"""Kuadrant: from RateLimitPolicies and the routes they target to what the operator would make of them.

    policy = wb.config.kuadrant.load("policy.yaml", "route.yaml")
    policy.filter_config()                 # the wasm-shim's plugin configuration, newest form
    policy.filter_config(release="0.4")    # that of June 2024
    policy.limits()                        # Limitador's limits
    policy.chain("rls_shim.wasm").replay(capture)

Read are RateLimitPolicy (kuadrant.io/v1beta2 and v1), HTTPRoute and Gateway; a gateway that no file describes is taken from the routes
that name it, with one listener for any host. Everything is made as if by the operator; a mistake it would only show in a status, or not
at all, is a `ConfigError` with file and line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from ..services.yamlfile import Item
from . import shim_actions, shim_selectors
from .documents import fault, mapping, read_documents, string
from .gateway_api import GROUP, Gateway, Named, Route, read_gateway, read_route
from .limitador_limits import limits_of, limits_yaml
from .overview import overview
from .page import on_a_page
from .ratelimit_policy import Policy, read_policy
from .topology import Bound, Objects, bind

if TYPE_CHECKING:
    from ..chain import Chain
    from ..services.ratelimit import Limitador

__all__ = ["NEWEST", "Kuadrant", "load"]

NEWEST = "0.13"
"""The newest release of the wasm-shim whose form is written."""

_OLDEST = (0, 3)
_RELEASE = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.\d+)?")
_VERSIONS = {"HTTPRoute": ("v1", "v1beta1"), "Gateway": ("v1", "v1beta1")}
_TIMEOUT = "100ms"
_MODES = ("deny", "allow")


@dataclass(frozen=True)
class Kuadrant:
    """The policies of one gateway and the routes behind it. `ignored` names kinds of objects that were passed over."""

    files: tuple[str, ...]
    gateway: Gateway
    policies: tuple[Policy, ...]
    routes: tuple[Route, ...]
    ignored: tuple[str, ...]
    _bounds: tuple[Bound, ...]

    def filter_config(self, release: str = NEWEST, *, failure_mode: str | None = None, timeout: str = _TIMEOUT) -> dict[str, Any]:
        """The plugin configuration that a release of the wasm-shim reads, as JSON values.

        `failure_mode` says what a request gets when Limitador does not answer; without it, what the operator of that time chose: deny
        until 0.5, allow from 0.6 on. `timeout` is for a call of Limitador, in releases from 0.7 on. Raises ConfigError for a release that
        is none, or for a policy that says what the release cannot.
        """
        number = _release(release)
        mode = failure_mode or ("deny" if number < (0, 6) else "allow")
        if mode not in _MODES:
            raise ConfigError(f"unknown failure mode {mode!r}", remedy=f"Give one of {', '.join(_MODES)}")
        if not re.fullmatch(r"\d+(\.\d+)?(ms|s)", timeout):
            raise ConfigError(f"{timeout!r} is no timeout", remedy="Give milliseconds or seconds, as in 100ms")
        if number < (0, 6):
            return shim_selectors.with_policies(self._bounds, mode, number)
        if number < (0, 7):
            return shim_selectors.with_extensions(self._bounds, mode, number)
        return shim_actions.with_actions(self._bounds, mode, number, timeout)

    def limits(self, release: str = NEWEST) -> list[dict[str, Any]]:
        """Limitador's limits to go with that release: in CEL from 0.9 on, which came out with Limitador 2, in plain keys before."""
        return limits_of(self._bounds, cel=_release(release) >= (0, 9))

    def limits_yaml(self, release: str = NEWEST) -> str:
        """The same as Limitador's limits file."""
        return limits_yaml(self.limits(release))

    def cluster(self, release: str = NEWEST) -> str:
        """The cluster that the configuration of that release calls for Limitador."""
        return shim_selectors.CLUSTER if _release(release) < (0, 7) else shim_actions.CLUSTER

    def clusters(self, release: str = NEWEST, **settings: Any) -> dict[str, Limitador]:
        """Limitador with the limits, by the name of the cluster that the configuration of that release calls. `settings` are those of
        `Limitador`: `headers`, `latency_ms`, `faults`, `carry_on`."""
        from ..services.ratelimit import Limit, Limitador

        return {self.cluster(release): Limitador([Limit(**each) for each in self.limits(release)], **settings)}

    def chain(
        self,
        module: str | os.PathLike[str],
        release: str = NEWEST,
        *,
        failure_mode: str | None = None,
        timeout: str = _TIMEOUT,
        headers: str = "none",
        clusters: Mapping[str, Any] | None = None,
        **of_filter: Any,
    ) -> Chain:
        """A chain of `module`, any that reads the wasm-shim's configuration, with a Limitador that has the limits behind it.

        `headers` is `draft03` for a Limitador that sends `X-RateLimit-*`; `clusters` says who answers for further clusters, or in the
        place of Limitador's; `of_filter` are further arguments of `Filter`.
        """
        from ..chain import Chain
        from ..filter import Filter

        config = self.filter_config(release, failure_mode=failure_mode, timeout=timeout)
        return Chain(Filter(module, config, **of_filter), clusters={**self.clusters(release, headers=headers), **(clusters or {})})

    def text(self) -> str:
        """Which limit is for which requests, on a page."""
        return overview(self.gateway, self._bounds)

    _repr_pretty_ = on_a_page

    def __repr__(self) -> str:
        return f"<Kuadrant {self.gateway.key}: {len(self.policies)} policies, {len(self.routes)} routes, {len(self.limits())} limits>"


def load(*paths: str | os.PathLike[str], gateway: str | None = None) -> Kuadrant:
    """Read policies, routes and gateways from YAML files of one or many documents each, in any order.

    `gateway` is `NAMESPACE/NAME` of the one to configure, needed only where there are several. Raises ConfigError with file, line and
    text for what cannot be meant: unknown fields, wrong types, CEL that does not parse, limits that contradict each other, targets and
    sections that are not there.
    """
    objects = _read(paths)
    if not objects.policies:
        where = ", ".join(os.fspath(path) for path in paths)
        raise ConfigError("no RateLimitPolicy in these files", where=where, remedy="Give the policy's file too")
    bounds = bind(objects)
    found = {bound.gateway.key: bound.gateway for bound in bounds}
    if not found:
        raise fault(objects.policies[0].spot, "no limit holds for any route", "Give the route that the policy is for, and limits")
    if gateway is None and len(found) > 1:
        names = ", ".join(map(str, found))
        raise ConfigError(f"the routes are behind several gateways: {names}", remedy="Choose one with gateway=…")
    key = next(iter(found)) if gateway is None else Named(*(("default", gateway) if "/" not in gateway else gateway.split("/", 1)))
    if key not in found:
        raise ConfigError(f"no limit holds behind a gateway {key}", remedy=f"There are {', '.join(map(str, found))}")
    own = tuple(bound for bound in bounds if bound.gateway.key == key)
    files = tuple(os.fspath(path) for path in paths)
    return Kuadrant(files, found[key], objects.policies, objects.routes, objects.ignored, own)


def _read(paths: tuple[str | os.PathLike[str], ...]) -> Objects:
    policies: list[Policy] = []
    routes: dict[Named, Route] = {}
    gateways: dict[Named, Gateway] = {}
    ignored: dict[str, None] = {}
    for path in paths:
        for spot in read_documents(path):
            fields = mapping(spot, None, ("apiVersion", "kind"))
            group, kind = string(fields["apiVersion"]).rpartition("/")[0], string(fields["kind"])
            if (group, kind) == ("kuadrant.io", "RateLimitPolicy"):
                policies.append(read_policy(spot))
            elif group == GROUP and kind in _VERSIONS:
                _check_version(fields["apiVersion"], kind)
                if kind == "HTTPRoute":
                    route = read_route(spot)
                    _put(routes, route.key, route, spot, kind)
                else:
                    described = read_gateway(spot)
                    _put(gateways, described.key, described, spot, kind)
            else:
                ignored[f"{group}/{kind}" if group else kind] = None
    return Objects(tuple(policies), tuple(routes.values()), tuple(gateways.values()), tuple(ignored))


def _put(known: dict[Named, Any], key: Named, value: Any, spot: Item, kind: str) -> None:
    if key in known:
        raise fault(spot, f"a second {kind} {key}", "Keep one of them")
    known[key] = value


def _check_version(spot: Item, kind: str) -> None:
    version = string(spot).rpartition("/")[2]
    if version not in _VERSIONS[kind]:
        raise fault(spot, f"unknown version {version!r} of {kind}", f"Write {GROUP}/v1")


def _release(text: str) -> tuple[int, int]:
    found = _RELEASE.fullmatch(text)
    number = (int(found[1]), int(found[2])) if found else (0, 0)
    if number < _OLDEST:
        raise ConfigError(
            f"unknown release {text!r} of the wasm-shim", remedy=f"Give one from 0.3 to {NEWEST}; newer ones are written as {NEWEST}"
        )
    return number
