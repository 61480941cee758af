from __future__ import annotations

from pathlib import Path

import pytest
from cel_expr_python import cel

from workbench.config.cel import check_cel, quoted, single_quoted
from workbench.config.documents import mapping, read_documents
from workbench.errors import ConfigError
from workbench.services.yamlfile import Item


def spot(tmp_path: Path, text: str) -> Item:
    (tmp_path / "c.yaml").write_text(f"# first\nwhen: {quoted(text)}\n")
    return mapping(next(read_documents(tmp_path / "c.yaml")), ("when",))["when"]


@pytest.mark.parametrize("text", ["request.method == 'POST'", "'a' in queryMap(request.query)", "request.headers.exists(h, h == 'x')"])
def test_cel_with_functions_of_the_filter(tmp_path: Path, text: str) -> None:
    assert check_cel(spot(tmp_path, text)) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("request.path ==", "'request.path ==' is not CEL: mismatched input '<EOF>' at character 16"),
        ("1 +* 2", "extraneous input '*' at character 4"),
        ("'open", "token recognition error"),
        ("a" * 20_000, "20000 characters long"),
    ],
)
def test_what_does_not_parse(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_cel(spot(tmp_path, text))
    assert told in str(caught.value) and caught.value.where == f"{tmp_path / 'c.yaml'}: line 2"


@pytest.mark.parametrize("text", ["plain", "it's", 'say "so"', "back\\slash", "two\nlines\ttab\r", "\\n", "ü☃"])
def test_texts_mean_themselves(text: str) -> None:
    for written in (quoted(text), single_quoted(text)):
        assert cel.NewEnv(variables={}).compile(written).eval(data={}).value() == text
