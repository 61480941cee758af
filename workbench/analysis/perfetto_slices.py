"""Calls as slices of the Trace Event Format: the text of each, but for when it begins, which the writer knows later.

Millions are written, and most say what another said before: what repeats is put in words once.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from ..trace.records import FINISHED, NONE, Kind, split_fields
from ..trace.trace import Trace
from . import words
from .calls import named_arguments, spelt

__all__ = ["Slice", "Slices"]

LONGEST = 200
"""Characters of an argument."""
_MOST_KEPT, _LONGEST_KEPT = 1 << 16, 512
"""How many arguments are kept as text, and of how many bytes at most."""
_RENAMED = {"result": "answer"}
"""What a foreign function gave would be taken for the hostcall's own result."""
_CATEGORIES = {Kind.CALLBACK: "callback", Kind.HOSTCALL: "hostcall"}


Slice: TypeAlias = tuple[int, int, int, int, str, str]
"""A call: its row, virtual time and length (both nanoseconds), the process that it is drawn in, and its text up to the number of `ts`
and from behind that of `dur`."""


class Slices:
    """Makes slices of a trace's rows. `processes` has the process of each VM; `begin` is the virtual time from which is counted."""

    def __init__(self, trace: Trace, processes: dict[int, int], begin: int) -> None:
        self._trace, self._processes, self._begin = trace, processes, begin
        self._heads: dict[tuple[int, int, int, int], tuple[int, str, str]] = {}
        self._told: dict[tuple[Any, ...], str] = {}

    def of(self, seq: int, numbers: tuple[int, ...], blob: memoryview) -> Slice:
        """The slice of a callback or hostcall: row `seq`, its `RECORD` as a tuple, and the blob of its segment."""
        kind, filter_, code, flags, exchange, _, _, time, start, size, result, a, b, c, d, ns, other, vm = numbers
        process, head, category = self._heads.get((kind, filter_, code, vm)) or self._head(kind, filter_, code, vm)
        # most say what another said before
        said = b"" if not size else bytes(blob[start : start + size]) if size <= _LONGEST_KEPT else seq
        key = (kind, code, flags, result, a, b, c, d, said)
        told = self._told.get(key)
        if told is None:
            told = self._given(kind, code, (a, b, c, d), blob[start : start + size]) + self._result(kind, code, result, flags)
            if len(self._told) >= _MOST_KEPT:
                self._told.clear()
            if size <= _LONGEST_KEPT:
                self._told[key] = told
        of = "" if exchange == NONE else f'"exchange":{exchange},'
        own, host = (ns - other, other) if other <= ns else (0, ns)
        if kind == Kind.HOSTCALL:
            own, host = host, own
        tail = f'{category}{of}{told}"filter_ns":{own},"host_ns":{host},"virtual_ns":{time - self._begin},"row":{seq}}}}}'
        return seq, time, ns, process, head, tail

    def _head(self, kind: int, filter_: int, code: int, vm: int) -> tuple[int, str, str]:
        process, name = self._processes.get(vm, 1), json.dumps(words.short_name(self._name(kind, code)))
        head = f'{{"ph":"X","name":{name},"pid":{process},"tid":{filter_ + 1},"ts":'
        found = self._heads[kind, filter_, code, vm] = process, head, f',"cat":"{_CATEGORIES[Kind(kind)]}","args":{{'
        return found

    def _name(self, kind: int, code: int) -> str:
        schema = self._trace.schema
        return schema.callbacks[code].name if kind == Kind.CALLBACK else schema.hostcalls[code].name

    def _given(self, kind: int, code: int, numbers: tuple[int, ...], data: memoryview) -> str:
        """The arguments of a call as members of an object, each with a comma behind it."""
        name = self._name(kind, code)
        given = named_arguments(self._trace.schema, kind, code, numbers, split_fields(data))
        texts = [json.dumps(words.shorten(spelt(each, value, name), LONGEST)) for each, value in given.items()]
        return "".join([f'"{_RENAMED.get(each, each)}":{text},' for each, text in zip(given, texts, strict=True)])

    def _result(self, kind: int, code: int, result: int, flags: int) -> str:
        told = words.result(self._name(kind, code), result) if flags & FINISHED else "did not return"
        return f'"result":{json.dumps(told)},' if told else ""
