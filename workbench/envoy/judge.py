"""Exchanges through real Envoy: what its upstream received and what its client got.

One exchange at a time, by the start of the requests, each on connections of its own: a request belongs to its exchange whatever a
filter made of it. An exchange captured over HTTPS reaches Envoy over TLS (filters see that in `:scheme`, `x-forwarded-proto` and the
connection's attributes). Everything speaks HTTP/1.1, also what was captured over HTTP/2
(`http2` does that over HTTP/2). WebSockets have an Envoy of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from workbench.capture.exchange import Exchange, Pairs
from workbench.errors import EnvoyError
from workbench.services.calls import Service

from .certificate import client_context, write_certificate
from .client import fetch
from .config import PLAIN, TLS, Cluster, FilterSpec, bootstrap
from .process import EnvoyProcess
from .services import ServiceServer, grpc_service
from .tcp_judge import ObservedConnection, RawUpstream, as_connection, play_connection
from .upstream import Upstream
from .wire import Head, Message, values

__all__ = ["Judge", "Observed", "Seen", "in_thread", "observe", "run_envoy"]

_T = TypeVar("_T")

_PACE_S, _WEBSOCKET_PATIENCE_S = 0.01, 0.4
"""Between two frames of a WebSocket, and how long a side waits for what it should get."""
_CRASHES = 5
"""How often in one run Envoy is started again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as a peer of Envoy saw it, in the form of the replay's JSON.

    `headers` are pairs of text in order, repeats kept; a request's begin with `:method`, `:path` and `:authority` (the wire does not
    tell their order). `complete` is False where the message ended before its announced end; `excess` are bytes behind it (a
    content-length that is too small). `added` are names that the message has and the one sent to Envoy had not: without filters,
    what Envoy adds by itself. `sent` are the fields of that one.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    trailers: tuple[tuple[str, str], ...]
    complete: bool
    excess: bytes = field(repr=False)
    added: frozenset[str]
    sent: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def body_sha256(self) -> str:
        """SHA-256 of the body, in hexadecimal."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Observed:
    """What happened to one exchange in real Envoy.

    `upstream_requests` is how many requests reached the upstream (Envoy can send one twice). `status` is 0 and `downstream_response`
    None where the client got none; `failure` says in words what kept it from being whole: `timeout`, `closed`, `reset`, `no HTTP`.
    `log` are the lines that Envoy logged while the exchange was under way, the filters' among them; a line written late may stand
    with the next exchange. `crash` says, where Envoy itself fell over this exchange, how: it was started again, its filters with it.
    `port` is the client's. Times are in nanoseconds since the Unix epoch: the client began to send at `sent_ns`, the request's headers
    had passed the filters at `reached_ns` (the upstream or the client got something), the answer's were there at `answered_ns`.
    """

    exchange: int
    upstream_request: Seen | None
    upstream_requests: int
    status: int
    downstream_response: Seen | None
    failure: str
    log: tuple[str, ...] = field(repr=False)
    crash: str = ""
    port: int = 0
    sent_ns: int = 0
    reached_ns: int = 0
    answered_ns: int = 0


def run_envoy(
    exchanges: Iterable[Exchange],
    filters: Sequence[FilterSpec],
    *,
    paced: bool = False,
    timeout: float = 5.0,
    clusters: Sequence[Cluster] = (),
    concurrency: int = 1,
    wasm_log_level: str = "info",
) -> list[Observed]:
    """Send `exchanges` through a real Envoy with `filters` in chain order; without filters, the baseline.

    They go in the order of their starts, as a replay takes them, and come back in the order given. `paced` keeps the captured
    distances between requests, as filters that look at the clock need it; else they follow each other at once. `timeout` bounds, in
    seconds, each wait for the client's next byte. May be called where an event loop runs (a notebook).
    Some calls of a filter crash Envoy; it is then started again for the exchanges that follow, five times at most.
    Raises EnvoyError, FilterLoadError or ConfigError.
    """
    todo = list(exchanges)
    if not todo:
        return []
    order = sorted(range(len(todo)), key=lambda place: todo[place].request.start_ns)
    secure = any(exchange.request.scheme == b"https" for exchange in todo)

    async def work() -> list[Observed]:
        async with Judge(filters, tls=secure, clusters=clusters, concurrency=concurrency, wasm_log_level=wasm_log_level) as judge:
            in_time = (todo[place] for place in order)
            return [one async for one in judge.observe(in_time, paced=paced, patience=lambda exchange: timeout)]

    seen = dict(zip(order, in_thread(work), strict=True))
    return [seen[place] for place in range(len(todo))]


def in_thread(work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    """Run a coroutine to its end in a thread with an event loop of its own: a notebook's loop runs already.

    An exception that reaches the waiting thread, such as an interrupt, cancels the coroutine; it is raised when that has ended.
    """
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []
    stopped = threading.Event()

    async def main() -> _T:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        if stopped.is_set():
            raise asyncio.CancelledError
        return await work()

    with ThreadPoolExecutor(1, thread_name_prefix="envoy-judge") as pool:
        future = pool.submit(lambda: asyncio.run(main()))
        try:
            return future.result()
        except BaseException:
            stopped.set()
            for loop, task in running:
                with contextlib.suppress(RuntimeError):  # it is over already
                    loop.call_soon_threadsafe(task.cancel)
            raise


class Judge:
    """One real Envoy with a chain, a loopback upstream behind it and a client before it; an asynchronous context manager.

    `tls`: exchanges over HTTPS will come. `services` answer callouts, by the names of their clusters; those named in `grpc` speak
    gRPC, the others HTTP/1.1. The rest is that of `run_envoy`.
    """

    def __init__(
        self,
        filters: Sequence[FilterSpec],
        *,
        tls: bool = True,
        clusters: Sequence[Cluster] = (),
        concurrency: int = 1,
        wasm_log_level: str = "info",
        services: Mapping[str, Service] | None = None,
        grpc: Collection[str] = (),
    ) -> None:
        self._filters = filters
        self._grpc = grpc
        self._services = services or {}
        self._secure = tls
        self._clusters = clusters
        self._concurrency = concurrency
        self._wasm_log_level = wasm_log_level
        self._crashes = 0
        self._websockets: tuple[RawUpstream, EnvoyProcess] | None = None
        self._certificate: tuple[Path, Path] | None = None
        self._stack = contextlib.AsyncExitStack()
        self.starts: dict[int, list[int]] = {}
        """When requests began by Envoy's own clock, by the client's port, in order; filled when Envoy has ended."""

    async def __aenter__(self) -> Judge:
        async with contextlib.AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="workbench-envoy-")))
            self._access_log = folder / "access.log"
            stack.callback(self._read_starts)
            self._tls: ssl.SSLContext | None = None
            certificate: tuple[Path, Path] | None = None
            if self._secure:
                certificate = self._certificate = write_certificate(folder)
                self._tls = client_context(certificate[0])
            self._upstream = await stack.enter_async_context(Upstream())
            clusters = list(self._clusters)
            for name, service in self._services.items():
                if name in self._grpc:
                    port = stack.enter_context(grpc_service(name, service, lambda: self._upstream.exchange))
                else:
                    port = (await stack.enter_async_context(ServiceServer(name, service, lambda: self._upstream.exchange))).port
                clusters.append(Cluster(name, port, http2=name in self._grpc))
            config = bootstrap(self._filters, self._upstream.port, certificate=certificate, clusters=clusters, access_log=self._access_log)
            process = EnvoyProcess(config, concurrency=self._concurrency, wasm_log_level=self._wasm_log_level)
            self._envoy = stack.enter_context(process)
            self._envoy.new_log()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._stack.aclose()

    def _read_starts(self) -> None:
        """Envoy writes its access log when it ends: for each stream the client's port and when its request began."""
        try:
            lines = self._access_log.read_text("ascii").splitlines()
        except OSError:
            return  # there was no exchange
        for port, start in (line.split() for line in lines):
            seconds, _, fraction = start.partition(".")
            self.starts.setdefault(int(port), []).append(int(seconds) * 10**9 + int(fraction))

    @property
    def version(self) -> str:
        """Envoy's version."""
        return self._envoy.version

    async def observe(
        self, exchanges: Iterable[Exchange], *, patience: Callable[[Exchange], float], paced: bool = False
    ) -> AsyncGenerator[Observed, None]:
        """Send one exchange after the other and give what became of each, when the next one is over: only then a crash shows for sure.

        `patience` gives the seconds that the client of an exchange waits for its next byte.
        """
        loop = asyncio.get_running_loop()
        started, first = loop.time(), None
        last: Observed | None = None
        for exchange in exchanges:
            if paced:
                first = exchange.request.start_ns if first is None else first
                due = started + (exchange.request.start_ns - first) / 1e9
                await asyncio.sleep(max(0.0, due - loop.time()))
            wait = patience(exchange)
            try:
                one = await self._send(exchange, wait)
            except OSError as error:
                # It went after its last answer: what the exchange before did to it shows now.
                reason = self._envoy.ended(wait=1)
                if not reason or last is None:
                    raise EnvoyError(reason or f"no connection to Envoy: {error}", where=f"exchange {exchange.index}") from error
                last = replace(last, crash=reason)
                self._restart(reason, exchange)
                one = await self._send(exchange, wait)
            if one.failure and (reason := await self._fell(one)):
                self._restart(reason, exchange)
                one = replace(one, crash=reason)
            if last is not None:
                yield last
            last = one
        if last is not None:
            yield last

    def _restart(self, reason: str, exchange: Exchange) -> None:
        self._crashes += 1
        if self._crashes > _CRASHES:
            raise EnvoyError(reason, where=f"exchange {exchange.index}")
        self._envoy.restart()

    async def _fell(self, one: Observed) -> str:
        """Why Envoy no longer runs or answers, in words: what is no HTTP gets a 400 before any filter, unless the worker is stuck."""
        if one.failure != "timeout":
            return self._envoy.ended(wait=0.1)
        if one.downstream_response is not None:
            return ""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._envoy.ports[PLAIN])
                try:
                    writer.write(b"?\r\n\r\n")
                    if await reader.read(1):
                        return ""
                finally:
                    writer.transport.abort()
        return "Envoy's worker no longer answers: a call into a filter does not return"

    async def _send(self, exchange: Exchange, timeout: float) -> Observed:
        if exchange.websocket is not None and exchange.response is not None:
            return await self._send_websocket(exchange, timeout)
        return await observe(exchange, self._envoy, self._upstream, self._tls, timeout)

    async def _send_websocket(self, exchange: Exchange, timeout: float) -> Observed:
        """By an Envoy of their own, which lets them: filters there know nothing of the other exchanges."""
        if self._websockets is None:
            upstream = RawUpstream()
            await self._stack.enter_async_context(upstream.listening())
            config = bootstrap(self._filters, upstream.port, certificate=self._certificate, clusters=self._clusters, websocket=True)
            process = EnvoyProcess(config, concurrency=self._concurrency, wasm_log_level=self._wasm_log_level)
            self._websockets = upstream, self._stack.enter_context(process)
        upstream, envoy = self._websockets
        tls = self._tls if exchange.request.scheme == b"https" else None
        patience = min(timeout, _WEBSOCKET_PATIENCE_S)
        seen = await play_connection(as_connection(exchange), envoy, TLS if tls else PLAIN, upstream, _PACE_S, patience, tls)
        return _of_websocket(exchange, seen)


