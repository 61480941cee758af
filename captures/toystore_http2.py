"""The toystore's export over HTTP/2 and TLS, and a client for it: exchanges with trailers, which mitmproxy keeps for HTTP/2 only."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded, StreamReset

__all__ = ["Export", "Fields", "fetch"]

Fields = list[tuple[bytes, bytes]]


class Export:
    """GET gives the export and its checksum as a trailer, POST takes one; `certificate` is a PEM file with its key."""

    def __init__(self, certificate: Path, port: int = 0) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._tls.set_alpn_protocols(["h2"])
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Export:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError), self._tls.wrap_socket(plain, server_side=True) as peer:
            peer.settimeout(30)
            h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
            h2.initiate_connection()
            asked: dict[int, dict[bytes, bytes]] = {}
            bodies: dict[int, bytes] = {}
            while True:
                peer.sendall(h2.data_to_send())
                data = peer.recv(65536)
                if not data:
                    return
                for event in h2.receive_data(data):
                    if isinstance(event, RequestReceived):
                        asked[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
                    elif isinstance(event, DataReceived):
                        bodies[event.stream_id] += event.data
                        h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, StreamEnded):
                        _answer(h2, event.stream_id, asked.pop(event.stream_id), bodies.pop(event.stream_id))


def _answer(h2: H2Connection, stream: int, asked: dict[bytes, bytes], body: bytes) -> None:
    if asked[b":method"] == b"POST":
        body = b'{"bytes": %d}\n' % len(body)
        kind = b"application/json"
    else:
        body = b"id,name\n" + b"".join(b"%d,toy %d\n" % (n, n) for n in range(1, 21))
        kind = b"text/csv"
    h2.send_headers(stream, [(b":status", b"200"), (b"content-type", kind), (b"trailer", b"x-checksum")])
    h2.send_data(stream, body)
    h2.send_headers(stream, [(b"x-checksum", hashlib.sha256(body).hexdigest().encode()), (b"x-rows", b"20")], end_stream=True)


def fetch(port: int, server_name: str, requests: list[tuple[Fields, bytes, Fields]]) -> list[bytes]:
    """Send requests (fields, body, trailers) over one TLS connection, all before the first answer; the statuses in their order."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE  # the recorder's own certificate, on this machine only
    tls.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), 10) as plain, tls.wrap_socket(plain, server_hostname=server_name) as peer:
        h2 = H2Connection(H2Configuration(header_encoding=None))
        h2.initiate_connection()
        statuses: dict[int, bytes] = {}
        waiting = set()
        for fields, body, trailers in requests:
            stream = h2.get_next_available_stream_id()
            waiting.add(stream)
            h2.send_headers(stream, fields, end_stream=not (body or trailers))
            if body or trailers:
                h2.send_data(stream, body, end_stream=not trailers)
            if trailers:
                h2.send_headers(stream, trailers, end_stream=True)
        while waiting:
            peer.sendall(h2.data_to_send())
            data = peer.recv(65536)
            if not data:
                raise ConnectionError("closed before the last answer")
            for event in h2.receive_data(data):
                if isinstance(event, ResponseReceived):
                    statuses[event.stream_id] = dict(event.headers)[b":status"]
                elif isinstance(event, DataReceived):
                    h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded | StreamReset):
                    waiting.discard(event.stream_id)
        h2.close_connection()
        peer.sendall(h2.data_to_send())
    return [statuses.get(stream, b"") for stream in sorted(statuses)]
