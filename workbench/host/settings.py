"""How to replay: what `Chain.replay` was told, in the core's bounds."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from reprlib import repr as brief

from ..errors import ConfigError

__all__ = ["Settings"]

_BOUNDS = {
    "seed": (0, (1 << 64) - 1),
    "chunk_size": (0, (1 << 31) - 1),
    "buffer_limit": (0, (1 << 32) - 1),
    "log_level": (0, 5),
    "workers": (1, 64),
}
_LONGEST_CALL_S = 1e6


@dataclass(frozen=True)
class Settings:
    """How to replay; the fields are explained in `workbench.chain.Chain.replay`. Raises `ConfigError` for values that cannot be meant."""

    seed: int = 0
    callback_limit_s: float = 1.0
    chunk_size: int = 0
    buffer_limit: int = 1 << 20
    log_level: int = 0
    start_anyway: bool = False
    most_vms: int = 1000
    workers: int = 1
    main_thread: bool = False
    fuel: bool = False
    websocket: int = 1  # upgrades that are allowed: 0 none, 1 those of captured WebSockets, 2 all to WebSocket

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            try:
                fits = least <= operator.index(value) <= most
            except TypeError:
                fits = False
            if not fits:
                raise ConfigError(f"is {brief(value)}", where=name, remedy=f"Give a whole number from {least} to {most}")
        limit = self.callback_limit_s
        if not isinstance(limit, (int, float)) or not 0 < limit <= _LONGEST_CALL_S:
            remedy = f"Give seconds above 0, {_LONGEST_CALL_S:.0f} at most"
            raise ConfigError(f"is {brief(limit)}", where="callback_limit_s", remedy=remedy)
