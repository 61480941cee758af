"""The `workbench` command: replay a capture, compare two builds, look into a filter, ask real Envoy, serve modules or limits, read a mesh's
policies, take the tour; a file each.

Exit status 0 when it did what it was asked, whatever filters decided; 1 where real Envoy does something else for no known cause, or two
builds differ; 2 for input that cannot be used, with one line on standard error; 130 when it was interrupted, with what was done until then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from .. import __version__
from ..errors import WorkbenchError, visible
from . import compare, inspect, kuadrant, replay, rls, serve_filter, tour, verify
from .arguments import Parser

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; gives the exit status."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    if sys.stdout is None:
        return _refuse("standard output is closed. Redirect it where it is not wanted")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        args = _parser().parse_args(argv)
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except WorkbenchError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        # whoever read our output has closed it: nothing more can be said there
        _let_go_of_output()
        return 141
    except OSError as error:
        _let_go_of_output()
        return _refuse(visible(f"{error.filename or 'output'}: {error.strerror or error}"))
    except KeyboardInterrupt:
        print("workbench: interrupted; files that were being written are not whole", file=sys.stderr)
        return 130


def _let_go_of_output() -> None:
    """What is still to be written goes nowhere, so that the end of Python does not fail on it again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(message: str) -> int:
    print(f"workbench: {message}", file=sys.stderr)
    return 2


def _parser() -> Parser:
    parser = Parser(prog="workbench", description="Replay captured HTTP traffic through Proxy-Wasm filters.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for command in (replay, compare, inspect, verify, serve_filter, rls, kuadrant, tour):
        command.add(commands)
    return parser
