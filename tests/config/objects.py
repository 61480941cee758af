"""Policies, routes and gateways that several tests read, and what writes them to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.config.kuadrant import Kuadrant, load

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: toystore, namespace: default}
spec:
  parentRefs: [{name: gw, namespace: mesh}]
  hostnames: [api.toystore.com]
  rules:
    - matches: [{path: {type: PathPrefix, value: /toys}, method: GET}]
    - matches: [{path: {type: Exact, value: /toys}, method: POST}]
"""

GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: mesh}
spec:
  gatewayClassName: istio
  listeners:
    - {name: api, hostname: "*.toystore.com", port: 80, protocol: HTTP}
    - {name: other, hostname: "*.other.com", port: 80, protocol: HTTP}
"""


def policy(
    spec: str, version: str = "v1", *, name: str = "toystore", namespace: str = "default", target: str = "HTTPRoute/toystore"
) -> str:
    """A RateLimitPolicy; `spec` are the lines below `targetRef`, `target` is kind, name and perhaps a section."""
    kind, of, *section = target.split("/")
    named = f", sectionName: {section[0]}" if section else ""
    body = "\n".join(f"  {line}" for line in spec.splitlines())
    return (
        f"apiVersion: kuadrant.io/{version}\nkind: RateLimitPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
        f"  targetRef: {{group: gateway.networking.k8s.io, kind: {kind}, name: {of}{named}}}\n{body}\n"
    )


FIVE_V1 = "limits: {create-toy: {rates: [{limit: 5, window: 10s}]}}"
FIVE_V1BETA2 = """\
limits:
  create-toy:
    rates: [{limit: 5, duration: 10, unit: second}]
    routeSelectors: [{matches: [{path: {type: Exact, value: /toys}, method: POST}]}]"""

Load = Callable[..., Kuadrant]


def loader(folder: Path) -> Load:
    """Writes each text to a file of its own (`0.yaml`, …) and loads them."""

    def read(*texts: str, gateway: str | None = None) -> Kuadrant:
        paths = []
        for number, text in enumerate(texts):
            paths.append(folder / f"{number}.yaml")
            paths[-1].write_text(text)
        return load(*paths, gateway=gateway)

    return read
