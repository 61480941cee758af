//! Calls to other services: those that are open, what is asked of Python about them, and the answers as they fall due.
//! Rules: as seen with real Envoy 1.40 over HTTP/1 and gRPC servers on loopback.

use crate::call::{callback_of_four, Callback, Target};
use crate::events::Event as Planned;
use crate::headers::{HeaderMap, Side};
use crate::packed::{write_pairs, Reader, LATEST};
use crate::state::{core, Core, Ctx};
use crate::trace::{Event, Row, NONE};
use std::collections::{BTreeMap, VecDeque};

pub const HTTP: u32 = 0;
pub const UNARY: u32 = 1;
pub const STREAM: u32 = 2;

/// What Python is told of an open stream, beside the three kinds.
pub const SEND: u32 = 3;
pub const HALF_CLOSE: u32 = 4;
pub const CANCELLED: u32 = 5;

/// `CalloutEnd` of the trace.
const ANSWERED: u32 = 0;
const TIMEOUT: u32 = 1;
const FAILED: u32 = 2;
const CANCEL: u32 = 3;
const UNANSWERED: u32 = 4;

/// Callouts open at once, a gRPC stream that nobody closed among them.
const MOST_OPEN: usize = 100_000;
/// Callouts in a row with no exchange arriving or ending between them: each answer may ask for the next.
const MOST_IN_A_ROW: u32 = 10_000;
/// Bytes of answers that wait for their time.
const MOST_WAITING: usize = 256 << 20;

const BROKEN_CONNECTION: u32 = 11;
const CONNECT_ERROR: &[u8] = b"upstream connect error or disconnect/reset before headers. reset reason: ";

/// A part of an answer: its kind, as `services/packing.py` numbers them.
mod part {
    pub const RESPONSE: u32 = 1;
    pub const RESET: u32 = 2;
    pub const UNREACHABLE: u32 = 3;
    pub const INITIAL: u32 = 4;
    pub const MESSAGE: u32 = 5;
    pub const END: u32 = 6;
    pub const END_ONLY: u32 = 7;
    pub const NOT_GRPC: u32 = 8;
    /// Made here: the deadline has passed.
    pub const TIMEOUT: u32 = 9;
    /// Made here: a cluster that a protobuf names, and that nobody knows.
    pub const NO_CLUSTER: u32 = 10;
    /// Made here: the second and third callback of a stream's end.
    pub const TRAILING: u32 = 11;
    pub const CLOSE: u32 = 12;
}

pub type Owned = Vec<(Vec<u8>, Vec<u8>)>;

/// Something of an answer that is due at a time.
#[derive(Default)]
pub struct Part {
    kind: u32,
    number: u32,
    headers: Owned,
    body: Vec<u8>,
    trailers: Owned,
}

pub struct Callout {
    pub kind: u32,
    filter: u32,
    root: u32,
    /// The hostcall's row, and the exchange on whose behalf it was made.
    row: u32,
    exchange: u32,
    slot: Option<(u32, u32)>,
    asked: u64,
    upstream: Vec<u8>,
    /// Parts that wait for their time, in their order, and the time of the last.
    parts: VecDeque<Part>,
    last: u64,
    deadline: bool,
    /// Headers of the answer have come.
    began: bool,
    /// When our half of it was closed.
    sent: Option<u64>,
    local_closed: bool,
    remote_closed: bool,
    /// What the callout came to is in the trace.
    told: bool,
}

/// What a callback shows of an answer.
#[derive(Default)]
pub struct Shown {
    pub vm: u32,
    pub root: u32,
    /// Header maps by their type less 4.
    pub maps: [Option<HeaderMap>; 4],
    /// The body of an HTTP answer, or a gRPC message, which can be edited.
    pub body: Option<Vec<u8>>,
    pub message: Option<Vec<u8>>,
}

/// A root context's last status, as `proxy_get_status` gives it.
#[derive(Default)]
pub struct Status {
    pub code: u32,
    pub message: Vec<u8>,
}

