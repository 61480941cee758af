//! One HTTP exchange on its way: what it holds, how it begins and how it ends.

use crate::call::{callback, Callback, Target};
use crate::headers::HeaderMap;
use crate::message;
use crate::packed::Reader;
use crate::pieces::Pieces;
use crate::state::{core, Core, Ctx};
use crate::trace::{Event, Has, Place, Row, NONE};
use crate::upgrade;
use crate::work::{Kept, Work};
use std::collections::{BTreeMap, VecDeque};

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
    NewConnection,
    /// Bytes of a connection.
    Data,
    UpstreamClose,
    End,
}

impl Phase {
    /// A callback with a part of a message, which passes the filters meanwhile.
    pub fn is_message(self) -> bool {
        matches!(self, Phase::Headers | Phase::Body | Phase::Trailers)
    }
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
    /// To be changed: from now on a copy.
    pub fn own(&mut self, record: &[u8]) -> &mut Vec<u8> {
        if let Bytes::Captured(from, to) = *self {
            *self = Bytes::Own(record[from as usize..to as usize].to_vec());
        }
        let Bytes::Own(own) = self else { unreachable!() };
        own
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

/// Body and trailers that a pause in the headers held back, once the filter has let them come. One that holds the body again and lets the
/// trailers go is told of the trailers twice, and the body is lost: so it is in Envoy, whose buffer comes to itself there.
#[derive(Default, PartialEq, Clone, Copy)]
pub enum Together {
    #[default]
    No,
    Came,
    /// The trailers have come a second time.
    Again,
}

/// One filter's view of one direction.
#[derive(Default)]
pub struct Half {
    pub pause: Pause,
    /// Its headers have not gone on yet.
    pub headers_held: bool,
    /// They have gone on, perhaps before their callback's result was known.
    pub headers_gone: bool,
    /// It has been shown the end of the message.
    pub ended: bool,
    /// They are the whole message.
    pub headers_end: bool,
    /// What is held back after headers counts against the buffer limit.
    pub limited: bool,
    pub held: Bytes,
    /// The end of the message came here and has not gone on: with what is held, or with the running callback.
    pub held_eos: bool,
    pub trailers_waiting: bool,
    pub together: Together,
    /// The next body callback shows all that is held.
    pub buffering: bool,
    /// The chunk of the running body callback, as far as it is not part of `held`.
    pub chunk: Option<Bytes>,
    pub chunk_kept: Kept,
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
    /// It did not start, and fails this stream as its policy says.
    pub dead: bool,
    pub logging: bool,
    /// The stream goes on in a fresh VM, in a context that has not seen its beginning.
    pub renewed: bool,
    pub failure_told: bool,
    /// The buffer that it looked at last, or that its callback is about.
    pub last_buffer: Option<u32>,
    pub failure_answered: bool,
    pub half: [Half; 2],
    /// A connection's filter has been told of it, and can reach the bytes of a direction.
    pub met: bool,
    pub shown: [bool; 2],
}

/// What has left the chain in one direction.
#[derive(Default)]
pub struct Sink {
    pub headers: bool,
    /// The headers as they left, packed, where a filter can still write to the map.
    pub frozen: Option<(Vec<u8>, Option<Place>)>,
    pub ended: bool,
    /// Captured bytes that went out as they were; once something differs, all is in `own`.
    pub passed: u32,
    pub own: Option<Vec<u8>>,
    /// The headers went out twice: what follows them means nothing to a client.
    pub spoilt: bool,
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
    /// The thread that serves it.
    pub worker: u32,
    /// Places in the record: request fields, trailers, response fields, trailers, attributes.
    pub lists: [usize; 5],
    pub loaded: [message::Loaded; 2],
    pub bodies: [(u32, u32); 2],
    pub maps: [HeaderMap; 4],
    pub has_trailers: [bool; 2],
    /// The whole message has come in, though perhaps not far.
    pub whole: [bool; 2],
    pub trailers_added: [bool; 2],
    /// Something was held back: Envoy's buffer stays when it is empty again.
    pub buffered: [bool; 2],
    pub filters: Vec<FilterStream>,
    pub work: VecDeque<Work>,
    pub sink: [Sink; 2],
    pub response_planned: bool,
    /// Why Envoy cannot send the request to the upstream.
    pub unsendable: Option<Vec<u8>>,
    pub response_loaded: bool,
    /// When the request's headers went to the upstream, and when the last byte came in.
    pub sent_at: u64,
    pub last_byte: u64,
    pub local: bool,
    /// How many answers were made here.
    pub answers: u32,
    /// Body bytes that came in so far, each direction.
    pub received: [u64; 2],
    /// The callback that made the local response.
    pub answered_by: u32,
    pub stopped: bool,
    /// In a call of its own on the way to the upstream, where Envoy goes no farther with it.
    pub aborted: bool,
    pub ending: bool,
    /// Listed among the paused streams, and paused last at this time.
    pub watched: bool,
    pub paused_at: u64,
    pub head: bool,
    pub grpc: bool,
    pub code: u32,
    pub details: Vec<u8>,
    /// `response.flags`: what the proxy met, a bit each (Envoy's `CoreResponseFlag`).
    pub flags: u32,
    /// How much of a route was found.
    pub route: Route,
    /// The directions that were paused when the stream's time was up, as in the END row.
    pub left: u32,
    /// What filters set as properties, by the raw path.
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Those of them that can be set no more.
    pub fixed_state: Vec<Vec<u8>>,
    /// Filter state under names that Envoy knows.
    pub envoy_state: Vec<EnvoyState>,
    /// What is said once the exchange has become a WebSocket, where it may; and whether it has.
    pub upgrade: Option<Box<Pieces>>,
    pub upgraded: bool,
    /// The next message of a side waits for something other than its time.
    pub stalled: [bool; 2],
    /// It is no exchange but a TCP connection.
    pub tcp: Option<Box<crate::connection::Tcp>>,
}

/// A request that Envoy refuses before its host is known has no virtual host, one that leads nowhere no route.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Route {
    #[default]
    Whole,
    HostOnly,
    Nothing,
}

/// An object of Envoy's filter state, as it reads.
pub struct EnvoyState {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    pub span: u32,
    pub readable: bool,
}

/// Something a filter changed in the running callback.
#[derive(Clone, Copy, PartialEq)]
pub enum Touched {
    Map { slot: u32, filter: u32, map: usize },
    /// `dir` 2 and 3: bytes of a connection from the client, from the upstream.
    Body { slot: u32, filter: u32, dir: usize, before: u32 },
}

/// Flag of a record whose exchange became a WebSocket.
const WEBSOCKET: u32 = 8;

/// Bytes of a buffer that are worth keeping for the next exchange.
const KEPT: usize = 64 << 10;

impl Stream {
    /// Reads the record and makes the request as the first filter is shown it.
    pub fn load(&mut self, record: &[u8], websocket: u32) {
        self.tcp = None;
        self.record.clear();
        self.record.extend_from_slice(record);
        let mut r = Reader::new(record);
        self.exchange = r.u32();
        let flags = r.u32();
        self.has_response = flags & 1 != 0;
        self.versions = [flags >> 8 & 0xff, flags >> 16 & 0xff];
        self.times = [r.time(), r.time(), r.time(), r.time()];
        (self.status, self.connection) = (r.u32(), r.u32());
        let method = r.str();
        let (scheme, authority, path) = (r.str(), r.str(), r.str());
        self.lists[0] = r.at;
        let fields = r.pairs();
        let is_websocket = flags & WEBSOCKET != 0;
        let allowed = websocket == upgrade::ANY || websocket == upgrade::CAPTURED && is_websocket;
        let version = self.versions[REQUEST];
        self.loaded[REQUEST] = message::load_request(&mut self.maps[0], method, scheme, authority, path, fields, version, allowed);
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
        self.upgrade = None;
        if is_websocket || self.loaded[REQUEST].upgrade {
            r.str();
            let count = r.u32() as usize;
            let messages = r.take(count.saturating_mul(16));
            self.upgrade = self.loaded[REQUEST].upgrade.then(|| Box::new(Pieces::read(count, messages, self.bodies)));
            if self.upgrade.is_none() {
                // frames are no body of anything else
                self.bodies = [(0, 0); 2];
            }
        }
        self.head = method == b"HEAD";
        self.grpc = self.maps[0].get(b"content-type").is_some_and(is_grpc);
        self.maps[2].clear(crate::headers::Side::Response);
        self.maps[3].clear(crate::headers::Side::Trailers);
    }

