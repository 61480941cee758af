"""The core in the tree is the one that its sources make."""

from __future__ import annotations

from sample_filters.sources import read_stamp
from workbench.core.build import BUILT, expected_stamp


def test_the_built_core_carries_the_hash_of_its_sources():
    assert read_stamp(BUILT.read_bytes()) == expected_stamp(), "the sources have changed: run `make core` and commit both"
