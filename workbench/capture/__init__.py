"""Captures: flow files and HAR files in, exchanges and TCP connections out. Knows no host."""

from .batch import Batch
from .capture import Capture, open_capture
from .connection import Connection, Ending, TcpMessage
from .connections import Connections
from .exchange import Exchange, Pairs, Request, Response
from .websocket import WebSocket

__all__ = [
    "Batch", "Capture", "Connection", "Connections", "Ending", "Exchange", "Pairs", "Request", "Response", "TcpMessage", "WebSocket",
    "open_capture",
]  # fmt: skip
