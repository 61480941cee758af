from __future__ import annotations

from pathlib import Path

import pytest

from workbench.config.documents import Spot, read_documents
from workbench.errors import ConfigError


def one(tmp_path: Path, text: str) -> Spot:
    (tmp_path / "a.yaml").write_text(text)
    return next(iter(read_documents(tmp_path / "a.yaml")))


def test_many_documents_and_lists(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: A\n---\n---\nkind: PodList\nitems: [{kind: B}, {kind: C}]\n---\n# nothing\n")
    assert [spot.fields(None)["kind"].text() for spot in read_documents(tmp_path / "a.yaml")] == ["A", "B", "C"]


def test_values_know_their_place(tmp_path: Path) -> None:
    spot = one(tmp_path, "a:\n  b:\n    - x\n    - y: 3\n")
    y = spot.fields(("a",))["a"].fields(("b",))["b"].items()[1].fields(("y",))["y"]
    assert (y.line, y.path, y.number()) == (4, "a.b[1].y", 3)
    assert y.where.endswith("a.yaml:4: a.b[1].y")


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("a: [", 1, "is not YAML"),
        ("a: 1\nb: 2\n", 2, "unknown field 'b'. It may have a"),
        ("a: 1\na: 2\n", 2, "stands here a second time, the first is on line 1"),
        ("a: &x {}\n<<: *x\n", 2, "cannot be read"),
        ("[1]", 1, "must be a mapping, not a list"),
        ("a: 'x'", 1, "must be a whole number, not text 'x'"),
        ("a: 1.5", 1, "must be a whole number, not 1.5 (a number)"),
        ("a: -1", 1, "is -1"),
        ("a: 1:30", 1, "must be a whole number"),
        ("a: !!python/object:os.system x", 1, "must be a whole number"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, text: str, line: int, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        one(tmp_path, text).fields(("a",))["a"].number()
    assert caught.value.where.startswith(f"{tmp_path / 'a.yaml'}:{line}")
    assert told in str(caught.value)


def test_text_is_no_number(tmp_path: Path) -> None:
    fields = one(tmp_path, "a: 10\nb: yes\nc: ''\nd: '10'\n").fields(None)
    assert fields["d"].text() == "10"
    for name, told in (("a", "must be text, not 10 (a number). Put it in quotes"), ("b", "not yes (true or false)"), ("c", "is empty")):
        with pytest.raises(ConfigError, match=told.replace("(", r"\(").replace(")", r"\)")):
            fields[name].text()


def test_aliases_cannot_grow(tmp_path: Path) -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12))
    with pytest.raises(ConfigError, match="too many values"):
        one(tmp_path, f"l0: &l0 [x]\n{levels}\n")
    with pytest.raises(ConfigError, match="nested too deep"):
        one(tmp_path, "a: &a [*a]")
    with pytest.raises(ConfigError, match=r"nested too deep|not YAML"):
        one(tmp_path, "[" * 5000 + "]" * 5000)


def test_missing_and_huge_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        list(read_documents(tmp_path / "none.yaml"))
    (tmp_path / "a.yaml").write_bytes(b"#" * ((16 << 20) + 1))
    with pytest.raises(ConfigError, match="larger than 16 MiB"):
        list(read_documents(tmp_path / "a.yaml"))
