"""What the commands' arguments share: a parser whose errors are ours, the filters of a chain with their options, checked numbers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..chain import Chain
    from ..filter import Filter

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["Parser", "add_filters", "chain_of", "configuration", "inputs_of", "port", "positive", "size"]

_POLICIES = ("closed", "open", "reload", "restart")


class Parser(argparse.ArgumentParser):
    """Tells of a wrong command line as of any other input that cannot be used: ConfigError, one line."""

    def error(self, message: str) -> NoReturn:
        """Raise it."""
        raise ConfigError(message, remedy=f"See `{self.prog} --help`")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What is left over is an error of the command it was given to, whose help has the answer."""
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return found, rest


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


def add_filters(command: argparse.ArgumentParser) -> None:
    """Let a command take `--filter`, any number of times, and each filter's options; `chain_of` makes a chain of them."""
    command.add_argument("--filter", metavar="F.wasm", action=_AddFilter, dest="filters", help="a filter; repeat it for a chain, in order")
    command.add_argument(
        "--clusters",
        metavar="FILE.yaml",
        default=None,
        help="who answers the filters' calls to other services, as `clusters: {auth: {otherwise: {status: 200}}}` does",
    )
    command.add_argument(
        "--kind", choices=("http", "tcp"), help="what the filters are for; without it, TCP where they export no callbacks of HTTP"
    )
    of = command.add_argument_group("options of the --filter before them")
    of.add_argument("--config", metavar="JSON|@FILE", action=_OfFilter, default=argparse.SUPPRESS, help="plugin configuration")
    of.add_argument("--root-id", metavar="ID", action=_OfFilter, default=argparse.SUPPRESS, help="root context of the module")
    of.add_argument("--vm-config", metavar="JSON|@FILE", action=_OfFilter, default=argparse.SUPPRESS, help="VM configuration")
    of.add_argument(
        "--failure-policy", choices=_POLICIES, action=_OfFilter, default=argparse.SUPPRESS, help="what a failed filter means (closed)"
    )
    of.add_argument("--sha256", metavar="HEX", action=_OfFilter, default=argparse.SUPPRESS, help="what the module must have")
    of.add_argument(
        "--swap",
        metavar="N:NEW.wasm",
        type=_swap,
        action=_OfFilter,
        default=argparse.SUPPRESS,
        help="from exchange N of the capture on another build takes its place",
    )


def chain_of(args: argparse.Namespace) -> Chain:
    """The chain that was given; `ConfigError` where it is none."""
    from ..chain import Chain

    if not args.filters:
        raise ConfigError("no filter is given", remedy="Add --filter F.wasm")
    chain = Chain(*map(_filter, args.filters), kind=args.kind, clusters=args.clusters)
    for place, given in enumerate(args.filters):
        if "swap" in given:
            at, path = given["swap"]
            chain = chain.swap(place, path, at=at)
    return chain


def inputs_of(args: argparse.Namespace) -> list[str]:
    """Every file that the capture and the chain are read from."""
    found = [args.capture, *([args.clusters] if args.clusters else ())]
    for given in args.filters or ():
        found += [given["path"], *([given["swap"][1]] if "swap" in given else ())]
        found += [given[option][1:] for option in ("config", "vm_config") if given.get(option, "").startswith("@")]
    return found


def _filter(given: dict[str, Any]) -> Filter:
    from ..filter import Filter

    return Filter(
        given["path"],
        configuration("--config", given["config"]) if "config" in given else None,
        root_id=given.get("root_id", ""),
        vm_config=configuration("--vm-config", given["vm_config"]) if "vm_config" in given else None,
        failure_policy=given.get("failure_policy", "closed"),
        expected_sha256=given.get("sha256", ""),
    )


def positive(text: str) -> float:
    """The type of an argument in milliseconds."""
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number of milliseconds above 0")
    return value


def size(text: str) -> int:
    """The type of an argument in bytes."""
    value = int(text)
    if not 0 <= value < 1 << 31:
        raise argparse.ArgumentTypeError(f"{text} is not a number of bytes")
    return value


def port(text: str) -> int:
    """The type of an argument that is a TCP port, 0 for a free one."""
    value = int(text)
    if not 0 <= value < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return value


def _swap(text: str) -> tuple[int, str]:
    at, colon, path = text.partition(":")
    if not colon or not path or not at.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not an exchange's number, a colon and a module, as in 50:new.wasm")
    return int(at), path


def configuration(option: str, given: str) -> bytes:
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
