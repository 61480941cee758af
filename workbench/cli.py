"""The `workbench` command: replay a capture, look into a filter, take the tour.

Exit status 0 when it did what it was asked, whatever filters decided; 2 for input that cannot be used, with one line on standard
error; 130 when it was interrupted, with what was done until then.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from . import __version__
from .errors import ConfigError, WorkbenchError

if TYPE_CHECKING:
    from .chain import Chain, Filter
    from .replay import Replay

__all__ = ["main", "tour_chain"]

_POLICIES = ("closed", "open", "reload", "restart")
_TOUR = ("notebooks", "00_tour.ipynb")
_TOUR_CAPTURE = ("captures", "toystore.mitm")
_BASIC_AUTH = {
    "basic_auth_rules": [
        {"prefix": "/productpage", "request_methods": ["GET", "POST"], "credentials": ["ok:test", "YWRtaW4zOmFkbWluMw=="]},
    ]
}


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
        return _refuse(str(error))
    except BrokenPipeError:
        # whoever read our output has closed it: nothing more can be said there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130


def _refuse(message: str) -> int:
    from .analysis.words import visible

    print(f"workbench: {visible(message)}", file=sys.stderr)
    return 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for any other input that cannot be used."""
        raise ConfigError(message, remedy=f"See `{self.prog} --help`")


