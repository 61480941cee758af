"""Requests to the toystore."""

from __future__ import annotations

from tests.core.traffic import request
from workbench.capture.exchange import Request

__all__ = ["HOST", "get", "post"]

HOST = "api.toystore.com"


def post(path: str = "/toys", *headers: str, at_ms: int = 0, host: str = HOST) -> Request:
    """`POST /toys`, or what is said."""
    return request("POST", path, "content-length: 3", *headers, body=b"{ }", at_ms=at_ms, host=host)


def get(path: str = "/toys", *headers: str, at_ms: int = 0, host: str = HOST) -> Request:
    """`GET /toys`, or what is said."""
    return request("GET", path, *headers, at_ms=at_ms, host=host)
