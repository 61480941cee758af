from __future__ import annotations

import json
from pathlib import Path

import pytest

import workbench as wb
from tests.config.objects import FIVE_V1, GATEWAY, ROUTE, Load, policy
from workbench.cli import main
from workbench.errors import ConfigError
from workbench.services import Script, Unreachable
from workbench.services.ratelimit import Limitador

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "sample_filters" / "rls_shim"


def test_the_sample_files_mean_the_same() -> None:
    new = wb.config.kuadrant.load(SAMPLE / "policy.yaml", SAMPLE / "route.yaml")
    old = wb.config.kuadrant.load(SAMPLE / "policy_v1beta2.yaml", SAMPLE / "route.yaml")
    for release in ("0.4", "0.6", "0.8", "0.11", "0.13"):
        texts = [json.dumps(each.filter_config(release)) for each in (new, old)]
        assert texts[0].replace("fb82c51a", "88f990c6") == texts[1]
    assert repr(new) == "<Kuadrant istio-system/istio-ingressgateway: 1 policies, 1 routes, 1 limits>"


def test_documents_in_any_order_and_file(read: Load) -> None:
    texts = [GATEWAY, policy(FIVE_V1), ROUTE, "apiVersion: v1\nkind: Service\nmetadata: {name: toystore}\n"]
    together = read("---\n".join(texts))
    apart = read(*reversed(texts))
    assert together.filter_config() == apart.filter_config()
    assert together.ignored == ("Service",)


def test_a_chain(read: Load) -> None:
    found = read(policy(FIVE_V1), ROUTE)
    chain = found.chain("some/shim.wasm", "0.4", failure_mode="allow", name="shim")
    assert json.loads(chain[0].config) == found.filter_config("0.4", failure_mode="allow")
    assert chain[0].name == "shim"
    assert list(chain.clusters) == ["kuadrant-rate-limiting-service"]
    assert found.cluster("0.4") == "kuadrant-rate-limiting-service" and found.cluster() == "kuadrant-ratelimit-service"


def test_a_limitador_with_the_limits(read: Load) -> None:
    found = read(policy(FIVE_V1), ROUTE)
    (limitador,) = found.clusters(headers="draft03", latency_ms=3).values()
    assert limitador.limits == Limitador.parse(found.limits_yaml()).limits
    assert limitador.headers == "draft03"
    chain = found.chain("shim.wasm", clusters={found.cluster(): [Unreachable()], "other": "capture"})
    assert isinstance(chain.clusters[found.cluster()], Script) and list(chain.clusters) == [found.cluster(), "other"]


def test_several_gateways(read: Load) -> None:
    route = ROUTE.replace("[{name: gw, namespace: mesh}]", "[{name: gw, namespace: mesh}, {name: edge}]")
    with pytest.raises(ConfigError, match="several gateways: mesh/gw, default/edge"):
        read(policy(FIVE_V1), route)
    assert str(read(policy(FIVE_V1), route, gateway="edge").gateway.key) == "default/edge"
    with pytest.raises(ConfigError, match="no limit holds behind a gateway default/none"):
        read(policy(FIVE_V1), route, gateway="none")


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ((ROUTE,), "no RateLimitPolicy in these files"),
        ((policy(FIVE_V1), ROUTE, ROUTE), "a second HTTPRoute default/toystore"),
        ((policy("limits: {}"), ROUTE), "no limit holds for any route"),
        ((policy(FIVE_V1), ROUTE.replace("k8s.io/v1", "k8s.io/v1alpha2")), "unknown version 'v1alpha2' of HTTPRoute"),
        ((policy(FIVE_V1), "kind: HTTPRoute"), "'apiVersion' is missing"),
    ],
)
def test_what_cannot_be_used(read: Load, texts: tuple[str, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(*texts)


def test_the_command_prints_both(capsys: pytest.CaptureFixture[str]) -> None:
    files = [str(SAMPLE / "policy.yaml"), str(SAMPLE / "route.yaml")]
    assert main(["kuadrant", *files, "--release", "0.4"]) == 0
    config, limits = capsys.readouterr().out.split("\n---\n")
    found = wb.config.kuadrant.load(*files)
    assert json.loads(config) == found.filter_config("0.4")
    assert limits == found.limits_yaml("0.4")


def test_the_command_writes_limits_to_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("---\n".join([policy(FIVE_V1), ROUTE, "kind: ConfigMap\napiVersion: v1\n"]))
    assert main(["kuadrant", str(tmp_path / "all.yaml"), "--limits", str(tmp_path / "limits.yaml"), "--failure-mode", "deny"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["services"]["ratelimit-service"]["failureMode"] == "deny"
    assert (tmp_path / "limits.yaml").read_text().startswith("- namespace: default/toystore\n")
    assert err == "workbench: not read: ConfigMap\n"


def test_all_the_way_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What it writes is what `workbench replay` takes."""
    assert main(["kuadrant", str(SAMPLE / "policy.yaml"), str(SAMPLE / "route.yaml"), "--limits", str(tmp_path / "limits.yaml")]) == 0
    (tmp_path / "config.json").write_text(capsys.readouterr().out)
    (tmp_path / "clusters.yaml").write_text("clusters: {kuadrant-ratelimit-service: {rls: {limitador: limits.yaml}}}")
    words = ["replay", str(REPO / "captures" / "burst.mitm"), "--clusters", str(tmp_path / "clusters.yaml"), "--quiet"]
    words += ["--filter", str(SAMPLE / "rls_shim.wasm"), "--config", f"@{tmp_path / 'config.json'}", "--jsonl", str(tmp_path / "out.jsonl")]
    assert main(words) == 0
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [each["downstream_response"]["status"] for each in results if each["method"] == "POST"] == [201] * 5 + [429] * 5


def test_the_command_refuses(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text("---\n".join([policy(FIVE_V1), ROUTE]))
    for words, told in (
        (["--limits", str(tmp_path / "all.yaml")], "would overwrite what is read"),
        (["--limits", str(tmp_path / "none" / "l.yaml")], "its folder does not exist"),
        (["--release", "0.1"], "unknown release '0.1'"),
        ([str(tmp_path / "missing.yaml")], "missing.yaml: cannot be read"),
    ):
        assert main(["kuadrant", str(tmp_path / "all.yaml"), *words]) == 2
        assert told in capsys.readouterr().err
