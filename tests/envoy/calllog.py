"""Envoy's log at trace level for its wasm component, as the sequence of calls between host and filters that it tells.

    [trace][7] [host->vm] proxy_on_request_headers(2, 5, 1)
    [trace][7] [vm->host] env.proxy_log(2, 4096, 5)
    [info][7] wasm log a: hello
    [trace][7] [vm<-host] env.proxy_log return: 0
    [trace][7] [host<-vm] proxy_on_request_headers return: 0

The log must be written in `LOG_FORMAT`: threads write between each other's lines. It does not say which VM or filter a call belongs to,
and of texts and results only the address that the filter gave. Messages are the filters', so nothing in one may pass for a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["LOG_FORMAT", "LogCall", "Section", "read_calls", "vms_left"]

LOG_FORMAT = "[%l][%t] %v"
"""Envoy's `--log-format` that this reads: level, thread, text."""

_ENTRY = re.compile(rb"^\[(trace|debug|info|warning|error|critical)\]\[(\d+)\] ", re.MULTILINE)
_BEGIN = re.compile(rb"\[(host->vm|vm->host)\] (?:([\w.]+)\.)?(\w+)\(([-\d, ]*)\)\Z")
_END = re.compile(rb"\[(host<-vm|vm<-host)\] (?:[\w.]+\.)?(\w+) return: (void|-?\d+)\Z")
_FAILED = re.compile(rb"Function: (\w+) failed: (.*)", re.DOTALL)
_CREATED = re.compile(rb"(?:Base|Thread-Local) Wasm created \d+ now active\Z")
_DESTROYED = re.compile(rb"~Wasm \d+ remaining active\Z")
_MESSAGE = b"wasm log"


@dataclass(slots=True)
class LogCall:
    """One call. `depth` is 0 for what the host called, 1 for a hostcall in it, 2 for the allocator called in that.

    `module` is empty for a filter's own function. `args` are as the filter passed or got them, pointers too. `result` is None for a
    function without one and for a call that never returned. `message` is what the filter logged with it; `failure` why it trapped.
    """

    depth: int
    module: str
    function: str
    args: tuple[int, ...]
    result: int | None = None
    returned: bool = False
    message: bytes | None = None
    failure: str = ""


@dataclass(slots=True)
class Section:
    """What one thread wrote from the start of one VM to that of the next; calls of older VMs are among them.

    `others` are the lines that tell no call, such as why a plugin was refused.
    """

    thread: int
    calls: list[LogCall] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def read_calls(log: bytes) -> list[Section]:
    """The calls in the order of their beginnings, by thread and start of a VM, sections in the order of their beginnings."""
    sections: list[Section] = []
    current: dict[int, Section] = {}
    open_calls: dict[int, list[LogCall]] = {}
    for thread, text in _entries(log):
        if _CREATED.match(text) or thread not in current:
            current[thread] = Section(thread)
            sections.append(current[thread])
        section, stack = current[thread], open_calls.setdefault(thread, [])
        if begin := _BEGIN.match(text):
            if begin[1] == b"host->vm" and stack and stack[-1].module == "":
                stack.clear()  # the call before trapped: a filter's function calls the host, never the filter
            args = tuple(int(part) for part in begin[4].split(b", ") if part)
            call = LogCall(len(stack), (begin[2] or b"").decode(), begin[3].decode(), args)
            section.calls.append(call)
            stack.append(call)
        elif end := _END.match(text):
            name = end[2].decode()
            while stack and stack[-1].function != name:
                stack.pop()
            if stack:
                call = stack.pop()
                call.returned, call.result = True, None if end[3] == b"void" else int(end[3])
        elif text.startswith(_MESSAGE) and stack and stack[-1].module:
            stack[-1].message = text[text.find(b": ") + 2 :]
        elif (failed := _FAILED.match(text)) and stack:
            stack[0].failure = _decode(failed[2])
            stack.clear()
        else:
            section.others.append(_decode(text))
    return sections


def vms_left(log: bytes) -> int:
    """How many VMs were started and not yet ended, by the log of the whole process."""
    texts = [text for _, text in _entries(log)]
    return sum(bool(_CREATED.match(text)) for text in texts) - sum(bool(_DESTROYED.match(text)) for text in texts)


def _entries(log: bytes) -> Iterator[tuple[int, bytes]]:
    """Thread and text of each whole entry; a text may have several lines, a logged one as many as its call announced."""
    at = 0
    announced: dict[int, int] = {}
    while (head := _ENTRY.search(log, at)) is not None:
        thread, start = int(head[2]), head.end()
        end = -1
        size = announced.pop(thread, 0)
        if size and log.startswith(_MESSAGE, start):
            end = log.find(b": ", start) + 2 + size
        else:
            following = _ENTRY.search(log, start)
            end = (following.start() if following else log.rfind(b"\n", start) + 1) - 1
        if not start <= end < len(log):
            return
        text = log[start:end]
        if (begin := _BEGIN.match(text)) and begin[3] == b"proxy_log":
            announced[thread] = int(begin[4].split(b", ")[2])
        yield thread, text
        at = end


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
