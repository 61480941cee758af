"""HAR files for the tests: one by the real mitmdump, and entries to bend before they are written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["entry", "exported", "har"]


def exported(mitmdump: str, capture: Path, to: Path) -> Path:
    """A capture as mitmdump itself writes it as HAR."""
    command = [mitmdump, "--no-server", "--quiet", "--rfile", str(capture), "--set", f"hardump={to}"]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return to


def entry(*, request: dict[str, Any] | None = None, response: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """An entry as a browser writes it, with these members instead."""
    return {
        "startedDateTime": "2026-01-15T10:00:00.250Z",
        "time": 8,
        "request": {
            "method": "GET",
            "url": "http://toys.example:8080/toys?limit=3",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Host", "value": "toys.example:8080"}],
            "bodySize": 0,
            **(request or {}),
        },
        "response": {
            "status": 200,
            "statusText": "OK",
            "httpVersion": "HTTP/1.1",
            "headers": [],
            "content": {"size": 0, "mimeType": ""},
            "bodySize": 0,
            **(response or {}),
        },
        "cache": {},
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1, "send": 1, "wait": 5.5, "receive": 1.5},
        **more,
    }


def har(path: Path, *entries: object, creator: str = "WebInspector") -> Path:
    """A HAR file of these entries."""
    log = {"version": "1.2", "creator": {"name": creator, "version": "1"}, "pages": [{"id": "entries"}], "entries": entries}
    path.write_text(json.dumps({"log": log}), encoding="utf-8")
    return path
