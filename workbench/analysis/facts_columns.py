"""Columns by exchange number that grow as a trace is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["GrowingColumns"]

_LEAST = 1024


class GrowingColumns:
    """A column for each of `kinds`, which says its type and what stands where nothing is known. One without an entry takes no memory."""

    def __init__(self, kinds: Mapping[str, tuple[npt.DTypeLike, int]]) -> None:
        self._kinds = kinds
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._seen = np.zeros(0, bool)

    def reach(self, size: int) -> None:
        """Have room for exchanges up to before `size`."""
        had = len(self._seen)
        if size <= had:
            return
        size = max(size, had + had // 4, _LEAST)
        # in place: large ones are moved by their pages, and nobody holds a view of what was there
        for name, column in (("", self._seen), *self._columns.items()):
            column.resize(size, refcheck=False)
            if name and (fill := self._kinds[name][1]):
                column[had:] = fill

    def see(self, exchanges: npt.NDArray[np.int64]) -> None:
        """These exchanges are there."""
        self._seen[exchanges] = True

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """A column as it is now, to be read and written until there is room for more."""
        found = self._columns.get(name)
        if found is None:
            dtype, fill = self._kinds[name]
            found = self._columns[name] = np.full(len(self._seen), fill, dtype) if fill else np.zeros(len(self._seen), dtype)
        return found

    def copied(self, last: bool = False) -> dict[str, npt.NDArray[Any]]:
        """All columns with only the exchanges that are there, these as `exchange`. After the `last` time nothing is left here."""
        exchanges = np.flatnonzero(self._seen)
        n = len(exchanges)
        dense = n == 0 or int(exchanges[-1]) == n - 1
        found: dict[str, npt.NDArray[Any]] = {"exchange": exchanges}
        for name, (dtype, fill) in self._kinds.items():
            column = self._columns.get(name)
            if column is None:
                found[name] = np.broadcast_to(np.array(fill, dtype), (n,))
            elif last and dense:
                column.resize(n, refcheck=False)
                found[name] = column
            else:
                found[name] = column[:n].copy() if dense else column[exchanges]
            if last:
                self._columns.pop(name, None)  # one by one, so that they are never all there twice
        return found
