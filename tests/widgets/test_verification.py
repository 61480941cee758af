"""What the view of differences from Envoy is told: unexplained ones first, both values, bounded, and no markup on its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workbench.analysis.verification import Verification
from workbench.envoy import Difference
from workbench.errors import WorkbenchError
from workbench.replay import Replay
from workbench.widgets import VerificationView
from workbench.widgets.verification import MOST_EXCHANGES, MOST_GROUPS

Ask = Callable[[Any], Any]


def found(replay: Replay | None, *differences: Difference) -> Verification:
    return Verification("a.mitm", ("f",), 500, 500, differences, "1.40.0", 1.0, notes=("a note",), replay=replay)


KNOWN = Difference(1, "downstream_response", "header x-a", ["1", "2"], [], "the clock", True)


def test_unexplained_differences_come_first_and_the_first_is_chosen(replay: Replay, ask: Ask) -> None:
    view = VerificationView(found(replay, KNOWN, Difference(3, "upstream_request", "reached", True, False)))
    assert view.selected == 3
    _, data = ask(view)("findings")
    assert data["counts"] == {"agree": 498, "explained": 1, "unexplained": 1}
    assert data["notes"] == ["a note"]
    first, second = data["groups"]
    assert (first["explained"], first["message"], first["what"]) == (False, "request to the upstream", "sent at all")
    assert (first["replay"], first["envoy"], first["cause"]) == (["yes"], ["no"], "")
    assert (second["exchanges"], second["replay"], second["envoy"]) == ([1], ["1, 2"], ["none"])
    head, detail = ask(view)("detail", index=3)
    assert "error" not in head and detail["index"] == 3


def test_all_of_it_is_bounded(replay: Replay, ask: Ask) -> None:
    many = [Difference(0, "downstream_response", f"header x-{n}", "v" * 10_000, None) for n in range(MOST_GROUPS + 5)]
    many += [Difference(n, "downstream_response", "header x-0", "v", None) for n in range(1, MOST_EXCHANGES + 50)]
    _, data = ask(VerificationView(found(replay, *many)))("findings")
    assert (len(data["groups"]), data["left"]) == (MOST_GROUPS, 5)
    assert (len(data["groups"][0]["exchanges"]), data["groups"][0]["left"]) == (MOST_EXCHANGES, 50)
    assert len(data["groups"][0]["replay"][0]) == 2000


def test_a_saved_notebook_keeps_counts_and_nothing_captured(replay: Replay) -> None:
    view = VerificationView(found(replay, Difference(1, "downstream_response", "header x-secret", ["secret"], [])))
    kept = f"{view!r}{view._repr_mimebundle_()}{view.get_state()}"
    assert "499 agree, 0 explained, 1 unexplained" in repr(view)
    assert "secret" not in kept.replace(str(view._esm), "")


def test_without_differences_and_without_a_replay(replay: Replay, ask: Ask) -> None:
    view = VerificationView(found(replay))
    assert (view.selected, ask(view)("findings")[1]["groups"]) == (0, [])
    with pytest.raises(WorkbenchError, match="no replay with it"):
        VerificationView(found(None))
