//! One HTTP exchange on its way: what it holds, how it begins and how it ends.

use crate::call::{callback, Callback, Target};
use crate::events::Event as Planned;
use crate::headers::HeaderMap;
use crate::message;
use crate::packed::Reader;
use crate::state::{core, Core, Ctx, EARLIER, OPEN, RESTART};
use crate::trace::{Event, Row, NONE};
use std::collections::VecDeque;

pub const REQUEST: usize = 0;
pub const RESPONSE: usize = 1;
/// Map types of a direction's headers and trailers, by direction.
pub const HEADERS: [usize; 2] = [0, 2];
pub const TRAILERS: [usize; 2] = [1, 3];

#[derive(Clone, Copy, PartialEq)]
pub enum Phase {
    Create,
    Headers,
    Body,
    Trailers,
    End,
}

/// A callback of a stream: enough to draw its consequences, also after a trap.
#[derive(Clone, Copy, PartialEq)]
pub struct Pending {
    pub filter: u32,
    pub phase: Phase,
    pub dir: usize,
    pub pos: u32,
    pub eos: bool,
}

/// Body bytes: a range of the captured record as long as nobody changed them.
#[derive(Clone, PartialEq)]
pub enum Bytes {
    Captured(u32, u32),
    Own(Vec<u8>),
}

impl Default for Bytes {
    fn default() -> Self {
        Bytes::Captured(0, 0)
    }
}

impl Bytes {
    pub fn len(&self) -> usize {
        match self {
            Bytes::Captured(from, to) => (to - from) as usize,
            Bytes::Own(bytes) => bytes.len(),
        }
    }
    pub fn get<'a>(&'a self, record: &'a [u8]) -> &'a [u8] {
        match self {
            Bytes::Captured(from, to) => &record[*from as usize..*to as usize],
            Bytes::Own(bytes) => bytes,
        }
    }
    pub fn append(&mut self, more: Bytes, record: &[u8]) {
        match (&mut *self, &more) {
            _ if more.len() == 0 => {}
            (Bytes::Captured(_, to), Bytes::Captured(from, end)) if *to == *from => *to = *end,
            (mine, _) if mine.len() == 0 => *self = more,
            (Bytes::Own(mine), _) => mine.extend_from_slice(more.get(record)),
            (mine, _) => {
                let mut own = mine.get(record).to_vec();
                own.extend_from_slice(more.get(record));
                *self = Bytes::Own(own);
            }
        }
    }
}

/// What is to be done next on a stream. `pos` counts filters in the direction's order.
pub enum Work {
    Headers { dir: usize, pos: u32, eos: bool },
    Data { dir: usize, pos: u32, bytes: Bytes, eos: bool },
    Trailers { dir: usize, pos: u32 },
    End { step: u8, filter: u32 },
}

#[derive(Clone, Copy, PartialEq, Default)]
pub enum Pause {
    #[default]
    No,
    /// After headers: this filter sees nothing more until it continues.
    All,
    /// After headers, by option: body and trailers still come here.
    HeadersOnly,
    Body,
    Trailers,
}

/// One filter's view of one direction.
#[derive(Default)]
pub struct Half {
    pub pause: Pause,
    /// Its headers have not gone on yet.
    pub headers_held: bool,
    pub held: Bytes,
    pub held_eos: bool,
    pub trailers_waiting: bool,
    /// The next body callback shows all that is held.
    pub buffering: bool,
    /// The chunk of the running body callback, as far as it is not part of `held`.
    pub chunk: Option<Bytes>,
    /// Its header map and trailers can be reached.
    pub headers_open: bool,
    pub trailers_open: bool,
    /// The last body callback had the end of the stream: a write to trailers makes them.
    pub may_add_trailers: bool,
}

#[derive(Default)]
pub struct FilterStream {
    pub vm: u32,
    pub ctx: u32,
    pub created: bool,
    /// Not part of this stream: its VM had failed before, and its policy is open.
    pub absent: bool,
    pub logging: bool,
    pub failure_told: bool,
    pub failure_answered: bool,
    pub half: [Half; 2],
}

