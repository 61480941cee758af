"""Runs the cases and writes CONFORMANCE.md; or shows one on both hosts, or exports all.

python -m tests.conformance                run everything, print the table, write CONFORMANCE.md
python -m tests.conformance --show TEXT    what both hosts make of the cases whose name has TEXT
python -m tests.conformance --export DIR   each case as files for another host
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conformance.case import Case
from tests.conformance.cases import all_cases
from tests.conformance.export import export
from tests.conformance.run_envoy import CaseRunner
from tests.conformance.run_here import run_here
from tests.conformance.table import Outcome, markdown, printed
from workbench.errors import WorkbenchError

PAGE = Path(__file__).resolve().parents[2] / "CONFORMANCE.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status, 1 where a case fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description="The conformance cases.")
    parser.add_argument("--show", metavar="TEXT", help="print what this host and Envoy make of the cases whose name has TEXT")
    parser.add_argument("--here", action="store_true", help="with --show: without Envoy")
    parser.add_argument("--export", metavar="DIR", type=Path, help="write each case as files, for other hosts")
    given = parser.parse_args(arguments)
    cases = all_cases()
    if given.export:
        export(cases, given.export)
        return 0
    if given.show is not None:
        return _show([case for case in cases if given.show in case.name], envoy=not given.here)
    outcomes, version = _run(cases)
    PAGE.write_text(markdown(outcomes, version), encoding="utf-8", newline="\n")
    print("\n".join(printed(outcomes)))
    return int(any(not each.here or each.envoy is False for each in outcomes))


def _run(cases: Sequence[Case]) -> tuple[list[Outcome], str]:
    with CaseRunner() as runner:
        outcomes = []
        for case in cases:
            envoy = None if case.here_only else _on_envoy(runner, case) == case.expected
            outcomes.append(Outcome(case, run_here(case) == case.expected, envoy))
        return outcomes, runner.version


def _on_envoy(runner: CaseRunner, case: Case) -> str:
    try:
        return runner.run(case)
    except WorkbenchError as error:
        return f"no result: {error}"


def _show(cases: Sequence[Case], *, envoy: bool) -> int:
    with contextlib.ExitStack() as stack:
        runner = stack.enter_context(CaseRunner()) if envoy else None
        for case in cases:
            here = run_here(case)
            print(f"=== {case.name}\n{here}")
            print("here: as expected" if here == case.expected else "here: NOT as expected" + _difference(case.expected, here))
            if runner is not None:
                there = _on_envoy(runner, case)
                print("Envoy: the same" if there == here else "Envoy: DIFFERENT from here" + _difference(here, there))
    return 0


def _difference(before: str, after: str) -> str:
    return "".join(f"\n    {line}" for line in _lines(before, after))


def _lines(before: str, after: str) -> Iterator[str]:
    return (line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-")


if __name__ == "__main__":
    sys.exit(main())
