"""Samples of what filters executed, by function: read from the profile that wasmtime's guest profiler writes.

That is JSON in the format of Firefox's profiler (https://profiler.firefox.com opens it): one thread, its stacks as a table of frames with
the frame that each was called from. Functions have the names of the module's `name` section; a filter without one has numbers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .words import count, duration, visible
from .writing import write_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GuestProfile", "Sampled"]

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Sampled:
    """A function of a filter: in how many samples it was the one that ran (`own`), and in how many it was on the stack (`total`)."""

    filter: str
    function: str
    own: int
    total: int


class GuestProfile:
    """A profile of one replay. `data` is it as JSON, `interval_ns` the time between samples that was aimed at.

    A sample is taken while a filter runs or a hostcall of it, at the next function's begin or the next turn of a loop.
    """

    def __init__(self, data: bytes, interval_ns: int) -> None:
        self.data = data
        self.interval_ns = interval_ns

    @cached_property
    def _thread(self) -> dict[str, Any]:
        threads = json.loads(self.data)["threads"] if self.data else []
        return threads[0] if threads else {}

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self._thread["samples"]["stack"]) if self._thread else 0

    def stacks(self) -> Iterator[tuple[tuple[tuple[str, str], ...], int]]:
        """Each stack once, the outermost function first, as pairs of filter and function, and in how many samples it was."""
        if not self._thread:
            return
        thread = self._thread
        strings, frames, functions, stacks = (thread[name] for name in ("stringArray", "frameTable", "funcTable", "stackTable"))
        resources = thread["resourceTable"]
        seen = Counter(stack for stack in thread["samples"]["stack"] if stack is not None)
        for stack, times in sorted(seen.items(), key=lambda pair: -pair[1]):
            found: list[tuple[str, str]] = []
            at: int | None = stack
            while at is not None:
                function = frames["func"][stacks["frame"][at]]
                resource = functions["resource"][function]
                of = strings[resources["name"][resource]] if 0 <= resource < len(resources["name"]) else ""
                found.append((of, strings[functions["name"][function]]))
                at = stacks["prefix"][at]
            yield tuple(reversed(found)), times

    @cached_property
    def functions(self) -> tuple[Sampled, ...]:
        """Every function that was seen, that which ran most first."""
        own: Counter[tuple[str, str]] = Counter()
        total: Counter[tuple[str, str]] = Counter()
        for stack, times in self.stacks():
            own[stack[-1]] += times
            for function in set(stack):
                total[function] += times
        found = [Sampled(of, name, own[of, name], samples) for (of, name), samples in total.items()]
        return tuple(sorted(found, key=lambda each: (-each.own, -each.total, each.filter, each.function)))

    @property
    def table(self) -> pd.DataFrame:
        """`functions` as a table: filter, function, own and total samples, and their shares of all."""
        import pandas as pd

        table = pd.DataFrame(
            [(each.filter, each.function, each.own, each.total) for each in self.functions], columns=["filter", "function", "own", "total"]
        )
        whole = max(1, len(self))
        return table.assign(own_share=table["own"] / whole, total_share=table["total"] / whole)

    def to_firefox(self, path: str | Path) -> int:
        """Write it for profiler.firefox.com; gives the number of samples. ReplayError if the file cannot be written."""
        # what is not ASCII in a function's name becomes an escape
        text = json.dumps(json.loads(self.data or b"{}"), separators=(",", ":"))
        write_file(path, lambda file: file.write(text))
        return len(self)

    def __repr__(self) -> str:
        head = f"{count(len(self))} samples of filters, one each {duration(self.interval_ns)} as far as one could be taken"
        if not len(self):
            return f"{head}: the replay was too short"
        lines = [
            f"{100 * each.own / len(self):5.1f} % {100 * each.total / len(self):5.1f} %  "
            f"{visible(each.filter)}  {visible(each.function[:100])}"
            for each in self.functions[:_SHOWN]
        ]
        return "\n".join([head, "    own   total", *lines])
