"""CONFORMANCE.md: every case with its reason, what is expected, and what this host and Envoy made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.conformance.case import Case

__all__ = ["Outcome", "markdown", "printed", "row_of"]

_WIDTH = 160
_HEAD = """# Conformance

What a Proxy-Wasm filter may rely on, one behaviour a case: {cases} cases, each a small filter with the trace that it must leave.
Every case runs in this workbench and, where it can be seen there, in real Envoy {version} (V8); both must leave exactly the expected
trace: the callbacks and hostcalls in order with their results, log lines, and what upstream and client got.
The cases, and how to run them against another host, are in [tests/conformance](tests/conformance/README.md).
`make conformance` writes this page.

| | cases | here | Envoy {version} |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Outcome:
    """What came of a case; None where it did not run."""

    case: Case
    here: bool
    envoy: bool | None

    @property
    def here_word(self) -> str:
        """For the table."""
        return "pass" if self.here else "**fail**"

    @property
    def envoy_word(self) -> str:
        """For the table."""
        if self.case.here_only:
            return f"cannot show: {self.case.here_only}"
        return "not run" if self.envoy is None else "agrees" if self.envoy else "**differs**"


def row_of(case: Case) -> str:
    """The columns of the table that the case alone says."""
    return " | ".join(_cell(text) for text in (case.name.partition("/")[2], case.why, _short(case.expected)))


def markdown(outcomes: Sequence[Outcome], version: str) -> str:
    """The whole page."""
    groups = [(name, list(members)) for name, members in groupby(outcomes, key=lambda outcome: outcome.case.group)]
    lines = [_HEAD.format(cases=len(outcomes), version=version).rstrip("\n")]
    for name, members in [*groups, ("**all**", list(outcomes))]:
        lines.append(f"| {name} | {len(members)} | {_counts(members)} |")
    for name, members in groups:
        lines += ["", f"## {name}", "", f"| case | why | expected, in short | here | Envoy {version} |", "|---|---|---|---|---|"]
        lines += [f"| {row_of(each.case)} | {each.here_word} | {_cell(each.envoy_word)} |" for each in members]
    return "\n".join(lines) + "\n"


def printed(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The table for a terminal: a line a case, totals last."""
    width = max(len(outcome.case.name) for outcome in outcomes)
    for outcome in outcomes:
        yield f"{outcome.case.name:<{width}}  {outcome.here_word.strip('*'):<4}  {outcome.envoy_word.strip('*')}"
    yield f"{len(outcomes)} cases: here {_counts(outcomes).replace(' | ', ', Envoy ')}"


def _counts(outcomes: Sequence[Outcome]) -> str:
    passed = sum(outcome.here for outcome in outcomes)
    shown = [outcome for outcome in outcomes if not outcome.case.here_only]
    agree = sum(bool(outcome.envoy) for outcome in shown)
    hidden = len(outcomes) - len(shown)
    envoy = f"{agree} agree" + (f", {len(shown) - agree} do not" if agree < len(shown) else "")
    failed = f", {len(outcomes) - passed} fail" if passed < len(outcomes) else ""
    return f"{passed} pass{failed} | {envoy}{f', {hidden} cannot be shown' if hidden else ''}"


def _short(expected: str) -> str:
    """What the filter's calls answered, and what the client got."""
    told = [line.strip().removeprefix("proxy_") for line in expected.splitlines() if line.startswith("  proxy_")]
    ends = [line for line in expected.splitlines() if line.startswith(("client", "refused")) or line.endswith(" failed")]
    told = told or [line.strip().removeprefix("proxy_") for line in expected.splitlines() if line.startswith("proxy_")]
    text = "; ".join([*told, *ends])
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*") if "**" not in text else text
