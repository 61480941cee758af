"""A flow file of any length: sample captures over and over, each time later and over connections of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_TIME = re.compile(rb"(?<=timestamp_(?:start|.setup|..end):)")
