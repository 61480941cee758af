from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config.documents import choice, mapping, read_documents, string, strings, whole
from workbench.errors import ConfigError
from workbench.services.yamlfile import Item


def one(tmp_path: Path, text: str) -> Item:
    (tmp_path / "a.yaml").write_text(text)
    return next(read_documents(tmp_path / "a.yaml"))


def test_many_documents_and_lists(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: A\n---\n---\nkind: PodList\nitems: [{kind: B}, {kind: C}]\n---\n# nothing\n")
    assert [mapping(item, None)["kind"].value for item in read_documents(tmp_path / "a.yaml")] == ["A", "B", "C"]


def test_values_of_the_right_type(tmp_path: Path) -> None:
    found = mapping(one(tmp_path, "a: x\nb: 3\nc: [y, '4']\nd: null\ne: ''\n"), ("a", "b", "c", "d", "e"))
    assert (string(found["a"]), whole(found["b"]), strings(found["c"])) == ("x", 3, ["y", "4"])
    assert "d" not in found and string(found["e"], empty=True) == ""
    assert choice(found["a"], ("x", "z")) == "x"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("a: b: c", 1, "not YAML"),
        ("a: 1\nb: 2\n", 2, "unknown field 'b'. It may have a"),
        ("a: 1\na: 2\n", 2, "a second time, first on line 1"),
        ("b: null\n", 1, "unknown field 'b'"),
        ("[1]", 1, "must be a mapping, not a list"),
        ("a: null\n", 1, "'a' is missing"),
        ("a: 'x'", 1, "must be a whole number, not 'x'"),
        ("a: 1.5", 1, "must be a whole number, not 1.5"),
        ("\n\na: true", 3, "must be a whole number, not True"),
        ("a: -1", 1, "is -1"),
        ("a: !!python/object:os.system x", 1, "YAML"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, text: str, line: int, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        whole(mapping(one(tmp_path, text), ("a",), ("a",))["a"])
    assert caught.value.where == f"{tmp_path / 'a.yaml'}: line {line}"
    assert told in str(caught.value)


def test_text_is_no_number(tmp_path: Path) -> None:
    found = mapping(one(tmp_path, "a: 10\nb: yes\nc: ''\nd: '10'\n"), None)
    assert string(found["d"]) == "10"
    for name, told in (("a", "a: must be text, not 10. Put it in quotes"), ("b", "not True"), ("c", "is empty")):
        with pytest.raises(ConfigError) as caught:
            string(found[name])
        assert told in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        list(read_documents(tmp_path / "none.yaml"))
