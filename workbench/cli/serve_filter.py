"""`workbench serve-filter`: modules over HTTP with their hashes, for an Envoy or Istio of one's own."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from .arguments import port

if TYPE_CHECKING:
    from .arguments import Commands

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("serve-filter", help="serve modules over HTTP, each with its SHA-256 beside it", allow_abbrev=False)
    command.add_argument("files", metavar="F.wasm", nargs="+", help="a module; a new build of it is served at once")
    command.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    command.add_argument("--port", type=port, default=0, metavar="N", help="0 takes a free one (0)")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..analysis.words import visible
    from ..publish import serve_filter

    with serve_filter(*args.files, host=args.host, port=args.port, seen=lambda line: print(visible(line), file=sys.stderr)) as served:
        print(served, flush=True)
        with suppress(KeyboardInterrupt):
            served.wait()
    return 0
