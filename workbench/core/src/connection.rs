//! A TCP connection through network filters, as Envoy's filter manager runs them in front of tcp_proxy (tried with Envoy 1.40).
//! What came in stays in one buffer a direction, shared by all filters, until the proxy takes it: so where a filter stops, those before
//! it are called again with all of it, and a change that one made is there again. Bytes to the client pass the filters last to first.

use crate::call::{callback, Callback};
use crate::chain::{self, Gate};
use crate::departure;
use crate::events::Event as Planned;
use crate::headers::Side;
use crate::idle;
use crate::memory;
use crate::packed::Reader;
use crate::pieces::Pieces;
use crate::state::core;
use crate::stream::{self, Bytes, Pause, Pending, Phase, Stream};
use crate::trace::{Event, Row, NO_FILTER};
use crate::upgrade;
use crate::work::Work;

pub const DOWNSTREAM: usize = 0;
pub const UPSTREAM: usize = 1;

/// Flags of a record: it is a connection, and its upstream was never reached.
const CONNECTION: u32 = 2;
const UNREACHED: u32 = 4;

/// What the sides got was changed and is more than the trace can hold.
const NOT_KEPT: u32 = 4;

/// `close_type` of on_downstream_connection_close: who closed.
pub const LOCAL: u32 = 1;
pub const REMOTE: u32 = 2;

#[derive(Default)]
pub struct Tcp {
    pieces: Pieces,
    /// The next piece waits for something other than its time.
    stalled: [bool; 2],
    /// What came from each side and has not been taken, and whether that side has ended.
    pub buffer: [Bytes; 2],
    ended: [bool; 2],
    /// The upstream, and the client, were told of the other side's end.
    told: [bool; 2],
    pub connected: bool,
    unreached: bool,
    pub close_type: u32,
    /// The filter that closed it, counted from 1; 0 for none.
    closer: u32,
    /// A filter that closed in the callback of the upstream's end, and is told of that end when all is over.
    late: Option<u32>,
}

pub fn is_connection(record: &[u8]) -> bool {
    record.get(4).is_some_and(|flags| u32::from(*flags) & CONNECTION != 0)
}

/// Reads a connection's record into the stream.
pub fn load(s: &mut Stream, record: &[u8]) {
    s.record.clear();
    s.record.extend_from_slice(record);
    let mut r = Reader::new(record);
    s.exchange = r.u32();
    let flags = r.u32();
    s.times = [r.time(), r.time(), 0, 0];
    s.connection = r.u32();
    let count = r.u32() as usize;
    let messages = r.take(count.saturating_mul(16));
    s.bodies = [r.range(), r.range()];
    s.lists = [r.at; 5];
    let tcp = Tcp { unreached: flags & UNREACHED != 0, pieces: Pieces::read(count, messages, s.bodies), ..Tcp::default() };
    s.tcp = Some(Box::new(tcp));
    (s.head, s.grpc, s.has_response, s.status) = (false, false, false, 0);
    s.has_trailers = [false; 2];
    for (map, side) in s.maps.iter_mut().zip([Side::Request, Side::Trailers, Side::Response, Side::Trailers]) {
        map.clear(side);
    }
}

impl Tcp {
    /// The filters hold back what the client sent, so that the upstream knows nothing of it.
    fn holds(&self) -> bool {
        self.buffer[DOWNSTREAM].len() > 0 || self.ended[DOWNSTREAM] && !self.told[DOWNSTREAM]
    }
}

fn tcp(slot: u32) -> &'static mut Tcp {
    core().streams[slot as usize].tcp.get_or_insert_default()
}

/// A connection begins: the filters hear of it before any byte is read.
pub fn open(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let sizes = s.bodies.map(|(from, to)| to - from);
    let messages = s.tcp.as_ref().map_or(0, |tcp| tcp.pieces.messages());
    let row = Row { exchange: s.exchange, args: [sizes[0], sizes[1], s.connection, messages], ..Row::event(Event::Connection, c.now) };
    c.trace.push(row, |f| {
        let attributes = s.list(4);
        let count = attributes.len();
        f.with(|out| crate::packed::write_pairs(out, attributes, count));
    });
    s.work.push_back(Work::Read { pos: 0, data: false });
    s.work.push_back(Work::Settle { dir: None });
}

