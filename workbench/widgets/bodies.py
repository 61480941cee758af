"""Bodies of one exchange as lines of text, JSON or hexadecimal, before and after. Bounded: what is long is cut and says so."""

from __future__ import annotations

import difflib
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.analysis.words import size

from .details import named

if TYPE_CHECKING:
    from workbench.analysis.exchange import ExchangeView
    from workbench.analysis.stages import Stage

__all__ = ["FORMS", "SHOWN", "bodies"]

FORMS = ("text", "json", "hex")
SHOWN = 32 << 10
"""Bytes of a body that are shown as text, before or after unpacking."""
_HEX_SHOWN = 4 << 10
_JSON_READ = 256 << 10
_MOST_LINES = 1500
_LONGEST_LINE = 2000

Line = tuple[str, str]


def bodies(view: ExchangeView, form: str = "") -> dict[str, Any]:
    """`{"forms", "form", "parts"}`: for the request and the response the first body and, where it became another, the last.

    Without `form` the most telling one is chosen: JSON if a body is JSON, text if it is text, else hexadecimal.
    """
    ways = (("Request body", view.request), ("Response body", view.response))
    ends = [(title, _ends(stages)) for title, stages in ways]
    contents = [_Content(stage) for _, pair in ends for stage in pair]
    forms = [one for one in FORMS if one == "hex" or any(content.fits(one) for content in contents)]
    if form not in forms:
        form = "json" if "json" in forms else forms[0]
    parts = []
    for title, pair in ends:
        panes = [_pane(_Content(stage), form) for stage in pair]
        if len(panes) == 2:
            _compare(*panes)
        parts.append({"title": title, "note": _note(pair), "panes": panes})
    return {"forms": forms, "form": form, "parts": parts}


def _ends(stages: Sequence[Stage]) -> list[Stage]:
    """The first known body, and the last if it is another one."""
    known = [stage for stage in stages if stage.reached and stage.body is not None]
    if not known:
        return []
    first, last = known[0], known[-1]
    if len(known) > 1 and last.filter is not None and last.body == known[-2].body:
        last = known[-2]
    return [first] if first is last or first.body == last.body else [first, last]


def _note(pair: Sequence[Stage]) -> str:
    if not pair:
        return "never sent"
    if len(pair) == 1:
        return "none" if not pair[0].body else "made in the chain" if pair[0].place == "local" else "unchanged"
    return f"{size(len(pair[0].body or b''))} → {size(len(pair[1].body or b''))}"


class _Content:
    """A body at one stage: unpacked where its content coding is known, and told apart into text and not."""

    def __init__(self, stage: Stage) -> None:
        self.title = named(stage)
        self.raw = stage.body or b""
        fields: Mapping[str, str] = {name.lower(): value for name, value in stage.headers}
        self.coding = fields.get("content-encoding", "").strip().lower()
        unpacked = _unpack(self.raw, self.coding)
        self.coded = unpacked is not None
        self.data = self.raw[:_JSON_READ] if unpacked is None else unpacked
        self.whole = len(self.data) if unpacked is not None else len(self.raw)
        self.text = _decode(self.data)

    def fits(self, form: str) -> bool:
        return bool(self.raw) and (self.text is not None if form == "text" else self.json() is not None)

    def json(self) -> list[str] | None:
        if self.whole > _JSON_READ or self.data[:64].lstrip()[:1] not in (b"{", b"["):
            return None
        try:
            return json.dumps(json.loads(self.data), indent=2, ensure_ascii=False).split("\n")
        except (ValueError, RecursionError):
            return None


def _decode(data: bytes) -> str | None:
    """The shown part of a text in UTF-8, None for what is none. A character that the cut goes through is left out."""
    cut = data[:SHOWN]
    try:
        text = cut.decode()
    except UnicodeDecodeError as error:
        if len(data) <= SHOWN or error.start < SHOWN - 3:
            return None
        text = cut[: error.start].decode()
    return None if "\0" in text else text


def _unpack(data: bytes, coding: str) -> bytes | None:
    """The first bytes of what gzip or deflate packed, None for other codings and for what is broken. A bomb stops at the bound."""
    if coding not in ("gzip", "x-gzip", "deflate") or not data:
        return None
    for bits in (47, -15):  # zlib or gzip by their headers; deflate without one, as some servers send it
        try:
            return zlib.decompressobj(bits).decompress(data, _JSON_READ)
        except zlib.error:
            continue
    return None


def _pane(content: _Content, form: str) -> dict[str, Any]:
    lines: list[Line]
    left = 0
    if form == "hex":
        lines = [("same", line) for line in _hex(content.raw[:_HEX_SHOWN])]
        left = len(content.raw) - min(len(content.raw), _HEX_SHOWN)
    else:
        split = content.json() if form == "json" else None
        whole = None
        if split is None:
            split = (content.text or "").removesuffix("\n").split("\n")
            whole = content.whole
        lines = [("same", _line(line)) for line in split[:_MOST_LINES]]
        shown, hidden = (sum(len(line.encode()) + 1 for line in part) for part in (split[:_MOST_LINES], split[_MOST_LINES:]))
        left = hidden if whole is None else max(0, whole - shown)
        if not content.raw:
            lines = []
    note = f"{content.coding}, unpacked" if content.coded and form != "hex" else content.coding
    return {"title": content.title, "size": len(content.raw), "note": note, "lines": lines, "numbers": None, "left": left}


def _line(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}… {len(line) - _LONGEST_LINE} more"


def _hex(data: bytes) -> list[str]:
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{at:06x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {shown}")
    return lines


def _compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Mark the lines that are only in one of the panes."""
    old, new = ([line for _, line in pane["lines"]] for pane in (before, after))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=True)
    for tag, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if tag != "equal":
            before["lines"][old_from:old_to] = [("del", line) for line in old[old_from:old_to]]
            after["lines"][new_from:new_to] = [("add", line) for line in new[new_from:new_to]]