    /// Puts work in its place: behind what is as far along in its direction or farther, before what comes after it.
    pub fn advance(&mut self, work: Work) {
        let Some((dir, pos)) = work.place() else { return self.work.push_front(work) };
        let behind = |other: &Work| other.place().is_some_and(|(d, p)| d == dir && p >= pos);
        match self.work.iter().rposition(behind) {
            None => self.work.push_front(work),
            Some(at) => self.work.insert(at + 1, work),
        }
    }

    /// The bytes that a filter is shown of a direction: of a connection for 2 and 3.
    pub fn shown(&self, filter: u32, dir: usize) -> &Bytes {
        if let (Some(tcp), 2..) = (&self.tcp, dir) {
            return &tcp.buffer[dir - 2];
        }
        let half = &self.filters[filter as usize].half[dir & 1];
        half.chunk.as_ref().unwrap_or(&half.held)
    }

    pub fn list(&self, which: usize) -> crate::packed::Pairs<'_> {
        let mut r = Reader::new(&self.record);
        r.at = self.lists[which];
        r.pairs()
    }

    pub fn reset(&mut self, filters: usize) {
        self.life = self.life.wrapping_add(1);
        self.live = true;
        self.trailers_added = [false; 2];
        self.whole = [false; 2];
        self.buffered = [false; 2];
        self.filters.resize_with(filters, FilterStream::default);
        self.received = [0; 2];
        self.answered_by = NONE;
        (self.response_planned, self.response_loaded, self.local, self.answers) = (false, false, false, 0);
        self.aborted = false;
        (self.stopped, self.ending, self.watched, self.code) = (false, false, false, 0);
        (self.flags, self.route, self.left) = (0, Route::Whole, 0);
        (self.upgraded, self.stalled) = (false, [false; 2]);
    }