#[derive(Default)]
pub struct Callouts {
    pub clusters: Vec<Vec<u8>>,
    pub open: BTreeMap<(u32, u32), Callout>,
    pub questions: VecDeque<Vec<u8>>,
    /// The question that Python was given last.
    pub asked: Vec<u8>,
    asking: (u32, u32),
    /// Callbacks of an answer that has begun: before anything else that is planned.
    due: VecDeque<(u32, u32, Part)>,
    pub shown: Option<Box<Shown>>,
    pub statuses: BTreeMap<(u32, u32), Status>,
    waiting: usize,
    in_a_row: u32,
    refusal_told: bool,
}

/// What a filter asks for.
#[derive(Default)]
pub struct Request<'a> {
    pub upstream: &'a [u8],
    pub headers: &'a [(&'a [u8], &'a [u8])],
    pub body: &'a [u8],
    pub trailers: &'a [(&'a [u8], &'a [u8])],
    pub service: &'a [u8],
    pub method: &'a [u8],
    pub timeout: u32,
}

impl Callouts {
    pub fn knows(&self, cluster: &[u8]) -> bool {
        self.clusters.iter().any(|name| name == cluster)
    }

    /// What the running callback shows to a context of this root.
    pub fn shown_to(&self, vm: u32, root: u32) -> Option<&Shown> {
        self.shown.as_deref().filter(|shown| (shown.vm, shown.root) == (vm, root))
    }

    /// The filter's side of a stream is open, and somebody listens.
    pub fn may_send(&self, vm: u32, token: u32) -> bool {
        self.open.get(&(vm, token)).is_some_and(|callout| callout.sent.is_none() && !callout.remote_closed)
    }

    /// True while something may still come by itself.
    pub fn pending(&self) -> bool {
        !self.due.is_empty() || self.open.values().any(|callout| callout.deadline || !callout.parts.is_empty())
    }

    pub fn exchange_moved(&mut self) {
        self.in_a_row = 0;
    }
}

/// Names of the clusters that filters may call.
pub fn set_clusters(data: &[u8]) {
    let mut r = Reader::new(data);
    let count = r.u32();
    core().callouts.clusters = (0..count).map(|_| r.str().to_vec()).collect();
}

/// Opens a callout for a filter: its token, or None where there are too many.
pub fn open(vm: u32, filter: u32, kind: u32, row: u32, exchange: u32, slot: Option<u32>, request: &Request<'_>) -> Option<u32> {
    let c = core();
    c.callouts.in_a_row += 1;
    if c.callouts.open.len() >= MOST_OPEN || c.callouts.in_a_row > MOST_IN_A_ROW {
        if !std::mem::replace(&mut c.callouts.refusal_told, true) {
            let why = format!("{MOST_OPEN} callouts are open, or {MOST_IN_A_ROW} were made with no exchange between them: further ones are refused");
            c.trace.push(Row { filter: filter as u8, exchange, parent: row, ..Row::event(Event::Note, c.now) }, |f| {
                f.bytes(why.as_bytes());
            });
        }
        return None;
    }
    let counter = &mut c.vms[vm as usize].tokens[kind as usize];
    let token = loop {
        *counter = counter.wrapping_add(1);
        let token = *counter << 2 | kind;
        if !c.callouts.open.contains_key(&(vm, token)) {
            break token;
        }
    };
    let timeout = if kind == STREAM { 0 } else { request.timeout };
    let callout = Callout {
        kind,
        filter,
        root: c.filters[filter as usize].root,
        row,
        exchange,
        slot: slot.map(|slot| (slot, c.streams[slot as usize].life)),
        asked: c.now,
        upstream: request.upstream.to_vec(),
        parts: VecDeque::new(),
        last: c.now,
        deadline: timeout > 0,
        began: false,
        sent: (kind != STREAM).then_some(c.now),
        local_closed: false,
        remote_closed: false,
        told: false,
    };
    c.callouts.open.insert((vm, token), callout);
    if timeout > 0 {
        c.events.plan(c.now + u64::from(timeout) * 1_000_000, Planned::CalloutDeadline { vm, token });
    }
    Some(token)
}

