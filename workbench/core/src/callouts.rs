//! Calls to other services: those that are open, what is asked of Python about them, and how they end (`answers` has what filters are told).
//! Rules: as seen with real Envoy 1.40 over HTTP/1 and gRPC servers on loopback.

use crate::answers::{part, Shown, Status};
use crate::call::CALLBACKS;
use crate::events::Event as Planned;
use crate::headers::HeaderMap;
use crate::packed::{write_pairs, Reader, LATEST};
use crate::state::{core, Core, HANG};
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
pub const ANSWERED: u32 = 0;
pub const TIMEOUT: u32 = 1;
pub const FAILED: u32 = 2;
const CANCEL: u32 = 3;
const UNANSWERED: u32 = 4;

/// Callouts open at once, a gRPC stream that nobody closed among them.
const MOST_OPEN: usize = 100_000;
/// Callouts in a row with no exchange arriving or ending between them: each answer may ask for the next.
const MOST_IN_A_ROW: u32 = 10_000;
/// Bytes of answers that wait for their time.
const MOST_WAITING: usize = 256 << 20;
/// Bytes of questions after which no further one is put at the same time.
const MOST_ASKED: usize = 1 << 20;


pub type Owned = Vec<(Vec<u8>, Vec<u8>)>;

/// Something of an answer that is due at a time.
#[derive(Default)]
pub struct Part {
    pub kind: u32,
    pub number: u32,
    pub headers: Owned,
    pub body: Vec<u8>,
    pub trailers: Owned,
}

pub struct Callout {
    pub kind: u32,
    pub filter: u32,
    pub root: u32,
    /// The hostcall's row, and the exchange on whose behalf it was made.
    pub row: u32,
    pub exchange: u32,
    /// The callback that made it: its row and code.
    pub callback: (u32, u8),
    pub slot: Option<(u32, u32)>,
    pub asked: u64,
    pub upstream: Vec<u8>,
    /// Parts that wait for their time, in their order, and the time of the last.
    pub parts: VecDeque<Part>,
    pub last: u64,
    pub deadline: bool,
    /// Headers of the answer have come.
    pub began: bool,
    /// When our half of it was closed.
    pub sent: Option<u64>,
    pub local_closed: bool,
    pub remote_closed: bool,
    /// What the callout came to is in the trace.
    pub told: bool,
}

#[derive(Default)]
pub struct Callouts {
    pub clusters: Vec<Vec<u8>>,
    pub open: BTreeMap<(u32, u32), Callout>,
    pub questions: VecDeque<Vec<u8>>,
    /// The questions that Python was given last: as text, and whose they are.
    pub asked: Vec<u8>,
    asking: Vec<(u32, u32)>,
    given: Vec<u8>,
    /// Callbacks of an answer that has begun: before anything else that is planned.
    pub due: VecDeque<(u32, u32, Part)>,
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
        callback: c.frames.last().map_or((NONE, 0), |f| (f.row, c.trace.at(f.row).map_or(0, |row| row.code))),
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

/// Takes questions that wait, as one text for Python; false where there is none. Large ones wait for the next time.
pub fn take_questions() -> bool {
    let c = core();
    let asked = &mut c.callouts.asked;
    asked.clear();
    asked.shrink_to(MOST_ASKED);
    asked.extend_from_slice(&[0; 8]);
    c.callouts.asking.clear();
    while asked.len() < MOST_ASKED {
        let Some(question) = c.callouts.questions.pop_front() else { break };
        let mut r = Reader::new(&question);
        r.u32();
        c.callouts.asking.push((r.u32(), r.u32()));
        asked.extend_from_slice(&(question.len() as u32).to_le_bytes());
        asked.extend_from_slice(&question);
    }
    let size = asked.len() as u32 - 4;
    asked[..4].copy_from_slice(&size.to_le_bytes());
    asked[4..8].copy_from_slice(&(c.callouts.asking.len() as u32).to_le_bytes());
    !c.callouts.asking.is_empty()
}

/// Room for Python's answers.
pub fn room(n: u32) -> *mut u8 {
    let given = &mut core().callouts.given;
    given.clear();
    given.resize(n as usize, 0);
    given.as_mut_ptr()
}

/// Python's answers to the questions that it was given last, in their order.
pub fn answered() {
    let c = core();
    let given = std::mem::take(&mut c.callouts.given);
    let mut r = Reader::new(&given);
    for (vm, token) in std::mem::take(&mut c.callouts.asking) {
        answer(vm, token, r.str());
    }
}

/// One of them: parts, each with its distance in time.
fn answer(vm: u32, token: u32, data: &[u8]) {
    let c = core();
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
        let of = Row { filter: callout.filter as u8, exchange: callout.exchange, context: callout.root, parent: callout.row, ..Row::event(Event::Limit, c.now) };
        for _ in 0..r.u32() {
            // now, not when the answer comes: the service has counted even where nobody waits for the answer any more
            let row = Row { result: r.u32() as i32, args: [r.u32(), r.u32(), r.u32(), r.u32()], ..of };
            let fields = r.str();
            c.trace.push(row, |f| {
                f.whole(fields);
            });
        }
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

/// Records what a callout came to, once.
pub fn tell(token: u32, callout: &Callout, how: u32, status: i32, headers: Option<&HeaderMap>, body: &[u8], trailers: Option<&HeaderMap>) {
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

pub fn tell_open(vm: u32, token: u32, how: u32, status: i32, headers: Option<&HeaderMap>, body: &[u8], trailers: Option<&HeaderMap>) {
    let Some(callout) = core().callouts.open.get_mut(&(vm, token)) else { return };
    if !std::mem::replace(&mut callout.told, true) {
        tell(token, callout, how, status, headers, body, trailers);
    }
}

/// Initial metadata or a message of a stream.
pub fn tell_part(vm: u32, token: u32, headers: Option<&HeaderMap>, body: &[u8]) {
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

/// A callout is over, with all that has not come of it.
pub fn forget(c: &mut Core, vm: u32, token: u32) -> Option<Callout> {
    let callout = c.callouts.open.remove(&(vm, token))?;
    c.callouts.waiting -= callout.parts.iter().map(|part| part.body.len()).sum::<usize>();
    Some(callout)
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
    let text = format!("stays paused for the answer to {kind} to cluster {upstream} (token {token}), which nobody gives");
    let (filter, (parent, code)) = (callout.filter, callout.callback);
    let policy = c.filters[filter as usize].policy;
    let row = Row { filter: filter as u8, exchange: callout.exchange, parent, vm, args: [HANG, policy, 1, 0], ..Row::event(Event::Failure, c.now) };
    c.trace.push(row, |f| {
        f.bytes(text.as_bytes()).bytes(CALLBACKS[code as usize].0.as_bytes());
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
