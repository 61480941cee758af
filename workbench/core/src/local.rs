//! Responses made here instead of the upstream's: by a filter, for a failed filter, or by the proxy itself.
//! Rules: Envoy's `sendLocalReply`, in `source/common/http/utility.cc` and `filter_manager.cc`.

use crate::departure;
use crate::headers::{self, Side};
use crate::state::core;
use crate::stream::{Bytes, Route, REQUEST, RESPONSE};
use crate::trace::{Event, Row, NONE, NO_FILTER};
use crate::work::{Kept, Work};

/// `ResponseSource` of the trace.
pub const FILTER: u32 = 0;
const FAILURE: u32 = 1;
const PROXY: u32 = 2;

/// What a response made here consists of.
#[derive(Clone, Default)]
pub struct Reply {
    pub code: u32,
    pub details: Vec<u8>,
    pub body: Vec<u8>,
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
    pub grpc_status: u32,
}

/// A filter failed on this stream: 503 without a body, once.
pub fn fail(slot: u32, filter: u32) {
    let state = &mut core().streams[slot as usize].filters[filter as usize];
    if std::mem::replace(&mut state.failure_answered, true) {
        return;
    }
    if core().streams[slot as usize].tcp.is_some() {
        return crate::connection::close(slot, crate::connection::LOCAL);
    }
    let reply = Reply { code: 503, details: b"wasm_fail_stream".to_vec(), grpc_status: 14, ..Reply::default() };
    answer(slot, filter, reply, FAILURE, NONE);
}

pub fn answer_for_proxy(slot: u32, code: u32, body: &[u8], details: &[u8]) {
    let reply = Reply { code, details: details.to_vec(), body: body.to_vec(), grpc_status: NONE, ..Reply::default() };
    answer(slot, NO_FILTER as u32, reply, PROXY, NONE);
}

pub fn answer_for_filter(slot: u32, filter: u32, reply: Reply, parent: u32) {
    answer(slot, filter, reply, FILTER, parent);
}

/// The upstream closed without an answer: the router's own reply.
pub fn upstream_failed(slot: u32) {
    let body = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination";
    answer_for_proxy(slot, 503, body, b"upstream_reset_before_response_started{connection_termination}");
}

/// The request's headers are none that Envoy's codec sends, for this reason.
pub fn unsendable(slot: u32, reason: &[u8]) {
    let details = [b"filter_removed_required_request_headers{", reason, b"}"].concat();
    answer_for_proxy(slot, 503, reason, &details);
}

/// The upstream's answer is none that Envoy's codec takes.
pub fn upstream_malformed(slot: u32) {
    let body = b"upstream connect error or disconnect/reset before headers. reset reason: protocol error";
    answer_for_proxy(slot, 502, body, b"upstream_reset_before_response_started{protocol_error}");
}

