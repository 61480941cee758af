"""What a conformance case is: small filters, traffic for them, and the one trace that a host must leave."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import wasmtime

from tests.core import wat
from tests.core.traffic import GET, SECOND, exchanges
from workbench.capture.connection import Connection
from workbench.capture.exchange import Exchange, Request, Response
from workbench.host.abi import Abi

__all__ = ["Case", "Plugin", "case", "plugin", "plugin_defaults"]

Item: TypeAlias = Exchange | Request | tuple[Request, Response | None]
"""An exchange, or what `tests.core.traffic.exchanges` makes one of."""


@dataclass(frozen=True)
class Plugin:
    """A filter of a case: the module as WAT, and the settings of a host's plugin and VM configuration (`workbench.chain.Filter`)."""

    wat: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def wasm(self) -> bytes:
        """The built module."""
        return bytes(wasmtime.wat2wasm(self.wat))

    @property
    def abi(self) -> Abi:
        """The version that the module says."""
        return next(abi for abi in Abi if f'"{abi.marker}"' in self.wat)


def plugin(
    wat_text: str = "",
    *,
    config: bytes | str = b"",
    root_id: str = "",
    vm_id: str | None = None,
    vm_config: bytes | str = b"",
    env: Mapping[str, str] | None = None,
    failure_policy: str = "closed",
    fail_open: bool = False,
    allow_on_headers_stop_iteration: bool = False,
    allowed_capabilities: Sequence[str] = (),
    abi: Abi = Abi.V0_2_1,
    **script: Any,
) -> Plugin:
    """A filter from WAT, or from scripts by callback: `plugin(request_headers=[call("add", 0, "a", "b")])`, see `tests.core.wat.text`.

    Only the callbacks given are exported (`every=True`: all of them), so that the trace is short. Without `vm_id` the case has one of
    its own. `vm_config` and `config` are the VM's and the plugin's configuration.
    """
    options: dict[str, Any] = {
        "config": config,
        "root_id": root_id,
        "vm_id": vm_id,
        "vm_config": vm_config,
        "env": env or {},
        "failure_policy": failure_policy,
        "fail_open": fail_open,
        "allow_on_headers_stop_iteration": allow_on_headers_stop_iteration,
        "allowed_capabilities": tuple(allowed_capabilities),
    }
    plain = plugin_defaults()
    return Plugin(wat_text or wat.text(abi=abi, **script), {name: value for name, value in options.items() if value != plain[name]})


def plugin_defaults() -> dict[str, Any]:
    """The options of a plugin that says nothing."""
    return {
        "config": b"",
        "root_id": "",
        "vm_id": None,
        "vm_config": b"",
        "env": {},
        "failure_policy": "closed",
        "fail_open": False,
        "allow_on_headers_stop_iteration": False,
        "allowed_capabilities": (),
    }


@dataclass(frozen=True)
class Case:
    """One behaviour.

    name      group and name, `headers/get gives the first value`
    why       the reason in one line, with its source
    filters   in chain order, named `a`, `b`, … there
    expected  the trace as text, see `lines`
    traffic   the exchanges, one after the other
    connections  in their place TCP connections, for network filters
    settings  of the replay (`workbench.host.driver.Settings`); `buffer_limit` is a setting of Envoy's listener too
    here_only why Envoy cannot show it, empty where it can
    left_open an exchange never ends by itself: it waits for the stream idle timeout, which is short there where time is real
    paced     the times between the exchanges matter: they are kept where time is real
    """

    name: str
    why: str
    filters: tuple[Plugin, ...]
    expected: str
    traffic: tuple[Exchange, ...]
    settings: Mapping[str, Any]
    connections: tuple[Connection, ...] = ()
    here_only: str = ""
    left_open: bool = False
    paced: bool = False

    @property
    def group(self) -> str:
        """What stands before the slash."""
        return self.name.partition("/")[0]


def case(
    name: str,
    why: str,
    filters: Plugin | Sequence[Plugin],
    expected: str,
    *,
    traffic: Sequence[Item] = (GET,),
    connections: Sequence[Connection] = (),
    here_only: str = "",
    left_open: bool = False,
    paced: bool = False,
    **settings: Any,
) -> Case:
    """A case; its exchanges come a second apart, in addition to the times they have; `expected` may be indented."""
    apart = [_later(item, number) for number, item in enumerate(traffic)]
    chain = (filters,) if isinstance(filters, Plugin) else tuple(filters)
    made = () if connections else tuple(exchanges(*apart))
    told = (name, why, chain, textwrap.dedent(expected).strip(), made, settings, tuple(connections))
    return Case(*told, here_only=here_only, left_open=left_open, paced=paced)


def _later(
    item: Exchange | Request | tuple[Request, Response | None], seconds: int
) -> Exchange | Request | tuple[Request, Response | None]:
    if isinstance(item, Exchange):
        return item
    asked, *answer = item if isinstance(item, tuple) else (item,)
    asked = replace(asked, start_ns=asked.start_ns + seconds * SECOND, end_ns=asked.end_ns + seconds * SECOND)
    return (asked, answer[0]) if answer else asked
