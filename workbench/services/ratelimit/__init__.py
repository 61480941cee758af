"""Rate-limit services of a replay: Limitador's rules, those of envoyproxy/ratelimit, and what goes wrong on purpose.

    from workbench.services.ratelimit import Limit, Limitador
    Chain(shim, clusters={"limitador": Limitador([Limit("toys", 5, 10)], headers="draft03")})

In a clusters file: `settings`. Over real gRPC: `server`.
"""

from __future__ import annotations

from .envoy_ratelimit import EnvoyRateLimit
from .faults import Fault, scripted_answer
from .limitador import Limit, Limitador

__all__ = ["EnvoyRateLimit", "Fault", "Limit", "Limitador", "scripted_answer"]
