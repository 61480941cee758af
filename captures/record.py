"""Record the sample captures anew: a real toystore, a real mitmdump before it, and real clients.

    python captures/record.py [toystore] [edge] [burst] [tcp] [websocket]

Without names all are recorded, which takes about a minute. Files appear beside this script; mitmdump must be installed.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from toystore_http2 import Export, fetch
from toystore_ledger import Ledger
from toystore_prices import Prices, visit
from toystore_server import Toystore

HERE = Path(__file__).parent
HOST = "api.toystore.com"
GOOD, ADMIN = "Basic b2s6dGVzdA==", "Basic YWRtaW4zOmFkbWluMw=="
Field = tuple[str, str | bytes]
BASICS: list[Field] = [("Host", HOST), ("User-Agent", "toystore-client/1.0"), ("Accept", "application/json")]


class Client:
    """One connection to the proxy; header fields go out as they are given, in order and case."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def __call__(
        self, method: str, path: str, *fields: Field, body: bytes = b"", chunks: list[bytes] | None = None, basics: list[Field] = BASICS
    ) -> http.client.HTTPResponse:
        """Send a request and read its answer, whose header fields are still there for the next one."""
        connection = self._connection
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in [*basics, *fields]:
            connection.putheader(name, value)
        if chunks is not None:
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders(iter(chunks), encode_chunked=True)
        else:
            if body or method in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
        response = connection.getresponse()
        response.read()
        return response

    def json(self, method: str, path: str, value: object, *fields: Field) -> http.client.HTTPResponse:
        """Send a value as JSON."""
        return self(method, path, ("Content-Type", "application/json"), *fields, body=json.dumps(value).encode())


def at_once(*calls: Callable[[], object]) -> None:
    """Make the calls at the same time and wait for all."""
    with ThreadPoolExecutor(len(calls)) as pool:
        for call in [pool.submit(call) for call in calls]:
            call.result()


def toystore(port: int, tls_port: int, *_: int) -> None:
    """Something of everything, in some twelve seconds: two windows of a limiter that allows five POST /toys in ten."""
    client = Client(port)
    burst(client, 8, 0.12)
    shelf(client)
    productpage(client)
    bodies(Client(port))
    oddities(Client(port))
    failures(Client(port))
    slow = [Client(port) for _ in range(4)]
    at_once(
        lambda: slow[0]("GET", "/slow/700"),
        lambda: slow[1]("GET", "/slow/400"),
        lambda: slow[2]("GET", "/toys/3"),
        lambda: burst(slow[3], 3, 0.1),
    )
    export(tls_port)
    time.sleep(9.5)
    at_once(lambda: burst(client, 7, 0.15), lambda: shelf(slow[0]), lambda: productpage(slow[1]))


def burst(client: Client, count: int, pause: float) -> None:
    """POST /toys again and again."""
    for n in range(count):
        client.json("POST", "/toys", {"name": f"Tin soldier {n}", "price_cents": 995}, ("X-User", f"store-{n % 3 + 1}"))
        time.sleep(pause)


def shelf(client: Client) -> None:
    """The usual calls of the API."""
    tag = client("GET", "/toys", ("Accept-Encoding", "gzip")).headers["etag"]
    client("GET", "/toys", ("If-None-Match", tag))
    client("GET", "/toys?limit=3", ("Accept-Encoding", "deflate"))
    client("GET", "/toys", ("Accept-Encoding", "br, gzip"))
    client("GET", "/toys/1", ("X-Request-Id", "7d0f3a3e-5a2c-4a65-9d52-2f3a0c1e8b11"))
    client("GET", "/toys/999")
    client("HEAD", "/toys")
    client("OPTIONS", "/toys", ("Origin", "https://shop.toystore.com"), ("Access-Control-Request-Method", "PUT"))
    client.json("PUT", "/toys/2", {"name": "Box kite", "price_cents": 1450})
    client.json("PATCH", "/toys/2", {"price_cents": 1250})
    client("DELETE", "/toys/10")
    client("PUT", "/toys")


def productpage(client: Client) -> None:
    """The page behind basic authentication, with good, bad and no credentials. The server does not check: that is a filter's part."""
    for value in (None, GOOD, ADMIN, "Basic d3Jvbmc=", "basic b2s6dGVzdA==", "Bearer t0y5t0re"):
        client("GET", "/productpage", *([("Authorization", value)] if value else []), ("Cookie", "session=5f2c9a; theme=wood"))
    client("POST", "/productpage", ("Authorization", GOOD))
    client("GET", "/productpage2?x=1")
    client("PUT", "/productpage", ("authorization", ADMIN))


