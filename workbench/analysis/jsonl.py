"""Results as JSON lines: one object an exchange, in capture order. RESULTS.md beside this file tells the fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import IO

from .connection import ConnectionResult
from .outcome import Result
from .writing import Report

__all__ = ["write_jsonl"]


def write_jsonl(
    results: Iterable[Result] | Iterable[ConnectionResult],
    to: IO[str],
    progress: Callable[[int, int], None] | None = None,
    total: int = 0,
) -> int:
    """Write each result on a line of its own as it comes, so that memory stays flat; gives their number.

    `progress` gets the number so far and `total`, at most ten times a second.

    The text is ASCII: every other character is a JSON escape, so no captured text acts on a terminal or splits a line.
    """
    count, report, encode = 0, Report(progress, total), json.JSONEncoder(separators=(",", ":")).encode
    for result in results:
        to.write(encode(result) + "\n")
        count += 1
        report.reached(count)
    return count