/// What has left the chain in one direction.
#[derive(Default)]
pub struct Sink {
    pub headers: bool,
    pub ended: bool,
    /// Captured bytes that went out as they were; once something differs, all is in `own`.
    pub passed: u32,
    pub own: Option<Vec<u8>>,
}

#[derive(Default)]
pub struct Stream {
    pub exchange: u32,
    /// Counts the uses of this slot: an event of an earlier one is stale.
    pub life: u32,
    pub live: bool,
    pub record: Vec<u8>,
    pub has_response: bool,
    pub versions: [u32; 2],
    pub times: [u64; 4],
    /// When each direction began in this replay.
    pub began: [u64; 2],
    pub status: u32,
    pub connection: u32,
    /// Places in the record: request fields, trailers, response fields, trailers, attributes.
    pub lists: [usize; 5],
    pub bodies: [(u32, u32); 2],
    pub maps: [HeaderMap; 4],
    pub has_trailers: [bool; 2],
    pub trailers_added: [bool; 2],
    pub filters: Vec<FilterStream>,
    pub work: VecDeque<Work>,
    pub sink: [Sink; 2],
    pub response_planned: bool,
    pub response_loaded: bool,
    pub local: bool,
    /// Body bytes that came in so far, each direction.
    pub received: [u64; 2],
    /// The callback that made the local response.
    pub answered_by: u32,
    pub stopped: bool,
    pub ending: bool,
    pub head: bool,
    pub grpc: bool,
    pub code: u32,
    pub details: Vec<u8>,
    pub state: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Something a filter changed in the running callback.
#[derive(Clone, Copy, PartialEq)]
pub enum Touched {
    Map { slot: u32, filter: u32, map: usize },
    Body { slot: u32, filter: u32, dir: usize, before: u32 },
}

impl Stream {
    /// Reads the record and makes the request as the first filter is shown it.
    fn load(&mut self, record: &[u8]) {
        self.record.clear();
        self.record.extend_from_slice(record);
        let mut r = Reader::new(record);
        self.exchange = r.u32();
        let flags = r.u32();
        self.has_response = flags & 1 != 0;
        self.versions = [flags >> 8 & 0xff, flags >> 16 & 0xff];
        self.times = [r.u64(), r.u64(), r.u64(), r.u64()];
        (self.status, self.connection) = (r.u32(), r.u32());
        let method = r.str();
        let (scheme, authority, path) = (r.str(), r.str(), r.str());
        self.lists[0] = r.at;
        let fields = r.pairs();
        message::load_request(&mut self.maps[0], method, scheme, authority, path, || fields.clone());
        self.bodies[REQUEST] = r.range();
        self.lists[1] = r.at;
        let trailers = r.pairs();
        self.has_trailers = [trailers.len() > 0, false];
        message::load_trailers(&mut self.maps[1], trailers);
        self.lists[2] = r.at;
        r.pairs();
        self.bodies[RESPONSE] = r.range();
        self.lists[3] = r.at;
        self.has_trailers[RESPONSE] = r.pairs().len() > 0;
        self.lists[4] = r.at;
        r.pairs();
        self.head = method == b"HEAD";
        self.grpc = self.maps[0].get(b"content-type").is_some_and(is_grpc);
        self.maps[2].clear(crate::headers::Side::Response);
        self.maps[3].clear(crate::headers::Side::Trailers);
    }

    pub fn list(&self, which: usize) -> crate::packed::Pairs<'_> {
        let mut r = Reader::new(&self.record);
        r.at = self.lists[which];
        r.pairs()
    }

    fn reset(&mut self, filters: usize) {
        self.life = self.life.wrapping_add(1);
        self.live = true;
        self.trailers_added = [false; 2];
        self.filters.clear();
        self.filters.resize_with(filters, FilterStream::default);
        self.work.clear();
        self.sink = Default::default();
        self.received = [0; 2];
        self.answered_by = NONE;
        (self.response_planned, self.response_loaded, self.local) = (false, false, false);
        (self.stopped, self.ending, self.code) = (false, false, 0);
        self.details.clear();
        self.state.clear();
    }
}

pub fn is_grpc(content_type: &[u8]) -> bool {
    content_type.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+') | Some(b';')))
}

