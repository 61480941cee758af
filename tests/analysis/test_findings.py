from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import Batch, connection, exchanges, request, response
from tests.core.wat import LAST, OUT, TRAP, Loop, Nth, Raw, Ret, call, pairs, wasm
from workbench.analysis.facts import gather_facts
from workbench.analysis.findings import Finding, Findings, blocks, find, findings_text
from workbench.capture import open_capture
from workbench.capture.packing import pack, pack_connections
from workbench.chain import Chain, Filter
from workbench.cli import main
from workbench.host.driver import Settings, replay
from workbench.services.calls import NEVER, HttpResponse
from workbench.services.function import FunctionService

REPO = Path(__file__).resolve().parents[2]
LOG = call("log", 2, "here")
POST = request("POST", "/p", "content-length: 6", body=b"abcdef")
CONFIGS: dict[str, Any] = {"body_rewrite": {"set": {"meta.version": 2}, "remove": ["debug"]}}

Found = Callable[..., Findings]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """`found(script, traffic)`: the findings on one filter, written as a script by callback."""

    def run(
        script: dict[str, Any],
        traffic: Sequence[Any] = (request(),),
        settings: Settings | None = None,
        clusters: Any = None,
        **options: Any,
    ) -> Findings:
        path = tmp_path / "filter.wasm"
        path.write_bytes(wasm(**script))
        filters = (Filter(path, name="f", **options),)
        made = exchanges(*traffic)
        trace = replay(filters, [Batch(pack(made), len(made), made[0].request.start_ns)], settings or Settings(), clusters=clusters)
        return find(trace, gather_facts(trace), filters)

    return run


def one(found: Findings, code: str) -> Finding:
    """The only finding, which must be of this code."""
    assert [each.code for each in found] == [code], found
    assert found[0].reason and found[0].remedy
    return found[0]


def test_nothing_to_find(found: Found) -> None:
    assert found({"request_headers": (LOG,)}) == ()
    assert repr(found({"request_headers": (LOG,)})) == "No findings"


def test_a_silent_filter(found: Found) -> None:
    silent = one(found({}, [request()] * 7), "silent-filter")
    assert (silent.filter, silent.count, silent.exchanges) == ("f", 7, (0, 1, 2, 3, 4))
    assert "root" not in silent.reason
    assert "'my_root' is set" in one(found({}, root_id="my_root"), "silent-filter").reason


def test_a_silent_filter_in_cpp_names_the_root_id(found: Found, tmp_path: Path) -> None:
    found({})
    filters = (Filter(tmp_path / "filter.wasm"),)
    made = exchanges(request())
    trace = replay(filters, [Batch(pack(made), 1, made[0].request.start_ns)])
    asked: list[int] = []

    def language(place: int) -> str:
        asked.append(place)
        return "C++"

    assert "no root_id is set" in one(find(trace, gather_facts(trace), filters, language), "silent-filter").reason
    assert asked == [0]


def test_a_filter_without_callbacks_of_http(found: Found) -> None:
    parts = [f"{side}_{part}" for side in ("request", "response") for part in ("headers", "body", "trailers")]
    assert one(found({"without": parts, "log": (LOG,)}), "never-called").count == 1


def test_an_ignored_configuration(found: Found) -> None:
    talks: dict[str, Any] = {"request_headers": (LOG,)}
    ignored = one(found(talks, config="x" * 40), "ignored-configuration")
    assert "never read its configuration (40 B)" in ignored.title and ignored.count == 0
    assert "VM configuration" in one(found(talks, vm_config="y"), "ignored-configuration").title
    read = {"configure": (call("proxy_get_buffer_bytes", 7, 0, 100, OUT, OUT),)}
    assert found(talks | read, config="x") == ()
    read = {"vm_start": (call("proxy_get_buffer_bytes", 6, 0, 100, OUT, OUT),)}
    assert found(talks | read, vm_config="y") == ()


def test_traps_and_those_who_suffer(found: Found) -> None:
    traffic = [request(at_ms=10 * place) for place in range(4)]
    trapped, after = found({"request_headers": (LOG, Nth(2, (TRAP,)))}, traffic)
    assert (trapped.code, trapped.severity, trapped.exchanges) == ("trapped", "error", (1,))
    assert "on_request_headers" in trapped.title and "fail_closed" in trapped.reason and "It said" not in trapped.reason
    assert (after.code, after.exchanges) == ("failed-before", (2, 3))  # the cause comes first, though it hit fewer


