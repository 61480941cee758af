"""`workbench compare`: a capture through a chain and through the same chain with another build of one filter, and where they part."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import add_filters, chain_of, configuration, inputs_of
from .output import check_outputs, print_notes, write_json
from .progress import Progress

if TYPE_CHECKING:
    from ..chain import Chain
    from .arguments import Commands

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "compare",
        help="replay a capture through two builds of a filter, and tell what differs",
        description="Ends with 0 where nothing differs, with 1 where something does. Real times are no difference.",
        allow_abbrev=False,
    )
    command.add_argument("capture", metavar="CAPTURE", help="a mitmproxy flow file or a HAR file")
    command.add_argument("--new", metavar="NEW.wasm", help="the other build; without it the same one with another configuration")
    command.add_argument("--new-config", metavar="JSON|@FILE", help="its plugin configuration (that of the filter it replaces)")
    command.add_argument("--of", metavar="NAME", help="which filter of the chain it replaces, where there are several")
    add_filters(command)
    command.add_argument("--json", metavar="OUT", help="write each exchange that differs as JSON; - is standard output")
    command.add_argument("--quiet", action="store_true", help="no page, no progress")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..capture import open_capture
    from ..errors import ConfigError
    from ..replay import compare

    if args.new is None and args.new_config is None:
        raise ConfigError("nothing is given to compare with", remedy="Add --new NEW.wasm, --new-config JSON, or both")
    chain, notes = chain_of(args)
    if chain.successors:
        raise ConfigError("a chain with a swap is not compared", where="--swap", remedy="Leave it out, or replay it by itself")
    configured = args.new_config[1:] if (args.new_config or "").startswith("@") else None
    check_outputs({"--json": args.json}, [*inputs_of(args, chain), *filter(None, [args.new, configured])])
    replays = []
    for title, each in (("old", chain), ("new", _changed(chain, args))):
        with Progress(sys.stderr, f"{Path(args.capture).name}, {title}", not args.quiet) as progress:
            replays.append(each.replay(open_capture(args.capture), progress=progress.show))
        if not replays[-1].complete:
            return 130
    found = compare(replays[0], replays[1])
    if args.json is not None:
        rows = found.table.reset_index().to_dict("records")
        write_json([{**row, "differs": row["differs"].split(", ")} for row in rows], "--json", args.json, indent=1)
    if not args.quiet:
        (sys.stderr if args.json == "-" else sys.stdout).write(f"{found}\n")
        print_notes(notes)
    return 1 if found.differences else 0


def _changed(chain: Chain, args: argparse.Namespace) -> Chain:
    """The chain with the other build, or the same one, under the configuration that is given for it."""
    from dataclasses import replace

    from ..errors import ConfigError

    if args.of is None and len(chain) > 1:
        names = ", ".join(each.name for each in chain)
        raise ConfigError("which filter is replaced is not said", where="--of", remedy=f"Give one of {names}")
    old = chain[0 if args.of is None else args.of]
    changes: dict[str, Any] = {} if args.new is None else {"path": Path(args.new), "expected_sha256": ""}
    if args.new_config is not None:
        changes["config"] = configuration("--new-config", args.new_config)
    return chain.with_filter(replace(old, **changes), name=old.name)