/// True where a filter's policy wants a fresh VM before a new stream begins; the pump then asks for it.
pub fn wants_reload(c: &mut Core) -> bool {
    let now = c.now;
    for (number, filter) in c.filters.iter().enumerate() {
        let vm = &c.vms[filter.vm as usize];
        // Envoy's back-off: one second after the failure
        if filter.policy == crate::state::RELOAD && matches!(vm.failed, 1..=3) && !filter.given_up && now >= vm.failed_at + 1_000_000_000 {
            c.needs.push_back((number as u32, 1));
            return true;
        }
    }
    false
}

/// A captured request arrives.
pub fn arrive(record: &[u8]) -> u32 {
    let c = core();
    let slot = c.free.pop().unwrap_or_else(|| {
        c.streams.push(Stream::default());
        c.streams.len() as u32 - 1
    });
    c.open += 1;
    let count = c.filters.len();
    let s = &mut c.streams[slot as usize];
    s.reset(count);
    s.load(record);
    s.began[REQUEST] = c.now;
    for (state, filter) in s.filters.iter_mut().zip(&c.filters) {
        state.vm = filter.vm;
        state.absent = c.vms[filter.vm as usize].failed != 0 && (filter.policy == OPEN || filter.fail_open);
        if state.absent {
            state.failure_told = true;
        }
    }
    let (body, trailers) = (s.bodies[REQUEST], s.has_trailers[REQUEST]);
    let row = Row {
        exchange: s.exchange,
        args: [body.1 - body.0, s.maps[1].len() as u32, s.connection, 0],
        ..Row::event(Event::Request, c.now)
    };
    let (maps, trace) = (&s.maps, &mut c.trace);
    trace.push(row, |f| {
        f.with(|out| maps[0].write(out)).with(|out| maps[1].write(out));
    });
    for filter in 0..count as u32 {
        if core().streams[slot as usize].filters[filter as usize].absent {
            tell(slot, filter, EARLIER, 2, b"its VM had failed before", NONE);
        }
    }
    let c = core();
    let s = &mut c.streams[slot as usize];
    let chunked = message::is_chunked(s.list(0));
    let eos = body.0 == body.1 && !trailers && !chunked;
    s.work.push_back(Work::Headers { dir: REQUEST, pos: 0, eos });
    if !eos {
        plan_body(slot, REQUEST, body.0);
    }
    slot
}

/// Delivers a captured body's next piece, now or at its time: pieces spread evenly between the message's first and last byte.
pub fn plan_body(slot: u32, dir: usize, from: u32) {
    let c = core();
    let s = &c.streams[slot as usize];
    let (start, end) = s.bodies[dir];
    let upto = piece(c.settings.chunk, from, end);
    let whole = s.times[dir * 2 + 1].saturating_sub(s.times[dir * 2]);
    let passed = if start == end { whole } else { (u128::from(whole) * u128::from(upto - start) / u128::from(end - start)) as u64 };
    let at = s.began[dir] + passed;
    if at <= c.now {
        deliver_body(slot, dir, from);
    } else {
        let life = s.life;
        let event = if dir == REQUEST { Planned::RequestBody { slot, life, from } } else { Planned::ResponseBody { slot, life, from } };
        c.events.plan(at, event);
    }
}

/// Where the piece that begins at `from` ends.
fn piece(size: u32, from: u32, end: u32) -> u32 {
    if size == 0 { end } else { from.saturating_add(size).min(end) }
}

/// A piece of a captured body enters the chain. HTTP/1 tells the end apart from the last piece, as Envoy's codec does.
pub fn deliver_body(slot: u32, dir: usize, from: u32) {
    let c = core();
    let chunk = c.settings.chunk;
    let s = &mut c.streams[slot as usize];
    if dir == REQUEST && s.stopped || dir == RESPONSE && s.local {
        return;
    }
    let end = s.bodies[dir].1;
    let upto = piece(chunk, from, end);
    let last = upto == end;
    s.received[dir] += u64::from(upto - from);
    let trailers = s.has_trailers[dir];
    let with_end = last && !trailers && s.versions[dir] >= 20;
    if upto > from || with_end {
        s.work.push_back(Work::Data { dir, pos: 0, bytes: Bytes::Captured(from, upto), eos: with_end });
    }
    if last && trailers {
        s.work.push_back(Work::Trailers { dir, pos: 0 });
    } else if last && !with_end {
        s.work.push_back(Work::Data { dir, pos: 0, bytes: Bytes::default(), eos: true });
    }
    c.ready.push_back(slot);
    if !last {
        plan_body(slot, dir, upto);
    }
}

