"""`workbench rls serve`: a rate-limit service on loopback, with limits from a file, for real Envoy to ask."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import ConfigError
from .arguments import port

if TYPE_CHECKING:
    from ..services.calls import LimitState
    from ..services.ratelimit.server import Answered
    from .arguments import Commands

__all__ = ["add"]

_LOOK_S = 0.5
"""How often the file is looked at."""
_HEADERS = {"draft03": "limitador", "ratelimit": "envoy"}


def add(commands: Commands) -> None:
    """Add the command."""
    group = commands.add_parser("rls", help="a rate-limit service with your limits", allow_abbrev=False)
    serve = group.add_subparsers(required=True, metavar="COMMAND", parser_class=type(group)).add_parser(
        "serve", help="serve limits over gRPC on loopback, until Ctrl-C", allow_abbrev=False
    )
    serve.add_argument("limits", metavar="LIMITS.yaml", type=Path, help="limits of Limitador, or a configuration of envoyproxy/ratelimit")
    kind = serve.add_mutually_exclusive_group()
    for name in ("limitador", "envoy"):
        told = "Limitador's" if name == "limitador" else "envoyproxy/ratelimit's"
        kind.add_argument(f"--{name}", action="store_const", const=name, dest="kind", help=f"the file is {told} (else by its form)")
    serve.add_argument("--port", type=port, default=8081, metavar="N", help="to listen on; 0 for one that is free (8081)")
    serve.add_argument(
        "--headers", choices=tuple(_HEADERS), help="in answers: X-RateLimit-* (Limitador), RateLimit-* (envoyproxy/ratelimit)"
    )
    serve.add_argument("--json", action="store_true", help="write one JSON object a request")
    serve.set_defaults(run=_serve)


def _serve(args: argparse.Namespace) -> int:
    from ..services.ratelimit import Limitador
    from ..services.ratelimit.server import LimitServer, load_limits

    def read(path: Path) -> Any:
        limits = load_limits(path, args.kind, args.headers is not None)
        kind = "limitador" if isinstance(limits, Limitador) else "envoy"
        if args.headers is not None and _HEADERS[args.headers] != kind:
            raise ConfigError(f"{kind} answers without such headers", where=f"--headers {args.headers}", remedy="Choose the other")
        return limits

    def answered(one: Answered) -> None:
        print(_json(one) if args.json else _line(one), flush=True)

    server = LimitServer(args.limits, read, answered)
    # the end of a service manager's, or of a test's
    signal.signal(signal.SIGTERM, _end)
    try:
        with server.serve(args.port) as bound:
            _say(f"{server.limits!r} from {args.limits} at 127.0.0.1:{bound}; Ctrl-C ends it")
            while True:
                time.sleep(_LOOK_S)
                try:
                    if server.reload():
                        _say(f"{args.limits} has changed: {server.limits!r}")
                except ConfigError as error:
                    _say(f"{error}; what was served before goes on")
    except KeyboardInterrupt:
        return 0


def _end(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _say(text: str) -> None:
    from ..analysis.words import visible

    print(f"workbench: {visible(text)}", file=sys.stderr, flush=True)


def _line(one: Answered) -> str:
    """A request as one line; what a client wrote stays visible."""
    from ..analysis.words import visible

    clock = datetime.fromtimestamp(one.time_ns / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3] + "Z"
    asked = " | ".join(", ".join(f"{key}={value}" for key, value in entries) for entries in one.descriptors)
    hits = f" ({one.hits} hits)" if one.hits > 1 else ""
    method = "" if one.method == "ShouldRateLimit" else f" {one.method}"
    told = "; ".join(_counter(state, one.time_ns) for state in one.limits) or one.problem or "no limit"
    return visible(f"{clock}  {one.code:<10}  {one.domain or '(no domain)'}{method}  {asked or '(no entries)'}{hits}  → {told}")


def _counter(state: LimitState, now_ns: int) -> str:
    key = f" [{state.key}]" if state.key else ""
    count = "unlimited" if state.flags == "unlimited" else f"{state.count}/{state.limit}"
    left = f"resets in {(state.end_ns - now_ns) / 1e9:.1f} s" if state.end_ns > now_ns else ""
    over = "over" if state.over else ""
    return ", ".join(filter(None, (f"{state.name}{key} {count}", over, state.flags.removeprefix("unlimited"), left)))


def _json(one: Answered) -> str:
    limits = [
        {
            "name": state.name,
            "key": state.key,
            "over": state.over,
            "limit": state.limit,
            "count": state.count,
            "window_s": state.window_s,
            "resets_in_s": round(max(state.end_ns - one.time_ns, 0) / 1e9, 3),
            "flags": state.flags,
        }
        for state in one.limits
    ]
    return json.dumps(
        {
            "time": one.time_ns / 1e9,
            "method": one.method,
            "domain": one.domain,
            "code": one.code,
            "descriptors": [[list(entry) for entry in entries] for entries in one.descriptors],
            "hits": one.hits,
            "limits": limits,
            **({"problem": one.problem} if one.problem else {}),
        }
    )
