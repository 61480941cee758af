"""The recorder with its real proxy: what is in the tree can be made again."""

from __future__ import annotations

import http.client
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.capture import open_capture

from .conftest import CAPTURES

sys.path.insert(0, str(CAPTURES))


def test_the_toystore_starts_the_same_each_time() -> None:
    from toystore_server import Toystore

    bodies = []
    for _ in range(2):
        with Toystore() as toystore:
            connection = http.client.HTTPConnection("127.0.0.1", toystore.port, timeout=60)
            connection.request("POST", "/toys", b'{"name": "Bell"}', {"Content-Type": "application/json"})
            created = connection.getresponse()
            assert created.status == 201 and created.headers["location"] == "/toys/11"
            created.read()
            connection.request("GET", "/toys")
            bodies.append(connection.getresponse().read())
            connection.close()
    assert bodies[0] == bodies[1]


# a real mitmdump: another program may take its port before it listens
@pytest.mark.slow
@pytest.mark.flaky(reruns=2)
def test_a_new_recording_has_what_the_old_one_has(need: Callable[..., str], tmp_path: Path) -> None:
    from record import record

    need("mitmdump")
    fresh, kept = open_capture(record("burst", tmp_path)), open_capture(CAPTURES / "burst.mitm")
    assert fresh.problems == ()
    assert Counter(e.request.method for e in fresh) == Counter(e.request.method for e in kept) == {b"POST": 10, b"GET": 5}


def test_the_samples_hold_what_their_readme_says() -> None:
    toystore = list(open_capture(CAPTURES / "toystore.mitm"))
    posts = [e for e in toystore if e.request.method == b"POST" and e.request.path == b"/toys"]
    first, last = posts[0].request.start_ns, posts[-1].request.start_ns
    assert sum(e.request.start_ns - first < 10_000_000_000 for e in posts) > 5
    assert last - first > 10_000_000_000 and sum(last - e.request.start_ns < 2_000_000_000 for e in posts) > 5
    assert {e.request.method for e in toystore} == {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"}
    assert {200, 201, 204, 304, 400, 404, 405, 415, 500, 503} <= {e.response.status for e in toystore if e.response}
    assert [e.error for e in toystore if e.response is None] == ["server closed connection"]
    codings = {value for e in toystore if e.response for name, value in e.response.headers if name.lower() == b"content-encoding"}
    assert codings == {b"gzip", b"deflate", b"br"}
    assert any(e.request.trailers for e in toystore) and any(e.response and e.response.trailers for e in toystore)
    assert any(len([1 for name, _ in e.request.headers if name == b"X-Forwarded-For"]) == 2 for e in toystore)
    assert any(b"\xe9" in value for e in toystore for _, value in e.request.headers)
    assert any(a.request.end_ns < b.request.start_ns < a.response.end_ns for a in toystore for b in toystore if a.response)
    assert len(open_capture(CAPTURES / "edge.mitm")) >= 500
    burst = open_capture(CAPTURES / "burst.mitm")
    assert burst.end_ns - burst.start_ns < 6_000_000_000
    assert sum(path.stat().st_size for path in CAPTURES.glob("*.mitm")) < 2_000_000


def test_the_samples_name_no_machine() -> None:
    for path in CAPTURES.glob("*.mitm"):
        data = path.read_bytes()
        assert not [
            word
            for word in (str(Path.home()).encode(), tempfile.gettempdir().encode() + b"/", str(CAPTURES.parent).encode(), b"PRIVATE KEY")
            if word in data
        ]
