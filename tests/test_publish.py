"""Modules over HTTP: files, hashes, and a real Envoy that fetches one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path

import pytest

from tests.core.traffic import exchanges, request, response
from workbench.envoy.client import fetch
from workbench.envoy.config import PLAIN, Cluster, FilterSpec, bootstrap
from workbench.envoy.process import EnvoyProcess
from workbench.envoy.upstream import Upstream
from workbench.errors import ConfigError, FilterLoadError
from workbench.publish import serve_filter

ADD_HEADER = Path(__file__).resolve().parents[1] / "sample_filters/add_header/add_header.wasm"


def got(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_a_module_and_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "my filter.wasm"
    path.write_bytes(ADD_HEADER.read_bytes())
    with serve_filter(path) as served:
        status, headers, body = got(served.url)
        digest = sha256(path.read_bytes()).hexdigest()
        assert (status, headers["Content-Type"], body) == (200, "application/wasm", path.read_bytes())
        assert served.sha256 == digest and headers["ETag"] == f'"{digest}"' and digest in repr(served)
        assert got(f"{served.url}.sha256")[2] == f"{digest}  my filter.wasm\n".encode()
        assert got(served.url, **{"If-None-Match": headers["ETag"]})[0] == 304
        path.write_bytes(b"\0asm\1\0\0\0new build")
        assert got(served.url)[2] == b"\0asm\1\0\0\0new build" and served.sha256 == sha256(b"\0asm\1\0\0\0new build").hexdigest()
        path.write_bytes(b"a secret")
        assert got(served.url)[0] == got(f"{served.url}.sha256")[0] == 404
        path.unlink()
        assert got(served.url)[0] == 404


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"odd\xff\n.wasm")
    path.write_bytes(ADD_HEADER.read_bytes())
    with serve_filter(path) as served:
        assert served.url.endswith("/odd%FF%0A.wasm")
        assert got(served.url)[2] == path.read_bytes()
        assert got(f"{served.url}.sha256")[2].endswith(b"  odd\xff\n.wasm\n")
        assert got(f"{served.address}/other")[2] == b"Served are: odd%FF%0A.wasm\n"


def test_a_file_that_grows_beyond_a_module(tmp_path: Path) -> None:
    path = tmp_path / "f.wasm"
    path.write_bytes(ADD_HEADER.read_bytes())
    with serve_filter(path) as served:
        os.truncate(path, 1 << 40)
        status, _, body = got(served.url)
        assert status == 404 and body.startswith(b"larger than")


@pytest.mark.parametrize("place", ["", "/", "/../secret", "/%2e%2e/secret", "/sub/add_header.wasm", "/add_header.wasm/", "/add_header"])
def test_nothing_else_is_served(tmp_path: Path, place: str) -> None:
    (tmp_path / "secret").write_text("no")
    with serve_filter(ADD_HEADER) as served:
        status, _, body = got(served.address + place)
        assert status == 404 and body == b"Served are: add_header.wasm\n"


def test_what_cannot_be_served(tmp_path: Path) -> None:
    with pytest.raises(FilterLoadError, match="cannot be read"):
        serve_filter(tmp_path / "none.wasm")
    capture = tmp_path / "secrets.mitm"
    capture.write_bytes(b"2024:7:version;")
    with pytest.raises(FilterLoadError, match="not a wasm file"):
        serve_filter(capture)
    with pytest.raises(ConfigError, match="two files of the name"):
        serve_filter(ADD_HEADER, ADD_HEADER)
    with serve_filter(ADD_HEADER) as served, pytest.raises(ConfigError, match="cannot be listened at"):
        serve_filter(ADD_HEADER, port=int(served.address.rpartition(":")[2]))


def test_the_command(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench", "serve-filter", str(ADD_HEADER)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    try:
        url = process.stdout.readline().strip()
        assert process.stdout.readline().split() == ["sha256", sha256(ADD_HEADER.read_bytes()).hexdigest()]
        assert got(url)[2] == ADD_HEADER.read_bytes()
        assert process.stderr.readline() == '"GET /add_header.wasm HTTP/1.1" 200 -\n'
    finally:
        process.terminate()
        process.communicate(timeout=120)


@pytest.mark.envoy
@pytest.mark.usefixtures("envoy_binary")
def test_a_real_envoy_fetches_it() -> None:
    """With the hash that it is served with; with another one it has no filter to put traffic through."""
    (exchange,) = exchanges((request("GET", "/"), response(body=b"ok")))

    async def served_by(url: str, port: int, digest: str) -> tuple[int, list[str]]:
        async with Upstream() as upstream:
            config = bootstrap([FilterSpec("fetched", ADD_HEADER)], upstream.port, clusters=[Cluster("modules", port)])
            manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
            source = {"http_uri": {"uri": url, "cluster": "modules", "timeout": "5s"}, "sha256": digest, "retry_policy": {"num_retries": 1}}
            manager["http_filters"][0]["typed_config"]["config"]["vm_config"]["code"] = {"remote": source}
            with EnvoyProcess(config) as envoy:
                upstream.expect(exchange, patience=5)
                answer = await fetch(exchange, envoy.ports[PLAIN], tls=None, timeout=10)
        assert answer.message is not None
        return answer.message.head.status, [value.decode() for name, value in answer.message.head.fields if name == b"hello"]

    with serve_filter(ADD_HEADER) as served:
        port = int(served.address.rpartition(":")[2])
        assert asyncio.run(served_by(served.url, port, served.sha256)) == (200, ["world"])
        assert asyncio.run(served_by(served.url, port, "0" * 64))[1] == []
