"""Text that tries to run, to hide or to overflow, and a flow file that mitmproxy itself wrote with it in every place."""

from __future__ import annotations

from pathlib import Path

from mitmproxy import http
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow

_KNOWN: tuple[bytes, ...] = (
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

_RUN = b"window.pwned=1"
_TAGS = (
    b"img src=x",
    b"svg",
    b"body",
    b"video src=x",
    b"audio src=x",
    b"input autofocus",
    b"details open",
    b"marquee",
    b"object data=x",
    b"style",
)
_HANDLERS = (b"onerror", b"onload", b"onfocus", b"ontoggle", b"onmouseover")
_BREAKS = (b'"', b"'", b"-->", b"]]>", b"</script>", b"</title>", b"</textarea>", b"\\x3c/script\\x3e", b"*/", b"`")
_LINKS = (
    b"javascript:%s",
    b"data:text/html,<script>%s</script>",
    b"JaVaScRiPt:%s",
    b"vbscript:%s",
    b"\tjava\nscript:%s",
    b"//evil.example/?%s",
)
_TEMPLATES = (
    *(
        b"{{%s}}",
        b"${%s}",
        b"#{%s}",
        b"<%%= %s %%>",
        b"[[%s]]",
        b"$$\\href{javascript:%s}{x}$$",
        b"[x](javascript:%s)",
        b'![x](x"onerror=%s)',
    ),
    *(
        b"=HYPERLINK(%s)",
        b"@import '%s';",
        b"expression(%s)",
        b"url(javascript:%s)",
        b'{"__proto__":{"x":"%s"}}',
        b"%%3Cscript%%3E%s%%3C/script%%3E",
    ),
    *(
        b"&lt;script&gt;%s&lt;/script&gt;",
        b"&#60;img src=x onerror=%s&#62;",
        b"<x is=x-a onclick=%s>",
        b"<math><mtext></form><form><mglyph><img src onerror=%s>",
    ),
)
# what has no shape of its own, or changes the shape of what stands beside it
_UNSEEN = (
    "\u0000\u0008\u000b\u007f\u0085\u009c\u00ad\u061c\u070f\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202d"
    "\u202e\u2060\u2066\u2067\u2068\u206f\ufeff\ufff9\uffff\U000e0001\U000e0061"
)
_SEQUENCES = (
    b"\x1b]8;;http://evil.example\x07x\x1b]8;;\x07",
    b"\x1b[2J\x1b[H",
    b"\x9b31m",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\xaf",
    b"\x80" * 40,
)

HOSTILE: tuple[bytes, ...] = (
    *_KNOWN,
    *(b"<%s %s=%s>" % (tag, _HANDLERS[at % len(_HANDLERS)], _RUN) for at, tag in enumerate(_TAGS)),
    *(b"<%s %s=%s>" % (_TAGS[0], handler, _RUN) for handler in _HANDLERS),
    *(mark + b"><script>" + _RUN + b"</script>" for mark in _BREAKS),
    *(link % _RUN for link in _LINKS),
    *(template % _RUN for template in _TEMPLATES),
    *(f"a{char}<b>b".encode() for char in _UNSEEN),
    *_SEQUENCES,
)
"""More than a hundred, each with its own way."""


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
