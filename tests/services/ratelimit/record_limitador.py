"""Records what Limitador's own library does: `python -m tests.services.ratelimit.record_limitador` writes `limitador_seen.json` anew.

It needs Rust, builds a small program with each release of the crate `limitador`, and plays the scenes in real time: half a minute each.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any

RELEASES = {"0.11": "=0.11.0", "0.13": "=0.13.0", "0.14": "=0.14.0"}
# 0.11 does not build with a newer one
MOKA = {"0.11": '\nmoka = "=0.12.10"'}
OUT = Path(__file__).parent / "limitador_seen.json"

PROGRAM = """
use limitador::{limit::{Context, Limit}, RateLimiter};
use serde_json::{json, Value};
use std::{collections::HashMap, io::BufRead, panic::{catch_unwind, AssertUnwindSafe}, time::*};

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let limiter = RateLimiter::new(10_000);
    for line in std::io::stdin().lock().lines() {
        let v: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if let Some(limit) = v.get("limit") {
            limiter.add_limit(serde_json::from_value::<Limit>(limit.clone()).unwrap());
            continue;
        }
        std::thread::sleep(Duration::from_millis(v["sleep"].as_u64().unwrap()));
        let domain = v["domain"].as_str().unwrap().into();
        let descriptors: Vec<HashMap<String, String>> = serde_json::from_value(v["descriptors"].clone()).unwrap();
        let mut ctx = Context::default();
        ctx.list_binding("descriptors".to_string(), descriptors);
        let hits = v["hits"].as_u64().unwrap().max(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        let asked = catch_unwind(AssertUnwindSafe(|| match v["how"].as_str().unwrap() {
            "should" => limiter.check_rate_limited_and_update(&domain, &ctx, hitsLOAD).map(|mut r| (r.limited, json!(r.response_header()))),
            "check" => limiter.is_rate_limited(&domain, &ctx, 1).map(|r| (bool::from(r), json!({}))),
            _ => limiter.update_counters(&domain, &ctx, hits).map(|_| (false, json!({}))),
        }));
        println!("{}", match asked {
            Ok(Ok((over, headers))) => json!({"at_us": now, "over": over, "headers": headers}),
            Ok(Err(_)) => json!({"at_us": now, "error": "failed"}),
            Err(_) => json!({"at_us": now, "error": "panicked"}),
        });
    }
}
"""

CONDITIONS = (
    *('descriptors[0]["limit.x"] == "1"', 'descriptors[1].user == "june"', 'descriptors[7].user == "x"', 'descriptors[0].none == "x"'),
    *('descriptors.exists(d, d.user == "june")', "int(descriptors[0].n) > 5", 'limit.name == "create"', "limit.id == null"),
    *('limit.other == "x"', "42 == uint('42')", "42 == 42u", "not_there == 42", "not_there || true", "true", '"user" in descriptors[0]'),
    *("has(descriptors[0].user)", "has(descriptors[0].none)", "descriptors[0].user", "descriptors[0].user + 1 == 2", "1/0 == 1"),
    *("size(descriptors) == 2", 'descriptors[0].user.startsWith("ja")', 'descriptors[0].user.matches("^j.*e$")', '"" == ""'),
    *('descriptors[0].user != "june"', 'descriptors[0].none != "x"', 'descriptors[0]["user"] in ["jane","june"]'),
    *('descriptors[0].n == "7" ? true : false', "descriptors[-1].user == 'x'", "limit.create_toy == '1'"),
    "timestamp('2026-01-01T00:00:00Z') < timestamp('2027-01-01T00:00:00Z')",
)
VARIABLES = (
    *("descriptors[0].user", 'descriptors[0]["limit.x"]', "descriptors[1].tier", "descriptors[1].none", "descriptors[7].x", "none"),
    *("int(descriptors[0].n) + 1", "7u", "2.0", "0.1", "1e21", "1e-7", "null", "true", "size(descriptors)", "limit.name", "limit.id"),
    *("descriptors", "descriptors[0]", "b'x'", "duration('3s')", "timestamp('2026-01-01T00:00:00Z')", 'descriptors[0].user + "x"', "1/0"),
)


def _limit(namespace: str, most: int, seconds: int, conditions: Any = (), variables: Any = (), name: str | None = None) -> dict[str, Any]:
    given = {"namespace": namespace, "max_value": most, "seconds": seconds, "conditions": list(conditions), "variables": list(variables)}
    return given | ({"name": name} if name else {})


def _ask(domain: str, *descriptors: dict[str, str], sleep: int = 0, hits: int = 0, how: str = "should") -> dict[str, Any]:
    return {"sleep": sleep, "domain": domain, "descriptors": list(descriptors), "hits": hits, "how": how}


def scenes() -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Limits and requests: several limits at once, the toystore in small, and expressions, each in a namespace of its own."""
    dice = random.Random(7)
    several = [
        _limit("a", 3, 2, name="all"),
        _limit("a", 2, 1, (), ["descriptors[0].user"], 'per "user"'),
        _limit("a", 4, 3, ['descriptors[0].user == "jane"'], (), "jane"),
        _limit("b", 5, 3),
    ]
    asks = []
    for _ in range(70):
        how, sleep, domain = dice.choice(["should"] * 6 + ["check", "report"]), dice.choice([0, 0, 100, 250, 400, 700]), dice.choice("aaab")
        entries = {"user": dice.choice(["jane", "june", "mary"])} if dice.random() < 0.9 else {"tier": "x"}
        asks.append(_ask(domain, entries, sleep=sleep, hits=dice.choice([0, 0, 0, 1, 2]), how=how))
    toy = "limit.create_toy__88f990c6"
    toystore = [_limit("default/toystore", 5, 2, [f'descriptors[0]["{toy}"] == "1"'], (), "default/toystore")]
    both = ({"limit.x": "1", "user": "jane", "n": "7"}, {"user": "june", "tier": "gold"})
    expressions = [_limit(f"c{n}", 0, 10, [text], (), "create") for n, text in enumerate(CONDITIONS)]
    expressions += [_limit(f"v{n}", 0, 10, (), [text], "create") for n, text in enumerate(VARIABLES)]
    return [
        (several, asks),
        (toystore, [_ask("default/toystore", {toy: "1"}, sleep=200) for _ in range(24)]),
        (expressions, [_ask(limit["namespace"], *both) for limit in expressions]),
    ]


