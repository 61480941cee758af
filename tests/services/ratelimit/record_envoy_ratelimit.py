"""Records what envoyproxy/ratelimit does: `python -m tests.services.ratelimit.record_envoy_ratelimit` writes `envoy_ratelimit_seen.json`.

It needs Go: a small program runs the service of the release in `RELEASE` with a Redis in its own process, and a clock that it is told.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
from pathlib import Path

from tests.services.ratelimit.asking import START_NS, S
from workbench.services.ratelimit.messages import UNITS, RateLimitRequest

RELEASE = "v1.4.1-0.20260122083618-3fb702589d36"
OUT = Path(__file__).parent / "envoy_ratelimit_seen.json"

CONFIG = """
domain: toys
descriptors:
  - key: path
    value: /toys
    rate_limit: {unit: minute, requests_per_unit: 5}
    descriptors:
      - key: user
        rate_limit: {unit: second, requests_per_unit: 1}
      - {key: user, value: root, rate_limit: {unlimited: true}}
  - key: path
    rate_limit: {unit: hour, requests_per_unit: 40, name: any path}
  - key: file
    value: img/*
    rate_limit: {unit: minute, requests_per_unit: 2}
    share_threshold: true
  - key: shadow
    rate_limit: {unit: minute, requests_per_unit: 1}
    shadow_mode: true
  - key: tenant
    value: gold
    rate_limit: {unit: minute, requests_per_unit: 3, name: gold, replaces: [{name: any path}]}
    detailed_metric: true
    value_to_metric: true
  - {key: "prefix*", rate_limit: {unit: minute, requests_per_unit: 1}}
  - key: wild
    value: ab*
    descriptors: [{key: in, rate_limit: {unit: day, requests_per_unit: 3}}]
  - key: group
    descriptors: [{key: id, rate_limit: {unit: minute, requests_per_unit: 2}}]
  - {key: month, rate_limit: {unit: month, requests_per_unit: 4}}
  - {key: week, rate_limit: {unit: week, requests_per_unit: 4}}
"""

PROGRAM = """
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
	pb "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/envoyproxy/ratelimit/src/config"
	"github.com/envoyproxy/ratelimit/src/provider"
	"github.com/envoyproxy/ratelimit/src/redis"
	"github.com/envoyproxy/ratelimit/src/server"
	service "github.com/envoyproxy/ratelimit/src/service"
	"github.com/envoyproxy/ratelimit/src/settings"
	"github.com/envoyproxy/ratelimit/src/stats"
	gostats "github.com/lyft/gostats"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc/health"
	"google.golang.org/protobuf/proto"
)

type clock struct{ now int64 }

func (c *clock) UnixNow() int64 { return c.now }

type given struct{ limits config.RateLimitConfig }

func (g given) GetConfig() (config.RateLimitConfig, any) { return g.limits, nil }
func (g given) Stop()                                    {}
func (g given) ConfigUpdateEvent() <-chan provider.ConfigUpdateEvent {
	events := make(chan provider.ConfigUpdateEvent, 1)
	events <- g
	return events
}

func main() {
	logrus.SetLevel(logrus.PanicLevel)
	text, _ := os.ReadFile(os.Args[1])
	store, _ := miniredis.Run()
	scope := gostats.NewStore(gostats.NewNullSink(), false)
	manager := stats.NewStatManager(scope, settings.NewSettings())
	root := config.ConfigFileContentToYaml("config.yaml", string(text))
	limits := config.NewRateLimitConfigImpl([]config.RateLimitConfigToLoad{{Name: "config.yaml", ConfigYaml: root}}, manager, false)
	client := redis.NewClientImpl(scope, false, "", "tcp", "single", store.Addr(), 1, 0, 0, nil, false, nil, 5*time.Second, "", "")
	c := &clock{}
	cache := redis.NewFixedRateLimitCacheImpl(client, nil, c, rand.New(rand.NewSource(1)), 0, nil, 0.8, "", manager, false)
	checker := server.NewHealthChecker(health.NewServer(), "ratelimit", false)
	s := service.NewService(cache, given{limits}, manager, checker, c, false, false, false)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked struct {
			Now   int64
			Asked string
		}
		json.Unmarshal(lines.Bytes(), &asked)
		c.now = asked.Now
		data, _ := hex.DecodeString(asked.Asked)
		request := &pb.RateLimitRequest{}
		if err := proto.Unmarshal(data, request); err != nil {
			panic(err)
		}
		answer, err := s.ShouldRateLimit(context.Background(), request)
		if err != nil {
			fmt.Printf("{\\"error\\": %q}\\n", err.Error())
			continue
		}
		out, _ := proto.Marshal(answer)
		fmt.Printf("{\\"answered\\": %q}\\n", hex.EncodeToString(out))
	}
}
"""

_ENTRIES = (
    *("path=/toys", "path=/toys user=jane", "path=/toys user=june", "path=/toys user=root", "path=/other", "path=/other user=x", "path="),
    *("file=img/a", "file=img/b", "file=a.pdf", "shadow=x", "tenant=gold", "nope=x", "prefix_k=z", "wild=abc in=1", "wild=abd in=1"),
    *("wild=xyz", "group=1 id=7", "group=2 id=7", "month=m", "week=w", ""),
)


def asks() -> list[tuple[int, bytes]]:
    """Seconds since the Unix epoch, and messages: every kind of entry, from the end of a minute on."""
    dice = random.Random(3)
    now, found = START_NS // S - 7, []
    for _ in range(500):
        now += dice.choice([0, 0, 0, 1, 3, 20])
        request = RateLimitRequest(domain=dice.choice(["toys"] * 9 + ["none"]), hits_addend=dice.choice([0, 0, 0, 1, 2]))
        for _ in range(dice.choice([1, 1, 1, 2, 3])):
            descriptor = request.descriptors.add()
            for entry in dice.choice(_ENTRIES).split():
                key, _, value = entry.partition("=")
                descriptor.entries.add(key=key, value=value)
            if dice.random() < 0.1:
                descriptor.limit.requests_per_unit = dice.choice([1, 2, 5])
                descriptor.limit.unit = UNITS[dice.choice(["SECOND", "MINUTE", "HOUR", "DAY", "WEEK"])]
            if dice.random() < 0.1:
                descriptor.hits_addend.value = dice.choice([0, 1, 3])
        found.append((now, bytes(request.SerializeToString())))
    return [*found, (now, b""), (now, bytes(RateLimitRequest(domain="toys").SerializeToString()))]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "main.go").write_text(PROGRAM)
        (folder / "config.yaml").write_text(CONFIG)
        for command in (
            ["mod", "init", "seen"],
            ["get", f"github.com/envoyproxy/ratelimit@{RELEASE}"],
            ["mod", "tidy"],
            ["build", "-o", "seen"],
        ):
            subprocess.run(["go", *command], cwd=folder, check=True)
        given = [{"now": now, "asked": body.hex()} for now, body in asks()]
        environment = os.environ | {"LIMIT_RESPONSE_HEADERS_ENABLED": "true", "USE_STATSD": "false"}
        run = subprocess.run(
            [folder / "seen", folder / "config.yaml"],
            input="\n".join(map(json.dumps, given)),
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    lines = [json.dumps(ask | answer) for ask, answer in zip(given, answers, strict=True)]
    OUT.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
