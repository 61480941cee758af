"""The `workbench` command: replay a capture, look into a filter, ask real Envoy, serve modules or limits, read a mesh's policies, take the
tour; a file each.

Exit status 0 when it did what it was asked, whatever filters decided; 1 where real Envoy does something else for no known cause; 2 for
input that cannot be used, with one line on standard error; 130 when it was interrupted, with what was done until then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import WorkbenchError
from . import inspect, kuadrant, replay, rls, serve_filter, tour, verify
from .arguments import Parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        args = _parser().parse_args(argv)
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except WorkbenchError as error:
        print(f"workbench: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # whoever read our output has closed it: nothing more can be said there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130


def _parser() -> Parser:
    parser = Parser(prog="workbench", description="Replay captured HTTP traffic through Proxy-Wasm filters.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in (replay, inspect, verify, serve_filter, rls, kuadrant, tour):
        command.add(commands)
    return parser
