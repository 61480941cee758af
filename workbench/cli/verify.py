"""`workbench verify`: a replay beside real Envoy, with every difference and its likely cause."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import add_filters, chain_of, inputs_of
from .output import check_outputs, print_notes, print_page, write_json
from .progress import Progress

if TYPE_CHECKING:
    from .arguments import Commands

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("verify", help="replay a capture and compare it with real Envoy", allow_abbrev=False)
    command.add_argument("capture", metavar="CAPTURE", help="a mitmproxy flow file or a HAR file")
    add_filters(command)
    command.add_argument("--limit", type=_number, default=1000, metavar="N", help="the first N exchanges (1000); 0: all")
    command.add_argument("--paced", action="store_true", help="keep the captured distances between requests")
    command.add_argument("--json", metavar="OUT", help="write counts and differences as one JSON object; - is standard output")
    command.add_argument("--quiet", action="store_true", help="no page, no progress")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..capture import open_capture
    from ..envoy import FilterSpec, find_envoy
    from ..envoy.verify import INTERRUPTED

    chain, notes = chain_of(args)
    check_outputs({"--json": args.json}, inputs_of(args, chain))
    # What Envoy cannot have is told before time is spent on a replay.
    find_envoy()
    for each in chain:
        FilterSpec.of(each)
    name = Path(args.capture).name
    with Progress(sys.stderr, name, not args.quiet) as progress:
        replay = chain.replay(open_capture(args.capture), progress=progress.show)
    if not replay.complete:
        return 130
    with Progress(sys.stderr, f"{name} in Envoy", not args.quiet) as progress:
        found = replay.verify_with_envoy(limit=args.limit or None, paced=args.paced, progress=progress.show)
    if args.json is not None:
        write_json(found.as_dict(), "--json", args.json, indent=1)
    if not args.quiet:
        print_page(lambda width, colour: found.text(width=width, colour=colour), sys.stderr if args.json == "-" else sys.stdout)
        print_notes(notes)
    if found.stopped == INTERRUPTED:
        return 130
    return 1 if found.unexplained or found.stopped else 0


def _number(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number of exchanges")
    return value
