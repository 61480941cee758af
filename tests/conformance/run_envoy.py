"""Cases on real Envoy: one process, in which each case has a listener of its own for as long as it takes.

Listeners come and go through a file that Envoy watches (LDS). So what a case's filters do from their start to their end lies in
one stretch of the log; the threads in it tell the worker's VMs from the others that Envoy starts. Nothing waits for a fixed time, but where
a case is `paced`.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tests.conformance.case import Case
from tests.conformance.lines import HOSTCALL_ARGS, Message, callback_line, connection_lines, hostcall_line, message_lines, request_head
from tests.conformance.run_here import chain_of
from tests.conformance.services import there
from tests.envoy.calllog import LOG_FORMAT, LogCall, Section, read_calls, vms_left
from workbench.capture.connection import Connection
from workbench.capture.exchange import Exchange
from workbench.envoy import EnvoyProcess, FilterSpec, Observed
from workbench.envoy.config import PLAIN, UPSTREAM, Cluster, bootstrap, tcp_bootstrap
from workbench.envoy.judge import Seen, observe
from workbench.envoy.tcp_judge import ObservedConnection, RawUpstream, as_connection, play_connection
from workbench.envoy.upstream import Upstream
from workbench.errors import EnvoyError

__all__ = ["CaseRunner"]

T = TypeVar("T")
_PATIENCE_S = 60.0
_LEFT_OPEN_S = 1.5
"""How long a client stays whose exchange never ends."""
_PACE_S = 0.05
"""Between two messages of a connection."""
_RAW = "raw"
"""The cluster of an upstream that speaks no HTTP of its own."""
_IDLE = "0.4s"
"""Envoy's stream idle timeout where a case waits for it; else it is five minutes."""
_LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_ALLOCATORS = ("malloc", "proxy_on_memory_allocate")


class CaseRunner:
    """A running Envoy that takes one case after the other; a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="workbench-conformance-")
        self._listeners = Path(self._folder.name) / "listeners.json"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="conformance-peers", daemon=True)
        self._upstream = Upstream()
        self._services = ExitStack()
        self._raw = RawUpstream()
        self._number = 0
        self._began = 0.0
        self._log_at = 0
        self._envoy: EnvoyProcess

    def __enter__(self) -> CaseRunner:
        self._thread.start()
        self._await(self._upstream.__aenter__())
        self._put([])
        self._await(self._raw.open())
        clusters = [Cluster(_RAW, self._raw.port), *self._services.enter_context(there())]
        config = bootstrap([], self._upstream.port, clusters=clusters)
        config["static_resources"]["listeners"] = []
        config["dynamic_resources"] = {"lds_config": {"path_config_source": {"path": str(self._listeners)}, "resource_api_version": "V3"}}
        arguments = ("--drain-time-s", "0", "--drain-strategy", "immediate")
        self._envoy = EnvoyProcess(config, wasm_log_level="trace", log_format=LOG_FORMAT, arguments=arguments)
        self._envoy.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._envoy.close()
        self._services.close()
        self._await(self._upstream.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._raw.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    @property
    def version(self) -> str:
        """Envoy's version, such as 1.40.0."""
        return self._envoy.version

    def run(self, case: Case) -> str:
        """What Envoy did with the case, as text, or why it ended. EnvoyError where it does not get there."""
        if self._envoy.ended():
            self._envoy.restart()
        with tempfile.TemporaryDirectory(prefix="workbench-case-") as folder:
            try:
                return self._run(case, [FilterSpec.of(each) for each in chain_of(case, Path(folder))])
            except (OSError, EnvoyError):
                # where it takes no connection any more the case was the end of it
                if reason := self._envoy.ended(wait=1):
                    return reason
                raise

    def _run(self, case: Case, filters: Sequence[FilterSpec]) -> str:
        self._number += 1
        name = f"case-{self._number}"
        raw = bool(case.connections) or any(each.websocket for each in case.traffic)
        config = tcp_bootstrap(filters, 0) if case.connections else bootstrap(filters, 0, websocket=raw)
        (listener,) = config["static_resources"]["listeners"]
        if raw:
            listener = json.loads(json.dumps(listener).replace(f'"cluster": "{UPSTREAM}"', f'"cluster": "{_RAW}"'))
        listener["name"] = name
        if "buffer_limit" in case.settings:
            listener["per_connection_buffer_limit_bytes"] = case.settings["buffer_limit"]
        if case.left_open:
            listener["filter_chains"][0]["filters"][0]["typed_config"]["stream_idle_timeout"] = _IDLE
        self._log_at = self._envoy.log_path.stat().st_size
        self._put([listener])
        taken = self._wait(f"{case.name}: its listener", lambda: self._taken(name))
        self._began = time.monotonic()
        observed = [self._exchange(case, each) for each in case.traffic if each.websocket is None] if taken else []
        played = [as_connection(each) for each in case.traffic if each.websocket is not None] or list(case.connections)
        ended = (
            [self._await(play_connection(each, self._envoy, PLAIN, self._raw, _PACE_S, _LEFT_OPEN_S)) for each in played] if taken else []
        )
        self._put([])
        if not self._envoy.ended():
            self._wait(f"{case.name}: the end of its VMs", lambda: (vms_left(self._log()) == 0 and not self._port(name)) or None)
        lines = _lines(read_calls(self._log()), taken, case, observed)
        for one, seen in zip(played, ended, strict=False):
            lines += _connection(case, one, seen)
        if reason := self._envoy.ended():
            lines.append(reason)
        return "\n".join(lines)

    def _exchange(self, case: Case, exchange: Exchange) -> Observed:
        if case.paced:  # the one wait for a time: what the case shows is a time of Envoy's
            due = self._began + (exchange.request.start_ns - case.traffic[0].request.start_ns) / 1e9
            time.sleep(max(0.0, due - time.monotonic()))
        observed = self._await(observe(exchange, self._envoy, self._upstream, None, 5.0))
        if not self._envoy.ended():
            self._wait(
                f"{case.name}: the end of exchange {exchange.index}", lambda: self._stat("http.plain.downstream_cx_active") == 0 or None
            )
        return observed

    def _put(self, listeners: Sequence[dict[str, Any]]) -> None:
        """Give Envoy these listeners instead of those it has; it notices a file that takes another's place."""
        new = self._listeners.with_suffix(".new")
        resources = [{"@type": _LISTENER, **each} for each in listeners]
        new.write_text(json.dumps({"version_info": str(self._number), "resources": resources}))
        os.replace(new, self._listeners)

    def _taken(self, name: str) -> bool | None:
        """Whether Envoy took the listener, None while it is not known."""
        if f"listener '{name}' config rejected".encode() in self._log():
            return False
        port = self._port(name)
        if port:
            self._envoy.ports = {PLAIN: port}
        return True if port else None

    def _port(self, name: str) -> int:
        statuses = json.loads(self._envoy.get("/listeners?format=json")[1]).get("listener_statuses", [])
        return next((each["local_address"]["socket_address"]["port_value"] for each in statuses if each["name"] == name), 0)

    def _stat(self, name: str) -> int:
        text = self._envoy.get(f"/stats?filter=^{name}$")[1].decode()
        return int(text.partition(": ")[2] or 0)

    def _log(self) -> bytes:
        """What Envoy logged since the case began; the case before has left no VM behind."""
        with self._envoy.log_path.open("rb") as log:
            log.seek(self._log_at)
            return log.read()

    def _wait(self, what: str, ready: Callable[[], bool | None]) -> bool:
        """Ask until there is an answer."""
        deadline = time.monotonic() + _PATIENCE_S
        while (answer := ready()) is None:
            if reason := self._envoy.ended():
                raise EnvoyError(reason, where=what)
            if time.monotonic() > deadline:
                raise EnvoyError(f"not there after {_PATIENCE_S:g} s", where=what)
            time.sleep(0.005)
        return answer

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _lines(sections: Sequence[Section], taken: bool, case: Case, observed: Sequence[Observed]) -> list[str]:
    main = sections[0].thread if sections else 0
    if not taken:
        # the last VM that did anything is the one that failed
        called = [section for section in sections if section.thread == main and section.calls]
        return [*(_calls(called[-1].calls) if called else ()), "refused"]
    lines = [line for section in sections if section.thread != main for line in _calls(section.calls)]
    for exchange, seen in zip(case.traffic, observed, strict=False):
        lines += message_lines("upstream", _upstream(seen.upstream_request), exchange, len(observed) > 1)
        lines += message_lines("client", _client(seen), exchange, len(observed) > 1)
    return lines


