"""The state of an exchange at any call: what it amounts to at the end must be what the host says was sent."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.analysis.stories import edits_in, make, verifies
from tests.conformance.cases import all_cases
from tests.conformance.run_here import chain_of
from tests.conformance.services import here
from tests.core.traffic import Batch
from tests.core.wat import TRAP, Ret
from workbench.analysis.calls import MUTATION_PARTS, ExchangeRows
from workbench.analysis.exchange import ExchangeView
from workbench.analysis.moments import Entry, Moments
from workbench.analysis.outcome import body_of
from workbench.analysis.state import gather_state
from workbench.analysis.timeline import Call
from workbench.capture import open_capture
from workbench.capture.packing import pack, unpack_pairs
from workbench.chain import Chain, Filter
from workbench.host.driver import Settings, replay
from workbench.replay import Replay
from workbench.trace.records import Event

HOP_BY_HOP = (b"connection", b"transfer-encoding", b"proxy-connection", b"upgrade")
"""What the codec takes off behind the last filter (core `message.rs`)."""


def present(entries: tuple[Entry, ...] | None) -> list[tuple[bytes, bytes]]:
    return [(entry.name, entry.value) for entry in entries or () if not entry.gone]


def values(entries: tuple[Entry, ...] | None, name: bytes) -> list[bytes]:
    return [value for key, value in present(entries) if key == name]


def named(view: ExchangeView, name: str, at: int = 0) -> Call:
    """The call of that name in the exchange, `at` of several."""
    calls = [one for top in view.calls for one in (top, *top.children)]
    return [one for one in calls if one.name == name][at]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> ExchangeView:
    return make(tmp_path_factory.mktemp("story"), verifies(), edits_in(), count=2)[1]


@pytest.mark.parametrize(
    "filters",
    [("token_bucket",), ("trace_every_call",), ("body_rewrite",), ("trace_every_call", "body_rewrite", "token_bucket")],
)
def test_the_end_is_what_the_host_sent(filters: tuple[str, ...], sample_filter: Callable[[str], Path], sample_capture: Path) -> None:
    """Every message of a capture through real filters: headers as they left, and bodies byte for byte where a filter saw them."""
    rules = {"set": {"/replayed": True}, "remove": ["/name"]}
    chain = Chain(*(Filter(sample_filter(name), config=rules if name == "body_rewrite" else None) for name in filters))
    compared = bodies = 0
    for view in chain.replay(open_capture(sample_capture)):
        for event, way in ((Event.UPSTREAM_REQUEST, "request"), (Event.DOWNSTREAM_RESPONSE, "response")):
            sent = view.rows.event(event)
            if sent is None:
                continue
            moment = view.at(sent.seq)
            got = present(getattr(moment, f"{way}_headers"))
            assert [one for one in got if one[0] not in HOP_BY_HOP] == list(unpack_pairs(sent.fields[0])[0]), (view.index, way)
            stream = getattr(moment, way)
            assert stream.state == "done" and stream.first == sent.seq
            compared += 1
            body = getattr(moment, f"{way}_body")
            if body is not None and body.content is not None and sent.a and not sent.d:
                whole = body_of(sent, view.capture)
                assert body.passed and whole.endswith(body.content), (view.index, way)
                bodies += 1
    assert compared > 80
    assert bodies > 20


def test_headers_change_with_the_very_call(story: ExchangeView) -> None:
    removal = named(story, "proxy_remove_header_map_value")
    before, after = story.at(removal.seq - 1), story.at(removal.seq)
    assert values(before.request_headers, b"authorization") == [b"Basic eA=="]
    assert values(after.request_headers, b"authorization") == []
    assert after.changed == {"request_headers"} and not before.changed & {"request_headers"}
    (gone,) = [entry for entry in after.request_headers or () if entry.gone]
    assert (gone.name, gone.value, gone.seq, gone.change) == (b"authorization", b"Basic eA==", removal.seq, "removed")
    (cookie,) = [entry for entry in story.at(removal.seq + 1).request_headers or () if entry.name == b"cookie"]
    assert (cookie.value, cookie.was, cookie.change) == (b"theme=dark", b"session=1; theme=dark", "changed")
    added = story.at(named(story, "proxy_add_header_map_value").seq)
    assert [entry.change for entry in added.request_headers or () if entry.name == b"x-user"] == ["added"]
    assert added.filter == 0 and added.callback is not None
    assert story.trace.name(added.callback) == "proxy_on_http_call_response"


def test_the_calls_alone_tell_the_map(story: ExchangeView) -> None:
    """What the host writes after a callback says nothing that the calls had not said, order included."""
    for event in story.rows.all(Event.MAP):
        assert present(getattr(story.at(event.seq - 1), MUTATION_PARTS[event.a])) == list(unpack_pairs(event.fields[0])[0])


def test_repeats_keep_their_places(story: ExchangeView) -> None:
    call = named(story, "proxy_add_header_map_value", 1)
    entries = [entry for entry in story.at(call.seq).request_headers or () if entry.name == b"x-many"]
    assert [(entry.value, entry.change) for entry in entries] == [(b"1", ""), (b"2", ""), (b"3", "added")]


def test_a_whole_map_replaced(story: ExchangeView) -> None:
    call = named(story, "proxy_set_header_map_pairs")
    moment = story.at(call.seq)
    assert present(moment.response_headers) == [(b":status", b"200"), (b"x-new", b"1")]
    assert [(entry.name, entry.change) for entry in moment.response_headers or () if entry.change] == [
        (b"x-new", "added"),
        (b"x-old", "removed"),
        (b"transfer-encoding", "removed"),
    ]


def test_the_request_waits_for_the_callout(story: ExchangeView) -> None:
    asked, goes_on = named(story, "proxy_http_call"), named(story, "proxy_continue_stream")
    waiting = story.at(named(story, "proxy_on_http_call_response").seq)
    assert waiting.request is not None and waiting.response is not None
    assert (waiting.request.state, waiting.request.filter, waiting.request.phase, waiting.request.action) == (
        "paused",
        0,
        "headers",
        "StopIteration",
    )
    assert waiting.request.start_ns == 0 and waiting.request.end_ns == 2_000_000, "2 ms until the answer, in virtual time"
    assert waiting.response.state == "waiting"
    assert [one.target for one in story.at(asked.seq).callouts] == ["users"]
    assert story.at(asked.seq - 1).callouts == waiting.callouts == ()
    resumed = story.rows.event(Event.RESUME)
    assert resumed is not None and resumed.seq > goes_on.seq
    after = story.at(resumed.seq)
    assert after.request is not None and after.request.state == "flowing"


def test_bodies_chunk_by_chunk(tmp_path: Path) -> None:
    view = make(tmp_path, edits_in())[0]
    seen = [row for row in view.rows.rows if view.trace.name(row) == "proxy_on_request_body"]
    assert [body.content for row in seen if (body := view.at(row.seq).request_body)] == [b"abcd", b"ef", b""]
    writes = [named(view, "proxy_set_buffer_bytes", at) for at in range(4)]
    contents = [body.content for write in writes if (body := view.at(write.seq).request_body)]
    assert contents == [b"<abcd", b"<abcd>", b"<ef", b"<ef>"]
    end = view.rows.event(Event.UPSTREAM_REQUEST)
    assert end is not None and body_of(end, view.capture) == b"<abcd><ef><>"


def test_a_body_that_is_held(story: ExchangeView) -> None:
    """Filter b keeps the response's body until its trailers, and filter a sees it whole then."""
    rows = [row for row in story.rows.rows if story.trace.name(row) == "proxy_on_response_body"]
    bodies = [body for row in rows if (body := story.at(row.seq).response_body)]
    assert [(body.filter, body.size, body.content) for body in bodies] == [
        (1, 4, b"0123"),
        (1, 8, b"01234567"),
        (1, 10, b"0123456789"),
        (0, 10, b"0123456789"),
    ]
    between = story.at(rows[1].seq - 1)
    assert between.response_body is not None and between.response_body.held
    assert between.response is not None and (between.response.state, between.response.action) == ("paused", "StopIterationAndBuffer")
    assert story.at(rows[3].seq).response == story.moments.spans[1][-2]
    assert story.moments.spans[1][-2].state == "flowing", "trailers let the body go, and no event says so"


