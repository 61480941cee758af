"""A chain while it is edited: what counts as a change, what is refused, what becomes of it when it is applied."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.chain import Chain, Filter
from workbench.errors import ConfigError, FilterLoadError
from workbench.widgets.draft import LONGEST_CONFIG, Draft, judge

Sample = Callable[[str], Path]


@pytest.fixture
def draft(sample_filter: Sample) -> Draft:
    """Three filters: compact JSON, plain text, bytes."""
    return Draft(
        Chain(
            Filter(sample_filter("token_bucket"), config={"rate": 5, "key": "all"}),
            Filter(sample_filter("add_header"), config="plain words", root_id="r"),
            Filter(sample_filter("basic_auth"), config=b"\xff\x00", fail_open=True),
            clusters={"a": "capture"},
        )
    )


def names(draft: Draft) -> list[str]:
    return [slot.name for slot in draft]


def test_a_chain_as_it_is_has_no_changes(draft: Draft) -> None:
    first, second, third = draft
    assert (first.text, first.form) == ('{\n  "rate": 5,\n  "key": "all"\n}', "json")
    assert (second.text, second.form, second.root_id) == ("plain words", "text", "r")
    assert (third.text, third.policy) == (None, "older")
    assert draft.changes == [] and draft.fault == "" and draft.same_order
    before = tuple(slot.filter for slot in draft)
    assert draft.apply().filters == before


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ('{\n "a" 1\n}', 2, 6, "Expecting ':'"),
        ("{", 1, 2, "property name"),
        ('{"a": 1} x', 1, 10, "Extra data"),
        ('{"a": NaN}', 0, 0, "NaN"),
        ("[" * 100_000, 0, 0, "nested too deeply"),
        ("9" * 5000, 0, 0, "digits"),
        ("x" * (LONGEST_CONFIG + 1), 0, 0, "longer than"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(text: str, line: int, column: int, words: str) -> None:
    verdict = judge(text, "json")
    assert not verdict.good
    assert (verdict.line, verdict.column) == (line, column)
    assert words in verdict.words


@pytest.mark.parametrize("text", ["", " \n", "{}", "[1]", '"x"', "1e400", '{"a": {"b": [null, true]}}'])
def test_json_is_json(text: str) -> None:
    assert judge(text, "json").good


def test_a_name_that_is_there_twice_is_told() -> None:
    verdict = judge('{"rate": 1, "rate": 2}', "json")
    assert verdict.good and "'rate' is there twice" in verdict.words


def test_plain_text_is_whatever_the_filter_takes() -> None:
    assert judge("{no json", "text").good


def test_json_that_another_spelling_would_change_stays_as_it_is(sample_filter: Sample) -> None:
    for config in ('{"a":1.0,"a":2}', '{ "spaced": 1 }', '{"e":1E5}', '{"u":"\\u00e9"}'):
        (slot,) = Draft(Chain(Filter(sample_filter("add_header"), config=config)))
        assert slot.text == config


def test_configuration_is_applied_as_it_was_typed(draft: Draft) -> None:
    slot = draft.slots[0]
    draft.edit({"op": "config", "id": slot.id, "text": '{"rate":  2}', "form": "json"})
    assert draft.changes == ["token_bucket: configuration"] and draft.same_order
    chain = draft.apply()
    assert chain[0].config == b'{"rate":  2}'
    assert draft.changes == [] and slot.text == '{"rate":  2}'
    assert "a" in chain.clusters


def test_a_wrong_configuration_is_not_applied(draft: Draft) -> None:
    slot = draft.slots[0]
    draft.edit({"op": "config", "id": slot.id, "text": "{", "form": "json"})
    assert draft.fault == "token_bucket, line 1, column 2: Expecting property name enclosed in double quotes"
    with pytest.raises(ConfigError, match="line 1"):
        draft.apply()
    draft.edit({"op": "switch", "id": slot.id, "on": False})
    assert draft.fault == "", "what is off is not asked"


def test_filters_are_moved_switched_off_and_removed(draft: Draft) -> None:
    one, two, three = (slot.id for slot in draft)
    draft.edit({"op": "move", "id": three, "to": 0})
    assert names(draft) == ["basic_auth", "token_bucket", "add_header"] and draft.changes == ["order"]
    draft.edit({"op": "switch", "id": one, "on": False})
    draft.edit({"op": "remove", "id": two})
    assert draft.changes == ["add_header removed", "token_bucket off", "order"] and not draft.same_order
    chain = draft.apply()
    assert [each.name for each in chain] == ["basic_auth"]
    assert names(draft) == ["basic_auth", "token_bucket"] and draft.changes == []
    draft.edit({"op": "switch", "id": one, "on": True})
    assert [each.name for each in draft.apply()] == ["basic_auth", "token_bucket"]
    with pytest.raises(ConfigError, match="not in the chain any more"):
        draft.edit({"op": "switch", "id": two, "on": False})


def test_policies_and_root_ids(draft: Draft) -> None:
    first, _, third = draft
    draft.edit({"op": "policy", "id": first.id, "value": "restart"})
    draft.edit({"op": "policy", "id": third.id, "value": "open"})
    draft.edit({"op": "root_id", "id": first.id, "value": "other"})
    assert draft.changes == ["token_bucket: on failure restart, root id", "basic_auth: on failure fail_open"]
    chain = draft.apply()
    assert (chain[0].failure_policy, chain[0].root_id) == ("restart", "other")
    assert (chain[2].failure_policy, chain[2].fail_open) == ("open", False)
    draft.edit({"op": "policy", "id": first.id, "value": "older"})
    assert draft.apply()[0].fail_open


def test_a_module_is_looked_at_before_it_is_added(draft: Draft, sample_filter: Sample, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wasm"
    broken.write_bytes(sample_filter("token_bucket").read_bytes()[:1000])
    for path, error in ((tmp_path / "none.wasm", FilterLoadError), (broken, FilterLoadError), ("  ", ConfigError)):
        with pytest.raises(error):
            draft.edit({"op": "add", "path": str(path), "key": "k"})
    assert len(draft.slots) == 3
    for _ in range(2):
        draft.edit({"op": "add", "path": str(sample_filter("token_bucket")), "key": "k"})
    assert names(draft)[3:] == ["token_bucket-2"], "asked twice with one key, added once"
    assert draft.changes == ["token_bucket-2 added"]


def test_revert_is_as_applied(draft: Draft, sample_filter: Sample) -> None:
    first, second, third = draft
    draft.edit({"op": "config", "id": first.id, "text": "{", "form": "text"})
    draft.edit({"op": "move", "id": third.id, "to": 0})
    draft.edit({"op": "remove", "id": second.id})
    draft.edit({"op": "add", "path": str(sample_filter("add_header"))})
    draft.edit({"op": "revert"})
    assert names(draft) == ["token_bucket", "add_header", "basic_auth"]
    assert draft.changes == [] and first.form == "json"


@pytest.mark.parametrize("change", [{}, {"op": "fly"}, {"op": "policy", "value": "shut"}, {"op": "config", "text": "x"}, {"op": "add"}])
def test_what_is_no_change_is_refused(draft: Draft, change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        draft.edit({"id": draft.slots[2].id, **change})
    assert draft.changes == []


def test_a_chain_begins_with_nothing(sample_filter: Sample) -> None:
    draft = Draft()
    draft.edit({"op": "add", "path": str(sample_filter("add_header"))})
    assert [each.name for each in draft.apply()] == ["add_header"]


def test_an_added_filter_has_the_defaults(sample_filter: Sample) -> None:
    draft = Draft(Chain(sample_filter("add_header")), {"memory_limit": 64 << 20, "failure_policy": "open"})
    draft.edit({"op": "add", "path": str(sample_filter("token_bucket"))})
    given, added = draft.apply()
    assert (added.memory_limit, added.failure_policy) == (64 << 20, "open")
    assert given == Filter(sample_filter("add_header")), "what was given stays as it is"
