"""Whatever stands in place of any value of a file that configures a mesh: it is read, or refused with one clear error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.config.envoy_files import ADD_HEADER, TYPE, bootstrap, listener, manager, plugin, text_value, wasm, written
from tests.config.hostile import VALUES, places, replaced
from tests.config.istio_files import BASIC_AUTH
from tests.config.istio_files import plugin as wasm_plugin
from tests.config.objects import FIVE_V1BETA2, GATEWAY, ROUTE, policy
from workbench.config import envoy, istio
from workbench.config.kuadrant import load
from workbench.errors import ConfigError

SPEC = """\
when: [{predicate: "a == 'b'"}]
limits: {create-toy: {rates: [{limit: 5, window: 10s}], counters: [{expression: a.b}], when: [{predicate: x}]}}"""
OBJECTS = {
    "v1": policy(SPEC),
    "v1beta2": policy(FIVE_V1BETA2.replace("rates:", "when: [{selector: a.b, operator: eq, value: c}]\n    rates:"), "v1beta2"),
    "route": ROUTE.replace("method: POST", "method: POST, headers: [{name: a, value: b}], queryParams: [{name: a, value: b}]"),
    "gateway": GATEWAY,
}


@pytest.mark.parametrize("which", OBJECTS)
def test_anything_in_any_place(tmp_path: Path, which: str) -> None:
    names = [which, *(name for name in ("v1", "route", "gateway") if name not in (which, {"v1beta2": "v1"}.get(which)))]
    documents = [yaml.safe_load(OBJECTS[name]) for name in names]
    file, refused = tmp_path / "all.yaml", 0
    for way in places(documents[0]):
        for value in VALUES:
            file.write_text(yaml.safe_dump_all([replaced(documents[0], way, value), *documents[1:]], allow_unicode=True))
            try:
                found = load(file)
                for release in ("0.4", "0.13"):
                    found.filter_config(release)
                    found.clusters(release)
                assert found.text()
            except ConfigError as error:
                refused += 1
                assert error.remedy and str(file) in error.where, str(error)
    assert refused > 100


ENVOY = bootstrap(
    listener(
        "in",
        [
            manager(
                wasm(
                    "one",
                    plugin(
                        "one",
                        ADD_HEADER,
                        root_id="r",
                        configuration=text_value("{}"),
                        failure_policy="FAIL_OPEN",
                        capability_restriction_config={"allowed_capabilities": {"proxy_log": {}}},
                        allow_on_headers_stop_iteration=True,
                        vm_config={
                            "vm_id": "v",
                            "code": {"remote": {"http_uri": {"uri": "u", "cluster": "c"}, "sha256": "0" * 64}},
                            "configuration": {"@type": f"{TYPE}google.protobuf.Struct", "value": {"a": [1]}},
                            "environment_variables": {"host_env_keys": ["A"], "key_values": {"B": "c"}},
                        },
                    ),
                ),
                {"name": "two", "config_discovery": {"default_config": wasm("two", plugin("two", ADD_HEADER))["typed_config"]}},
            )
        ],
    )
)


@pytest.mark.parametrize("name", ["envoy.yaml", "envoy.json"])
def test_anything_in_any_place_of_envoys_configuration(tmp_path: Path, name: str) -> None:
    refused = 0
    for way in places(ENVOY):
        for value in VALUES:
            file = written(tmp_path, replaced(ENVOY, way, value), name)
            try:
                assert envoy.load(file, modules={"u": ADD_HEADER}).text()
            except ConfigError as error:
                refused += 1
                assert error.remedy and str(file) in error.where, str(error)
    assert refused > 100


ISTIO = [
    *yaml.safe_load_all(BASIC_AUTH),
    *yaml.safe_load_all(
        wasm_plugin(
            "limit",
            """\
            selector: {matchLabels: {istio: gateway}}
            match: [{mode: CLIENT, ports: [{number: 80}]}]
            sha256: "%s"
            phase: AUTHN
            priority: 10
            pluginName: root
            pluginConfig: {limit: 5, list: [a, null]}
            failStrategy: FAIL_OPEN
            vmConfig: {env: [{name: A, value: a}, {name: B, valueFrom: HOST}]}
            type: HTTP
            """
            % ("0" * 64),
            url="http://modules.example/limit.wasm",
        )
    ),
]


def test_anything_in_any_place_of_istios_objects(tmp_path: Path) -> None:
    refused, file = 0, tmp_path / "mesh.yaml"
    for way in places(ISTIO):
        for value in VALUES:
            given = replaced(ISTIO, way, value)
            documents = given if way and isinstance(given, list) else [given]
            file.write_text(yaml.safe_dump_all(documents, allow_unicode=True))
            modules = {f"http://modules.example/{name}.wasm": ADD_HEADER for name in ("auth", "limit")}
            try:
                assert istio.load(file, modules=modules).text()
            except ConfigError as error:
                refused += 1
                assert error.remedy and str(file) in error.where, str(error)
    assert refused > 100


@pytest.mark.parametrize("load_file", [envoy.load, istio.load])
@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n" + "".join(
            f"{chr(99 + i)}: &{chr(99 + i)} [{', '.join([f'*{chr(98 + i)}'] * 9)}]\n" for i in range(8)
        ),
        "a: !!python/object/apply:os.system [x]",
        "\0",
        "http_filters: [{name: x, typed_config: {'@type': 5}}]",
        "- 5",
        "a: 1\na: 2",
    ],
    ids=["deep", "laughs", "python", "zero", "type", "number", "twice"],
)  # fmt: skip
def test_files_made_to_hurt(tmp_path: Path, load_file: Callable[[Path], object], text: str) -> None:
    file = tmp_path / "hurt.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_file(file)
    assert caught.value.remedy and str(file) in caught.value.where