@pytest.mark.parametrize(
    ("action", "shown"),
    [(1, [b"0123", b"01234567", b"0123456789"]), (2, [b"0123", b"4567", b"89"]), (3, [b"0123", b"4567", b"89"])],
)
def test_what_the_next_callback_is_shown(tmp_path: Path, action: int, shown: list[bytes]) -> None:
    """The trace says the sizes; where they fit the rule the bytes are known, in the next filter too."""
    view = make(tmp_path, {"response_body": [Ret(0)]}, {"response_body": [Ret(action)], "response_trailers": [Ret(0)]})[0]
    rows = [row for row in view.rows.rows if view.trace.name(row) == "proxy_on_response_body"]
    seen = [body for row in rows if (body := view.at(row.seq).response_body)]
    assert [body.content for body in seen if body.filter == 1] == shown
    assert [body.content for body in seen if body.filter == 0] == ([b"0123456789"] if action < 3 else [])


def test_trailers(story: ExchangeView) -> None:
    call = named(story, "proxy_add_header_map_value", 2)
    assert present(story.at(call.seq - 1).response_trailers) == [(b"t", b"1")]
    assert present(story.at(call.seq).response_trailers) == [(b"t", b"1"), (b"x-trailer", b"late")]
    assert story.at(call.seq).request_trailers is None