/// Asks Python about a callout, when the filter has returned: a `question` as README.md has it.
pub fn ask(vm: u32, token: u32, kind: u32, request: &Request<'_>, end: bool) {
    let c = core();
    let Some(callout) = c.callouts.open.get(&(vm, token)) else { return };
    let mut out = Vec::new();
    for number in [kind, vm, token, callout.filter, callout.exchange, request.timeout, u32::from(end)] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&c.now.to_le_bytes());
    let string = |out: &mut Vec<u8>, text: &[u8]| {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text);
    };
    for text in [&callout.upstream, request.service, request.method] {
        string(&mut out, text);
    }
    write_pairs(&mut out, request.headers.iter().copied(), request.headers.len());
    string(&mut out, request.body);
    write_pairs(&mut out, request.trailers.iter().copied(), request.trailers.len());
    c.callouts.questions.push_back(out);
}

/// Takes the oldest question; false where there is none.
pub fn next_question() -> bool {
    let c = core();
    let Some(question) = c.callouts.questions.pop_front() else { return false };
    let mut r = Reader::new(&question);
    r.u32();
    c.callouts.asking = (r.u32(), r.u32());
    c.callouts.asked = question;
    true
}

/// Python's answer to the question it was given last: parts, each with its distance in time.
pub fn answer(data: &[u8]) {
    let c = core();
    let (vm, token) = c.callouts.asking;
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    let mut r = Reader::new(data);
    let owned = |r: &mut Reader<'_>| -> Owned { r.pairs().map(|(k, v)| (k.to_ascii_lowercase(), v.to_vec())).collect() };
    for _ in 0..r.u32() {
        let after = r.time();
        let (kind, number) = (r.u32(), r.u32());
        let part = Part { kind, number, headers: owned(&mut r), body: r.str().to_vec(), trailers: owned(&mut r) };
        // parts of one answer never overtake each other
        callout.last = callout.last.max(c.now.saturating_add(after).min(LATEST));
        c.callouts.waiting += part.body.len();
        callout.parts.push_back(part);
        c.events.plan(callout.last, Planned::CalloutPart { vm, token });
    }
    if c.callouts.waiting > MOST_WAITING {
        let text = format!("answers of {} MiB wait for their time: this one counts as reset", MOST_WAITING >> 20);
        let row = Row { exchange: callout.exchange, parent: callout.row, ..Row::event(Event::Note, c.now) };
        c.callouts.waiting -= callout.parts.iter().map(|part| part.body.len()).sum::<usize>();
        let parts = callout.parts.len();
        callout.parts.clear();
        callout.parts.resize_with(parts, || Part { kind: part::RESET, ..Part::default() });
        c.trace.push(row, |f| {
            f.bytes(text.as_bytes());
        });
    }
}

/// A part of an answer is due.
pub fn part_due(vm: u32, token: u32) {
    let c = core();
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    let Some(part) = callout.parts.pop_front() else { return };
    c.callouts.waiting -= part.body.len();
    c.callouts.due.push_back((vm, token, part));
}

/// An HTTP or unary call has not been answered in time.
pub fn deadline(vm: u32, token: u32) {
    let c = core();
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    callout.deadline = false;
    c.callouts.due.push_back((vm, token, Part { kind: part::TIMEOUT, ..Part::default() }));
}

/// A call to a cluster that only its protobuf knows ends at once.
pub fn no_cluster(vm: u32, token: u32) {
    core().callouts.due.push_back((vm, token, Part { kind: part::NO_CLUSTER, ..Part::default() }));
}

/// Does the next callback of an answer that has begun; false where there is none. May never return.
pub fn step() -> bool {
    let c = core();
    let Some((vm, token, part)) = c.callouts.due.pop_front() else { return false };
    crate::worker::enter(c.vms[vm as usize].worker);
    let Some(callout) = c.callouts.open.get(&(vm, token)) else { return true };
    match (callout.kind, callout.remote_closed) {
        (HTTP, _) => http(vm, token, part),
        (_, true) if !matches!(part.kind, part::TRAILING | part::CLOSE) => {}
        (UNARY, _) => unary(vm, token, part),
        _ => stream(vm, token, part),
    }
    true
}

