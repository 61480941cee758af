"""Results as JSON lines: one object an exchange, in capture order."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import IO

from .connection import ConnectionResult
from .outcome import Result

__all__ = ["write_jsonl"]


def write_jsonl(results: Iterable[Result] | Iterable[ConnectionResult], to: IO[str]) -> int:
    """Write each result on a line of its own as it comes, so that memory stays flat; gives their number.

    The text is ASCII: every other character is a JSON escape, so no captured text acts on a terminal or splits a line.
    """
    count = 0
    for result in results:
        to.write(json.dumps(result, separators=(",", ":")))
        to.write("\n")
        count += 1
    return count