/// The upstream's answer arrives.
pub fn respond(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    if s.local {
        return;
    }
    s.response_loaded = true;
    s.began[RESPONSE] = c.now;
    let mut map = std::mem::take(&mut s.maps[2]);
    message::load_response(&mut map, s.status, s.list(2));
    s.maps[2] = map;
    let mut map = std::mem::take(&mut s.maps[3]);
    message::load_trailers(&mut map, s.list(3));
    s.maps[3] = map;
    let body = s.bodies[RESPONSE];
    let row = Row {
        exchange: s.exchange,
        result: s.status as i32,
        args: [body.1 - body.0, s.maps[3].len() as u32, 0, 0],
        ..Row::event(Event::Response, c.now)
    };
    let maps = &s.maps;
    c.trace.push(row, |f| {
        f.with(|out| maps[2].write(out)).with(|out| maps[3].write(out)).bytes(b"");
    });
    let bodiless = s.head || matches!(s.status, 100..=199 | 204 | 304);
    let eos = bodiless || body.0 == body.1 && !s.has_trailers[RESPONSE] && !message::is_chunked(s.list(2));
    s.code = s.status;
    s.work.push_back(Work::Headers { dir: RESPONSE, pos: 0, eos });
    c.ready.push_back(slot);
    if !eos {
        plan_body(slot, RESPONSE, body.0);
    }
}

pub fn target(c: &Core, slot: u32, filter: u32, pending: Pending) -> Target {
    let s = &c.streams[slot as usize];
    let state = &s.filters[filter as usize];
    Target { vm: state.vm, filter, ctx: Ctx::Stream { slot, filter }, ctx_id: state.ctx, exchange: s.exchange, pending: Some((slot, pending)) }
}

/// Creates the filter's context for this stream, and tells the filter. May never return.
pub fn create(slot: u32, filter: u32) {
    let c = core();
    let vm = c.streams[slot as usize].filters[filter as usize].vm;
    let ctx = c.vms[vm as usize].new_context(Ctx::Stream { slot, filter });
    let state = &mut c.streams[slot as usize].filters[filter as usize];
    state.created = true;
    state.ctx = ctx;
    if c.has(vm, Callback::ContextCreate) {
        let pending = Pending { filter, phase: Phase::Create, dir: REQUEST, pos: 0, eos: false };
        let root = c.filters[filter as usize].root;
        callback(Callback::ContextCreate, target(c, slot, filter, pending), [root, 0]);
    }
}

/// Log for all filters, then done and delete for each: Envoy's order for HTTP.
pub fn end_step(slot: u32, step: u8, filter: u32) {
    let c = core();
    let count = c.filters.len() as u32;
    if filter == count {
        if step == 0 {
            c.streams[slot as usize].work.push_front(Work::End { step: 1, filter: 0 });
        } else {
            release(slot);
        }
        return;
    }
    let state = &c.streams[slot as usize].filters[filter as usize];
    let vm = state.vm;
    if state.absent || c.vms[vm as usize].failed != 0 {
        c.streams[slot as usize].work.push_front(Work::End { step, filter: filter + 1 });
        return;
    }
    let pending = Pending { filter, phase: Phase::End, dir: RESPONSE, pos: 0, eos: false };
    if step == 0 {
        if !state.created {
            c.streams[slot as usize].work.push_front(Work::End { step, filter });
            return create(slot, filter);
        }
        c.streams[slot as usize].work.push_front(Work::End { step: 0, filter: filter + 1 });
        let state = &mut c.streams[slot as usize].filters[filter as usize];
        state.logging = true;
        if c.has(vm, Callback::Log) {
            callback(Callback::Log, target(c, slot, filter, pending), [0, 0]);
        }
        core().streams[slot as usize].filters[filter as usize].logging = false;
        return;
    }
    let (callback_of_step, next) = match step {
        1 => (Callback::Done, Work::End { step: 2, filter }),
        _ => (Callback::Delete, Work::End { step: 1, filter: filter + 1 }),
    };
    c.streams[slot as usize].work.push_front(next);
    let created = c.streams[slot as usize].filters[filter as usize].created;
    if created && c.has(vm, callback_of_step) {
        callback(callback_of_step, target(c, slot, filter, pending), [0, 0]);
    }
    if step == 2 {
        let c = core();
        let ctx = c.streams[slot as usize].filters[filter as usize].ctx;
        c.vms[vm as usize].contexts.remove(&ctx);
    }
}

