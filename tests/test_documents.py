"""What a view of the extension asks its kernel for."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import IPython.display
import pytest

from workbench import documents
from workbench.analysis.redaction import SECRET_HEADERS
from workbench.audit import Inspection
from workbench.chain import Chain
from workbench.errors import CaptureError, ConfigError, FilterLoadError, WorkbenchError
from workbench.host.assemble import assemble
from workbench.host.module import DEFAULT_MEMORY_LIMIT
from workbench.widgets import Workbench

INDEXES = range(93)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What was displayed."""
    found: list[Any] = []
    monkeypatch.setattr(IPython.display, "display", found.append)
    yield found
    for view in list(documents._views):
        documents._close(view)


def _ask(root: Path, path: str, *, kind: str = "capture", filters: tuple[str, ...] = (), view: str = "v", **more: Any) -> None:
    asked = {"view": view, "kind": kind, "root": str(root), "path": path, "filters": filters, "settings": {}, "keep": False, **more}
    documents.show(json.dumps(asked))


def test_a_capture_is_shown_as_the_workbench(repo: Path, shown: list[Any]) -> None:
    _ask(repo, "captures/toystore.mitm")
    (workbench,) = shown
    assert isinstance(workbench, Workbench)
    assert len(workbench.wait(60)) == 93
    assert workbench.filters == []


def test_a_capture_is_replayed_through_filters_in_order(repo: Path, shown: list[Any]) -> None:
    names = ("token_bucket", "add_header")
    _ask(repo, "captures/toystore.mitm", filters=tuple(f"sample_filters/{name}/{name}.wasm" for name in names))
    assert shown[0].filters == list(names)
    assert shown[0].wait(60).count("limited") > 0


def test_settings_reach_the_filters(repo: Path, shown: list[Any]) -> None:
    filters = ("sample_filters/add_header/add_header.wasm",)
    _ask(repo, "captures/toystore.mitm", filters=filters, settings={"memory_limit_mib": 64, "failure_policy": "open"})
    (used,) = shown[0].wait(60).chain.filters
    assert (used.memory_limit, used.failure_policy) == (64 << 20, "open")


def test_settings_reach_a_filter_that_is_added_in_the_view(repo: Path, shown: list[Any]) -> None:
    _ask(repo, "captures/burst.mitm", settings={"memory_limit_mib": 64, "failure_policy": "open"})
    shown[0].wait(60)
    shown[0].draft.edit({"op": "add", "path": str(repo / "sample_filters" / "add_header" / "add_header.wasm")})
    (added,) = shown[0].draft.apply()
    assert (added.memory_limit, added.failure_policy) == (64 << 20, "open")


def test_settings_reach_the_replay_and_its_view(repo: Path, shown: list[Any]) -> None:
    settings = {"time_limit_s": 0.5, "redact": True, "redacted_headers": ["Authorization"], "charts": "dark"}
    _ask(repo, "captures/toystore.mitm", settings=settings)
    replay = shown[0].wait(60)
    assert replay.settings.callback_limit_s == 0.5
    assert shown[0].charts == "dark"
    named = [pair for each in INDEXES for pair in replay.capture[each].request.headers if pair[0].lower() == b"authorization"]
    assert named
    assert all(value.startswith(b"[") for _, value in named)
    _ask(repo, "captures/toystore.mitm", settings={**settings, "redact": False})
    assert all(not value.startswith(b"[") for each in INDEXES for _, value in shown[1].wait(60).capture[each].request.headers)


def test_a_call_that_takes_longer_than_the_setting_is_ended(repo: Path, shown: list[Any], tmp_path: Path) -> None:
    shutil.copy(repo / "captures" / "toystore.mitm", tmp_path)
    (tmp_path / "spin.wasm").write_bytes(assemble((repo / "tests" / "filters" / "spin_third.wat").read_text(), "spin_third.wat"))
    began = time.monotonic()
    _ask(tmp_path, "toystore.mitm", filters=("spin.wasm",), settings={"time_limit_s": 0.05, "failure_policy": "open"})
    replay = shown[0].wait(60)
    assert time.monotonic() - began < 20
    assert "timeout" in str(list(replay.failures.itertuples())).lower()


def test_the_schema_and_python_mean_the_same(repo: Path) -> None:
    schema = json.loads((repo / "workbench" / "lab" / "schema" / "documents.json").read_text())["properties"]
    assert schema["redacted_headers"]["default"] == list(SECRET_HEADERS)
    assert schema["memory_limit_mib"]["default"] << 20 == DEFAULT_MEMORY_LIMIT
    assert schema["time_limit_s"]["default"] == signature(Chain.replay).parameters["callback_limit_s"].default
    assert tuple(schema["charts"]["enum"]) == Workbench.charts.values
    known = {*documents._options({name: each["default"] for name, each in schema.items()} | {"redact": True})}
    assert known == {"settings", "redact", "charts"}


def test_a_filter_is_shown_as_its_audit(repo: Path, shown: list[Any], sample_filter: Callable[[str], Path]) -> None:
    _ask(sample_filter("add_header").parent, "add_header.wasm", kind="filter")
    assert isinstance(shown[0], Inspection)
    assert shown[0].abi


def test_a_view_that_is_kept_is_shown_again_as_it_is(repo: Path, shown: list[Any]) -> None:
    _ask(repo, "captures/toystore.mitm")
    _ask(repo, "captures/toystore.mitm", keep=True)
    assert shown[0] is shown[1]
    _ask(repo, "captures/toystore.mitm")
    assert shown[2] is not shown[0]
    assert shown[0].comm is None, "the one that it replaces is closed"
    _ask(repo, "captures/burst.mitm", keep=True)
    assert shown[3] is not shown[2]


def test_a_closed_view_is_forgotten(repo: Path, shown: list[Any]) -> None:
    _ask(repo, "captures/toystore.mitm")
    assert "v" in documents._views
    _ask(repo, "captures/toystore.mitm", kind="close")
    _ask(repo, "captures/toystore.mitm", kind="close")
    assert "v" not in documents._views


@pytest.mark.parametrize(
    ("name", "content", "kind", "error"),
    [
        ("a.mitm", b"", "capture", CaptureError),
        ("a.har", b'{"log": {}}', "capture", CaptureError),
        ("a.wasm", b"none", "filter", FilterLoadError),
        ("gone.mitm", None, "capture", ConfigError),
    ],
)
def test_what_cannot_be_read_is_told(
    name: str, content: bytes | None, kind: str, error: type[WorkbenchError], shown: list[Any], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error) as raised:
        _ask(tmp_path, name, kind=kind)
    assert str(raised.value).split("\n") == [raised.value.what, str(tmp_path / name), raised.value.remedy]
    assert raised.value.remedy
    assert not shown


def test_names_in_errors_can_be_seen(shown: list[Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        _ask(tmp_path, "a\u202eb.mitm")
    assert "\\u202e" in str(raised.value)
    assert "\u202e" not in str(raised.value)
