"""Text that tries to run, to hide or to overflow, and a flow file that mitmproxy itself wrote with it in every place."""

from __future__ import annotations

from pathlib import Path

from mitmproxy import http
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow

HOSTILE: tuple[bytes, ...] = (
    b"<script>window.pwned=1</script>",
    b"<img src=x onerror=window.pwned=1>",
    b'"><svg onload=window.pwned=1>',
    b"'-window.pwned=1-'",
    b"javascript:window.pwned=1",
    b"<a href=javascript:window.pwned=1>here</a>",
    b"<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    b"</style><style>*{display:none!important}</style>",
    b"</textarea><script>window.pwned=1</script>",
    b"${window.pwned=1} {{constructor.constructor('window.pwned=1')()}}",
    "\u202etxt.exe\u2066\u202d".encode(),
    "zero\u200bwidth\ufeff\u00ad".encode(),
    "tag\U000e0041\U000e0042".encode(),
    b"bell\x07 escape\x1b[31m",
    b"\xff\xfe invalid \xc3\x28 utf-8",
    "A\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307".encode() * 30,
    b"L" * 60_000,
)


def write_hostile_capture(path: Path) -> Path:
    """One exchange for each text: in the path, in header names and values, and in both bodies."""
    with path.open("wb") as file:
        writer = FlowWriter(file)
        for number, text in enumerate(HOSTILE):
            flow = tflow.tflow(resp=True)
            assert flow.response is not None
            # A request line holds no white space or control characters; anything else may stand in it.
            line = bytes(byte for byte in text if byte > 0x20 and byte != 0x7F)
            flow.request.path = (b"/" + line).decode("utf-8", "surrogateescape")
            flow.request.headers = http.Headers([(b"Host", b"api.toystore.com"), (b"X-Text", text), (b"X-Number", b"%d" % number)])
            flow.request.raw_content = text
            flow.response.headers = http.Headers([(b"Content-Type", b"text/html"), (b"X-Text", text), (b"X-Text", text)])
            flow.response.raw_content = b"<body>" + text + b"</body>"
            flow.request.timestamp_start = 1_768_471_200.0 + number
            flow.request.timestamp_end = flow.request.timestamp_start + 0.01
            flow.response.timestamp_start = flow.request.timestamp_end + 0.01
            flow.response.timestamp_end = flow.response.timestamp_start + 0.01
            writer.add(flow)
    return path
