"""The core and the reader of flow files in the tree are those that their sources make."""

from __future__ import annotations

import pytest

from sample_filters.sources import read_stamp
from workbench.core.build import CORE, Crate
from workbench.scan.build import SCAN


@pytest.mark.parametrize("crate", [CORE, SCAN], ids=lambda crate: crate.folder.name)
def test_what_is_built_carries_the_hash_of_its_sources(crate: Crate):
    made = read_stamp(crate.built.read_bytes())
    assert made == crate.expected_stamp(), f"the sources have changed: run `make {crate.folder.name}` and commit both"
