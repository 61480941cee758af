"""Magics for notebooks: `%load_ext workbench`, then `%replay` and `%%filter`. Each calls what can be called without it."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from .errors import ConfigError

if TYPE_CHECKING:
    from .filter import Filter
    from .replay import Replay

__all__ = ["WorkbenchMagics", "load", "unload"]

_MOST_COMPLETIONS = 200


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong as the workbench tells it, and ends no kernel."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message, where=self.prog, remedy=f"See {self.prog}? for the form")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise ConfigError((message or "").strip() or "nothing to do", where=self.prog)


def _replay_parser() -> _Parser:
    parser = _Parser(prog="%replay", add_help=False)
    parser.add_argument("capture")
    parser.add_argument("filters", nargs="*", default=[])
    parser.add_argument("--config", action="append", default=[])
    return parser


def _filter_parser() -> _Parser:
    parser = _Parser(prog="%%filter", add_help=False)
    parser.add_argument("name")
    parser.add_argument("--config", default=None)
    return parser


@magics_class
class WorkbenchMagics(Magics):
    """`%replay` and `%%filter`."""

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @line_magic
    def replay(self, line: str) -> Replay:
        """Replay a capture through filters and give the `Replay`.

            %replay CAPTURE [FILTER ...] [--config JSON ...]

        A filter is a .wasm file or the name of a `Filter` of this notebook, for instance of a `%%filter` cell; they form a chain in this
        order. The first --config is for the first filter, the second for the second; what a `Filter` has already stays without one.

            %replay captures/toystore.mitm token_bucket.wasm --config '{"burst": 5}'
        """
        from .capture import open_capture
        from .chain import Chain

        args = _replay_parser().parse_intermixed_args(_words(line, "%replay"))
        if len(args.config) > len(args.filters):
            raise ConfigError(
                f"{len(args.config)} configurations for {len(args.filters)} filters", where="%replay", remedy="Leave some out"
            )
        configs = [*args.config, *[None] * (len(args.filters) - len(args.config))]
        chain = Chain(*(self._filter(word, config) for word, config in zip(args.filters, configs, strict=True)))
        return chain.replay(open_capture(args.capture))

    @cell_magic("filter")  # type: ignore[arg-type]
    def filter_(self, line: str, cell: str) -> Filter:
        """A filter written in the cell as WebAssembly text (WAT), assembled and checked; its name becomes a variable.

            %%filter NAME [--config JSON]
            (module ...)

        The `Filter` can be replayed then: `%replay CAPTURE NAME`, or `Chain(NAME)`. The module lives as long as the kernel. For Rust, Go
        and others build a .wasm with their own tools and name that file.
        """
        from .filter import Filter
        from .host.assemble import assemble

        args = _filter_parser().parse_args(_words(line, "%%filter"))
        if not args.name.isidentifier():
            raise ConfigError(f"{args.name!r} cannot be a variable", where="%%filter", remedy="Letters, digits and _ make a name")
        module = assemble(cell, f"%%filter {args.name}")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="workbench-", ignore_cleanup_errors=True)
        path = Path(self._folder.name) / f"{args.name}.wasm"
        path.write_bytes(module)
        made = Filter(path, args.config)
        self.shell.push({args.name: made})
        return made

    def _filter(self, word: str, config: str | None) -> Filter:
        from dataclasses import replace

        from .filter import Filter

        known = self.shell.user_ns.get(word)
        if isinstance(known, Filter):
            return known if config is None else replace(known, config=config.encode())
        if known is None and word.isidentifier() and not Path(word).exists():
            remedy = "Run the %%filter cell that makes it, or give the path of a .wasm file"
            raise ConfigError(f"nothing here is named {word}", where="%replay", remedy=remedy)
        if known is not None and not Path(word).exists():
            what = f"{word} is a {type(known).__name__}, not a filter"
            raise ConfigError(what, where="%replay", remedy="Name a .wasm file, or a Filter; a chain has replay(capture) itself")
        return Filter(word, config)


def _words(line: str, where: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise ConfigError(str(error), where=where, remedy="Close the quotes") from None


def _complete(shell: Any, event: Any) -> list[str]:
    """Captures for the first word of `%replay`, then filters: files, and variables that are filters."""
    from .filter import Filter

    words = event.line.split()
    begun = "" if event.line.endswith(" ") else words[-1]
    first = len(words) - bool(begun) == 1
    ends = (".mitm", ".flow", ".flows", ".har") if first else (".wasm",)
    folder = begun[: begun.rfind("/") + 1]
    try:
        entries = sorted(Path(folder or ".").expanduser().iterdir())[:_MOST_COMPLETIONS]
    except OSError:
        entries = []
    found = [f"{folder}{each.name}/" for each in entries if each.is_dir() and not each.name.startswith(".")]
    found += [f"{folder}{each.name}" for each in entries if each.name.lower().endswith(ends)]
    if not first:
        found += [name for name, value in shell.user_ns.items() if isinstance(value, Filter)]
    return [each for each in found if each.startswith(begun)]


def load(shell: Any) -> None:
    """Add the magics and their completion to an IPython shell."""
    shell.register_magics(WorkbenchMagics(shell))
    shell.set_hook("complete_command", _complete, str_key="%replay")


def unload(shell: Any) -> None:
    """Take the magics out again."""
    for kind, name in (("line", "replay"), ("cell", "filter")):
        shell.magics_manager.magics[kind].pop(name, None)
