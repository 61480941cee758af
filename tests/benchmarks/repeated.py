"""A flow file of any length: sample captures over and over, each time later and over connections of its own."""

from __future__ import annotations

import re

_TIME = re.compile(rb"(?<=timestamp_(?:start|.setup|..end):)")