/// When the next piece of a direction comes.
fn plan(slot: u32, dir: usize) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let life = s.life;
    let Some(tcp) = &mut s.tcp else { return };
    let Some(piece) = tcp.pieces.peek(dir) else { return };
    // it comes as long after the connection's begin as it was captured
    let at = s.began[DOWNSTREAM].saturating_add(piece.time.saturating_sub(s.times[0]));
    tcp.stalled[dir] = false;
    c.events.plan(at.max(c.now), Planned::Piece { slot, life, dir: dir as u32 });
}

/// The time of a piece has come. Order of the capture is kept, but that a client does not wait for an upstream that knows nothing yet.
pub fn arrive(slot: u32, dir: usize) {
    if core().streams[slot as usize].tcp.is_none() {
        return upgrade::arrive(slot, dir);
    }
    let tcp = tcp(slot);
    if dir == UPSTREAM && tcp.holds() {
        tcp.stalled[dir] = true;
        return;
    }
    let waits = tcp.pieces.other_comes_first(dir);
    if waits && !tcp.stalled[1 - dir] {
        return plan(slot, dir);
    }
    if waits && tcp.pieces.peek(dir).is_some_and(|piece| piece.is_end() && !piece.is_reset()) {
        // a client that has not got its answer does not leave
        tcp.stalled[dir] = true;
        return;
    }
    let Some(piece) = tcp.pieces.take(dir) else { return };
    let c = core();
    let s = &mut c.streams[slot as usize];
    let (end, reset) = (piece.is_end(), piece.is_reset());
    let row = Row {
        exchange: s.exchange,
        args: [dir as u32, piece.to - piece.from, u32::from(end), u32::from(reset)],
        ..Row::event(Event::Data, c.now)
    };
    c.trace.push(row, |_| {});
    if reset {
        return close(slot, if dir == UPSTREAM { LOCAL } else { REMOTE });
    }
    s.received[dir] += u64::from(piece.to - piece.from);
    s.last_byte = c.now;
    let Some(tcp) = &mut s.tcp else { return };
    tcp.buffer[dir].append(Bytes::Captured(piece.from, piece.to), &s.record);
    tcp.ended[dir] |= end;
    s.work.push_back(if dir == DOWNSTREAM { Work::Read { pos: 0, data: false } } else { Work::Write { pos: 0 } });
    s.work.push_back(Work::Settle { dir: Some(dir) });
    c.ready.push_back(slot);
}

/// What a pass over the filters leaves: perhaps a connection that is over, else the next piece can come (`dir`: of what came).
pub fn settle(slot: u32, dir: Option<usize>) {
    if core().streams[slot as usize].tcp.is_none() {
        return upgrade::over(slot);
    }
    let tcp = tcp(slot);
    let client = tcp.ended[DOWNSTREAM] && tcp.told[UPSTREAM];
    if client && dir == Some(DOWNSTREAM) {
        return close(slot, REMOTE);
    }
    if client || tcp.ended[UPSTREAM] && tcp.told[DOWNSTREAM] {
        return close(slot, LOCAL);
    }
    let waited = tcp.stalled[UPSTREAM] && !tcp.holds();
    if let Some(dir) = dir {
        plan(slot, dir);
    }
    if waited {
        plan(slot, UPSTREAM);
        if core().streams[slot as usize].tcp.as_ref().is_some_and(|tcp| tcp.stalled[DOWNSTREAM]) {
            plan(slot, DOWNSTREAM);
        }
    }
}