def record(release: str, folder: Path) -> list[dict[str, Any]]:
    """The scenes as one release plays them."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    name = f"seen{release.replace('.', '')}"
    crate = f'limitador = {{ version = "{RELEASES[release]}", default-features = false }}\nserde_json = "1"{MOKA.get(release, "")}'
    (folder / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "0.0.0"\nedition = "2021"\n\n[dependencies]\n{crate}\n')
    (folder / "src" / "main.rs").write_text(PROGRAM.replace("LOAD", "" if release == "0.14" else ", true"))
    target = folder.parent / "target"
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=folder, env=os.environ | {"CARGO_TARGET_DIR": str(target)}, check=True)
    found = []
    for limits, asks in scenes():
        lines = [json.dumps(each) for each in ([{"limit": limit} for limit in limits] + asks)]
        run = subprocess.run([target / "release" / name], input="\n".join(lines), capture_output=True, text=True, check=True)
        answers = [json.loads(line) for line in run.stdout.splitlines()]
        first = answers[0]["at_us"]
        played = []
        for ask, answer in zip(asks, answers, strict=True):
            kept = {key: value for key, value in ask.items() if key != "sleep"}
            headers = {key.removeprefix("X-RateLimit-"): value for key, value in sorted(answer.get("headers", {}).items())}
            played.append({**kept, **answer, "at_us": answer["at_us"] - first, **({"headers": headers} if "over" in answer else {})})
        found.append({"library": release, "limits": limits, "asks": played})
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seen = [scene for release in RELEASES for scene in record(release, Path(folder) / release)]
    shown = []
    for scene in seen:
        asks = ",\n".join(map(json.dumps, scene["asks"]))
        shown.append(f'{{"library": "{scene["library"]}", "limits": {json.dumps(scene["limits"])}, "asks": [\n{asks}\n]}}')
    OUT.write_text("[\n" + ",\n".join(shown) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
