"""From the files that configure a mesh to a chain: each kind of file in a module of its own."""

from __future__ import annotations

from . import envoy, istio, kuadrant

__all__ = ["envoy", "istio", "kuadrant"]