/// A filter asked to go on reading: with the filters behind it.
pub fn continue_reading(slot: u32, filter: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let half = &mut s.filters[filter as usize].half[DOWNSTREAM];
    let paused = std::mem::take(&mut half.pause) != Pause::No;
    let held = s.tcp.as_ref().map_or(0, |tcp| tcp.buffer[DOWNSTREAM].len() as u32);
    if paused {
        let row = Row { filter: filter as u8, exchange: s.exchange, args: [DOWNSTREAM as u32, held, 0, 0], ..Row::event(Event::Resume, c.now) };
        c.trace.push(row, |_| {});
    }
    if !s.work.iter().any(|work| matches!(work, Work::Settle { .. })) {
        s.work.push_back(Work::Settle { dir: None });
    }
    s.work.push_front(Work::Read { pos: filter + 1, data: false });
    c.ready.push_back(slot);
}

/// Lets a filter see what there is to read; `data` once it knows of the connection.
pub fn read(slot: u32, pos: u32, data: bool) {
    let c = core();
    if pos == c.filters.len() as u32 {
        return take(slot);
    }
    let s = &mut c.streams[slot as usize];
    if !data && !s.filters[pos as usize].met {
        match chain::gate(slot, DOWNSTREAM, pos) {
            Gate::Open => {}
            Gate::Skip => return core().streams[slot as usize].work.push_front(Work::Read { pos: pos + 1, data: false }),
            Gate::Answered => return,
            Gate::Create => {
                core().streams[slot as usize].work.push_front(Work::Read { pos, data: false });
                return stream::create(slot, pos);
            }
        }
        core().streams[slot as usize].filters[pos as usize].met = true;
        return enter(slot, pos, Phase::NewConnection, DOWNSTREAM, pos);
    }
    let Some(tcp) = &s.tcp else { return };
    if tcp.buffer[DOWNSTREAM].len() == 0 && !tcp.ended[DOWNSTREAM] {
        return s.work.push_front(Work::Read { pos: pos + 1, data: false });
    }
    match chain::gate(slot, DOWNSTREAM, pos) {
        Gate::Open => enter(slot, pos, Phase::Data, DOWNSTREAM, pos),
        Gate::Skip => core().streams[slot as usize].work.push_front(Work::Read { pos: pos + 1, data: false }),
        Gate::Answered => {}
        Gate::Create => {
            core().streams[slot as usize].work.push_front(Work::Read { pos, data: true });
            stream::create(slot, pos);
        }
    }
}

/// Lets a filter see what goes to the client.
pub fn write(slot: u32, pos: u32) {
    let count = core().filters.len() as u32;
    if pos == count {
        return give(slot);
    }
    let filter = count - 1 - pos;
    match chain::gate(slot, UPSTREAM, filter) {
        Gate::Open => enter(slot, filter, Phase::Data, UPSTREAM, pos),
        Gate::Skip => core().streams[slot as usize].work.push_front(Work::Write { pos: pos + 1 }),
        Gate::Answered => {}
        Gate::Create => {
            core().streams[slot as usize].work.push_front(Work::Write { pos });
            stream::create(slot, filter);
        }
    }
}

/// Calls a filter. May never return.
fn enter(slot: u32, filter: u32, phase: Phase, dir: usize, pos: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let Some(tcp) = &s.tcp else { return };
    let eos = phase == Phase::Data && tcp.ended[dir];
    let (which, args) = match (phase, dir) {
        (Phase::NewConnection, _) => (Callback::NewConnection, [0, 0]),
        (_, DOWNSTREAM) => (Callback::DownstreamData, [tcp.buffer[dir].len() as u32, u32::from(eos)]),
        _ => (Callback::UpstreamData, [tcp.buffer[dir].len() as u32, u32::from(eos)]),
    };
    if phase == Phase::Data {
        s.filters[filter as usize].shown[dir] = true;
    }
    let vm = s.filters[filter as usize].vm;
    let pending = Pending { filter, phase, dir, pos, eos };
    let result = if c.has(vm, which) { callback(which, stream::target(c, slot, filter, pending), args) } else { 0 };
    chain::settle(slot, pending, Some(result));
}

