"""What the files that configure a mesh come to: filters in their order, and what of the files no replay shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .page import on_a_page

if TYPE_CHECKING:
    from ..chain import Chain, Kind
    from ..filter import Filter
    from ..services.clusters import GivenClusters

__all__ = ["Configured"]


@dataclass(frozen=True)
class Configured:
    """A chain as files configure it.

    files    that were read
    place    whose chain it is, in words: a listener, the plugins of a mesh
    kind     what its filters are for, `http` or `tcp`
    filters  Wasm filters in the order in which requests pass them
    notes    what stands in the files and no replay shows, a line each, with file and line: filters that are not Wasm, settings that
             mean something to a proxy alone
    """

    files: tuple[str, ...]
    place: str
    kind: Kind
    filters: tuple[Filter, ...]
    notes: tuple[str, ...]

    def chain(self, *, clusters: GivenClusters = None, foreign: Mapping[str, Any] | None = None) -> Chain:
        """The chain; `clusters` and `foreign` are those of `Chain`. Raises ConfigError as `Chain`."""
        from ..chain import Chain

        return Chain(*self.filters, kind=self.kind, clusters=clusters, foreign=foreign)

    def text(self) -> str:
        """The filters with what they are told, then the notes, on a page."""
        lines = [f"{self.place}, {'HTTP' if self.kind == 'http' else 'TCP'}, from {', '.join(self.files)}"]
        for number, each in enumerate(self.filters, 1):
            told = [f"root_id {each.root_id}"] if each.root_id else []
            told += [f"configuration of {len(each.config)} bytes"] if each.config else []
            told += [f"fail {'open' if each.fail_open else each.failure_policy}"]
            lines.append(f"  {number}  {each.name}  {os.fspath(each.path)}  {', '.join(told)}")
        return "\n".join([*lines, *(["Not replayed or told"] if self.notes else ()), *(f"  {note}" for note in self.notes)])

    _repr_pretty_ = on_a_page

    def __repr__(self) -> str:
        return f"<Configured {self.place}: {len(self.filters)} filters, {len(self.notes)} notes>"