fn release(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let mut state = 0;
    if !s.local && !s.sink[REQUEST].ended && s.filters.iter().any(|f| f.half[REQUEST].pause != Pause::No) {
        state |= 1;
    }
    if !s.local && !s.sink[RESPONSE].ended && s.filters.iter().any(|f| f.half[RESPONSE].pause != Pause::No) {
        state |= 2;
    }
    if !s.sink[RESPONSE].ended {
        state |= 4;
    }
    for f in &s.filters {
        if c.vms[f.vm as usize].failed != 0 {
            c.vms[f.vm as usize].contexts.remove(&f.ctx);
        }
    }
    let row = Row { exchange: s.exchange, args: [state, 0, 0, 0], ..Row::event(Event::End, c.now) };
    c.trace.push(row, |_| {});
    s.live = false;
    s.work.clear();
    c.free.push(slot);
    c.done += 1;
    c.open -= 1;
    c.last_activity = c.now;
}

/// Records on the exchange that a filter failed there, or suffers from an earlier failure. Once a filter and exchange.
pub fn tell_failure(slot: u32, filter: u32, kind: u32, message: &[u8], parent: u32, harmless: bool) {
    let c = core();
    let passes = harmless || c.filters[filter as usize].fail_open || kind == EARLIER && c.filters[filter as usize].policy == RESTART;
    if !std::mem::replace(&mut c.streams[slot as usize].filters[filter as usize].failure_told, true) {
        tell(slot, filter, kind, if passes { 2 } else { 1 }, message, parent);
    }
}

fn tell(slot: u32, filter: u32, kind: u32, effect: u32, message: &[u8], parent: u32) {
    let c = core();
    let policy = c.filters[filter as usize].policy;
    let policy = if c.filters[filter as usize].fail_open { OPEN } else { policy };
    let row = Row {
        filter: filter as u8,
        exchange: c.streams[slot as usize].exchange,
        parent,
        vm: c.streams[slot as usize].filters[filter as usize].vm,
        args: [kind, policy, effect, 0],
        ..Row::event(Event::Failure, c.now)
    };
    let name = if parent == NONE { "" } else { c.trace.at(parent).map_or("", |row| crate::call::CALLBACKS[row.code as usize].0) };
    c.trace.push(row, |f| {
        f.bytes(message).bytes(name.as_bytes());
    });
}

/// Writes the maps and bodies that the finished callback changed, as they are now.
pub fn flush_touched(parent: u32) {
    let c = core();
    if c.touched.is_empty() {
        return;
    }
    for touched in std::mem::take(&mut c.touched) {
        let (Touched::Map { slot, filter, .. } | Touched::Body { slot, filter, .. }) = touched;
        let s = &c.streams[slot as usize];
        let row = Row { filter: filter as u8, exchange: s.exchange, parent, ..Row::event(Event::Map, c.now) };
        match touched {
            Touched::Map { map, .. } => {
                let row = Row { args: [map as u32, 0, 0, 0], ..row };
                c.trace.push(row, |f| {
                    f.with(|out| s.maps[map].write(out));
                });
            }
            Touched::Body { dir, before, .. } => {
                let half = &s.filters[filter as usize].half[dir];
                let view = half.chunk.as_ref().unwrap_or(&half.held).get(&s.record);
                let row = Row { code: Event::Body as u8, args: [dir as u32, before, 0, 0], ..row };
                c.trace.push(row, |f| {
                    f.bytes(view);
                });
            }
        }
    }
}