pub fn grpc_from_http(code: u32) -> u32 {
    match code {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

const IDLE: &[u8] = b"stream_idle_timeout";

/// A filter held the stream back for longer than Envoy's idle timeout: it says so to the client, or where it has begun to answer breaks off.
pub fn timed_out(slot: u32) {
    let s = &mut core().streams[slot as usize];
    if !s.sink[RESPONSE].headers {
        return answer_for_proxy(slot, 504, b"stream timeout", IDLE);
    }
    s.flags |= TIMED_OUT;
    s.details = IDLE.to_vec();
    departure::cut(slot);
}

const TIMED_OUT: u32 = 1 << 16;

/// The flags, and what is known of the route, for an answer of the proxy's with these details.
fn met(details: &[u8], route: Route) -> (u32, Route) {
    match details {
        IDLE => (TIMED_OUT, route),
        b"route_not_found" => (1 << 8, Route::HostOnly),
        b"missing_host_header" | b"absolute_path_rejected" | b"path_normalization_failed" => (0, Route::HostOnly),
        b"upstream_reset_before_response_started{connection_termination}" => (1 << 6, route),
        b"upstream_reset_before_response_started{protocol_error}" => (1 << 23, route),
        _ if details.starts_with(b"http1.") => (1 << 18, Route::Nothing),
        _ if details.starts_with(b"filter_removed_required_request_headers") => (1 << 18, route),
        _ => (0, route),
    }
}

fn answer(slot: u32, filter: u32, mut reply: Reply, source: u32, parent: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    // once the response is on its way to the client nothing can take its place; a callback's second answer does not count
    let late = s.sink[RESPONSE].headers;
    let ignored = s.ending || !s.live || s.local && parent != NONE && s.answered_by == parent;
    join_details(&mut reply.details);
    let mut shown = std::mem::take(&mut s.maps[2]);
    if !late && !ignored {
        build(&mut shown, &reply, s.grpc);
    }
    if late || ignored {
        s.maps[2] = shown;
        record_ignored(slot, filter, &reply, source, parent);
        if !ignored {
            core().streams[slot as usize].details = reply.details;
            departure::cut(slot);
        }
        return;
    }
    c.trace.push(row(slot, filter, &reply, source, parent, 0), |f| {
        f.bytes(&reply.details).bytes(&reply.body).with(|out| shown.write(out));
    });
    let s = &mut core().streams[slot as usize];
    s.maps[2] = shown;
    let in_response = s.response_loaded;
    s.local = true;
    s.answers += 1;
    s.answered_by = parent;
    s.stopped = true;
    s.aborted |= source != FILTER && reply.details != IDLE;
    if source == PROXY {
        (s.flags, s.route) = met(&reply.details, s.route);
    }
    s.code = reply.code;
    s.details = reply.details;
    s.work.clear();
    s.has_trailers[RESPONSE] = false;
    s.whole[RESPONSE] = false;
    s.buffered[RESPONSE] = false;
    s.trailers_added[RESPONSE] = false;
    s.maps[3].clear(Side::Trailers);
    let count = core().filters.len() as u32;
    // after the upstream's response began the answer goes straight to the client, else through all response filters
    let pos = if in_response { count } else { 0 };
    let s = &mut core().streams[slot as usize];
    s.response_loaded = true;
    let bodiless = s.head || s.grpc || reply.body.is_empty();
    s.sink[RESPONSE] = crate::stream::Sink { own: Some(Vec::new()), ..Default::default() };
    s.work.push_back(Work::Headers { dir: RESPONSE, pos, eos: bodiless });
    if !bodiless {
        s.work.push_back(Work::Data { dir: RESPONSE, pos, bytes: Bytes::Own(reply.body), eos: true, kept: Kept::No });
    }
    for filter in &mut s.filters {
        filter.half[REQUEST].chunk = None;
        filter.half[RESPONSE] = Default::default();
    }
    core().ready.push_back(slot);
}

fn row(slot: u32, filter: u32, reply: &Reply, source: u32, parent: u32, ignored: u32) -> Row {
    let c = core();
    let exchange = c.streams[slot as usize].exchange;
    let args = [reply.grpc_status, source, ignored, 0];
    Row { filter: filter.min(255) as u8, exchange, parent, result: reply.code as i32, args, ..Row::event(Event::LocalResponse, c.now) }
}

/// An answer that has no effect is told all the same.
pub fn record_ignored(slot: u32, filter: u32, reply: &Reply, source: u32, parent: u32) {
    core().trace.push(row(slot, filter, reply, source, parent, 1), |f| {
        let pairs = reply.pairs.iter().map(|(k, v)| (&k[..], &v[..]));
        f.bytes(&reply.details).bytes(&reply.body).with(|out| crate::packed::write_pairs(out, pairs, reply.pairs.len()));
    });
}

/// Details are one word in Envoy's logs.
fn join_details(details: &mut [u8]) {
    for byte in details.iter_mut().filter(|byte| byte.is_ascii_whitespace()) {
        *byte = b'_';
    }
}

/// The headers of a reply as the response filters see them.
fn build(map: &mut headers::HeaderMap, reply: &Reply, grpc: bool) {
    map.clear(Side::Response);
    map.push(b":status", if grpc { b"200".to_vec() } else { reply.code.to_string().into_bytes() }.as_slice());
    for (name, value) in &reply.pairs {
        let name = name.to_ascii_lowercase();
        if name != b":status" {
            map.add(&name, value);
        }
    }
    if grpc {
        let status = if reply.grpc_status <= 16 { reply.grpc_status } else { grpc_from_http(reply.code) };
        map.remove(b"content-length");
        map.set_in_place(b"content-type", b"application/grpc");
        // a status among the given headers stands
        if map.get(b"grpc-status").is_none() {
            map.push(b"grpc-status", status.to_string().as_bytes());
        }
        if !reply.body.is_empty() {
            map.set_in_place(b"grpc-message", &percent_encode(&reply.body));
        }
    } else if reply.body.is_empty() {
        map.remove(b"content-length");
        map.remove(b"content-type");
    } else {
        map.set_in_place(b"content-length", reply.body.len().to_string().as_bytes());
        if map.get(b"content-type").is_none() {
            map.push(b"content-type", b"text/plain");
        }
    }
}

/// As gRPC's grpc-message wants it: printable ASCII but for `%`.
pub fn percent_encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}
