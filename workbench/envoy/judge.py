"""Exchanges through real Envoy: what its upstream received and what its client got.

One exchange at a time, by the start of the requests, each on connections of its own: a request belongs to its exchange whatever a
filter made of it. An exchange captured over HTTPS reaches Envoy over TLS (filters see that in `:scheme`, `x-forwarded-proto` and the
connection's attributes). Everything speaks HTTP/1.1, also what was captured over HTTP/2.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from workbench.capture.exchange import Exchange, Pairs
from workbench.errors import EnvoyError

from .certificate import write_certificate
from .client import fetch
from .config import PLAIN, TLS, Cluster, FilterSpec, bootstrap
from .process import EnvoyProcess
from .upstream import Upstream
from .wire import Message, values

__all__ = ["Observed", "Seen", "observe", "run_envoy"]

_CRASHES = 5
"""How often in one run Envoy is started again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as a peer of Envoy saw it, in the form of the replay's JSON.

    `headers` are pairs of text in order, repeats kept; a request's begin with `:method`, `:path` and `:authority` (the wire does not
    tell their order). `complete` is False where the message ended before its announced end; `excess` are bytes behind it (a
    content-length that is too small). `added` are names that the message has and the one sent to Envoy had not: without filters,
    what Envoy adds by itself.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    trailers: tuple[tuple[str, str], ...]
    complete: bool
    excess: bytes = field(repr=False)
    added: frozenset[str]

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
    """

    exchange: int
    upstream_request: Seen | None
    upstream_requests: int
    status: int
    downstream_response: Seen | None
    failure: str
    log: tuple[str, ...] = field(repr=False)
    crash: str = ""


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

    def work() -> list[Observed]:
        return asyncio.run(_run([todo[place] for place in order], filters, paced, timeout, clusters, concurrency, wasm_log_level))

    order = sorted(range(len(todo)), key=lambda place: todo[place].request.start_ns)
    with ThreadPoolExecutor(1, thread_name_prefix="envoy-judge") as pool:
        seen = dict(zip(order, pool.submit(work).result(), strict=True))
    return [seen[place] for place in range(len(todo))]


async def _run(
    exchanges: list[Exchange],
    filters: Sequence[FilterSpec],
    paced: bool,
    timeout: float,
    clusters: Sequence[Cluster],
    concurrency: int,
    wasm_log_level: str,
) -> list[Observed]:
    tls: ssl.SSLContext | None = None
    certificate: tuple[Path, Path] | None = None
    async with contextlib.AsyncExitStack() as stack:
        if any(exchange.request.scheme == b"https" for exchange in exchanges):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="workbench-envoy-"))
            certificate = write_certificate(Path(folder))
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls.check_hostname = False
            tls.load_verify_locations(certificate[0])
        upstream = await stack.enter_async_context(Upstream(patience=2 * timeout))
        config = bootstrap(filters, upstream.port, certificate=certificate, clusters=clusters)
        envoy = stack.enter_context(EnvoyProcess(config, concurrency=concurrency, wasm_log_level=wasm_log_level))
        envoy.new_log()
        started, first = asyncio.get_running_loop().time(), exchanges[0].request.start_ns
        observed: list[Observed] = []
        crashes = 0
        for exchange in exchanges:
            if paced:
                due = started + (exchange.request.start_ns - first) / 1e9
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            try:
                one = await observe(exchange, envoy, upstream, tls, timeout)
            except OSError as error:
                # It went after its last answer: what the exchange before did to it shows now.
                reason = envoy.ended(wait=1)
                crashes += 1
                if not reason or not observed or crashes > _CRASHES:
                    raise EnvoyError(reason or f"no connection to Envoy: {error}", where=f"exchange {exchange.index}") from error
                observed[-1] = replace(observed[-1], crash=reason)
                envoy.restart()
                one = await observe(exchange, envoy, upstream, tls, timeout)
            if one.failure and (reason := envoy.ended(wait=0.1)):
                crashes += 1
                if crashes > _CRASHES:
                    raise EnvoyError(reason, where=f"exchange {exchange.index}")
                one = replace(one, crash=reason)
                envoy.restart()
            observed.append(one)
        return observed


async def observe(exchange: Exchange, envoy: EnvoyProcess, upstream: Upstream, tls: ssl.SSLContext | None, timeout: float) -> Observed:
    """One exchange through an Envoy that runs, its route leading to `upstream`; OSError where Envoy takes no connection."""
    received = upstream.expect(exchange)
    secure = exchange.request.scheme == b"https"
    answer, failure = await fetch(exchange, envoy.ports[TLS if secure else PLAIN], tls=tls if secure else None, timeout=timeout)
    request = received[0] if received else None
    if request is not None and not request.complete:
        await upstream.settle()
    response = exchange.response
    return Observed(
        exchange.index,
        None if request is None else _seen(request, _request_headers(request), _sent_names(exchange.request.headers)),
        len(received),
        0 if answer is None else answer.head.status,
        None if answer is None else _seen(answer, answer.head.fields, _sent_names(response.headers) if response else None),
        failure,
        tuple(envoy.new_log()),
    )


def _request_headers(message: Message) -> Pairs:
    host = values(message.head.fields, b"host")
    pseudo: Pairs = ((b":method", message.head.method), (b":path", message.head.target))
    if host:
        pseudo += ((b":authority", b",".join(host)),)
    return pseudo + tuple(pair for pair in message.head.fields if pair[0].lower() != b"host")


def _sent_names(fields: Pairs) -> frozenset[str]:
    return frozenset(_text(name.lower()) for name, _ in fields)


def _seen(message: Message, headers: Pairs, sent: frozenset[str] | None) -> Seen:
    """`sent` are the names that Envoy was given, None where it made the whole message: then nothing counts as added."""
    pairs = tuple((_text(name), _text(value)) for name, value in headers)
    return Seen(
        pairs,
        message.body,
        tuple((_text(name), _text(value)) for name, value in message.trailers),
        message.complete,
        message.excess,
        frozenset(name for name, _ in pairs if sent is not None and name not in sent and not name.startswith(":")),
    )


def _text(data: bytes) -> str:
    """As the replay's JSON has it: UTF-8, and latin-1 where it is not that."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
