"""`workbench tour`: the sample capture through the sample chain, then the tour notebook."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from .progress import Progress
from .replay import print_summary

if TYPE_CHECKING:
    from ..chain import Chain
    from .arguments import Commands

__all__ = ["add", "tour_chain"]

_TOUR = ("notebooks", "00_tour.ipynb")
_TOUR_CAPTURE = ("captures", "toystore.mitm")
_BASIC_AUTH = {
    "basic_auth_rules": [
        {"prefix": "/productpage", "request_methods": ["GET", "POST"], "credentials": ["ok:test", "YWRtaW4zOmFkbWluMw=="]},
    ]
}


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("tour", help="replay the sample capture, then open the tour notebook", allow_abbrev=False)
    command.set_defaults(run=_run)


def _root() -> Path:
    """The repository: beside the package, or where we stand, or above."""
    package = Path(__file__).resolve().parents[2]
    here = Path.cwd()
    for root in (package, here, *here.parents):
        if all(root.joinpath(*name).is_file() for name in (_TOUR, _TOUR_CAPTURE)):
            return root
    raise ConfigError(
        f"{'/'.join(_TOUR)} and {'/'.join(_TOUR_CAPTURE)} are neither beside the package nor above {here}",
        where="tour",
        remedy="Run it in a clone of the repository",
    )


def tour_chain(root: Path) -> Chain:
    """The chain of the tour: basic_auth, token_bucket, add_header."""
    from ..chain import Chain, Filter

    def filter_(name: str, config: Any = None) -> Filter:
        return Filter(root / "sample_filters" / name / f"{name}.wasm", config=config)

    return Chain(filter_("basic_auth", _BASIC_AUTH), filter_("token_bucket"), filter_("add_header"))


def _run(args: argparse.Namespace) -> int:
    from ..capture import open_capture

    root = _root()
    capture = open_capture(root.joinpath(*_TOUR_CAPTURE))
    with Progress(sys.stderr, capture.path.name, True) as progress:
        replay = tour_chain(root).replay(capture, progress=progress.show)
    print_summary(replay, sys.stdout)
    sys.stdout.flush()
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _open_notebook(root)
    return _write_notebook(root)


def _environment(root: Path) -> dict[str, str]:
    """The notebook's kernel finds the package also where it is not installed."""
    path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH", ""))))
    return {**os.environ, "PYTHONPATH": path}


def _open_notebook(root: Path) -> int:
    print("\nOpening the tour in JupyterLab. Stop it with Ctrl-C.", flush=True)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}", str(root.joinpath(*_TOUR))]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if os.name == "posix":
        os.chdir(root)
        # JupyterLab takes our place, so that the terminal's signals reach it and it alone
        os.execve(sys.executable, command, _environment(root))
    return subprocess.call(command, cwd=root, env=_environment(root))


def _write_notebook(root: Path) -> int:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    from nbconvert import HTMLExporter

    notebook = root.joinpath(*_TOUR)
    cells = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        cells,
        timeout=600,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(notebook.parent)}},
        # the kernel warns of its loopback port on the terminal: a newcomer would take it for a fault of ours
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    try:
        client.execute(env=_environment(root))
    except (CellExecutionError, DeadKernelError) as error:
        print(f"workbench: {notebook}: a cell failed\n{error}", file=sys.stderr)
        return 1
    html, _ = HTMLExporter(template_name="lab").from_notebook_node(cells)  # type: ignore[no-untyped-call]
    out = root / "out" / "00_tour.html"
    out.parent.mkdir(exist_ok=True)
    out.write_text(html, encoding="utf-8")
    print(f"\nNo terminal here, so the tour was executed and written to {out}")
    return 0
