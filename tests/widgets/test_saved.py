"""What a notebook file keeps of the views, and that a replay shows itself at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from workbench.capture import open_capture
from workbench.chain import Chain
from workbench.replay import Replay
from workbench.widgets import ExchangeDetails, FlowTable, Workbench

CODE = """import sys; sys.path.insert(0, {repo!r})
import workbench as wb
from workbench.widgets import ExchangeDetails, FlowTable
view = wb.Workbench(wb.open_capture({capture!r}), wb.Chain({filter!r}))
replay = view.wait(300)
view.selected = 5
for each in (view, FlowTable(replay), ExchangeDetails(replay, selected=3)):
    display(each)"""
CAPTURED = ("/toys", "api.toystore.com", "toystore-client", "x-user", "/productpage")


@pytest.fixture(scope="module")
def saved(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook with three views, run and written with the state of its widgets."""
    filter_ = repo / "sample_filters" / "token_bucket" / "token_bucket.wasm"
    code = CODE.format(repo=str(repo), capture=str(repo / "captures" / "toystore.mitm"), filter=str(filter_))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, timeout=600, startup_timeout=300, kernel_name="python3", store_widget_state=True).execute()
    path = tmp_path_factory.mktemp("saved") / "views.ipynb"
    nbformat.write(book, path)
    return path


@pytest.mark.kernel
def test_nothing_captured_is_in_the_file(saved: Path) -> None:
    book = nbformat.read(saved, as_version=4)
    for one in book.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values():
        for program in ("_esm", "_css"):  # its own examples are nobody's traffic
            one["state"].pop(program, None)
    text = nbformat.writes(book)
    assert [one for one in CAPTURED if one in text.replace("captures/toystore.mitm", "")] == []


@pytest.mark.kernel
def test_the_file_is_little_more_than_the_programs_of_the_views(saved: Path) -> None:
    """A widget's program and style are state by Jupyter's own rules; of ours comes a kilobyte or two for each view."""
    book = nbformat.read(saved, as_version=4)
    for output in book.cells[0].outputs:
        assert len(str(output)) < 3000
    states = book.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    ours = [one["state"] for one in states if "_esm" in one["state"]]
    assert len(ours) == 3
    for state in ours:
        assert len(str({name: value for name, value in state.items() if name not in ("_esm", "_css")})) < 2500
    programs = sum(len(state["_esm"]) + len(state["_css"]) for state in ours)
    assert saved.stat().st_size < 1.3 * programs


@pytest.mark.parametrize("view", [Workbench, FlowTable, ExchangeDetails])
def test_every_view_has_words_for_where_nothing_is_alive(view: Any, replay: Replay) -> None:
    bundle = view(replay)._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    for kind in ("text/html", "text/plain"):
        assert "93 exchanges" in data[kind] and "Run the cell to get the view back" in data[kind]


def test_a_replay_shows_itself_at_once(sample_capture: Path, sample_filter: Any) -> None:
    replay = Chain(sample_filter("token_bucket"), sample_filter("basic_auth")).replay(open_capture(sample_capture.with_name("edge.mitm")))
    began = time.process_time()
    page, words = replay._repr_html_(), repr(replay)
    assert time.process_time() - began < 10
    assert "token_bucket" in page and "540 exchanges" in words
