"""Queries on replays; on what was captured, mitmproxy's own flowfilter is the judge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wasmtime
from mitmproxy import flowfilter, http
from mitmproxy.io import FlowReader, FlowWriter
from mitmproxy.net.http import url as urls

import workbench as wb
from workbench.analysis import compare as compare_module
from workbench.analysis import query_hosts
from workbench.analysis.facts import gather_facts
from workbench.analysis.query import Searcher
from workbench.analysis.query_capture import pretty_url
from workbench.analysis.query_help import suggestions
from workbench.analysis.query_terms import PARTS, TERMS
from workbench.capture.exchange import Exchange
from workbench.errors import QueryError
from workbench.replay import Replay, compare

from .tracewriter import TraceWriter, exchange

REPO = Path(__file__).parents[2]
CAPTURED = [
    "~all", "toys", "TOYS", "/toys$", "https?://api", "^http:", "^https:", "toystore.com/", "~u /toys", "~u 'x y'",
    '~u "\\\\d+"', "~u \\d{2}", "~d 127 | ~m ^P", "a | b | ~c 1",
    "~m POST", "~m p.*t", "~m ^G", "~m POST & ~u /toys", "~d toystore", "~d ^api\\.", "~d 127", "~d ^127\\.0\\.0\\.1$",
    "! ~d 127", "~d nowhere",
    "~c 200", "~c 404", "! ~c 200", "~c 200 | ~c 429", "~c 101", "~q", "~s", "~e", "! ~e", "~s & ~e", "~q | ~e",
    "~h user-agent", "~h ^content-type:", "~h ^Content-Type", "~h json.$", "~hq x-user", "~hq '^x-user: a'", "~hs server", "~hs x-user",
    '~hs "content-length: \\\\d{3}"', "~b toy", "~bq name", "~bs price", "~b .", "~bs ^.{200,}", "~bs nothing-like-this", "~bs \\x00",
    "~t json", "~tq json", "~ts json", "~t html", "~ts ^text/", "~a", "! ~a", "~src 127.0.0.1", "~src :\\d+$", "~dst 127", "~dst ^10",
    "~http", "~tcp", "~websocket", "! ~websocket", "~m GET ~u toys", "(~m GET | ~m POST) & ! (~u toys | ~u carts )",
    "!!toys", "~m GET | ~u a & ~c 200",
    "a|b", "~m GET|POST", "~c 404 |~c 200", "a (b)", "toys ! ~m GET", "! ~q ~s", "~bs gzip | ~hs gzip", "~h encoding & ~bs toy",
    "~b TOY", "~hs SERVER", "~t JSON", "~m '(?-i:post)'", "~b '(?-i:TOY)'",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def any_case() -> Iterator[None]:
    """Mitmproxy 12 ignores case in every term, 11, the last for Python 3.11, in some: the judge is the newer."""
    with pytest.MonkeyPatch.context() as patch:
        if not hasattr(flowfilter, "maybe_ignore_case"):
            for term in flowfilter._Rex.__subclasses__():
                patch.setattr(term, "flags", term.flags | re.IGNORECASE)
        yield


def flows_of(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return list(FlowReader(file).stream())


def replayed(path: Path) -> Replay:
    return wb.Chain(wb.Filter(REPO / "sample_filters/add_header/add_header.wasm")).replay(wb.open_capture(path))


@pytest.fixture(scope="module", params=["toystore", "edge", "burst", "websocket"])
def sample(request: pytest.FixtureRequest) -> tuple[list[Any], Replay]:
    path = REPO / "captures" / f"{request.param}.mitm"
    return [flow for flow in flows_of(path) if isinstance(flow, http.HTTPFlow)], replayed(path)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Replay]:
    """Addresses, paths, headers and bodies that a real client would hardly send."""
    from mitmproxy.test import tflow, tutils

    flows = []
    for number, (host, path) in enumerate(
        [
            ("api.toystore.com:80", "/toys"), ("api.toystore.com:8080", "/a b"), ("[::1]:443", "/"), ("bad host!:80", "/toys?x=1#frag"),
            ("a_b.example", "*"), ("", "/none"), ("xn--bcher-kva.example:99999", "//double"), ("b\udcfccher.example", "/\udcff\udcfe"),
            ("host:port", ""), ("UPPER.example:", "/%2e%2e/"), ("[::1", "http://in.path/x"), ("very" * 70 + ".example:443", "/long"),
        ]
    ):  # fmt: skip
        request = tutils.treq(
            scheme=(b"http", b"https")[number % 2], host="10.0.0.7", port=8000 + number, path=path.encode(errors="surrogateescape")
        )
        request.headers = http.Headers([(b"Host", host.encode(errors="surrogateescape"))] if host else [])
        request.headers.add("X-Forwarded-Proto", "https")
        request.headers.add("Content-Type", "Text/CSS")
        response = tutils.tresp(status_code=200 + number, content=b"toys\n" * number)
        if number % 3 == 0:
            response.encode(("gzip", "deflate", "br", "zstd")[number // 3])
        if number % 5 == 4:
            response.headers["content-encoding"] = "gzip"  # which it is not
        flow = tflow.tflow(req=request, resp=response if number % 4 else False, err=number % 4 == 0 and number > 0)
        flows.append(flow)
    path = tmp_path_factory.mktemp("odd") / "odd.mitm"
    with path.open("wb") as file:
        writer = FlowWriter(file)
        for flow in flows:
            writer.add(flow)
    return flows_of(path), replayed(path)


@pytest.mark.parametrize("query", CAPTURED)
def test_mitmproxy_is_the_judge(sample: tuple[list[Any], Replay], query: str) -> None:
    flows, replay = sample
    judge = flowfilter.parse(query)
    want = [at for at, flow in enumerate(flows) if judge(flow)]
    assert replay.where(query).tolist() == want


@pytest.mark.parametrize(
    "query", [*CAPTURED, "host!:80", "~d ^::1$", "~u ::1", "~u :80/", "~u :8080", "~u 99999", "~u \udcff", "~u com/toys$", "~b ^$"]
)
def test_mitmproxy_is_the_judge_of_odd_ones(odd: tuple[list[Any], Replay], query: str) -> None:
    flows, replay = odd
    judge = flowfilter.parse(query)
    want = [at for at, flow in enumerate(flows) if judge(flow)]
    assert replay.where(query).tolist() == want


def test_every_term_of_mitmproxys_is_judged() -> None:
    judged = {word.strip("()!").removeprefix("~") for query in CAPTURED for word in query.split() if "~" in word}
    assert {form.name for form in TERMS.values() if not form.ours} <= judged


def test_urls_are_written_as_mitmproxy_writes_them() -> None:
    for authority in (
        "a",
        "a:80",
        "a:443",
        "a:0",
        "a:70000",
        "[::1]:80",
        "::1",
        "a b",
        "ä.example",
        "a.:1",
        "",
        "a:",
        ":80",
        "[",
        "127.0.0.1:8",
    ):
        for scheme in ("http", "https", "ftp"):
            host, port = urls.parse_authority(authority, check=False)
            want = urls.unparse(scheme, host, port or urls.default_port(scheme) or 443, "/x")
            assert pretty_url(scheme, authority, "/x") == want, authority


def test_tcp_connections_are_judged_too(tmp_path: Path) -> None:
    path = REPO / "captures" / "tcp.mitm"
    flows = [flow for flow in flows_of(path) if flow.type == "tcp"]
    tag = tmp_path / "tcp_tag.wasm"
    tag.write_bytes(bytes(wasmtime.wat2wasm((REPO / "tests/filters/tcp_tag.wat").read_text(encoding="utf-8"))))
    replay = wb.Chain(wb.Filter(tag), kind="tcp").replay(wb.open_capture(path))
    for query in (
        "~tcp",
        "~http",
        "~b .",
        "~bq GET",
        "~bs .",
        "~e",
        "toys",
        "~src 127",
        "~dst 127",
        "! ~m GET",
        "~h a",
        "~bq \\x00 | ~bs \\x00",
    ):
        judge = flowfilter.parse(query)
        assert replay.where(query).tolist() == [at for at, flow in enumerate(flows) if judge(flow)], query


def test_outcomes_and_decisions(replayed: Replay) -> None:
    results = [(view.index, view.outcome, view.result) for view in replayed]
    for outcome in ("passed", "changed", "local", "denied", "limited", "error"):
        assert replayed.where(f"~outcome {outcome}").tolist() == [at for at, it, _ in results if it == outcome]
    kinds = set()
    for kind in ("limited", "allowed", "denied", "error", "none"):
        want = [at for at, _, result in results if result["decision"]["kind"] == kind]
        kinds |= {kind} if want else set()
        assert replayed.where(f"~decision {kind}").tolist() == want
    assert len(kinds) >= 3, "the capture is to show several"


def test_what_filters_did(replayed: Replay) -> None:
    results = {view.index: view.result for view in replayed}
    names = {change["name"] for result in results.values() for change in result["mutations"]}
    assert names
    for name in names:
        want = [at for at, result in results.items() if any(change["name"] == name for change in result["mutations"])]
        assert replayed.where(f'~changed "^{name}$"').tolist() == want
    for filter_ in replayed.trace.filters:
        want = [
            at
            for at, result in results.items()
            if any(change["filter"] == filter_ for change in result["mutations"])
            or (result["local_response"] or {}).get("filter") == filter_
            or (result["error"] or {}).get("filter") == filter_
        ]
        assert want
        assert replayed.where(f"~filter ^{filter_}$").tolist() == want
    for code in (200, 401, 429):
        want = [at for at, result in results.items() if (result["downstream_response"] or {}).get("status") == code]
        assert replayed.where(f"~got {code}").tolist() == want
    slow = sorted(result["timing_ns"]["filter"] for result in results.values())[len(results) // 2]
    assert replayed.where(f"~over {slow}ns").tolist() == [at for at, result in results.items() if result["timing_ns"]["filter"] > slow]
    assert replayed.where(f"~over {slow / 1000:.9f}us").tolist() == replayed.where(f"~over {slow}").tolist()


def test_logs_bodies_and_whole_lists() -> None:
    chain = wb.Chain(
        wb.Filter(REPO / "sample_filters/trace_every_call/trace_every_call.wasm"),
        wb.Filter(REPO / "sample_filters/body_rewrite/body_rewrite.wasm", config={"set": {"meta.version": 2}}),
    )
    replay = chain.replay(wb.open_capture(REPO / "captures/toystore.mitm"))
    logs = replay.logs.dropna(subset=["exchange"])
    for pattern in ("POST", "request_headers", "x-user", "nothing like this"):
        want = sorted(set(logs.loc[logs["message"].str.contains(pattern, regex=False), "exchange"]))
        assert replay.where(f'~log "{pattern}"').tolist() == want
    changes = replay.mutations
    for part in ("request_body", "response_body"):
        want = sorted(set(changes.loc[changes["part"] == part, "exchange"]))
        assert replay.where(f"~changed {part}").tolist() == want
    assert len(replay.where("~changed _body")), "the filter rewrites bodies"


def test_a_search_goes_on_where_it_stopped(replayed: Replay) -> None:
    whole = replayed.where("~bs toy & ! ~outcome limited")
    search = Searcher(replayed.trace, replayed.capture, replayed.facts).search("~bs toy & ! ~outcome limited")
    seen = []
    while not search.done:
        search.advance(0)
        seen.append(search.decided)
    assert seen[-1] == len(replayed)
    assert np.array_equal(replayed.facts.exchange[search.hit], whole)


def test_the_capture_is_read_only_where_it_matters(replayed: Replay) -> None:
    read: list[int] = []

    class Watched:
        def __getitem__(self, index: int) -> Any:
            read.append(index)
            return replayed.capture[index]

        def __len__(self) -> int:
            return len(replayed.capture)

    searcher = Searcher(replayed.trace, Watched(), replayed.facts)
    for query, most in (
        ("~m POST & ~outcome limited", []),
        ("~u /toys | ~got 429", []),
        ("~hq x-user & ~outcome limited", replayed.where("~outcome limited").tolist()),
        ("~b toy & ~h x & ~m POST", replayed.where("~m POST").tolist()),
    ):
        read.clear()
        searcher.search(query).advance()
        assert read == most, query


def test_limits_and_the_services_asked() -> None:
    w = TraceWriter("rls_shim")
    for index, (domain, key) in enumerate([(b"toystore", b"user=bob"), (b"toystore", b"user=eve"), (b"carts", b"")]):
        w.request(index)
        w.callback("proxy_on_request_headers", 0, index)
        call = w.asked(index, b"")
        w.limit(index, call, (domain, b"create-toy" if index else b"all", key), (5, 5, 1, 10))
        w.downstream(index)
    w.request(3)
    w.downstream(3)
    trace = w.take(segment=4)
    searcher = Searcher(trace, [exchange(index) for index in range(4)], gather_facts(trace))

    def found(query: str) -> list[int]:
        search = searcher.search(query)
        search.advance()
        return np.flatnonzero(search.hit).tolist()

    assert found("~limit toystore") == [0, 1]
    assert found("~limit create-toy") == [1, 2]
    assert found("~limit bob") == [], "a key is not a limit's name"
    assert found("~key user=") == [0, 1]
    assert found("~key eve | ~limit carts") == [1, 2]
    assert found("~callout ^rls/") == [0, 1, 2]
    assert found("~callout RateLimitService & ! ~key bob") == [1, 2]


def test_what_is_offered_can_be_asked(replayed: Replay) -> None:
    trace, facts = replayed.trace, replayed.facts
    assert [one.text for one in suggestions("~out", 4, trace, facts)] == ["~outcome "]
    assert {one.text for one in suggestions("~", 1, trace, facts)} == {f"~{name} " for name in TERMS}
    assert [one.at for one in suggestions("~m GET & ~cha", 13, trace, facts)] == [9]
    assert suggestions("toys", 4, trace, facts) == []
    for term in ("u", "m", "d", "c", "got", "filter", "changed", "outcome"):
        offered = suggestions(f"~{term} ", len(term) + 2, trace, facts)
        assert offered
        hits = [len(replayed.where(f"~{term} {one.text}")) for one in offered]
        assert all(hits) or term == "outcome", (term, offered)


def test_two_replays_are_held_against_each_other(replayed: Replay) -> None:
    other = replayed.chain.with_filters(*replayed.chain.filters[1:]).replay(replayed.capture)
    found = compare(other, replayed).differences
    assert replayed.where("~differs any", other).tolist() == [one.exchange for one in found] != []
    for word, names in (("status", {"status"}), ("headers", {"upstream request headers", "downstream response headers"})):
        assert replayed.where(f"~differs {word}", against=other).tolist() == [one.exchange for one in found if names & {*one.parts}]
    assert replayed.where("~differs any", replayed).tolist() == []
    with pytest.raises(QueryError, match="character 2: there is no run to compare with"):
        replayed.where("!~differs any")


def test_every_part_of_a_difference_has_a_word() -> None:
    messages = ("upstream request", "downstream response")
    parts = ["outcome", "status", "connection presence", "connection close", "bytes to the upstream", "bytes to the client"]
    parts += [f"{message} {what}" for message in messages for what in ("headers", "trailers", "body", "presence")]
    words = set().union(*(compare_module._words((part,)) for part in parts))
    assert set(PARTS) <= words
    assert compare_module._words(("upstream request body",)) == {"any", "request", "body", "request_body"}
    assert all(compare_module._words((part,)) & set(PARTS) > {"any"} for part in parts)


class Counted:
    """A capture that counts what is read of it."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        self._exchanges = exchanges
        self.reads = 0

    def __getitem__(self, index: int) -> Exchange:
        self.reads += 1
        return self._exchanges[index]

    def __len__(self) -> int:
        return len(self._exchanges)