def test_a_trap_tells_what_the_filter_said_before_it(found: Found) -> None:
    trapped, *_ = found({"request_headers": (call("log", 5, "earlier"), call("log", 5, "panicked at src/lib.rs:7:\nno"), LOG, TRAP)})
    assert trapped.code == "trapped" and trapped.reason.startswith("It said: panicked at src/lib.rs:7: no. Its failure policy")


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("closed", "fail_closed: the exchange failed, in Envoy as here."),
        ("restart", "restart: the exchange failed, a policy of this workbench that Envoy does not have."),
    ],
)
def test_failure_policies(found: Found, policy: str, said: str) -> None:
    failed = one(found({"request_headers": (TRAP,)}, failure_policy=policy), "trapped")
    assert failed.reason == f"Its failure policy is {said}"


def test_a_call_past_its_limit(found: Found) -> None:
    spun = found({"request_headers": (LOG, Loop(()))}, settings=Settings(callback_limit_s=0.1))
    assert "ran too long in on_request_headers" in one(spun, "limit-exceeded").title


@pytest.mark.parametrize(("callback", "direction"), [("request_headers", "request"), ("response_headers", "response")])
def test_paused_and_never_resumed(found: Found, callback: str, direction: str) -> None:
    hang = one(found({callback: (LOG, Nth(2, (Ret(1),)))}, [request(at_ms=5 * place) for place in range(3)]), "never-resumed")
    assert hang.exchanges == (1,) and f"paused the {direction} in on_{callback}" in hang.title


def test_a_connection_that_stays_paused(tmp_path: Path) -> None:
    path = tmp_path / "filter.wasm"
    path.write_bytes(wasm(downstream_data=(LOG, Ret(1))))
    made = [connection(">hello", "<hello!")]
    filters = (Filter(path, name="f"),)
    trace = replay(filters, [Batch(pack_connections(made), 1, made[0].start_ns)])
    paused = one(find(trace, gather_facts(trace), filters), "never-resumed")
    assert paused.title == "paused in on_downstream_data and never let it go on"


def test_paused_and_resumed(found: Found) -> None:
    goes_on = (call("proxy_set_effective_context", LAST), call("proxy_continue_stream", 0))
    tick = {"configure": (call("proxy_set_tick_period_milliseconds", 20),), "tick": goes_on}
    assert found({"request_headers": (LOG, Ret(1)), **tick}) == ()


def test_callouts_that_come_to_nothing(found: Found) -> None:
    head = pairs((":method", "GET"), (":path", "/"), (":authority", "auth.example"))
    asks = call("http_call", "svc", head, b"", b"", 0, OUT)
    dead = {"svc": FunctionService(lambda _: NEVER)}
    hang = one(found({"request_headers": (asks, Ret(1))}, [request(), request(at_ms=5)], clusters=dead), "never-answered")
    assert hang.severity == "error" and hang.exchanges == (0, 1)
    assert "waits in on_request_headers" in hang.title and "cluster svc" in hang.title
    timed = call("http_call", "svc", head, b"", b"", 20, OUT)
    failed = one(found({"request_headers": (timed,)}, clusters=dead), "callout-failed")
    assert "its call to cluster svc ran into its timeout" in failed.title
    refused = one(found({"request_headers": (asks,)}), "callout-refused")
    assert "http_call to cluster svc" in refused.title and "no cluster of that name" in refused.reason and '"svc"' in refused.remedy
    lacks = call("http_call", "svc", pairs((":method", "GET"), (":path", "")), b"", b"", 0, OUT)
    assert "no :path and no :authority" in one(found({"request_headers": (lacks,)}, clusters=dead), "callout-refused").reason


def test_an_answer_after_which_nothing_goes_on(found: Found) -> None:
    head = pairs((":method", "GET"), (":path", "/"), (":authority", "auth.example"))
    asks = call("http_call", "svc", head, b"", b"", 0, OUT)
    busy = {"svc": FunctionService(lambda _: HttpResponse(503))}
    left = one(found({"request_headers": (asks, Ret(1))}, clusters=busy), "never-resumed")
    assert left.reason.startswith("Its call to svc was answered with 503, and nothing resumed")


def test_headers_changed_when_they_were_sent(found: Found) -> None:
    late = one(found({"request_body": (call("proxy_add_header_map_value", 0, "x", "y"),)}, [POST]), "headers-already-sent")
    assert "changed HttpRequestHeaders in on_request_body" in late.title


def test_headers_asked_for_where_there_are_none(found: Found) -> None:
    script = {"response_headers": (call("proxy_get_header_map_value", 0, ":path", OUT, OUT),)}
    asked = one(found(script), "wrong-phase")
    assert "asked for HttpRequestHeaders in on_response_headers" in asked.title
    early = {"request_headers": (call("proxy_add_header_map_value", 2, "x", "y"),)}
    assert "asked for HttpResponseHeaders in on_request_headers" in one(found(early), "wrong-phase").title