fn map(side: Side, pairs: &[(Vec<u8>, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::default();
    map.clear(side);
    for (name, value) in pairs {
        map.add(name, value);
    }
    map
}

fn response_map(status: u32, pairs: &[(Vec<u8>, Vec<u8>)]) -> HeaderMap {
    let mut map = HeaderMap::default();
    map.clear(Side::Response);
    map.push_number(b":status", status);
    // the codec takes it off
    for (name, value) in pairs.iter().filter(|(name, _)| name != b"keep-alive" && name.first() != Some(&b':')) {
        map.add(name, value);
    }
    map
}

/// What the proxy answers for a service that gave nothing.
fn reply(status: u32, body: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::default();
    map.clear(Side::Response);
    map.push_number(b":status", status);
    map.push_number(b"content-length", body.len() as u32);
    map.push(b"content-type", b"text/plain");
    map
}

fn http(vm: u32, token: u32, part: Part) {
    let c = core();
    let Some(callout) = c.callouts.open.remove(&(vm, token)) else { return };
    let mut trailers = HeaderMap::default();
    let (how, headers, body) = match part.kind {
        part::RESPONSE => {
            let mut headers = response_map(part.number, &part.headers);
            headers.set_in_place(b"x-envoy-upstream-service-time", milliseconds(c.now - callout.asked).as_bytes());
            trailers = map(Side::Trailers, &part.trailers);
            (ANSWERED, Some(headers), part.body)
        }
        part::TIMEOUT => (TIMEOUT, Some(reply(504, b"upstream request timeout")), b"upstream request timeout".to_vec()),
        part::UNREACHABLE => {
            let body = [CONNECT_ERROR, &part.body].concat();
            (FAILED, Some(reply(503, &body)), body)
        }
        _ => (FAILED, None, Vec::new()),
    };
    let status = headers.as_ref().and_then(|map| map.get(b":status")).and_then(|v| std::str::from_utf8(v).ok()?.parse().ok());
    tell(token, &callout, how, status.unwrap_or(-1), headers.as_ref(), &body, Some(&trailers));
    let args = [token, headers.as_ref().map_or(0, |map| map.len() as u32), body.len() as u32, trailers.len() as u32];
    let mut shown = Shown { vm, root: callout.root, ..Shown::default() };
    if headers.is_some() {
        shown.body = Some(body);
        shown.maps[3] = (trailers.len() > 0).then_some(trailers);
    } else {
        *c.callouts.statuses.entry((vm, callout.root)).or_default() = Status { code: BROKEN_CONNECTION, message: b"reset".to_vec() };
    }
    shown.maps[2] = headers;
    let target = target(&callout, vm);
    drop(callout);
    enter(Callback::HttpCallResponse, target, args, shown);
}

fn milliseconds(ns: u64) -> String {
    (ns / 1_000_000).to_string()
}

/// A gRPC status with its message as Envoy's context keeps it: the reason behind it.
fn grpc_end(part: &Part) -> (u32, u32, Vec<u8>) {
    let with = |text: &[u8], details: &str| if text.is_empty() { details.as_bytes().to_vec() } else { [text, b"{", details.as_bytes(), b"}"].concat() };
    match part.kind {
        part::TIMEOUT => (TIMEOUT, 14, with(b"upstream request timeout", "response_timeout")),
        part::UNREACHABLE => {
            let text = [CONNECT_ERROR, &part.body].concat();
            let mut cause = String::from_utf8_lossy(&part.body).replace(' ', "_");
            if cause == "remote_connection_failure" {
                cause += "|delayed_connect_error:_Connection_refused";
            }
            (FAILED, 14, with(&text, &format!("upstream_reset_before_response_started{{{cause}}}")))
        }
        part::NO_CLUSTER => (FAILED, 14, b"Cluster not available".to_vec()),
        part::NOT_GRPC => (ANSWERED, crate::local::grpc_from_http(part.number), b"via_upstream".to_vec()),
        part::END | part::END_ONLY => (ANSWERED, part.number, with(&crate::local::percent_encode(&part.body), "via_upstream")),
        _ => (FAILED, 13, b"via_upstream".to_vec()),
    }
}

fn unary(vm: u32, token: u32, part: Part) {
    let c = core();
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    match part.kind {
        part::INITIAL => callout.began = true,
        part::MESSAGE => {
            // the status that follows is not waited for: there is none but success then
            callout.remote_closed = true;
            callout.deadline = false;
            tell_open(vm, token, ANSWERED, 0, None, &part.body, None);
            let c = core();
            let Some(callout) = c.callouts.open.get(&(vm, token)) else { return };
            let (target, size) = (target(callout, vm), part.body.len() as u32);
            let shown = Shown { vm, root: callout.root, message: Some(part.body), ..Shown::default() };
            enter(Callback::GrpcReceive, target, [token, size, 0, 0], shown);
            core().callouts.open.remove(&(vm, token));
        }
        _ => {
            let (how, code, mut message) = grpc_end(&part);
            let code = if part.kind == part::TIMEOUT && callout.began { 13 } else { code };
            if part.kind == part::TIMEOUT && callout.began {
                message = b"response_timeout".to_vec();
            }
            callout.deadline = false;
            close(vm, token, how, code, message, None);
            core().callouts.open.remove(&(vm, token));
        }
    }
}

fn stream(vm: u32, token: u32, part: Part) {
    let c = core();
    let now = c.now;
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    let (root, target) = (callout.root, target(callout, vm));
    match part.kind {
        part::INITIAL => {
            callout.began = true;
            let mut headers = response_map(200, &[(b"content-type".to_vec(), b"application/grpc".to_vec())]);
            part.headers.iter().for_each(|(name, value)| headers.add(name, value));
            if let Some(sent) = callout.sent {
                headers.set_in_place(b"x-envoy-upstream-service-time", milliseconds(now - sent).as_bytes());
            }
            tell_part(vm, token, Some(&headers), b"");
            let size = headers.len() as u32;
            let maps = [Some(headers), None, None, None];
            enter(Callback::GrpcReceiveInitialMetadata, target, [token, size, 0, 0], Shown { vm, root, maps, ..Shown::default() });
        }
        part::MESSAGE => {
            tell_part(vm, token, None, &part.body);
            let size = part.body.len() as u32;
            enter(Callback::GrpcReceive, target, [token, size, 0, 0], Shown { vm, root, message: Some(part.body), ..Shown::default() });
        }
        part::TRAILING => {
            let trailers = map(Side::Trailers, &part.headers);
            drop(part);
            let size = trailers.len() as u32;
            let maps = [None, Some(trailers), None, None];
            enter(Callback::GrpcReceiveTrailingMetadata, target, [token, size, 0, 0], Shown { vm, root, maps, ..Shown::default() });
        }
        part::CLOSE => {
            close(vm, token, ANSWERED, part.number, part.body, Some(&part.headers));
            let c = core();
            if c.callouts.open.get(&(vm, token)).is_some_and(|callout| callout.local_closed) {
                c.callouts.open.remove(&(vm, token));
            }
        }
        _ => end_stream(vm, token, part, root, target),
    }
}

/// A stream's answer ends: trailing metadata and the close, before them empty headers where none had come.
fn end_stream(vm: u32, token: u32, part: Part, root: u32, target: Target) {
    let c = core();
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    callout.remote_closed = true;
    let (how, code, message) = grpc_end(&part);
    let began = std::mem::replace(&mut callout.began, true);
    let text: &[u8] = match part.kind {
        part::UNREACHABLE | part::NO_CLUSTER => &message[..message.iter().position(|&b| b == b'{').unwrap_or(message.len())],
        _ => &crate::local::percent_encode(&part.body),
    };
    let mut trailing: Owned = Vec::new();
    if !began && part.kind != part::NOT_GRPC {
        trailing.push((b":status".to_vec(), b"200".to_vec()));
        trailing.push((b"content-type".to_vec(), b"application/grpc".to_vec()));
    }
    match part.kind {
        // neither trailers nor a status came
        part::RESET | part::NOT_GRPC => {}
        _ => {
            trailing.push((b"grpc-status".to_vec(), code.to_string().into_bytes()));
            trailing.push((b"grpc-message".to_vec(), text.to_vec()));
            trailing.extend(part.trailers);
        }
    }
    if how != ANSWERED {
        tell_open(vm, token, how, code as i32, None, b"", Some(&map(Side::Trailers, &trailing)));
    }
    let due = &mut core().callouts.due;
    due.push_front((vm, token, Part { kind: part::CLOSE, number: code, body: message, headers: trailing.clone(), ..Part::default() }));
    due.push_front((vm, token, Part { kind: part::TRAILING, headers: trailing, ..Part::default() }));
    if !began {
        let maps = [Some(map(Side::Response, &[])), None, None, None];
        enter(Callback::GrpcReceiveInitialMetadata, target, [token, 0, 0, 0], Shown { vm, root, maps, ..Shown::default() });
    }
}

fn close(vm: u32, token: u32, how: u32, code: u32, message: Vec<u8>, trailers: Option<&[(Vec<u8>, Vec<u8>)]>) {
    let trailers = trailers.map(|pairs| map(Side::Trailers, pairs));
    tell_open(vm, token, how, code as i32, None, b"", trailers.as_ref());
    let c = core();
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    callout.remote_closed = true;
    let (root, target) = (callout.root, target(callout, vm));
    *c.callouts.statuses.entry((vm, root)).or_default() = Status { code, message };
    enter(Callback::GrpcClose, target, [token, code, 0, 0], Shown { vm, root, ..Shown::default() });
}

/// The exchange that a callback belongs to is the one that asked, as long as it lasts.
fn target(callout: &Callout, vm: u32) -> Target {
    let c = core();
    let live = callout.slot.is_some_and(|(slot, life)| {
        let s = &c.streams[slot as usize];
        s.live && s.life == life
    });
    let exchange = if live { callout.exchange } else { NONE };
    Target { vm, filter: callout.filter, ctx: Ctx::Root(callout.filter), ctx_id: callout.root, exchange, pending: None }
}

/// Calls the filter with what it may see of the answer meanwhile, then does what it queued.
fn enter(which: Callback, target: Target, args: [u32; 4], shown: Shown) {
    let c = core();
    let (vm, root) = (shown.vm, shown.root);
    // a root context that is gone hears nothing
    if c.vms[vm as usize].failed != 0 || !matches!(c.vms[vm as usize].contexts.get(&root), Some(Ctx::Root(_))) {
        return;
    }
    if c.has(vm, which) {
        c.callouts.shown = Some(Box::new(shown));
        callback_of_four(which, target, args);
    }
    let c = core();
    c.callouts.shown = None;
    if let Some(status) = c.callouts.statuses.get_mut(&(vm, root)) {
        status.message.clear();
    }
    crate::hostcalls::control::run_actions();
}

/// Records what a callout came to, once.
fn tell(token: u32, callout: &Callout, how: u32, status: i32, headers: Option<&HeaderMap>, body: &[u8], trailers: Option<&HeaderMap>) {
    write(Event::Callout, token, callout, how, status, headers, body, trailers);
}

#[allow(clippy::too_many_arguments)]
fn write(event: Event, token: u32, callout: &Callout, how: u32, status: i32, headers: Option<&HeaderMap>, body: &[u8], trailers: Option<&HeaderMap>) {
    let c = core();
    let micros = ((c.now - callout.asked) / 1000).min(u64::from(NONE)) as u32;
    let row = Row {
        filter: callout.filter as u8,
        exchange: callout.exchange,
        context: callout.root,
        parent: callout.row,
        result: status,
        args: [token, callout.kind, how, micros],
        ..Row::event(event, c.now)
    };
    let put = |out: &mut Vec<u8>, map: Option<&HeaderMap>| match map {
        Some(map) => map.write(out),
        None => out.extend_from_slice(&[0; 4]),
    };
    c.trace.push(row, |f| {
        f.bytes(&callout.upstream).with(|out| put(out, headers)).bytes(body).with(|out| put(out, trailers));
    });
}

fn tell_open(vm: u32, token: u32, how: u32, status: i32, headers: Option<&HeaderMap>, body: &[u8], trailers: Option<&HeaderMap>) {
    let Some(callout) = core().callouts.open.get_mut(&(vm, token)) else { return };
    if !std::mem::replace(&mut callout.told, true) {
        tell(token, callout, how, status, headers, body, trailers);
    }
}

/// Initial metadata or a message of a stream.
fn tell_part(vm: u32, token: u32, headers: Option<&HeaderMap>, body: &[u8]) {
    if let Some(callout) = core().callouts.open.get(&(vm, token)) {
        write(Event::CalloutPart, token, callout, 0, 0, headers, body, None);
    }
}

/// The filter wants no answer any more: nothing follows.
pub fn cancel(vm: u32, token: u32) {
    tell_open(vm, token, CANCEL, -1, None, b"", None);
    ask(vm, token, CANCELLED, &Request::default(), false);
    forget(core(), vm, token);
}

fn forget(c: &mut Core, vm: u32, token: u32) {
    if let Some(callout) = c.callouts.open.remove(&(vm, token)) {
        c.callouts.waiting -= callout.parts.iter().map(|part| part.body.len()).sum::<usize>();
    }
}

/// The filter's side of a stream ends.
pub fn half_close(vm: u32, token: u32, by_close: bool) {
    let c = core();
    let now = c.now;
    let Some(callout) = c.callouts.open.get_mut(&(vm, token)) else { return };
    callout.sent.get_or_insert(now);
    callout.local_closed |= by_close;
    if by_close && callout.remote_closed {
        forget(c, vm, token);
    }
}

/// A VM is gone, and with it its callouts.
pub fn drop_vm(vm: u32) {
    let tokens: Vec<u32> = core().callouts.open.range((vm, 0)..=(vm, u32::MAX)).map(|(&(_, token), _)| token).collect();
    tokens.into_iter().for_each(|token| cancel(vm, token));
    let callouts = &mut core().callouts;
    callouts.statuses.retain(|&(of, _), _| of != vm);
    callouts.due.retain(|&(of, ..)| of != vm);
    callouts.shown = None;
}

/// An exchange ends: true where it waited for a callout that can never be answered, which is a hang. `paused` where it was left paused.
pub fn stream_over(slot: u32, paused: bool) -> bool {
    let c = core();
    c.callouts.exchange_moved();
    if c.callouts.open.is_empty() || !paused {
        return false;
    }
    let life = c.streams[slot as usize].life;
    let waits = |callout: &Callout| callout.slot == Some((slot, life)) && !callout.deadline && callout.parts.is_empty() && !callout.told;
    let hung: Vec<(u32, u32)> = c.callouts.open.iter().filter(|(_, callout)| waits(callout)).map(|(&key, _)| key).collect();
    for &(vm, token) in &hung {
        hang(vm, token);
    }
    !hung.is_empty()
}

fn hang(vm: u32, token: u32) {
    tell_open(vm, token, UNANSWERED, -1, None, b"", None);
    let c = core();
    let Some(callout) = c.callouts.open.get(&(vm, token)) else { return };
    let kind = ["an HTTP call", "a gRPC call", "a gRPC stream"][callout.kind as usize];
    let upstream = String::from_utf8_lossy(&callout.upstream[..callout.upstream.len().min(200)]).into_owned();
    let text = format!("hangs: paused until {kind} to {upstream} (token {token}) is answered, which never happens");
    let row = Row { filter: callout.filter as u8, exchange: callout.exchange, parent: callout.row, ..Row::event(Event::Note, c.now) };
    c.trace.push(row, |f| {
        f.bytes(text.as_bytes());
    });
}

/// The replay is over: what is still open has not been answered.
pub fn finish() {
    let keys: Vec<(u32, u32)> = core().callouts.open.keys().copied().collect();
    for (vm, token) in keys {
        tell_open(vm, token, UNANSWERED, -1, None, b"", None);
        forget(core(), vm, token);
    }
}
