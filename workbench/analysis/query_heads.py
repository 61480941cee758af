"""What the trace says of captured requests, for terms that ask about the capture: most exchanges need not be read there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..trace.trace import Trace
from .facts import Facts
from .heads import head_spans
from .prints import distinct
from .query_capture import domain, pretty_url
from .query_lines import LinePattern
from .rowfields import Bools, Ints

__all__ = ["BY_HEADS", "UNKNOWN", "YES", "Verdicts"]

Verdicts: TypeAlias = npt.NDArray[np.int8]
YES, UNKNOWN = 1, -1
"""0 is no; UNKNOWN where the trace does not tell."""
_SURROGATES = "surrogateescape"


def _by_method(pattern: Any, trace: Trace, facts: Facts, places: Ints) -> Verdicts:
    found = np.zeros(len(places), np.int8)
    for octets, here, spans in head_spans(trace, facts, places):
        methods, which = distinct(octets, *spans["method"])
        found[here] = np.array([pattern.search(method) is not None for method in methods], np.int8)[which]
    return found


def _by_url(pattern: Any, trace: Trace, facts: Facts, places: Ints) -> Verdicts:
    """By the authority and path that the first filter was shown, under either scheme: where that matters, the capture is asked."""
    found = np.zeros(len(places), np.int8)
    lines = LinePattern(pattern)
    for octets, here, spans in head_spans(trace, facts, places):
        start, size = spans["path"]
        # an empty path is shown as /
        usual = (octets[np.where(size > 1, start, 0)] == ord("/")) & (size > 1) & (spans["authority"][1] > 0)
        authorities, which = distinct(octets, *spans["authority"])
        end, owner = start + size, which.tolist()
        data, low = octets[start.min() : end.max()].tobytes(), start.min()
        paths = [data[a:b] for a, b in zip((start - low).tolist(), (end - low).tolist(), strict=True)]
        one, other = (lines.found([begin[by] + path for by, path in zip(owner, paths, strict=True)]) for begin in _begins(authorities))
        found[here] = _known(one, usual & (one == other))
    return found


def _begins(authorities: list[bytes]) -> Iterator[list[bytes]]:
    """How URLs with these authorities begin under either scheme."""
    for scheme in ("http", "https"):
        shown = (pretty_url(scheme, each.decode(errors=_SURROGATES), "") for each in authorities)
        yield [each.encode(errors=_SURROGATES) for each in shown]


def _by_domain(pattern: Any, trace: Trace, facts: Facts, places: Ints) -> Verdicts:
    """A yes by the authority; where the recording proxy sent the request, only the capture knows."""
    found = np.zeros(len(places), np.int8)
    for octets, here, spans in head_spans(trace, facts, places):
        authorities, which = distinct(octets, *spans["authority"])
        hits = [YES if each and pattern.search(domain(each)) else UNKNOWN for each in authorities]
        found[here] = np.array(hits, np.int8)[which]
    return found


def _captured_status(facts: Facts, places: Ints) -> Ints:
    """What the upstream had answered, 0 where the trace does not say."""
    return np.where(facts.response[places] >= 0, facts.upstream_status[places], 0)


def _known(verdict: Bools, known: Bools) -> Verdicts:
    return np.where(known, verdict, np.int8(UNKNOWN)).astype(np.int8)


def _by_status(code: Any, __: Trace, facts: Facts, places: Ints) -> Verdicts:
    status = _captured_status(facts, places)
    return _known(np.asarray(status == code, bool), np.asarray(status != 0, bool))


def _by_response(_: Any, __: Trace, facts: Facts, places: Ints) -> Verdicts:
    known = np.asarray(_captured_status(facts, places) != 0, bool)
    return _known(known, known)


def _by_no_response(_: Any, __: Trace, facts: Facts, places: Ints) -> Verdicts:
    known = np.asarray(_captured_status(facts, places) != 0, bool)
    return _known(~known, known)


BY_HEADS: dict[str, Callable[[Any, Trace, Facts, Ints], Verdicts]] = {
    "m": _by_method,
    "u": _by_url,
    "d": _by_domain,
    "c": _by_status,
    "s": _by_response,
    "q": _by_no_response,
}
"""Terms on the capture that the trace answers for most exchanges, which come in order."""
