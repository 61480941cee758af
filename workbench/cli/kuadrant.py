"""`workbench kuadrant`: what Kuadrant's operator would make of policies and routes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError
from .output import check_outputs

if TYPE_CHECKING:
    from .arguments import Commands

__all__ = ["add"]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "kuadrant", help="turn RateLimitPolicies and routes into the wasm-shim's configuration and Limitador's limits", allow_abbrev=False
    )
    command.add_argument("files", metavar="FILE.yaml", nargs="+", help="RateLimitPolicy, HTTPRoute and Gateway, one or many in a file")
    command.add_argument("--release", metavar="N.N", help="the wasm-shim's release whose form is written (the newest)")
    command.add_argument("--failure-mode", choices=("deny", "allow"), help="what a request gets when Limitador does not answer")
    command.add_argument("--gateway", metavar="NAMESPACE/NAME", help="which gateway, where the routes are behind several")
    command.add_argument("--limits", metavar="OUT", help="write the limits there; without it they follow the configuration, after ---")
    command.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ..config import kuadrant

    policy = kuadrant.load(*args.files, gateway=args.gateway)
    release = args.release or kuadrant.NEWEST
    config = json.dumps(policy.filter_config(release, failure_mode=args.failure_mode), indent=2)
    limits = policy.limits_yaml(release)
    if args.limits is None:
        print(f"{config}\n---\n{limits}", end="")
    else:
        _write(limits, args.limits, args.files)
        print(config)
    if policy.ignored:
        print(f"workbench: not read: {', '.join(policy.ignored)}", file=sys.stderr)
    return 0


def _write(limits: str, out: str, files: list[str]) -> None:
    check_outputs({"--limits": out}, files)
    try:
        Path(out).write_text(limits, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", where=f"--limits {out}", remedy="Choose another place") from error
