"""`workbench inspect`: what a filter's module is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .arguments import Commands

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("inspect", help="say what a filter's module is", allow_abbrev=False)
    command.add_argument("module", metavar="F.wasm")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..analysis.words import size, visible
    from ..host.compose import core_interface
    from ..host.module import FilterModule

    module = FilterModule.load(args.module, core_interface())
    memory = module.binary.memories[0]
    upto = f" up to {size(memory.maximum * 65536)}" if memory.maximum is not None else ""
    lines = [
        ("file", str(module.path)),
        ("size", size(len(module.binary.data))),
        ("sha256", module.sha256),
        ("ABI", str(module.abi)),
        ("memory", size(memory.minimum * 65536) + upto),
        ("functions", str(module.binary.functions)),
    ]
    groups: dict[str, list[str]] = {}
    for each in module.binary.imports:
        groups.setdefault(f"imports from {each.module}", []).append(each.name)
    groups["called by the host"] = list(module.called)
    groups["other exports"] = [each.name for each in module.binary.exports if each.name not in module.called]
    groups["custom sections"] = [f"{each.name} ({size(each.size)})" for each in module.binary.customs]
    for title, text in lines:
        print(f"{title:10} {visible(text)}")
    for title, names in groups.items():
        if names:
            print(f"\n{visible(title)} ({len(names)})")
            print("\n".join(f"  {visible(name)}" for name in names))
    return 0