def bodies(client: Client) -> None:
    """Every usual kind of body."""
    form = b"name=Whistle&price_cents=150&note=two%20tones"
    client("POST", "/toys", ("Content-Type", "application/x-www-form-urlencoded"), body=form)
    mark = "toystore-boundary"
    parts = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("name", "Lorry"), ("price_cents", "700"))
    )
    client("POST", "/toys", ("Content-Type", f"multipart/form-data; boundary={mark}"), body=f"{parts}--{mark}--\r\n".encode())
    client("POST", "/toys", ("Content-Type", "application/json"), chunks=[b'{"name": "Ham', b'mer", ', b'"price_cents": 300}'])
    client("POST", "/toys", ("Content-Type", "application/json"), body=b'{"name": ')
    client("POST", "/toys", ("Content-Type", "text/plain"), body=b"no form at all")
    client("POST", "/toys", ("Content-Type", "application/json"))
    packed = zlib.compress(b'{"name": "Accordion"}')
    client("PUT", "/empty", ("Content-Type", "application/json"), ("Content-Encoding", "deflate"), body=packed)
    client("POST", "/empty", ("Content-Type", "application/octet-stream"), body=bytes(range(256)) * 8)
    client.json("POST", "/toys", {"name": '<b>Bold & "quoted"</b>', "note": "K\u00e4fer \U0001fab2", "card": "0000 0000 0000 0000"})


