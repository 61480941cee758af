"""The clusters that filters can call, each with who answers for it: from Python values, or from a YAML file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

from ..errors import ConfigError
from .calls import GrpcResponse, HttpResponse, Never, Reset, Service, Unreachable
from .function import FunctionService
from .live import Live
from .recorded import Recorded
from .scripted import Entry, Script

__all__ = ["Clusters", "GivenClusters", "Source"]

_ANSWERS = (HttpResponse, GrpcResponse, Unreachable, Reset, Never)


@runtime_checkable
class Source(Protocol):
    """Who answers for a cluster: `begin` gives the service of one replay, in a state that does not depend on replays before.

    One that is not `deterministic` makes a replay that cannot be had a second time.
    """

    @property
    def deterministic(self) -> bool: ...
    def begin(self, capture: Any) -> Service: ...


GivenSource: TypeAlias = "Source | Callable[[Any], Any] | str | list[Any] | HttpResponse | GrpcResponse | Unreachable | Reset | Never"
GivenClusters: TypeAlias = "Clusters | Mapping[str, GivenSource] | str | os.PathLike[str] | None"
"""A mapping of names to sources: a function, an address (`http://…`), `"capture"`, one answer, or a list of answers or `Entry`s of which
the first that fits answers. A path stands for a YAML file."""


class Clusters(Mapping[str, Source]):
    """Names of clusters, as Envoy's configuration would have them, and their sources."""

    def __init__(self, given: Mapping[str, GivenSource] | None = None) -> None:
        """Raises ConfigError for what is no source."""
        self._sources = {_name(name): _source(name, value) for name, value in (given or {}).items()}

    @classmethod
    def of(cls, given: GivenClusters) -> Clusters:
        """Clusters from whatever a user may give; ConfigError for what is none."""
        if isinstance(given, Clusters):
            return given
        if given is None or isinstance(given, Mapping):
            return cls(given)
        if isinstance(given, (str, os.PathLike)):
            return cls.load(given)
        raise ConfigError(f"clusters are a mapping or the path of a YAML file, not {type(given).__name__}")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Clusters:
        """Read a YAML file (its form: `services.settings`); ConfigError names file, place and remedy."""
        from .settings import read_clusters

        return cls(read_clusters(Path(path)))

    def begin(self, capture: Any) -> dict[str, Service]:
        """The services of one replay of `capture`."""
        return {name: source.begin(capture) for name, source in self._sources.items()}

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of those that real servers answer for: replays that call them differ."""
        return tuple(name for name, source in self._sources.items() if not source.deterministic)

    def __getitem__(self, name: str) -> Source:
        return self._sources[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __repr__(self) -> str:
        return f"<Clusters {', '.join(self._sources) or 'none'}>"


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigError(f"a cluster's name is text, not {name!r}")
    return name


def _source(name: str, given: Any) -> Source:
    try:
        if given == "capture":
            return Recorded()
        if isinstance(given, str):
            return Live(given)
        if isinstance(given, list):
            for each in given:
                if not isinstance(each, (Entry, *_ANSWERS)):
                    raise ConfigError(f"{type(each).__name__} is no answer", remedy="Give an HttpResponse, a GrpcResponse or an Entry")
            return Script(given)
        if isinstance(given, _ANSWERS):
            return Script([given])
        if isinstance(given, Source):
            return given
        if callable(given):
            return FunctionService(given)
    except ConfigError as error:
        raise ConfigError(error.what, where=f"cluster {name}", remedy=error.remedy) from None
    raise ConfigError(
        f"{type(given).__name__} cannot answer",
        where=f"cluster {name}",
        remedy='Give HttpResponse(200), GrpcResponse(b"…"), a function of the request, "capture" or "http://HOST:PORT"',
    )