def test_a_body_edited_in_its_middle(found: Found) -> None:
    edited = one(found({"request_body": (Nth(1, (call("proxy_set_buffer_bytes", 0, 2, 1, "x"),)),)}, [POST]), "wrong-phase")
    assert "set_buffer_bytes of HttpRequestBody" in edited.title


def test_other_bad_arguments(found: Found) -> None:
    assert "grpc_cancel" not in repr(found({"request_headers": (LOG,)}))
    refused = one(found({"request_headers": (call("proxy_continue_stream", 9),)}), "bad-argument")
    assert "continue_stream in on_request_headers" in refused.title


def test_a_property_of_another_phase(found: Found) -> None:
    ask = call("proxy_get_property", b"response\0code", OUT, OUT)
    there = one(found({"request_headers": (ask,), "response_headers": (ask,)}), "property-not-there")
    assert "response.code in on_request_headers" in there.title and "on_response_headers" in there.reason
    assert there.severity == "note"
    unknown = call("proxy_get_property", b"no\0such", OUT, OUT)
    assert found({"request_headers": (unknown,), "response_headers": (unknown,)}) == ()


@pytest.mark.parametrize(("level", "severity"), [(2, None), (3, "note"), (4, "warning"), (5, "warning")])
def test_logged_lines(found: Found, level: int, severity: str | None) -> None:
    lines = found({"request_headers": (call("log", level, "a\x1b[2Jb"), call("log", level, "second"))}, [request()] * 3)
    if severity is None:
        assert lines == ()
        return
    logged = one(lines, "logged")
    assert (logged.severity, logged.count) == (severity, 3)
    assert "logged 6 lines" in logged.title and "a\\x1b[2Jb" in logged.reason


GROW = Raw("(drop (memory.grow (i32.const 1)))")


def test_memory_that_grows_with_every_exchange(found: Found) -> None:
    traffic = [request(at_ms=place) for place in range(60)]
    grown = one(found({"log": (LOG, GROW)}, traffic), "memory-grows")
    assert grown.count == 60 and "some 66 kB an exchange" in grown.title
    warm = tuple(Nth(place, (GROW,)) for place in range(1, 20))
    assert found({"log": (LOG, *warm)}, traffic) == ()
    assert found({"log": (LOG, GROW)}, traffic[:5]) == ()


@pytest.mark.parametrize(("body", "says"), [("longer than it was", "takes the rest"), ("ab", "never come")])
def test_a_stale_content_length(found: Found, body: str, says: str) -> None:
    script = {"request_body": (Nth(1, (call("proxy_set_buffer_bytes", 0, 0, 1000, body),)),)}
    stale = one(found(script, [POST]), "content-length")
    assert f"a content-length of 6 on a request body of {len(body)} B" in stale.title and says in stale.reason


def test_a_content_length_that_goes(found: Found) -> None:
    script = {
        "response_headers": (call("proxy_remove_header_map_value", 2, "content-length"),),
        "response_body": (call("proxy_set_buffer_bytes", 1, 0, 1000, "another body"),),
    }
    assert found(script) == ()


def test_a_content_length_set_wrong(found: Found) -> None:
    script = {"response_headers": (call("proxy_replace_header_map_value", 2, "content-length", "99"),)}
    assert "a content-length of 99 on a response body of 2 B" in one(found(script), "content-length").title
    heads = [(request("HEAD"), response(200, "content-length: 5"))]
    assert found({"response_headers": (LOG, *script["response_headers"])}, heads) == ()


def test_a_capture_that_is_wrong_itself_is_no_finding(found: Found) -> None:
    assert found({"request_headers": (LOG,)}, [(request(), response(200, "content-length: 77", body=b"short"))]) == ()


def test_control_characters_in_a_value(found: Found) -> None:
    adds = (call("add", 2, "x-bad", "a\nb"), call("add", 2, "x", "a\tb"))
    script = {"response_headers": adds}
    bad = one(found(script, [request()] * 2), "control-characters")
    assert "x-bad" in bad.title and "a\\x0ab" in bad.title and bad.count == 2
    upstream = {"request_headers": (call("proxy_add_header_map_value", 0, "x-bad", "a\x00b"),)}
    assert found(upstream)[0].severity == "error"


def test_a_header_that_envoy_drops(found: Found) -> None:
    script = {"response_headers": (call("proxy_add_header_map_value", 2, "connection", "close"),)}
    assert "set connection, which does not leave Envoy" in one(found(script), "header-dropped").title


def test_a_local_response_without_effect(found: Found) -> None:
    answer = call("proxy_send_local_response", 403, "", "no", "", 0xFFFFFFFF)
    useless = one(found({"response_body": (answer,)}), "response-without-effect")
    assert "local response 403 in on_response_body" in useless.title


