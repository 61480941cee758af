"""Pages of the flow table: which exchanges match, in which order, and what a row says. Pure functions of a replay's tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.analysis.words import shorten
from workbench.capture.exchange import Exchange

if TYPE_CHECKING:
    import pandas as pd

    from workbench.replay import Replay

__all__ = ["LARGEST_PAGE", "FlowRows"]

LARGEST_PAGE = 500
_NAMES_SHOWN = 3
_LONGEST_PATH = 1024
_LONGEST_QUERY = 200

Places = npt.NDArray[np.intp]


class FlowRows:
    """The rows of one replay in pages.

    `replay.exchanges` gives a row each, `replay.mutations` the names of what was changed, `replay.decisions` the words for refusals
    and failures.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._last: tuple[tuple[Any, ...], Places] = ((), np.empty(0, np.intp))

    @property
    def _table(self) -> pd.DataFrame:
        return self._replay.exchanges

    @cached_property
    def _index(self) -> npt.NDArray[np.int64]:
        return self._table["index"].to_numpy(np.int64)

    @cached_property
    def _haystack(self) -> pd.Series[str]:
        """What the words of a query are looked for in; built when the first query comes."""
        table = self._table
        words = table["method"].astype(str)
        for name in ("host", "path", "status", "outcome"):
            # A character that no query can hold keeps a word from matching across two columns.
            words = words + "\n" + table[name].astype("string").fillna("").astype(str)
        return words.str.lower()

    @cached_property
    def _changes(self) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
        mutations = self._replay.mutations.sort_values("exchange", kind="stable")
        return mutations, mutations["exchange"].to_numpy(np.int64)

    @cached_property
    def _reasons(self) -> dict[int, str]:
        decisions = self._replay.decisions
        refused = decisions[decisions["kind"].isin(["error", "limited", "denied"])]
        return dict(zip(refused["exchange"].astype(int), refused["reason"].astype(str), strict=True))

    def __len__(self) -> int:
        return len(self._table)

    def first(self) -> int:
        """Index of the exchange to show first: the first that a filter refused or changed, else the first of all; -1 without any."""
        outcomes = self._table["outcome"].astype(str).to_numpy()
        for wanted in ("limited", "denied", "error", "changed"):
            found = np.flatnonzero(outcomes == wanted)
            if len(found):
                return int(self._index[found[0]])
        return int(self._index[0]) if len(self) else -1

    def outcomes(self, query: str = "") -> dict[str, int]:
        """How many exchanges match `query`, by outcome."""
        found = self._table["outcome"].iloc[self._matching(query, "")].astype(str).value_counts()
        return {str(name): int(n) for name, n in found.items() if n}

    def _matching(self, query: str, outcome: str) -> Places:
        hit = np.ones(len(self._table), bool)
        for word in query[:_LONGEST_QUERY].lower().split():
            hit &= self._haystack.str.contains(word, regex=False).to_numpy(bool)
        if outcome:
            hit &= (self._table["outcome"].astype(str) == outcome).to_numpy(bool)
        return np.flatnonzero(hit)

    def _places(self, question: Mapping[str, Any]) -> Places:
        """Places in the table of what a question asks for, in its order. The last answer is kept: paging asks the same again."""
        query, outcome, sort = (str(question.get(key, "")) for key in ("query", "outcome", "sort"))
        key = (query, outcome, sort, bool(question.get("descending")))
        if self._last[0] == key:
            return self._last[1]
        places = self._matching(query, outcome)
        if sort not in ("", "index") or key[3]:
            values = self._sort_values(sort).iloc[places]
            order = values.argsort(kind="stable").to_numpy()
            if key[3]:
                # Equal ones keep the order of the capture in both directions.
                order = (len(places) - 1 - values.iloc[::-1].argsort(kind="stable").to_numpy())[::-1]
            places = places[order]
        self._last = (key, places)
        return places

    def _sort_values(self, sort: str) -> pd.Series[Any]:
        table = self._table
        if sort == "cost":
            return table["filter_ns"] + table["host_ns"]
        name = sort if sort in table.columns else "index"
        values = table[name]
        return values.astype(str) if str(values.dtype) in ("object", "category", "str", "string") else values

    def page(self, question: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Answer `{"query", "outcome", "sort", "descending", "first", "count"}`: facts about the whole match, and the rows of the page."""
        places = self._places(question)
        first = max(0, int(question.get("first", 0)))
        count = min(max(0, int(question.get("count", 0))), LARGEST_PAGE)
        head = {
            "first": first,
            "matched": len(places),
            "total": len(self),
            "outcomes": self.outcomes(str(question.get("query", ""))),
            "scale_ns": self._scale(places),
        }
        return head, self._rows(places[first : first + count])

    def locate(self, question: Mapping[str, Any]) -> int:
        """Where exchange `index` stands among what matches; -1 if it does not."""
        at = np.flatnonzero(self._index[self._places(question)] == int(question["index"]))
        return int(at[0]) if len(at) else -1

    def _scale(self, places: Places) -> int:
        """Time of a full bar: all but the slowest twentieth fit."""
        table = self._table
        total = (table["filter_ns"].to_numpy(np.int64) + table["host_ns"].to_numpy(np.int64))[places]
        return int(np.quantile(total, 0.95)) if len(total) else 0

    def _rows(self, places: Places) -> list[dict[str, Any]]:
        page = self._table.iloc[places]
        # In UTC: a capture does not say where it was taken.
        when = page["time"].dt.strftime("%Y-%m-%d %H:%M:%S.%f")
        rows = []
        for row, stamp in zip(page.to_dict("records"), when, strict=True):
            index, path = int(row["index"]), str(row["path"])
            up, down = _status(row["status_upstream"]), _status(row["status"])
            changes = self._changes_of(index) if row["changes"] else {}
            named = [[kind, shorten(name, 64)] for name, kind in changes.items()]
            rows.append(
                {
                    "index": index,
                    "time": stamp[11:23],
                    "date": f"{stamp} UTC",
                    "method": shorten(str(row["method"]), 64),
                    "host": shorten(str(row["host"]), 256),
                    "path": path[:_LONGEST_PATH],
                    "path_cut": len(path) > _LONGEST_PATH,
                    "up": self._captured_status(index) if up is None else up,
                    "down": down,
                    "outcome": str(row["outcome"]),
                    "reason": shorten(self._reasons.get(index, ""), 200) if row["outcome"] == "error" or not named else "",
                    "changes": named[:_NAMES_SHOWN],
                    "more": max(0, len(named) - _NAMES_SHOWN),
                    "counts": {kind: sum(1 for one in changes.values() if one == kind) for kind in ("del", "add", "chg")},
                    "filter_ns": int(row["filter_ns"]),
                    "host_ns": int(row["host_ns"]),
                    "hostcalls": int(row["hostcalls"]),
                }
            )
        return rows

    def _captured_status(self, exchange: int) -> int | None:
        """What the upstream answered when it was captured, for a request that a filter kept from it now."""
        captured = self._replay.capture[exchange]
        if not isinstance(captured, Exchange):
            return None
        response = captured.response
        return None if response is None else response.status

    def _changes_of(self, exchange: int) -> dict[str, str]:
        """What became of each name in the end: `{"x-user": "add"}`; bodies go by the name of their part."""
        mutations, exchanges = self._changes
        begin, end = np.searchsorted(exchanges, (exchange, exchange + 1))
        ends: dict[tuple[str, str], tuple[Any, Any]] = {}
        for part, op, name, before, after in mutations.iloc[begin:end][["part", "op", "name", "before", "after"]].itertuples(index=False):
            for key, was, now in _entries(str(part), str(op), str(name), before, after):
                ends[part, key] = (ends.get((part, key), (was, None))[0], now)
        found: dict[str, str] = {}
        for (_, key), (was, now) in ends.items():
            if was != now:
                found.setdefault(key, "chg" if was and now else "add" if now else "del")
        return found


def _entries(part: str, op: str, name: str, before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """What one mutation did to each name that it touched: name, values before, values after."""
    if op == "body":
        return [(part.replace("_", " "), (), tuple(after) or ("",))]
    if op != "set_all":
        return [(name, tuple(before), tuple(after))]
    sides: tuple[dict[str, tuple[str, ...]], ...] = ({}, {})
    for side, entries in zip(sides, (before, after), strict=True):
        for entry in entries:
            # A pseudo-header's own colon comes first.
            at = entry.find(": ", 1)
            side[entry[:at]] = (*side.get(entry[:at], ()), entry[at + 2 :])
    return [(key, sides[0].get(key, ()), sides[1].get(key, ())) for key in {**sides[0], **sides[1]}]


def _status(value: Any) -> int | None:
    import pandas as pd

    return None if pd.isna(value) else int(value)