def _connection(case: Case, connection: Connection, seen: ObservedConnection) -> list[str]:
    if case.connections:
        return connection_lines(seen.to_upstream if seen.connected else None, seen.to_client, connection)
    exchange = next(each for each in case.traffic if each.index == connection.index)
    head, fields, body = _split(seen.to_upstream)
    named = dict(fields)
    method, path = (*head.split(" "), "", "")[:2]
    rest = [(name, value) for name, value in fields if name != "host"]
    upstream = Message(request_head(method, named.get("host", ""), path), rest, body, ())
    lines = message_lines("upstream", upstream if head else None, exchange, False)
    head, fields, body = _split(seen.to_client)
    return [*lines, *message_lines("client", Message(head[9:12], fields, body, ()) if head else None, exchange, False)]


def _split(data: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    """First line, fields and what follows of the bytes of a message."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return first, [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)], body


def _calls(calls: Sequence[LogCall]) -> list[str]:
    lines = []
    for call in calls:
        if call.depth == 0 and call.function not in _ALLOCATORS:
            lines.append(callback_line(call.function, call.args, call.result, call.returned))
        elif call.module:
            args = [call.args[place] for _, place in HOSTCALL_ARGS.get(call.function, ())]
            lines.append(hostcall_line(call.function, args, call.result, call.returned, call.message))
    return lines


def _upstream(seen: Seen | None) -> Message | None:
    if seen is None:
        return None
    pseudo = dict(seen.headers[:3])
    head = request_head(*(pseudo.get(name, "") for name in (":method", ":authority", ":path")))
    return Message(head, seen.headers, seen.body + seen.excess, seen.trailers, seen.complete)


def _client(seen: Observed) -> Message | None:
    answer = seen.downstream_response
    if answer is None:
        return None
    return Message(str(seen.status), answer.headers, answer.body + answer.excess, answer.trailers, answer.complete)