/// What a filter's answer means: `behind` pieces of work were queued by the filter itself and come first.
pub fn after(slot: u32, p: Pending, result: u32, behind: usize) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let state = &mut s.filters[p.filter as usize];
    let goes_on = result == 0;
    if goes_on {
        state.half[p.dir].pause = Pause::No;
        if p.phase == Phase::Data {
            state.shown[p.dir] = false;
        }
    } else if std::mem::replace(&mut state.half[p.dir].pause, Pause::Body) == Pause::No {
        let phase = if p.phase == Phase::Data { 4 } else { 3 };
        let row = Row { filter: p.filter as u8, exchange: s.exchange, args: [p.dir as u32, phase, result, 0], ..Row::event(Event::Pause, c.now) };
        c.trace.push(row, |_| {});
        idle::watch(c, slot);
    }
    let s = &mut core().streams[slot as usize];
    let next = match (p.phase, p.dir) {
        (Phase::NewConnection, _) => Work::Read { pos: p.pos, data: true },
        (_, DOWNSTREAM) => Work::Read { pos: p.pos + 1, data: false },
        _ => Work::Write { pos: p.pos + 1 },
    };
    if goes_on {
        s.work.insert(behind.min(s.work.len()), next);
    }
    if p.eos && p.dir == UPSTREAM {
        s.work.insert(behind.min(s.work.len()), Work::UpstreamClose { filter: p.filter });
    }
}

/// The same where the filter has closed the connection meanwhile: Envoy calls it all the same, with a context that it has deleted.
pub fn after_close(slot: u32, p: Pending) {
    if let (Some(tcp), Phase::Data, UPSTREAM, true) = (&mut core().streams[slot as usize].tcp, p.phase, p.dir, p.eos) {
        tcp.late = Some(p.filter);
    }
}

/// Tells a filter that the upstream has ended: Envoy does so right after the filter saw the end of its data, and never says who closed.
pub fn upstream_close(slot: u32, filter: u32) {
    let c = core();
    let state = &c.streams[slot as usize].filters[filter as usize];
    let vm = state.vm;
    if state.created && c.vms[vm as usize].failed == 0 && c.has(vm, Callback::UpstreamClose) {
        let pending = Pending { filter, phase: Phase::UpstreamClose, dir: UPSTREAM, pos: 0, eos: true };
        callback(Callback::UpstreamClose, stream::target(c, slot, filter, pending), [0, 0]);
    }
}

/// The proxy connects to the upstream when the last filter lets it, and takes what there is.
fn take(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let Some(tcp) = &mut s.tcp else { return };
    if !tcp.connected {
        if tcp.unreached {
            return close(slot, LOCAL);
        }
        tcp.connected = true;
        s.sent_at = c.now;
        s.sink[DOWNSTREAM].headers = true;
        // nothing is read before, from either side
        plan(slot, DOWNSTREAM);
        plan(slot, UPSTREAM);
        return;
    }
    if tcp.ended[DOWNSTREAM] {
        tcp.told[DOWNSTREAM] = true;
    }
    s.sink[DOWNSTREAM].ended = tcp.told[DOWNSTREAM];
    let bytes = std::mem::take(&mut tcp.buffer[DOWNSTREAM]);
    s.put(DOWNSTREAM, bytes);
}

/// The client gets what there is.
fn give(slot: u32) {
    let s = &mut core().streams[slot as usize];
    let Some(tcp) = &mut s.tcp else { return };
    if tcp.ended[UPSTREAM] {
        tcp.told[UPSTREAM] = true;
    }
    s.sink[UPSTREAM].ended = tcp.told[UPSTREAM];
    let bytes = std::mem::take(&mut tcp.buffer[UPSTREAM]);
    s.put(UPSTREAM, bytes);
}

/// The connection is over; what is still held back is lost.
pub fn close(slot: u32, close_type: u32) {
    let s = &mut core().streams[slot as usize];
    if s.ending || !s.live {
        return;
    }
    if let Some(tcp) = &mut s.tcp {
        tcp.close_type = close_type;
    }
    departure::end(slot);
}

