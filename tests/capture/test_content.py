"""Content codings are taken off, and nothing grows beyond the bound."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard

from workbench.capture.content import coding_of, decoded, encoded

TEXT = b"toys and carts, " * 4000


def _raw_deflate(data: bytes) -> bytes:
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(data) + packing.flush()


PACKED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
    "deflate": zlib.compress(TEXT),
    "deflate ": _raw_deflate(TEXT),
    "br": brotli.compress(TEXT),
    "zstd": zstandard.compress(TEXT),
    "deflate, identity, br": brotli.compress(zlib.compress(TEXT)),
}


@pytest.mark.parametrize("coding", PACKED)
def test_each_coding_is_taken_off(coding: str) -> None:
    assert decoded(PACKED[coding], coding, 1 << 20) == TEXT
    assert decoded(PACKED[coding], coding, 1000) == TEXT[:1000]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_is_cut_short_is_given_as_far_as_it_goes(coding: str) -> None:
    noise = bytes(hash((at, "toys")) & 0xFF for at in range(300_000))
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}[coding]
    found = decoded(pack(noise)[:200_000], coding, 1 << 20)
    assert found
    assert noise.startswith(found)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_what_is_not_packed_is_none(coding: str) -> None:
    assert decoded(b"plain text, whatever the header says", coding, 1000) is None
    assert decoded(b"", coding, 1000) is None


def test_other_codings_are_left_alone() -> None:
    assert decoded(TEXT, "", 1000) is None
    assert decoded(TEXT, "identity", 1000) is None
    assert decoded(TEXT, "rot13", 1000) is None
    assert decoded(gzip.compress(TEXT), "gzip, gzip, gzip, gzip, gzip", 1000) is None


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb_stops_at_the_bound(coding: str) -> None:
    pack = {"gzip": gzip.compress, "br": lambda data: brotli.compress(data, quality=1), "zstd": zstandard.compress}[coding]
    bomb = pack(bytes(200 << 20))
    assert len(bomb) < 1 << 20
    assert decoded(bomb, coding, 4096) == bytes(4096)


def test_the_coding_is_read_from_the_headers() -> None:
    assert coding_of(((b"Content-Encoding", b" GZIP "), (b"x", b"y"), (b"content-encoding", b"br"))) == "gzip , br"
    assert coding_of(()) == ""


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd", "deflate, identity, br", ""])
def test_a_coding_is_put_on_the_same_way_each_time(coding: str) -> None:
    packed = encoded(TEXT, coding)
    assert packed is not None and packed == encoded(TEXT, coding)
    assert (decoded(packed, coding, 1 << 20) or packed) == TEXT


def test_an_unknown_coding_is_not_put_on() -> None:
    assert encoded(TEXT, "gzip, dcb") is encoded(TEXT, "compress") is encoded(TEXT, "br, br, br, br, br") is None