def test_what_was_read_so_far(story: ExchangeView) -> None:
    read = named(story, "proxy_get_property")
    assert story.at(read.seq - 1).properties == ()
    (found,) = story.at(read.seq).properties
    assert (found.path, found.value, found.result, found.filter, found.written) == ("request.path", b"/toys", "Ok", 0, False)


def test_shared_data_and_metrics_as_of_then(story: ExchangeView) -> None:
    """The second exchange begins with what the first one left."""
    first, second, refused = (named(story, "proxy_set_shared_data", at) for at in range(3))
    key = ("", b"cred")
    assert [story.at(seq).shared_data[key] for seq in (first.seq - 1, first.seq, second.seq, refused.seq)] == [
        (b"two", 2),
        (b"one", 3),
        (b"two", 4),
        (b"two", 4),
    ]
    assert refused.result == "CasMismatch"
    counter, gauge = ("Counter", b"verified"), ("Gauge", b"open")
    counted, recorded = named(story, "proxy_increment_metric"), named(story, "proxy_record_metric")
    assert [story.at(seq).metrics[counter] for seq in (counted.seq - 1, counted.seq)] == [1, 2]
    assert [story.at(seq).metrics[gauge] for seq in (recorded.seq - 1, recorded.seq)] == [7, 7]


def test_the_cas_is_the_one_that_filters_get(sample_filter: Callable[[str], Path], sample_capture: Path) -> None:
    """Wherever a filter read shared data, it got the number and the value that the state says held then."""
    checked = 0
    for view in Chain(Filter(sample_filter("token_bucket"))).replay(open_capture(sample_capture)):
        for name, row in view.rows.hostcalls:
            if name == "proxy_get_shared_data" and row.result == 0:
                assert view.at(row.seq).shared_data["", row.fields[0]] == (row.fields[1], row.a)
                checked += 1
    assert checked > 10


def test_an_answer_in_the_chain(sample_filter: Callable[[str], Path], sample_capture: Path) -> None:
    replayed: Replay = Chain(Filter(sample_filter("token_bucket"))).replay(open_capture(sample_capture))
    view = next(view for view in replayed if view.outcome == "limited")
    moment = view.at(view.rows.rows[-1].seq)
    assert moment.request is not None and moment.response is not None
    assert (moment.request.state, moment.request.filter) == ("answered", 0)
    assert moment.response.state == "done"
    assert values(moment.response_headers, b":status") == [b"429"]


def test_moments_need_no_replay(story: ExchangeView) -> None:
    alone = Moments.of(story.rows, story.home.state() if story.home else story.moments.state)
    end = story.rows.rows[-1].seq
    assert alone.at(end).request_headers == story.at(end).request_headers
    first = next(row.seq for row in story.rows.rows if story.trace.name(row) == "proxy_on_request_body")
    body = alone.at(first).request_body
    assert body is not None and body.content is None and body.size == 6, "without the capture a body has a size only"


def test_the_host_answers_for_a_filter_that_failed(tmp_path: Path) -> None:
    view = make(tmp_path, {"request_headers": [TRAP]})[0]
    answered = view.moments.spans[0][-1]
    assert (answered.state, answered.filter, answered.phase) == ("answered", 0, "failure")
    assert values(view.at(view.rows.rows[-1].seq).response_headers, b":status") == [b"503"]


@pytest.mark.parametrize("group", ["headers", "bodies", "trailers", "pauses"])
def test_the_conformance_cases(group: str, tmp_path: Path) -> None:
    """Odd traffic and odd calls: before each callback's end the calls alone have told the map and the body that the host then writes."""
    told = 0
    for number, case in enumerate(each for each in all_cases() if each.name.startswith(group) and each.traffic):
        folder = tmp_path / str(number)
        folder.mkdir()
        batch = Batch(pack(case.traffic), len(case.traffic), case.traffic[0].request.start_ns)
        chain = chain_of(case, folder)
        trace = replay(chain, [batch], Settings(**case.settings), clusters=here().begin(None))
        state = gather_state(trace, [each.vm_id for each in chain])
        for exchange in case.traffic:
            bodies = (exchange.request.body, exchange.response.body if exchange.response else b"")
            moments = Moments.of(ExchangeRows.of(trace, exchange.index), state, bodies)
            for row in moments.rows.events:
                if row.code == Event.MAP and row.a < 4:
                    assert present(moments.maps[row.a].at(row.seq - 1)) == list(unpack_pairs(row.fields[0])[0]), case.name
                    told += 1
                elif row.code == Event.BODY and row.a < 2:
                    body = moments.bodies[row.a].at(row.seq - 1)
                    assert body is not None and body.content == row.fields[0], case.name
                    told += 1
            for slot in moments.bodies:
                assert all(body.content is not None for body in slot.values), case.name
            for spans in moments.spans:
                assert all(before.last == after.first for before, after in pairwise(spans)), case.name
    assert told >= 3