def went_to(*hosts: bytes) -> tuple[Searcher, Counted]:
    """Requests to one authority that the proxy sent to these hosts."""
    w = TraceWriter()
    for index in range(len(hosts)):
        w.request(index)
    trace = w.take()
    made = [exchange(index) for index in range(len(hosts))]
    capture = Counted([replace(one, request=replace(one.request, host=host)) for one, host in zip(made, hosts, strict=True)])
    return Searcher(trace, capture, gather_facts(trace)), capture


def places(searcher: Searcher, query: str) -> list[int]:
    search = searcher.search(query)
    search.advance()
    return np.flatnonzero(search.hit).tolist()


def test_where_requests_went_is_read_once() -> None:
    searcher, capture = went_to(b"10.0.0.1", b"10.0.0.2", b"10.0.0.1", b"api.toystore.com")
    assert places(searcher, "~d toystore") == [0, 1, 2, 3]
    assert capture.reads == 0
    assert places(searcher, "~d 0.1$") == [0, 2]
    assert capture.reads == 4
    assert places(searcher, "~d 0.2$ | ! ~d nowhere & ~d 0.1$") == [0, 1, 2]
    assert capture.reads == 4


def test_more_hosts_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_hosts, "_MOST", 2)
    searcher, _ = went_to(b"a", b"b", b"c", b"d", b"a")
    for _ in range(2):
        assert places(searcher, "~d ^c$ | ~d ^a$") == [0, 2, 4]