def _of_websocket(exchange: Exchange, seen: ObservedConnection) -> Observed:
    """The bytes that both sides got as messages: a head, and all frames as body."""
    request, answer = (_raw_message(data) for data in (seen.to_upstream, seen.to_client))
    response = exchange.response
    return Observed(
        exchange.index,
        None if request is None else _seen(request, _request_headers(request), exchange.request.headers),
        int(request is not None),
        0 if answer is None else answer.head.status,
        None if answer is None else _seen(answer, answer.head.fields, response.headers if response else None),
        "" if answer is not None else "closed",
        seen.log,
    )


def _raw_message(data: bytes) -> Message | None:
    head, end, body = data.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.split(b"\r\n")
    split = (line.partition(b":") for line in lines)
    return Message(Head(first, tuple((name, value.strip()) for name, _, value in split)), body, complete=True)


async def observe(exchange: Exchange, envoy: EnvoyProcess, upstream: Upstream, tls: ssl.SSLContext | None, timeout: float) -> Observed:
    """One exchange through an Envoy that runs, its route leading to `upstream`; OSError where Envoy takes no connection.

    `timeout` is how long, in seconds, the client waits for its next byte.
    """
    received = upstream.expect(exchange, patience=2 * timeout)
    secure = exchange.request.scheme == b"https"
    got = await fetch(exchange, envoy.ports[TLS if secure else PLAIN], tls=tls if secure else None, timeout=timeout)
    request, answer, now = received[0] if received else None, got.message, time.time_ns()
    begun = [message.begun_ns for message in (request, answer) if message is not None]
    if request is not None and not request.complete:
        await upstream.settle()
    response = exchange.response
    return Observed(
        exchange.index,
        None if request is None else _seen(request, _request_headers(request), exchange.request.headers),
        len(received),
        0 if answer is None else answer.head.status,
        None if answer is None else _seen(answer, answer.head.fields, response.headers if response else None),
        got.failure,
        tuple(envoy.new_log()),
        port=got.port,
        sent_ns=got.sent_ns,
        reached_ns=min(begun, default=now),
        answered_ns=answer.begun_ns if answer is not None else now,
    )


def _request_headers(message: Message) -> Pairs:
    host = values(message.head.fields, b"host")
    pseudo: Pairs = ((b":method", message.head.method), (b":path", message.head.target))
    if host:
        pseudo += ((b":authority", b",".join(host)),)
    return pseudo + tuple(pair for pair in message.head.fields if pair[0].lower() != b"host")


def _seen(message: Message, headers: Pairs, sent: Pairs | None) -> Seen:
    """`sent` are the fields that Envoy was given, None where it made the whole message: then nothing counts as added."""
    given = tuple((_text(name.lower()), _text(value)) for name, value in sent or ())
    names = frozenset(name for name, _ in given)
    pairs = tuple((_text(name), _text(value)) for name, value in headers)
    return Seen(
        pairs,
        message.body,
        tuple((_text(name), _text(value)) for name, value in message.trailers),
        message.complete,
        message.excess,
        frozenset(name for name, _ in pairs if sent is not None and name not in names and not name.startswith(":")),
        given,
    )


def _text(data: bytes) -> str:
    """As the replay's JSON has it: UTF-8, and latin-1 where it is not that."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