class _AddFilter(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        namespace.filters = [*(getattr(namespace, "filters", None) or ()), {"path": values}]


class _OfFilter(argparse.Action):
    """An option of the `--filter` before it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        filters = getattr(namespace, "filters", None)
        if not filters:
            parser.error(f"{option_string} belongs to the --filter before it, and there is none")
        if self.dest in filters[-1]:
            parser.error(f"{option_string} is given twice for {filters[-1]['path']}")
        filters[-1][self.dest] = values


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="workbench", description="Replay captured HTTP traffic through Proxy-Wasm filters.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"workbench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)

    replay = commands.add_parser("replay", help="replay a capture through filters", allow_abbrev=False)
    replay.add_argument("capture", metavar="CAPTURE", help="a mitmproxy flow file")
    replay.add_argument("--filter", metavar="F.wasm", action=_AddFilter, dest="filters", help="a filter; repeat it for a chain, in order")
    of = replay.add_argument_group("options of the --filter before them")
    of.add_argument("--config", metavar="JSON|@FILE", action=_OfFilter, default=argparse.SUPPRESS, help="plugin configuration")
    of.add_argument("--root-id", metavar="ID", action=_OfFilter, default=argparse.SUPPRESS, help="root context of the module")
    of.add_argument("--vm-config", metavar="JSON|@FILE", action=_OfFilter, default=argparse.SUPPRESS, help="VM configuration")
    of.add_argument(
        "--failure-policy", choices=_POLICIES, action=_OfFilter, default=argparse.SUPPRESS, help="what a failed filter means (closed)"
    )
    replay.add_argument("--jsonl", metavar="OUT", help="write one JSON object an exchange; - is standard output")
    replay.add_argument("--limit-ms", type=_positive, default=1000.0, metavar="MS", help="time that one call into a filter may take (1000)")
    replay.add_argument("--seed", type=int, default=0, metavar="N", help="of the random bytes that filters get (0)")
    replay.add_argument("--chunk-size", type=_size, default=0, metavar="BYTES", help="bodies come in pieces of this size (0: whole)")
    replay.add_argument("--quiet", action="store_true", help="no summary, no progress")
    replay.set_defaults(run=_replay)

    inspect = commands.add_parser("inspect", help="say what a filter's module is", allow_abbrev=False)
    inspect.add_argument("module", metavar="F.wasm")
    inspect.set_defaults(run=_inspect)

    tour = commands.add_parser("tour", help="replay the sample capture, then open the tour notebook", allow_abbrev=False)
    tour.set_defaults(run=_tour)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number of milliseconds above 0")
    return value


def _size(text: str) -> int:
    value = int(text)
    if not 0 <= value < 1 << 31:
        raise argparse.ArgumentTypeError(f"{text} is not a number of bytes")
    return value


def _configuration(option: str, given: str) -> bytes:
    """`@FILE` gives its bytes as they are; anything else must be JSON, and goes to the filter as it is written."""
    if given.startswith("@"):
        try:
            return Path(given[1:]).read_bytes()
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"cannot be read: {getattr(error, 'strerror', None) or error}", where=f"{option} {given}", remedy="Check the path"
            ) from error
    try:
        json.loads(given, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise ConfigError(
            f"is not JSON: {error.msg} at {place}", where=option, remedy="Give JSON, or @FILE for a file's bytes as they are"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"is not JSON: {error}", where=option, remedy="Give JSON, or @FILE for a file's bytes as they are") from error
    return given.encode("utf-8", "surrogateescape")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _replay(args: argparse.Namespace) -> int:
    from .capture import open_capture
    from .chain import Chain

    if not args.filters:
        raise ConfigError("no filter is given", remedy="Add --filter F.wasm")
    chain = Chain(*map(_filter, args.filters))
    if args.jsonl not in (None, "-"):
        _check_output(Path(args.jsonl), Path(args.capture))
    with _Progress(sys.stderr, Path(args.capture).name, not args.quiet) as progress:
        replay = chain.replay(
            open_capture(args.capture),
            progress=progress.show,
            callback_limit_s=args.limit_ms / 1000,
            seed=args.seed,
            chunk_size=args.chunk_size,
        )
    if args.jsonl == "-":
        from .analysis.jsonl import write_jsonl

        write_jsonl(replay.outcomes(), sys.stdout)
    elif args.jsonl is not None:
        replay.to_jsonl(args.jsonl)
    if not args.quiet:
        _print_summary(replay, sys.stderr if args.jsonl == "-" else sys.stdout)
    return 0 if replay.complete else 130


def _filter(given: dict[str, str]) -> Filter:
    from .chain import Filter

    return Filter(
        given["path"],
        _configuration("--config", given["config"]) if "config" in given else None,
        root_id=given.get("root_id", ""),
        vm_config=_configuration("--vm-config", given["vm_config"]) if "vm_config" in given else None,
        failure_policy=given.get("failure_policy", "closed"),
    )


def _check_output(out: Path, capture: Path) -> None:
    """Say what is wrong with the place for the results before time is spent on a replay."""
    if out.is_dir() or not out.parent.is_dir():
        what = "is a folder" if out.is_dir() else "its folder does not exist"
        raise ConfigError(what, where=f"--jsonl {out}", remedy="Name a file in a folder that exists")
    if out.exists() and capture.exists() and out.samefile(capture):
        raise ConfigError("would overwrite the capture", where=f"--jsonl {out}", remedy="Choose another file")


def _print_summary(replay: Replay, to: IO[str]) -> None:
    from .analysis.summary import summary_text

    width = shutil.get_terminal_size((110, 24)).columns if to.isatty() else 110
    colour = to.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    to.write(summary_text(replay.summary, width=max(width, 60), colour=colour))


class _Progress:
    """A bar on a terminal, nothing elsewhere."""

    def __init__(self, to: IO[str], title: str, wanted: bool) -> None:
        self._to = to
        self._title = title
        self._on = wanted and to.isatty()
        self._started = time.monotonic()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._on:
            self._to.write("\r\x1b[K")
            self._to.flush()

    @property
    def show(self) -> Callable[[int, int], None] | None:
        """What a replay calls with exchanges done and their number."""
        return self._show if self._on else None

    def _show(self, done: int, total: int) -> None:
        from .analysis.words import count, duration, shorten, visible

        spent = time.monotonic() - self._started
        rate = done / spent if spent > 0 else 0.0
        filled = 24 * done // total if total else 24
        left = f", {duration((total - done) / rate * 1e9)} left" if rate and done < total else ""
        bar = "█" * filled + "·" * (24 - filled)
        line = f"{shorten(visible(self._title), 30)} [{bar}] {count(done)} of {count(total)}, {count(int(rate))}/s{left}"
        self._to.write("\r\x1b[K" + shorten(line, shutil.get_terminal_size().columns - 1))
        self._to.flush()


def _inspect(args: argparse.Namespace) -> int:
    from .analysis.words import size, visible
    from .host.compose import core_interface
    from .host.module import FilterModule

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


def _root() -> Path:
    """The repository: beside the package, or where we stand, or above."""
    package = Path(__file__).resolve().parent.parent
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
    from .chain import Chain, Filter

    def filter_(name: str, config: Any = None) -> Filter:
        return Filter(root / "sample_filters" / name / f"{name}.wasm", config=config)

    return Chain(filter_("basic_auth", _BASIC_AUTH), filter_("token_bucket"), filter_("add_header"))


def _tour(args: argparse.Namespace) -> int:
    from .capture import open_capture

    root = _root()
    capture = open_capture(root.joinpath(*_TOUR_CAPTURE))
    with _Progress(sys.stderr, capture.path.name, True) as progress:
        replay = tour_chain(root).replay(capture, progress=progress.show)
    _print_summary(replay, sys.stdout)
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
