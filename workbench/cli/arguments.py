"""What the commands' arguments share: a parser whose errors are ours, the filters of a chain with their options, checked numbers."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..chain import Chain
    from ..config.configured import Configured
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
    """Let a command take `--filter`, any number of times, and each filter's options, or the files of a mesh that say the whole chain;
    `chain_of` makes a chain of them."""
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
    files = command.add_argument_group("instead of --filter, the files that configure a mesh")
    files.add_argument("--envoy", metavar="FILE", help="Envoy's configuration, YAML or JSON: a bootstrap or any part of it with filters")
    files.add_argument("--listener", metavar="NAME", help="whose chain, where listeners in it differ")
    files.add_argument(
        "--wasmplugin",
        metavar="FILE.yaml",
        action="append",
        default=[],
        help="WasmPlugins, TrafficExtensions and EnvoyFilters of Istio; repeat it",
    )
    files.add_argument(
        "--module",
        metavar="URL=FILE.wasm",
        type=_module,
        action="append",
        default=[],
        help="where code lies that the files name by an address, an image or a path of the proxy; repeat it",
    )
    files.add_argument(
        "--host-env",
        metavar="NAME=VALUE",
        type=_variable,
        action="append",
        default=[],
        help="a variable of the proxy's environment that the files hand on to filters; repeat it",
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


def chain_of(args: argparse.Namespace) -> tuple[Chain, tuple[str, ...]]:
    """The chain that was given, and what files of a mesh say and no replay shows; `ConfigError` where there is no chain."""
    from ..chain import Chain

    _check_doors(args)
    if args.envoy is not None or args.wasmplugin:
        found = _configured(args)
        return found.chain(clusters=args.clusters), found.notes
    chain = Chain(*map(_filter, args.filters), kind=args.kind, clusters=args.clusters)
    for place, given in enumerate(args.filters):
        if "swap" in given:
            at, path = given["swap"]
            chain = chain.swap(place, path, at=at)
    return chain, ()


def _check_doors(args: argparse.Namespace) -> None:
    """One way of saying the chain, and no option of another way."""
    given = {"--filter": args.filters, "--envoy": args.envoy is not None, "--wasmplugin": args.wasmplugin}
    doors = [option for option, value in given.items() if value]
    if not doors:
        raise ConfigError("no filter is given", remedy="Add --filter F.wasm, --envoy FILE or --wasmplugin FILE.yaml")
    if len(doors) > 1:
        raise ConfigError(f"{' and '.join(doors)} each say the whole chain", remedy="Keep one of them")
    if args.listener is not None and doors != ["--envoy"]:
        raise ConfigError("--listener belongs to --envoy", remedy="Leave it out")
    for option, given in (("--module", args.module), ("--host-env", args.host_env)):
        if given and doors == ["--filter"]:
            raise ConfigError(f"{option} belongs to --envoy or --wasmplugin", remedy="Leave it out")


def _configured(args: argparse.Namespace) -> Configured:
    from ..config import envoy, istio

    modules, env = dict(args.module), dict(args.host_env)
    if args.wasmplugin:
        return istio.load(*args.wasmplugin, modules=modules, env=env, kind=args.kind)
    found = envoy.load(args.envoy, listener=args.listener, modules=modules, env=env)
    if args.kind not in (None, found.kind):
        raise ConfigError(f"--kind {args.kind}, and the filters in {args.envoy} are for {found.kind}", remedy="Leave --kind out")
    return found


def inputs_of(args: argparse.Namespace, chain: Chain) -> list[str]:
    """Every file that the capture and the chain are read from."""
    found = [args.capture, *([args.clusters] if args.clusters else ()), *([args.envoy] if args.envoy else ()), *args.wasmplugin]
    found += [str(each.path) for each in chain.stages]
    for given in args.filters or ():
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


def _module(text: str) -> tuple[str, str]:
    name, equals, path = text.rpartition("=")
    if not equals or not name or not path:
        raise argparse.ArgumentTypeError(f"{text} is not an address, = and a module, as in oci://registry.example/limit:1=limit.wasm")
    return name, path


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text} is not a name, = and a value, as in POD_NAME=gateway-1")
    return name, value


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