/// A filter closes the connection: what is at hand goes no further.
pub fn close_by(slot: u32, filter: u32) {
    if let Some(tcp) = &mut core().streams[slot as usize].tcp {
        tcp.closer = filter + 1;
    }
    close(slot, LOCAL);
}

/// For each filter in turn: the close, then done, log and delete. A filter that never met the connection hears nothing.
pub fn end_step(slot: u32, step: u8, filter: u32) {
    let c = core();
    if filter == c.filters.len() as u32 {
        if let Some(late) = c.streams[slot as usize].tcp.as_mut().and_then(|tcp| tcp.late.take()) {
            c.streams[slot as usize].work.push_front(Work::End { step: 0, filter });
            return upstream_close(slot, late);
        }
        write_out(slot);
        return departure::release(slot);
    }
    let s = &mut c.streams[slot as usize];
    let state = &s.filters[filter as usize];
    let vm = state.vm;
    if state.absent || state.dead || !state.created || c.vms[vm as usize].failed != 0 {
        c.vms[vm as usize].contexts.remove(&state.ctx);
        return s.work.push_front(Work::End { step: 0, filter: filter + 1 });
    }
    let which = [Callback::DownstreamClose, Callback::Done, Callback::Log, Callback::Delete][step as usize & 3];
    s.work.push_front(if step < 3 { Work::End { step: step + 1, filter } } else { Work::End { step: 0, filter: filter + 1 } });
    let close_type = s.tcp.as_ref().map_or(LOCAL, |tcp| tcp.close_type.max(LOCAL));
    let pending = Pending { filter, phase: Phase::End, dir: UPSTREAM, pos: 0, eos: false };
    if c.has(vm, which) {
        callback(which, stream::target(c, slot, filter, pending), [if step == 0 { close_type } else { 0 }, 0]);
    }
    if step == 3 {
        let c = core();
        let ctx = c.streams[slot as usize].filters[filter as usize].ctx;
        c.vms[vm as usize].contexts.remove(&ctx);
    }
}

/// Records what both sides got.
fn write_out(slot: u32) {
    let c = core();
    let s = &c.streams[slot as usize];
    let mut bits = 0;
    let mut sizes = [0; 2];
    let mut parts: [&[u8]; 2] = [&[]; 2];
    for dir in [DOWNSTREAM, UPSTREAM] {
        let ((from, to), sink) = (s.bodies[dir], &s.sink[dir]);
        if sink.own.is_none() && sink.passed == to - from {
            bits |= 1 << dir;
            sizes[dir] = sink.passed;
            continue;
        }
        parts[dir] = sink.own.as_deref().unwrap_or(&s.record[from as usize..(from + sink.passed) as usize]);
        sizes[dir] = parts[dir].len() as u32;
    }
    let (close_type, connected, closer) = s.tcp.as_ref().map_or((LOCAL, false, 0), |tcp| (tcp.close_type.max(LOCAL), tcp.connected, tcp.closer));
    if !memory::has_room(2 * (parts[0].len() + parts[1].len())) {
        parts = [&[]; 2];
        bits |= NOT_KEPT;
    }
    let row = Row {
        exchange: s.exchange,
        filter: closer.checked_sub(1).map_or(NO_FILTER, |filter| filter as u8),
        result: close_type as i32,
        args: [sizes[0], sizes[1], bits, u32::from(connected)],
        ..Row::event(Event::ConnectionEnd, c.now)
    };
    c.trace.push(row, |f| {
        f.bytes(parts[0]).bytes(parts[1]);
    });
}

/// What a filter held back when its VM failed comes to it again, now that it lives in a fresh one.
pub fn give_back(slot: u32, filter: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let paused = std::mem::take(&mut s.filters[filter as usize].half).iter().any(|half| half.pause != Pause::No);
    if paused {
        let data = s.filters[filter as usize].met;
        s.work.push_back(Work::Read { pos: filter, data });
        s.work.push_back(Work::Settle { dir: None });
        c.ready.push_back(slot);
    }
}