def oddities(client: Client) -> None:
    """Header fields and paths that need care."""
    client("GET", "/toys/4", ("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "198.51.100.2"), ("Accept", "text/plain;q=0.5"))
    client("GET", "/toys/4", ("X-Tag", "wood"), ("x-tag", "red"), ("X-TAG", "wood"), ("x-MiXeD-CaSe", "Kept"))
    client("GET", "/headers", ("X-Long", "fedcba9876543210" * 200), ("X-Empty", ""))
    client("GET", "/headers", ("X-Latin", b"caf\xe9"), ("X-Utf8", "K\u00e4fer".encode()))
    client(
        "GET", "/search?q=<img/src=x/onerror=alert(1)>", ("X-Note", "<script>alert(2)</script>"), ("Referer", f"http://{HOST}/?q='\"><b>")
    )
    client("GET", "/search?q=%3Csvg%20onload%3Dalert(3)%3E&q=twice&empty=&flag")
    client("GET", "/toys/5;v=2/../5//")
    client("GET", "/toys/6", basics=[("host", f"{HOST}:8080"), ("user-agent", "toystore-probe/0.1")])
    client("GET", "/toys/6", basics=[("Host", "other.toystore.com"), ("Accept", "*/*")])
    client("GET", "/toys/7", basics=[("Host", HOST), ("Cookie", "a=1"), ("Cookie", "b=2")])
    client("GET", "/toys/8", ("x-user", "store-17"), ("x-b3-traceid", "463ac35c9f6413ad48485a3926eb5e26"), ("x-b3-sampled", "1"))


def failures(client: Client) -> None:
    """Statuses that are not wanted, an answer without a body, and an upstream that hangs up."""
    for status in (500, 503, 404, 418):
        client("GET", f"/status/{status}")
    client("GET", "/empty")
    client("GET", "/nowhere")
    client("GET", "/hang-up")


def export(tls_port: int) -> None:
    """HTTP/2 over TLS, one connection, with trailers both ways."""
    basics = [(b":authority", HOST.encode()), (b":scheme", b"https"), (b"user-agent", b"toystore-export/1.0")]
    get = [(b":method", b"GET"), (b":path", b"/toys/export"), *basics, (b"te", b"trailers")]
    post = [(b":method", b"POST"), (b":path", b"/toys/export"), *basics, (b"content-type", b"text/csv"), (b"trailer", b"x-checksum")]
    statuses = fetch(tls_port, HOST, [(get, b"", []), (post, b"id,name\n1,toy 1\n", [(b"x-checksum", b"crc32=9a1bb9f2")]), (get, b"", [])])
    if statuses != [b"200"] * 3:
        raise RuntimeError(f"the export answered {statuses}")


def edge(port: int, *_: int) -> None:
    """Six stores at work for a while, each in its own rhythm."""

    def store(number: int) -> None:
        chance = random.Random(number)
        client = Client(port)
        for n in range(90):
            user = ("X-User", f"store-{chance.choice([1, 2, 3, 4, 17])}")
            pick = chance.random()
            if pick < 0.45:
                client("GET", f"/toys/{chance.randint(1, 14)}", user)
            elif pick < 0.6:
                client("GET", f"/toys?limit={chance.randint(1, 4)}", user, ("Accept-Encoding", "gzip"))
            elif pick < 0.75:
                client.json("POST", "/toys", {"name": f"Toy {number}-{n}"}, user)
            elif pick < 0.85:
                token = chance.choice([GOOD, ADMIN, "Basic d3Jvbmc=", ""])
                client("GET", "/productpage", user, *([("Authorization", token)] if token else []))
            elif pick < 0.92:
                client.json("PATCH", f"/toys/{chance.randint(1, 10)}", {"price_cents": chance.randint(100, 900)}, user)
            elif pick < 0.96:
                client("GET", f"/search?q={chance.choice(['kite', 'drum', 'bear'])}", user)
            elif pick < 0.98:
                client("GET", f"/slow/{chance.randint(20, 250)}", user)
            else:
                client("GET", f"/status/{chance.choice([500, 503])}", user)
            time.sleep(min(chance.expovariate(6), 1))

    at_once(*(lambda number=number: store(number) for number in range(6)))


def burst_only(port: int, *_: int) -> None:
    """Ten POST /toys within five seconds, with reads between: short enough to be played in real time."""
    client, reader = Client(port), Client(port)
    for n in range(10):
        client.json("POST", "/toys", {"name": f"Top {n}"}, ("X-User", "store-1"))
        time.sleep(0.25)
        if n % 2:
            reader("GET", f"/toys/{n}", ("X-User", "store-2"))
        time.sleep(0.2)


def ledger(port: int, _tls_port: int, tcp_port: int, *_: int) -> None:
    """TCP connections to the ledger, some of them overlapping, with three exchanges of HTTP before and after."""
    client = Client(port)
    client("GET", "/toys/1")
    talk(tcp_port, b"STOCK 1\r\n", b"TAKE 1 3\r\n", b"STOCK 1\r\n", b"LIST\r\n", b"QUIT\r\n")
    client("GET", "/toys/2")
    at_once(
        lambda: talk(tcp_port, b"PUSH 6\r\n", b"STOCK 2\r\n", pause=0.25),
        lambda: talk(tcp_port, b"BLOB 9000\r\n", b"TAKE 4 8999\r\n", b"TAKE 4 2\r\n", b"STOCK 9\r\n", b"\xff\x00<b>\r\n"),
        lambda: talk(tcp_port, b"STO", b"CK ", b"3\r\nSTOCK 4\r\n", pause=0.05),
    )
    talk(tcp_port)
    talk(tcp_port, b"STOCK 5\r\nQUIT\r\n", half_close=True)
    client("GET", "/toys/3")


def talk(port: int, *parts: bytes, pause: float = 0.08, half_close: bool = False) -> None:
    """One connection: say the parts, a pause behind each, listening all the time; then close, or end and listen to the last word."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.settimeout(pause)

        def listen() -> None:
            until = time.monotonic() + pause
            with suppress(TimeoutError):
                while time.monotonic() < until and connection.recv(1 << 16):
                    pass

        listen()
        for part in parts:
            connection.sendall(part)
            listen()
        if half_close:
            connection.shutdown(socket.SHUT_WR)
            listen()


def board(port: int, _tls_port: int, _tcp_port: int, ws_port: int) -> None:
    """WebSockets to the price board: closed by either side, hung up, refused, two at a time, with plain exchanges around."""
    client = Client(port)
    client("GET", "/toys/1")
    visit(ws_port, HOST, "/prices", "price 3", "hello", b"\x00\x01\xfe\xff")
    visit(ws_port, HOST, "/prices?watch=2", "price 2", "bye", close=False)
    at_once(
        lambda: visit(ws_port, HOST, "/prices", "price 1", "<b>bold</b> & K\u00e4fer", "x" * 300, "price 4"),
        lambda: visit(ws_port, HOST, "/prices", "price 5", "price 6", pause=0.12, close=False),
    )
    visit(ws_port, HOST, "/closed")
    client("GET", "/toys/2")


PLANS: dict[str, Callable[..., None]] = {"toystore": toystore, "edge": edge, "burst": burst_only, "tcp": ledger, "websocket": board}


@contextmanager
def recording(target: Path) -> Iterator[tuple[int, int, int, int]]:
    """A toystore behind mitmdump, which writes to `target`; gives mitmdump's ports for HTTP, TLS, ledger and price board."""
    mitmdump = shutil.which("mitmdump", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if mitmdump is None:
        raise SystemExit("mitmdump is not installed; install mitmproxy")
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Toystore() as store, Ledger() as book, Prices() as prices:
        # mitmdump makes a certificate of its own when it starts, and does not mind meeting it again upstream
        certificate = Path(scratch, "mitmproxy-ca.pem")
        plain, tls, tcp, websocket, upstream = (free_port() for _ in range(5))
        options = ["confdir=" + scratch, "keep_host_header=true", "ssl_insecure=true"]
        modes = [f"reverse:http://127.0.0.1:{store.port}@{plain}", f"reverse:https://127.0.0.1:{upstream}@{tls}"]
        modes.append(f"reverse:tcp://127.0.0.1:{book.port}@{tcp}")
        modes.append(f"reverse:http://127.0.0.1:{prices.port}@{websocket}")
        arguments = [part for option in options for part in ("--set", option)] + [part for mode in modes for part in ("--mode", mode)]
        proxy = subprocess.Popen([mitmdump, "-q", "--listen-host", "127.0.0.1", *arguments, "-w", str(target)])
        try:
            for port in (plain, tls):
                await_port(port, proxy)
            with Export(certificate, upstream):
                yield plain, tls, tcp, websocket
        finally:
            proxy.terminate()
            proxy.wait(20)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once somebody listens."""
    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(f"mitmdump ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"mitmdump does not listen on port {port}")


def record(name: str, directory: Path = HERE) -> Path:
    """Record the capture of that name into `directory`."""
    target = directory / f"{name}.mitm"
    with recording(target) as ports:
        PLANS[name](*ports)
    return target


if __name__ == "__main__":
    for chosen in sys.argv[1:] or PLANS:
        if chosen not in PLANS:
            raise SystemExit(f"no capture is named {chosen}; there are {', '.join(PLANS)}")
        print(record(chosen))
