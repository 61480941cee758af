"""`workbench replay`: a capture through a chain of filters, as a summary and as JSON lines."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from .arguments import add_filters, chain_of, inputs_of, positive, size
from .output import check_outputs, print_notes, print_page, write_json
from .progress import Progress

if TYPE_CHECKING:
    from ..replay import Replay
    from .arguments import Commands

__all__ = ["add", "print_summary"]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("replay", help="replay a capture through filters", allow_abbrev=False)
    command.add_argument("capture", metavar="CAPTURE", help="a mitmproxy flow file or a HAR file")
    add_filters(command)
    command.add_argument(
        "--exchange", type=int, action="append", metavar="N", help="show exchange N call by call, in place of the summary; may be repeated"
    )
    command.add_argument("--jsonl", metavar="OUT", help="write one JSON object an exchange or connection; - is standard output")
    command.add_argument(
        "--findings", metavar="OUT", help="write what looks wrong, with reasons and remedies, as JSON; - is standard output"
    )
    command.add_argument("--perfetto", metavar="OUT.json", help="write a trace for ui.perfetto.dev and chrome://tracing")
    command.add_argument("--speedscope", metavar="OUT.json", help="write where the time went for speedscope.app")
    command.add_argument("--limit-ms", type=positive, default=1000.0, metavar="MS", help="time that one call into a filter may take (1000)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the random bytes that filters get (0)")
    command.add_argument("--chunk-size", type=size, default=0, metavar="BYTES", help="bodies come in pieces of this size (0: whole)")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="worker threads, each with VMs of its own (1)")
    command.add_argument(
        "--main-thread", action="store_true", default=None, help="start filters on Envoy's main thread too, as with several workers"
    )
    command.add_argument("--quiet", action="store_true", help="no summary, no progress")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..capture import open_capture

    chain, notes = chain_of(args)
    places = {"--jsonl": args.jsonl, "--findings": args.findings, "--perfetto": args.perfetto, "--speedscope": args.speedscope}
    check_outputs(places, inputs_of(args, chain))
    name = Path(args.capture).name
    with Progress(sys.stderr, name, not args.quiet) as progress:
        replay = chain.replay(
            open_capture(args.capture),
            progress=progress.show,
            callback_limit_s=args.limit_ms / 1000,
            seed=args.seed,
            chunk_size=args.chunk_size,
            workers=args.workers,
            main_thread=args.main_thread,
        )
    if args.jsonl == "-":
        from ..analysis.jsonl import write_jsonl

        write_jsonl(replay.outcomes(), sys.stdout)
    elif args.jsonl is not None:
        with Progress(sys.stderr, f"{name} to {Path(args.jsonl).name}", not args.quiet) as progress:
            replay.to_jsonl(args.jsonl, progress=progress.show)
    if args.findings is not None:
        write_json([each.as_dict() for each in replay.findings()], "--findings", args.findings, indent=2)
    if args.perfetto:
        with Progress(sys.stderr, f"{name} to {Path(args.perfetto).name}", not args.quiet) as progress:
            replay.to_perfetto(args.perfetto, progress=progress.show)
    if args.speedscope:
        replay.to_speedscope(args.speedscope)
    to = sys.stderr if "-" in (args.jsonl, args.findings) else sys.stdout
    if args.exchange:
        to.write("\n\n".join(str(replay[number]) for number in args.exchange) + "\n")
    elif not args.quiet:
        print_summary(replay, to)
    if not args.quiet:
        print_notes(notes)
    return 0 if replay.complete else 130


def print_summary(replay: Replay, to: IO[str]) -> None:
    """What a replay brought, as wide as the terminal, in its colours."""
    from ..analysis.summary import summary_text

    print_page(lambda width, colour: summary_text(replay.summary, width=width, colour=colour), to)