    /// Gives back what the exchange took; buffers are kept for the next one unless they are large.
    pub fn clear(&mut self) {
        self.live = false;
        self.work.clear();
        self.filters.clear();
        self.sink = Default::default();
        self.details.clear();
        self.unsendable = None;
        self.state.clear();
        self.fixed_state.clear();
        self.envoy_state.clear();
        self.tcp = None;
        self.upgrade = None;
        self.record.clear();
        self.record.shrink_to(KEPT);
        for map in &mut self.maps {
            map.shrink_to(KEPT);
        }
    }
}

pub fn is_grpc(content_type: &[u8]) -> bool {
    content_type.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
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
    let state = &mut c.streams[slot as usize].filters[filter as usize];
    state.created = true;
    if state.renewed {
        state.ctx = c.vms[vm as usize].new_context(Ctx::Stream { slot, filter });
    }
    if c.has(vm, Callback::ContextCreate) {
        let pending = Pending { filter, phase: Phase::Create, dir: REQUEST, pos: 0, eos: false };
        let root = c.filters[filter as usize].root;
        callback(Callback::ContextCreate, target(c, slot, filter, pending), [root, 0]);
    }
}

/// Writes the maps and bodies that the finished callback changed, as they are now.
pub fn flush_touched(parent: u32) {
    let c = core();
    if c.touched.is_empty() {
        return;
    }
    for touched in std::mem::take(&mut c.touched) {
        let (Touched::Map { slot, filter, .. } | Touched::Body { slot, filter, .. }) = touched;
        let s = &mut c.streams[slot as usize];
        let row = Row { filter: filter as u8, exchange: s.exchange, parent, ..Row::event(Event::Map, c.now) };
        match touched {
            Touched::Map { map, .. } => {
                let row = Row { args: [map as u32, 0, 0, 0], ..row };
                let map = &mut s.maps[map];
                map.place = Some(c.trace.push_headers(row, Has::Headers, None, |out| map.write(out)));
            }
            Touched::Body { dir, before, .. } => {
                let view = s.shown(filter, dir).get(&s.record);
                if !crate::memory::has_room(view.len()) {
                    // a filter that was ended for it: the body goes nowhere
                    continue;
                }
                let row = Row { code: Event::Body as u8, args: [dir as u32, before, 0, 0], ..row };
                c.trace.push(row, |f| {
                    f.bytes(view);
                });
            }
        }
    }
}
