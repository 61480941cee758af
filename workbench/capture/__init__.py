"""Captures: flow files in, exchanges out. Knows no host."""

from .capture import Batch, Capture, open_capture
from .exchange import Exchange, Pairs, Request, Response

__all__ = ["Batch", "Capture", "Exchange", "Pairs", "Request", "Response", "open_capture"]