@pytest.mark.parametrize("capture", ["burst", "edge", "toystore"])
@pytest.mark.parametrize("name", ["add_header", "basic_auth", "body_rewrite", "token_bucket", "trace_every_call"])
def test_no_false_alarm_on_the_samples(name: str, capture: str) -> None:
    filter_ = Filter(REPO / "sample_filters" / name / f"{name}.wasm", CONFIGS.get(name))
    found = Chain(filter_).replay(open_capture(REPO / "captures" / f"{capture}.mitm")).findings()
    if name == "body_rewrite":  # which warns of each body that it leaves as it is
        assert [(each.code, each.severity) for each in found] == [("logged", "note")]
    else:
        assert found == ()


def test_findings_of_a_chain_name_their_filter(tmp_path: Path) -> None:
    paths = []
    for name, script in (("quiet", {}), ("loud", {"request_headers": (call("log", 4, "oh"),)})):
        paths.append(tmp_path / f"{name}.wasm")
        paths[-1].write_bytes(wasm(**script))
    replayed = Chain(*paths).replay(open_capture(REPO / "captures" / "burst.mitm"))
    assert [(each.filter, each.code) for each in replayed.findings()] == [("loud", "logged"), ("quiet", "silent-filter")]
    frame = replayed.findings().as_frame()
    assert list(frame["filter"]) == ["loud", "quiet"] and frame["count"].tolist() == [15, 15]
    page, text = replayed._repr_html_(), repr(replayed.summary)
    for said in ("was called and made no hostcall on any exchange", "It has no configuration", "15 exchanges: #0, #1, #2, #3, #4, …"):
        assert said in page and said in text


def test_the_weightiest_comes_first_and_all_is_said(found: Found) -> None:
    script = {"request_headers": (call("log", 3, "w"), call("log", 4, "e"), Ret(1))}
    several = found(script)
    assert [each.severity for each in several] == ["error", "warning", "note"]
    text = findings_text(several, width=60)
    for each in several:
        assert each.remedy.split()[0] in text and f"  {each.severity} f: " in text
    assert max(map(len, text.splitlines())) <= 60
    assert "and 1 more" in findings_text(several, most=2)
    assert "\x1b[31merror" in findings_text(several, colour=True)


def test_an_empty_replay(tmp_path: Path) -> None:
    path = tmp_path / "f.wasm"
    path.write_bytes(wasm())
    trace = replay((Filter(path),), [])
    assert find(trace, gather_facts(trace), (Filter(path),)) == ()
    assert list(blocks(trace))


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "f.wasm", tmp_path / "findings.json"
    path.write_bytes(wasm(request_headers=(call("log", 5, "oh"),)))
    words = ["replay", str(REPO / "captures" / "burst.mitm"), "--filter", str(path), "--findings"]
    assert main([*words, str(out)]) == 0
    assert "Findings" in capsys.readouterr().out
    (read,) = json.loads(out.read_text())
    assert (read["code"], read["severity"], read["count"], read["exchanges"]) == ("logged", "warning", 15, [0, 1, 2, 3, 4])
    assert main([*words, "-", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out) == [read]
    assert main([*words, "-", "--jsonl", "-"]) == 2
    assert "given twice" in capsys.readouterr().err
    assert main([*words, str(tmp_path)]) == 2


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ({"configure": (call("proxy_set_shared_data", "k", "1", 0),)}, "sets shared data"),
        ({"configure": (call("proxy_define_metric", 0, "m", OUT), call("proxy_increment_metric", 4, 1))}, "counts in metrics"),
        ({"configure": (call("tick", 1),), "tick": (call("proxy_set_shared_data", "k", "1", 0),)}, "sets shared data"),
    ],
)
def test_a_root_context_that_acts_on_each_thread(found: Found, script: dict[str, Any], says: str) -> None:
    """Envoy's main thread does it too; a replay with that thread shows it, and needs no word."""
    script = script | {"request_headers": (LOG,)}
    traffic = [(request(), response(after_ms=10))]
    note = one(found(script, traffic), "main-thread")
    assert (note.severity, note.filter, note.count) == ("note", "f", 0) and says in note.title
    assert found(script, traffic, Settings(main_thread=True)) == ()


def test_what_a_root_context_keeps_to_itself(found: Found) -> None:
    in_stream = {"request_headers": (call("proxy_set_shared_data", "k", "1", 0),)}
    in_root = {"configure": (call("tick", 5), call("proxy_define_metric", 0, "m", OUT), call("proxy_set_shared_data", -8, 1, 0, 0, 0))}
    assert found(in_stream) == () and found(in_root | {"request_headers": (LOG,)}) == ()
