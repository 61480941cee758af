"""A chain from the files of a mesh, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.config.envoy_files import ADD_HEADER, TOKEN_BUCKET, TYPE, bootstrap, listener, manager, plugin, text_value, wasm, written
from tests.config.istio_files import plugin as wasm_plugin
from tests.config.istio_files import stored
from workbench.cli import main

REPO = Path(__file__).resolve().parents[1]
CAPTURE = str(REPO / "captures" / "burst.mitm")
ONE = wasm("one", plugin("one", ADD_HEADER, configuration=text_value('{"header": "x-one", "value": "1"}')))
TWO = wasm("two", plugin("two", TOKEN_BUCKET))
LUA = {"name": "lua", "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.lua.v3.Lua"}}


def outcomes(tmp_path: Path, *words: object) -> list[dict[str, Any]]:
    """What a replay of these words writes, without real times."""
    out = tmp_path / "out.jsonl"
    assert main(["replay", CAPTURE, *map(str, words), "--jsonl", str(out), "--quiet"]) == 0
    return [{key: value for key, value in json.loads(line).items() if key != "timing_ns"} for line in out.read_text().splitlines()]


def test_envoys_configuration_in_place_of_filters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, bootstrap(listener("in", [manager(ONE, LUA, TWO)])))
    one, two = tmp_path / "one.wasm", tmp_path / "two.wasm"
    one.write_bytes(ADD_HEADER.read_bytes())
    two.write_bytes(TOKEN_BUCKET.read_bytes())
    by_hand = outcomes(tmp_path, "--filter", one, "--config", '{"header": "x-one", "value": "1"}', "--filter", two)
    assert outcomes(tmp_path, "--envoy", file) == by_hand
    assert {each["decision"]["kind"] for each in by_hand} >= {"limited", "allowed"}
    assert capsys.readouterr().err == ""
    assert main(["replay", CAPTURE, "--envoy", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("burst.mitm through one → two\n")
    line = [each.strip() for each in file.read_text().splitlines()].index('"name": "lua",')  # its mapping begins a line before
    assert err == f"workbench: {file}: line {line}: lua is no Wasm filter and not replayed\n"


def test_plugins_of_istio_with_modules(tmp_path: Path) -> None:
    url = "oci://registry.example/limit:1"
    later = stored(tmp_path, wasm_plugin("limit", url=url), name="later.yaml")
    sooner = stored(tmp_path, wasm_plugin("header", "phase: AUTHN\npluginConfig: {header: x-one, value: '1'}"), name="sooner.yaml")
    words = ["--wasmplugin", later, "--wasmplugin", sooner, "--module", f"{url}={TOKEN_BUCKET}"]
    found = outcomes(tmp_path, *words)
    assert {each["filter"] for one in found for each in one["mutations"] if each["name"] == "x-one"} == {"mesh.header"}
    assert "mesh.limit" in {each["decision"]["filter"] for each in found}


def test_variables_of_the_proxy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = "vmConfig: {env: [{name: POD_NAME, valueFrom: HOST}]}\npluginConfig: {header: x-one, value: '1'}"
    words = ["replay", CAPTURE, "--wasmplugin", str(stored(tmp_path, wasm_plugin("a", spec)))]
    assert main(words) == 0
    assert "POD_NAME comes from the proxy's environment; nobody said" in capsys.readouterr().err
    assert main([*words, "--host-env", "POD_NAME=gateway=1"]) == 0
    assert capsys.readouterr().err == ""


def test_one_of_several_listeners(tmp_path: Path, refused: Callable[..., str]) -> None:
    file = written(tmp_path, bootstrap(listener("in", [manager(ONE)]), listener("out", [manager(TWO)])))
    assert "several chains with Wasm filters: in, out" in refused("replay", CAPTURE, "--envoy", file)
    assert outcomes(tmp_path, "--envoy", file, "--listener", "in")[0]["mutations"][0]["filter"] == "one"
    assert "for http. Leave --kind out" in refused("replay", CAPTURE, "--envoy", file, "--listener", "in", "--kind", "tcp")


def test_what_does_not_go_together(tmp_path: Path, refused: Callable[..., str]) -> None:
    envoy, istio = written(tmp_path, [ONE]), stored(tmp_path, wasm_plugin("a"))
    for command in ("replay", "verify"):
        for words, told in (
            (("--envoy", envoy, "--filter", ADD_HEADER), "--filter and --envoy each say the whole chain. Keep one of them"),
            (("--envoy", envoy, "--wasmplugin", istio), "--envoy and --wasmplugin each say the whole chain"),
            (("--envoy", envoy, "--config", "{}"), "--config belongs to the --filter before it, and there is none"),
            (("--wasmplugin", istio, "--listener", "in"), "--listener belongs to --envoy"),
            (("--filter", ADD_HEADER, "--module", "a=b"), "--module belongs to --envoy or --wasmplugin"),
            (("--filter", ADD_HEADER, "--host-env", "A=b"), "--host-env belongs to --envoy or --wasmplugin"),
            (("--wasmplugin", istio, "--host-env", "A"), "is not a name, = and a value"),
            (("--envoy", envoy, "--module", "a"), "is not an address, = and a module"),
            (("--envoy", envoy, "--module", f"a={ADD_HEADER}"), "no module is called 'a'"),
            (("--envoy", tmp_path / "gone.yaml"), "gone.yaml: cannot be read"),
            (("--wasmplugin", istio, "--kind", "tcp"), "no filters of the kind 'tcp'"),
            ((), "Add --filter F.wasm, --envoy FILE or --wasmplugin FILE.yaml"),
        ):
            assert told in refused(command, CAPTURE, *words)
    for out in (envoy, ADD_HEADER):
        assert "would overwrite what is read" in refused("replay", CAPTURE, "--envoy", envoy, "--jsonl", out)


@pytest.mark.envoy
def test_real_envoy_agrees_with_its_own_configuration(envoy_binary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, bootstrap(listener("in", [manager(ONE, LUA)])))
    assert main(["verify", CAPTURE, "--envoy", str(file), "--limit", "3"]) == 0
    out, err = capsys.readouterr()
    assert "unexplained 0" in out and "lua is no Wasm filter" in err
