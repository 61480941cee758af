"""`workbench inspect`: what a filter's module is, and where it would run."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .arguments import Commands

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("inspect", help="say what a filter's module is, and where it would run", allow_abbrev=False)
    command.add_argument("module", metavar="F.wasm")
    command.add_argument("--json", action="store_true", help="the report as one JSON object")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..audit import inspect_module

    found = inspect_module(args.module)
    print(json.dumps(found.as_dict(), indent=2) if args.json else found.text(), end="\n" if args.json else "")
    return 0
