"""A replay on one page: what ran, what became of the exchanges, what changed, who decided, what it cost, what went wrong.

`summarise` collects it from columns, so that a hundred thousand exchanges take well under a second; `summary_text` and
`page.summary_html` only lay it out. Captured text in a `Summary` is escaped for display.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass, field, replace
from textwrap import wrap
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..capture.packing import unpack_pairs
from ..trace.records import NO_FILTER, NONE, CalloutEnd, Event, FailureKind, Kind
from ..trace.trace import Row, Trace
from . import words
from .calls import MUTATION_PARTS, connection_ends
from .changes import BODY_PARTS
from .decision import Judges, allowed_decision, answered_decision, verdict_calls
from .facts import Facts, Outcome
from .failed_calls import all_failed_calls
from .findings import Finding, findings_text
from .prints import distinct
from .rowfields import field_spans
from .selections import events
from .vms import all_vms, thread_name

__all__ = ["Section", "Summary", "summarise", "summary_text"]

Paint: TypeAlias = Callable[[str, str], str]

_OF_ONE, _NAMED = re.compile(r"Exchange (\d+): (.+)", re.DOTALL), 5
FIRST, INTERESTING, GROUPS = 8, 12, 12
"""Exchanges shown from the beginning, exchanges shown for what became of them, and lines of any other table."""


@dataclass(frozen=True)
class Section:
    """A small table: `columns` are heads, those in `right` are numbers; `more` says what was left out.

    `first_to_go` are the columns that a narrow page does without, in that order.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()
    more: str = ""
    first_to_go: tuple[str, ...] = ()

    def without(self, name: str) -> Section:
        """The same table without a column."""
        at = self.columns.index(name)
        rows = tuple(row[:at] + row[at + 1 :] for row in self.rows)
        return replace(self, columns=self.columns[:at] + self.columns[at + 1 :], rows=rows, first_to_go=self.first_to_go[1:])


@dataclass(frozen=True)
class Summary:
    """`head` is what ran, `facts` the counts in one line, `outcomes` name and number of each outcome that occurs, `findings` what looks
    wrong, the weightiest first."""

    head: str
    facts: str
    outcomes: tuple[tuple[str, int], ...]
    sections: tuple[Section, ...] = field(default=())
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        return summary_text(self)


def summarise(
    trace: Trace,
    facts: Facts,
    *,
    source: str = "",
    chain: str = "",
    problems: Sequence[str] = (),
    notes: Sequence[str] = (),
    complete: bool = True,
    findings: Sequence[Finding] = (),
) -> Summary:
    """Collect the page.

    `source` names the capture, `chain` what it went through, without it the trace's filters. `problems` are the capture's own, `notes`
    tell of how the replay was made; `complete` is False for one that was stopped, `findings` are those on it.
    """
    through = words.visible(chain or " → ".join(trace.filters) or "no filter")
    head = f"{words.visible(source) or 'Capture'} through {through}" + ("" if complete else " (stopped before its end)")
    counts = np.bincount(facts.outcome, minlength=len(Outcome)).tolist()
    tcp = bool((facts.connection >= 0).any())
    host, filters = int(facts.host_ns.sum()), int(facts.filter_ns.sum())
    line = [
        _plural(len(facts), "connection" if tcp else "exchange"),
        _plural(int(facts.callbacks.sum()), "callback"),
        _plural(int(facts.hostcalls.sum()), "hostcall"),
        _plural(int(facts.changes.sum()), "change"),
        f"{words.duration(filters)} in filters, {words.duration(host)} in the host",
    ]
    sections = [
        _exchanges(trace, facts),
        _changes(trace, facts),
        _decisions(trace, facts),
        _times(trace),
        _failures(trace),
        _vms(trace),
        _callouts(trace),
        Section("Notes", ("note",), tuple((words.visible(text),) for text in notes)),
        _problems(problems),
    ]
    shown = tuple((outcome.name.lower(), counts[outcome]) for outcome in Outcome if counts[outcome])
    return Summary(head, " · ".join(line), shown, tuple(section for section in sections if section.rows), tuple(findings))


