"""A flow file of any length: captures over and over, each time later and over connections of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_TIME_OR_ID = re.compile(rb"(?<=;\d\d:)(\d{10})(?=\.\d{1,9}\^)|(?<=2:id;36:)([\da-f]{8})(?=-[\da-f]{4}-)")
"""Whole seconds of a time, and the beginning of a connection's or flow's identity: what can be changed without changing a length."""
_LASTS_S, _SPREAD = 30, 0x9E3779B1


def repeated(path: Path, captures: Sequence[Path], times: int) -> Path:
    """Write the flows of `captures` so many times to `path`, half a minute later each time."""
    whole = b"".join(capture.read_bytes() for capture in captures)
    with path.open("wb") as file:
        for turn in range(times):
            file.write(_TIME_OR_ID.sub(lambda found, turn=turn: _moved(found, turn), whole))
    return path


def _moved(found: re.Match[bytes], turn: int) -> bytes:
    if found[1]:
        return b"%010d" % (int(found[1]) + turn * _LASTS_S)
    return b"%08x" % (int(found[2], 16) + turn * _SPREAD & 0xFFFFFFFF)
