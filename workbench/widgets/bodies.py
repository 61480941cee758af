"""Bodies of one exchange, before, after each filter that changed them, and at the end: as text, JSON, form, image or hexadecimal.

Content codings are taken off. Bounded: what is long comes in pages, and what is only packed to be long is cut.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from workbench.analysis.json_diff import JsonChange, json_changes
from workbench.analysis.stages import Stage
from workbench.analysis.words import shorten, size
from workbench.capture.content import decoded
from workbench.errors import WorkbenchError

from .details import named

if TYPE_CHECKING:
    from workbench.analysis.exchange import ExchangeView

__all__ = ["FORMS", "SHOWN", "bodies", "image"]

FORMS = ("json", "changes", "form", "image", "text", "hex")
SHOWN = 16 << 10
"""Bytes of a text that are a page."""
_HEX_SHOWN = 4 << 10
_UNPACKED = 4 << 20
"""Bytes of a packed body that are unpacked."""
_JSON_READ = 256 << 10
_LARGEST_IMAGE = 4 << 20
_MOST_LINES = 1500
_LONGEST_LINE = 2000
_MOST_FIELDS = 1000
_IMAGES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"))

Line = tuple[str, str]


def bodies(view: ExchangeView, form: str = "", page: int = 0) -> dict[str, Any]:
    """`{"forms", "form", "page", "parts"}`: for the request and the response each body that it had on its way, in turn.

    Without `form` the most telling one is chosen. `page` counts pages of a long text or of hexadecimal from 0.
    """
    ways = (("Request body", view.request), ("Response body", view.response))
    steps = [(title, _steps(stages)) for title, stages in ways]
    contents = [[_Content(stage) for stage in way] for _, way in steps]
    found = [content for way in contents for content in way]
    forms = [one for one in FORMS if one == "hex" or any(content.fits(one) for content in found)]
    if not any(before.fits("json") and after.fits("json") for way in contents for before, after in pairwise(way)):
        forms = [one for one in forms if one != "changes"]
    if form not in forms:
        form = forms[0]
    page = max(0, page)
    parts = []
    for (title, way), held in zip(steps, contents, strict=True):
        panes = [_pane(content, form, page) for content in held]
        for before, after in pairwise(panes):
            _compare(before, after)
        changes = [_told(*pair) for pair in pairwise(held)] if form == "changes" else []
        parts.append({"title": title, "note": _note(way), "panes": panes, "changes": [one for one in changes if one]})
    return {"forms": forms, "form": form, "page": page, "parts": parts}


def image(view: ExchangeView, part: int, pane: int) -> tuple[str, bytes]:
    """Media type and bytes of one body that is a picture, told by its first bytes; WorkbenchError for any other."""
    steps = _steps((view.request, view.response)[bool(part)])
    content = _Content(steps[pane]) if 0 <= pane < len(steps) else None
    if content is None or content.image is None:
        raise WorkbenchError("this body is no picture that can be shown")
    return content.image, content.data


def _steps(stages: Sequence[Stage]) -> list[Stage]:
    """The first known body, and each that is another than the one before."""
    steps: list[Stage] = []
    for stage in stages:
        if stage.reached and stage.body is not None and (not steps or steps[-1].body != stage.body):
            steps.append(stage)
    return steps


def _note(way: Sequence[Stage]) -> str:
    if not way:
        return "never sent"
    if len(way) == 1:
        return "none" if not way[0].body else "made in the chain" if way[0].place == "local" else "unchanged"
    return " → ".join(size(len(stage.body or b"")) for stage in way)


class _Content:
    """A body at one stage: unpacked where its content coding is known, and told apart into text and not."""

    def __init__(self, stage: Stage) -> None:
        self.title = named(stage)
        self.raw = stage.body or b""
        fields: Mapping[str, str] = {name.lower(): value for name, value in stage.headers}
        self.coding = fields.get("content-encoding", "").strip().lower()
        self.type = fields.get("content-type", "").partition(";")[0].strip().lower()
        unpacked = decoded(self.raw, self.coding, _UNPACKED)
        self.coded = unpacked is not None
        self.data = self.raw if unpacked is None else unpacked
        self.cut = self.coded and len(self.data) >= _UNPACKED
        self.is_text = _is_text(self.data)
        self.image = _image_type(self.data)
        self._json: list[Any] | None = None

    def fits(self, form: str) -> bool:
        if not self.raw:
            return False
        if form in ("json", "changes"):
            return bool(self.json())
        if form == "form":
            return self.type == "application/x-www-form-urlencoded" and self.is_text
        return self.image is not None if form == "image" else self.is_text

    def json(self) -> list[Any]:
        """The value in a list, an empty one for what is no JSON; numbers are kept as they are written."""
        if self._json is None:
            self._json = []
            if len(self.data) <= _JSON_READ and self.data[:64].lstrip()[:1] in (b"{", b"["):
                try:
                    self._json = [json.loads(self.data)]
                    json.dumps(self._json)
                except (ValueError, RecursionError):
                    self._json = []
        return self._json

    def form(self) -> list[str]:
        """`name = value` for each field, decoded."""
        pairs = parse_qsl(self.data[:_JSON_READ].decode(errors="replace"), keep_blank_values=True, max_num_fields=None)
        return [f"{name} = {value}" for name, value in pairs[:_MOST_FIELDS]]


def _is_text(data: bytes) -> bool:
    """UTF-8 without NUL; a character that the end of the shown part goes through does no harm."""
    cut = data[: 4 * SHOWN]
    try:
        cut.decode()
    except UnicodeDecodeError as error:
        if len(data) <= len(cut) or error.start < len(cut) - 3:
            return False
    return b"\0" not in cut


def _image_type(data: bytes) -> str | None:
    """Of pictures that cannot hold script, told by their first bytes, whatever their headers say."""
    if not 0 < len(data) <= _LARGEST_IMAGE:
        return None
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _IMAGES if data.startswith(magic)), None)


def _told(before: _Content, after: _Content) -> dict[str, Any] | None:
    """What differs between two JSON bodies, path by path."""
    if not (before.json() and after.json()):
        return None
    found = json_changes(before.json()[0], after.json()[0])
    return {"title": f"{before.title} → {after.title}", "rows": [_row(one) for one in found]}


def _row(change: JsonChange) -> dict[str, Any]:
    kinds = {"added": "add", "removed": "del", "changed": "chg"}
    was, now = (None if side is None else shorten(side, _LONGEST_LINE) for side in (change.before, change.after))
    return {"path": shorten(change.path, 300), "kind": kinds[change.kind], "was": was, "now": now}


def _page(data: bytes, page: int) -> tuple[str, int]:
    """One page of a text and the bytes behind it; a character that lies on a border belongs to the page where it begins."""
    begin, end = (_border(data, at * SHOWN) for at in (page, page + 1))
    return data[begin:end].decode(errors="replace"), len(data) - end


def _border(data: bytes, at: int) -> int:
    at = min(at, len(data))
    for back in range(3):
        if at - back <= 0 or at >= len(data) or data[at - back] & 0xC0 != 0x80:
            return at - back
    return at


def _pane(content: _Content, form: str, page: int) -> dict[str, Any]:
    lines: list[str] = []
    left = begin = 0
    if form == "hex":
        at = page * _HEX_SHOWN
        lines = _hex(content.raw[at : at + _HEX_SHOWN], at)
        left = max(0, len(content.raw) - at - _HEX_SHOWN)
    elif (form == "json" and content.json()) or (form == "form" and content.fits("form")):
        whole = json.dumps(content.json()[0], indent=2, ensure_ascii=False).split("\n") if form == "json" else content.form()
        begin = page * _MOST_LINES
        lines, behind = whole[begin : begin + _MOST_LINES], whole[begin + _MOST_LINES :]
        left = sum(len(line.encode(errors="replace")) + 1 for line in behind)
    elif form not in ("changes", "image") and content.is_text and content.raw:
        text, left = _page(content.data, page)
        lines = text.removesuffix("\n").split("\n") if text else []
    note = f"{content.coding}, unpacked" if content.coded and form != "hex" else content.coding
    return {
        "title": content.title,
        "size": len(content.raw),
        "note": f"{note}, cut at {size(_UNPACKED)}" if content.cut else note,
        "lines": [("same", _line(line)) for line in lines],
        "begin": begin,
        "left": left,
        "image": form == "image" and content.image is not None,
    }


def _line(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}… {len(line) - _LONGEST_LINE} more"


def _hex(data: bytes, begin: int) -> list[str]:
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{begin + at:06x}  {row[:8].hex(' '):<23}  {row[8:].hex(' '):<23}  {shown}")
    return lines


def _compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Mark the lines that are only in one of the panes; what one step added and the next takes away stays marked as added."""
    old, new = ([line for _, line in pane["lines"]] for pane in (before, after))
    for tag, old_from, old_to, new_from, new_to in difflib.SequenceMatcher(None, old, new, autojunk=True).get_opcodes():
        if tag != "equal":
            before["lines"][old_from:old_to] = [(kind if kind == "add" else "del", line) for kind, line in before["lines"][old_from:old_to]]
            after["lines"][new_from:new_to] = [("add", line) for line in new[new_from:new_to]]