def _problems(problems: Sequence[str]) -> Section:
    """What was lost of the capture; a loss that several exchanges share is told once, with the first of them."""
    of: dict[str, list[str]] = {}
    for text in problems:
        found = _OF_ONE.fullmatch(text)
        of.setdefault(found[2] if found else text, []).extend([found[1]] if found else ())
    told = []
    for what, numbers in of.items():
        first = ", ".join(numbers[:_NAMED]) + (" and others" if len(numbers) > _NAMED else "")
        told.append(f"Exchange{'s' * (len(numbers) > 1)} {first}: {what}" if numbers else what)
    return Section("Problems of the capture", ("problem",), tuple((words.visible(text),) for text in told[:GROUPS]), more=_rest(told))


def _plural(n: int, noun: str) -> str:
    return f"{words.count(n)} {noun}{'' if n == 1 else 's'}"


def _rest(rows: Sized, shown: int = GROUPS) -> str:
    return f"and {words.count(len(rows) - shown)} more" if len(rows) > shown else ""


def _exchanges(trace: Trace, facts: Facts) -> Section:
    """The first exchanges, and the first of each kind that is worth a look."""
    chosen = set(range(min(FIRST, len(facts))))
    for outcome in (Outcome.ERROR, Outcome.LIMITED, Outcome.DENIED, Outcome.LOCAL):
        chosen.update(np.flatnonzero(facts.outcome == outcome)[: INTERESTING // 4].tolist())
    rows: list[tuple[str, ...]] = []
    last = -1
    for at in sorted(chosen):
        if at > last + 1:
            rows.append(("…", "", "", "", "", "", "", "", ""))
        rows.append(_line(trace, facts, at))
        last = at
    right, more = frozenset(("#", "changes", "filter", "host")), _rest(range(len(facts)), len(chosen))
    if (facts.connection >= 0).any():
        columns = ("#", "time", "upstream", "bytes", "closed by", "outcome", "changes", "filter", "host")
        return Section("Connections", columns, tuple(rows), right, more, ("time", "host", "changes", "filter"))
    columns = ("#", "time", "method", "path", "status", "outcome", "changes", "filter", "host")
    return Section("Exchanges", columns, tuple(rows), right, more, ("time", "host", "changes"))


def _line(trace: Trace, facts: Facts, at: int) -> tuple[str, ...]:
    row = int(facts.request[at])
    pseudo = dict(unpack_pairs(trace.row(row).fields[0])[0]) if row >= 0 else {}
    method, path = (words.visible(words.text(pseudo.get(name, b""))) for name in (b":method", b":path"))
    upstream, status = int(facts.upstream_status[at]), int(facts.status[at])
    both = f"{upstream} → {status or '–'}" if upstream and upstream != status else str(status or "–")
    if facts.connection[at] >= 0:
        method, path, both = _connection(trace, facts, at)
    clock = str(np.datetime64(int(facts.time[at]), "ns").astype("datetime64[ms]")).partition("T")[2]
    return (
        str(facts.exchange[at]),
        clock,
        method,
        path,
        both,
        Outcome(int(facts.outcome[at])).name.lower(),
        str(facts.changes[at] or ""),
        words.duration(int(facts.filter_ns[at])),
        words.duration(int(facts.host_ns[at])),
    )


def _connection(trace: Trace, facts: Facts, at: int) -> tuple[str, str, str]:
    """Where a connection went, how many bytes of how many got through each way, and who closed it."""
    begin = trace.row(int(facts.connection[at]))
    place = words.visible(connection_ends(begin)[1])
    if facts.closed[at] < 0:
        return place, "", ""
    end = trace.row(int(facts.closed[at]))
    ways = (
        f"{words.count(sent)}" + (f" → {words.count(got)}" if sent != got else "") for sent, got in ((begin.a, end.a), (begin.b, end.b))
    )
    who = trace.filter_name(end)
    return place, " up, ".join(ways) + " down", words.visible(who) if who else words.enumerated(words.PEERS, end.result).lower()


_SIGNS = {"proxy_add_header_map_value": "+", "proxy_replace_header_map_value": "~", "proxy_remove_header_map_value": "\u2212"}


def _changes(trace: Trace, facts: Facts) -> Section:
    """Changes grouped by filter, part, call and header name."""
    groups = _change_groups(trace, facts)
    rows = []
    for (place, sign, kind, name), n in groups.most_common(GROUPS):
        if sign == "proxy_set_buffer_bytes":
            part, what = BODY_PARTS[kind], "~ body" if kind < 2 else "~ bytes"
        elif sign == "proxy_set_header_map_pairs":
            part, what = MUTATION_PARTS[kind], "~ all"
        else:
            part, what = MUTATION_PARTS[kind], f"{sign} {words.visible(words.text(name))}"
        rows.append((_filter(trace, place), part, what, words.count(n)))
    return Section("Changes", ("filter", "part", "change", "times"), tuple(rows), frozenset(("times",)), _rest(groups))


def _change_groups(trace: Trace, facts: Facts) -> Counter[tuple[int, str, int, bytes]]:
    """How many changes there are by filter, sign (or the call, where it has none), map or buffer and name, in the order of the first."""
    counts: Counter[tuple[int, str, int, bytes]] = Counter()
    begins: dict[tuple[int, str, int, bytes], int] = {}
    for first, records, blob, which in trace.select(facts.changed):
        at, octets = facts.changed[which] - first, np.frombuffer(blob, np.uint8)
        for code in np.unique(records["code"][at]).tolist():
            call, rows = trace.schema.hostcalls[code], at[records["code"][at] == code]
            sign, texts, name, was = _SIGNS.get(call.name, ""), [b""], np.zeros(len(rows), np.int64), np.ones(len(rows), bool)
            if sign:
                spans = field_spans(octets, records, rows, len(call.fields))
                texts, name = distinct(octets, *spans[0])
                was = spans[call.fields.index("before")][1] > 0
            # maps and buffers of a message are four each
            where = records["filter"][rows].astype(np.int64) << 3 | records["a"][rows].astype(np.int64) << 1 | was
            kinds, begin, times = np.unique(where * len(texts) + name, return_index=True, return_counts=True)
            for number, row, n in zip(kinds.tolist(), (rows[begin] + first).tolist(), times.tolist(), strict=True):
                packed, text = divmod(number, len(texts))
                # replacing what is not there adds it
                told = "+" if sign == "~" and not packed & 1 else sign or call.name
                key = (packed >> 3, told, packed >> 1 & 3, texts[text])
                begins[key] = min(begins.get(key, row), row)
                counts[key] += n
    return Counter({key: counts[key] for key in sorted(counts, key=lambda key: begins[key])})


def _filter(trace: Trace, place: int) -> str:
    """A filter as its place in the chain from 1, and its name; a VM starts before it has a filter."""
    return f"{place + 1} {words.visible(trace.filters[place])}" if place < len(trace.filters) else "VM"


def _decisions(trace: Trace, facts: Facts) -> Section:
    """How often each filter decided what, with the words of the first such decision."""
    counts: Counter[tuple[str, int]] = Counter()
    failures = all_failed_calls(trace)
    reasons: dict[tuple[str, int], str] = {}
    deniers = np.where(facts.closer != NO_FILTER, facts.closer, facts.local_filter)
    for outcome, by in ((Outcome.ERROR, facts.failure_filter), (Outcome.LIMITED, facts.local_filter), (Outcome.DENIED, deniers)):
        at = np.flatnonzero(facts.outcome == outcome)
        for place in np.unique(by[at]).tolist():
            mine = at[by[at] == place]
            counts[outcome.name.lower(), place] = len(mine)
            reasons[outcome.name.lower(), place] = answered_decision(trace, facts, int(mine[0]), failures).reason
    answered = set(facts.exchange[(facts.local >= 0) | (facts.failure >= 0) | (facts.closer != NO_FILTER)].tolist())
    for exchange, calls in verdict_calls(trace, Judges.of(facts)).items():
        if exchange not in answered:
            place = trace.row(min(calls)[1]).filter
            counts["allowed", place] += 1
            if ("allowed", place) not in reasons:
                reasons["allowed", place] = allowed_decision(trace, exchange, calls, failures).reason
    rows = [(kind, _filter(trace, place), words.count(n), reasons[kind, place]) for (kind, place), n in counts.most_common(GROUPS)]
    return Section("Decisions", ("decision", "filter", "times", "first"), tuple(rows), frozenset(("times",)), _rest(counts))


def _times(trace: Trace) -> Section:
    """Real time of each callback of each filter, in the filter and in the host."""
    parts: dict[int, list[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]]] = {}
    for _, records in trace.segments():
        chosen = records[records["kind"] == Kind.CALLBACK]
        host = np.minimum(chosen["other_ns"], chosen["ns"])
        key = chosen["filter"].astype(np.uint16) << 8 | chosen["code"]
        for number in np.flatnonzero(np.bincount(key)).tolist():
            mine = key == number
            parts.setdefault(number, []).append((chosen["ns"][mine], host[mine]))
    rows = []
    for number, pieces in parts.items():
        whole, host = (np.concatenate(column) for column in zip(*pieces, strict=True))
        total, in_host = int(whole.sum(dtype=np.int64)), int(host.sum(dtype=np.int64))
        p50, p99 = np.percentile(whole, (50, 99)).tolist()
        times = [words.duration(each) for each in (p50, p99, total, total - in_host, in_host)]
        name = words.short_name(trace.schema.callbacks[number & 0xFF].name)
        rows.append((total, (_filter(trace, number >> 8), name, words.count(len(whole)), *times)))
    rows.sort(key=lambda row: -row[0])
    columns = ("filter", "callback", "count", "p50", "p99", "total", "in filter", "in host")
    right = frozenset(columns[2:])
    return Section(
        "Real time per callback, on this machine", columns, tuple(row for _, row in rows[:GROUPS]), right, _rest(rows), _TIMES_GO
    )


def _failures(trace: Trace) -> Section:
    """Failures grouped by filter, callback, kind and message; what only follows from an earlier one comes last."""
    groups: Counter[tuple[int, str, str, str]] = Counter()
    first_of: dict[tuple[int, str, str, str], Row] = {}
    for first, _, _, at in events(trace, Event.FAILURE):
        for seq in (at + first).tolist():
            row = trace.row(seq)
            message, callback = (*(words.text(each) for each in row.fields), "", "")[:2]
            key = (row.filter, words.visible(words.short_name(callback)), words.failure(row.a), message)
            groups[key] += 1
            first_of.setdefault(key, row)
    rows = []
    follows = words.failure(FailureKind.EARLIER)
    for key, n in sorted(groups.items(), key=lambda group: (group[0][2] == follows, -group[1]))[:GROUPS]:
        place, callback, kind, message = key
        where = first_of[key].exchange
        begin = f"#{where}" if where != NONE else "start"
        rows.append((_filter(trace, place), callback, kind, words.count(n), begin, words.visible(message), words.policy(first_of[key].b)))
    columns = ("filter", "callback", "kind", "times", "first at", "message", "policy")
    return Section("Failures", columns, tuple(rows), frozenset(("times",)), _rest(groups), ("policy", "first at"))


def _vms(trace: Trace) -> Section:
    """The VMs, where there is more to them than one for each filter that lived to the end."""
    vms = all_vms(trace)
    plain = all(len(vm.filters) == 1 and vm.thread == 0 and vm.reason == "start" and not vm.failures for vm in vms)
    rows = [
        (
            thread_name(vm.thread),
            ", ".join(_filter(trace, place) for place in vm.filters),
            vm.reason,
            words.count(vm.exchanges),
            words.count(vm.callbacks),
            words.size(vm.memory) if vm.memory else "",
            words.visible(vm.failures[-1][0]) if vm.failures else "",
        )
        for vm in vms[: 0 if plain else GROUPS]
    ]
    columns = ("thread", "filters", "begin", "exchanges", "callbacks", "memory", "failure")
    right = frozenset(("exchanges", "callbacks", "memory"))
    return Section("VMs", columns, tuple(rows), right, "" if plain else _rest(vms), ("callbacks", "memory"))


def _callouts(trace: Trace) -> Section:
    """Calls to other services by filter, cluster, and what they came to."""
    groups: dict[tuple[int, bytes, int], list[int]] = {}
    for _, records, blob, at in events(trace, Event.CALLOUT):
        for place, end, micros, start in zip(*(records[name][at].tolist() for name in ("filter", "c", "d", "blob")), strict=True):
            size = int.from_bytes(blob[start : start + 4], "little")
            groups.setdefault((place, bytes(blob[start + 4 : start + 4 + size]), end), []).append(micros)
    rows = []
    for (place, cluster, end), micros in sorted(groups.items(), key=lambda group: -len(group[1]))[:GROUPS]:
        told = CalloutEnd(end).name.lower() if end in CalloutEnd.__members__.values() else str(end)
        middle = words.duration(int(np.median(micros)) * 1000)
        rows.append((_filter(trace, place), words.visible(words.text(cluster)), told, words.count(len(micros)), middle))
    columns = ("filter", "cluster", "ended", "times", "p50, virtual")
    return Section("Calls to other services", columns, tuple(rows), frozenset(columns[3:]), _rest(groups))


_COLOURS = {"error": "31", "denied": "31", "limited": "33", "changed": "36", "allowed": "32"}
_NARROW = 16
_TIMES_GO = ("in host", "in filter", "count")
_WIDE = ("path", "first", "message", "problem", "change", "finding")


def summary_text(summary: Summary, *, width: int = 100, colour: bool = False) -> str:
    """Plain text of at most `width` columns; with `colour` the few colours that every terminal has."""

    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text

    outcomes = "   ".join(paint(f"{name} {words.count(n)}", _COLOURS.get(name, "")) for name, n in summary.outcomes)
    lines = [paint(words.shorten(summary.head, width), "1"), *wrap(summary.facts, width), *([outcomes] if outcomes else ())]
    for section in summary.sections:
        lines += ["", paint(section.title, "1"), *_table(section, width, paint)]
    if summary.findings:
        lines += ["", *findings_text(summary.findings, width=width, colour=colour, most=GROUPS).splitlines()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _table(section: Section, width: int, paint: Paint) -> list[str]:
    """Columns as wide as their widest cell; what does not fit is taken from the one that holds long text, then from the widest."""
    more = [f"  {section.more}"] if section.more else []
    if len(section.columns) == 1:
        return [line for (text,) in section.rows for line in wrap(text, width, initial_indent="  ", subsequent_indent="    ")] + more
    table = [section.columns, *section.rows]
    widths = [max(len(row[at]) for row in table) for at in range(len(section.columns))]
    long = next((at for at, name in enumerate(section.columns) if name in _WIDE), widths.index(max(widths)))
    over = sum(widths) + 2 * len(widths) - width
    if over > max(widths[long] - _NARROW, 0) and section.first_to_go:
        return _table(section.without(section.first_to_go[0]), width, paint)
    while over > 0:
        at = long if widths[long] > _NARROW else widths.index(max(widths))
        less = min(over, max(widths[at] - _NARROW, 1))
        widths[at] -= less
        over -= less
    lines = []
    for number, row in enumerate(table):
        cells = []
        for name, cell, room in zip(section.columns, row, widths, strict=True):
            cut = words.shorten(cell, room)
            padded = cut.rjust(room) if name in section.right else cut.ljust(room)
            shade = "2" if number == 0 else _COLOURS.get(cell, "") if name in ("outcome", "decision") else ""
            cells.append(paint(padded, shade))
        lines.append("  " + "  ".join(cells))
    return lines + more
