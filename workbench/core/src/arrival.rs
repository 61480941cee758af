//! What comes in: a captured request, its answer, and the pieces of their bodies, each at its time.

use crate::connection;
use crate::events::Event as Planned;
use crate::failure;
use crate::headers::HeaderMap;
use crate::local;
use crate::message;
use crate::refusal::UPGRADE_FAILED;
use crate::state::{core, Core, Ctx, EARLIER, OPEN, RELOAD};
use crate::stream::{Bytes, Stream, REQUEST, RESPONSE};
use crate::trace::{Event, Has, Row, Trace, NONE};
use crate::upgrade;
use crate::work::{Kept, Work};
use crate::worker::{self, Presence};

/// Pieces of a body that wait in a stream at once; the others stay where they are, so that small pieces cost no memory.
const MOST_PIECES: u32 = 64;
/// Envoy's back-off between two starts of a VM: a second, to which it adds up to half of one at random.
const BACK_OFF_NS: u64 = 1_000_000_000;

/// True where a filter's policy wants a fresh VM before it takes part in a stream. Envoy's back-off counts from when the VM was
/// started last: one that ran for longer and fails is replaced at the next stream.
fn wants_reload(c: &Core, filter: u32) -> bool {
    let f = &c.filters[filter as usize];
    f.policy == RELOAD
        && matches!(c.vms[f.vm as usize].failed, 1..=3)
        && f.presence == Presence::Here
        && !f.given_up
        && c.now >= f.loaded_at + BACK_OFF_NS
}

/// A captured request or connection arrives, on the thread that serves its connection.
pub fn arrive(record: &[u8]) {
    let c = core();
    let slot = c.free.pop().unwrap_or_else(|| {
        c.streams.push(Stream::default());
        c.streams.len() as u32 - 1
    });
    c.callouts.exchange_moved();
    c.open += 1;
    c.held += record.len();
    let count = c.filters.len();
    let s = &mut c.streams[slot as usize];
    s.reset(count);
    if connection::is_connection(record) {
        connection::load(s, record);
    } else {
        s.load(record, c.settings.websocket);
    }
    s.began[REQUEST] = c.now;
    s.worker = worker::of_connection(c.settings.workers, s.connection);
    worker::enter(s.worker);
    enroll(slot, 0);
}

/// The filters from this one on take part in a stream, each with a context of its own: it is numbered now, as in Envoy, and the filter
/// told at its first callback. Stops where one needs a fresh VM, and is called again then.
pub fn enroll(slot: u32, from: u32) {
    let c = core();
    for filter in from..c.filters.len() as u32 {
        if c.vms[c.filters[filter as usize].vm as usize].failed != 0 && wants_reload(c, filter) {
            c.arriving = Some((slot, filter));
            c.needs.push_back((filter, c.worker, 1));
            // at once, so that it is asked for once
            c.filters[filter as usize].loaded_at = c.now;
            return;
        }
        let f = &c.filters[filter as usize];
        let vm = &mut c.vms[f.vm as usize];
        let failed = vm.failed != 0 || f.presence != Presence::Here;
        let state = &mut c.streams[slot as usize].filters[filter as usize];
        state.vm = f.vm;
        if failed {
            state.dead = f.presence == Presence::Dead;
            state.absent = matches!(f.presence, Presence::Absent | Presence::Out) || f.policy == OPEN || f.fail_open;
            state.failure_told = state.absent;
        } else {
            state.ctx = vm.new_context(Ctx::Stream { slot, filter });
        }
    }
    c.arriving = None;
    begin(slot);
    core().ready.push_back(slot);
}

fn begin(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let tcp = s.tcp.is_some();
    let (body, trailers) = (s.bodies[REQUEST], s.has_trailers[REQUEST]);
    if tcp {
        connection::open(slot);
    } else {
        let row = Row {
            exchange: s.exchange,
            args: [body.1 - body.0, s.maps[1].len() as u32, s.connection, s.worker],
            ..Row::event(Event::Request, c.now)
        };
        record(&mut c.trace, row, &mut s.maps[..2]);
    }
    for filter in 0..core().filters.len() as u32 {
        let presence = core().filters[filter as usize].presence;
        if core().streams[slot as usize].filters[filter as usize].absent && presence != Presence::Out {
            let started = presence == Presence::Here;
            let why: &[u8] = if started { b"its VM had failed before" } else { b"it did not start in this VM" };
            failure::tell(slot, filter, EARLIER, 2, why, NONE);
        }
    }
    if tcp {
        return;
    }
    let s = &mut core().streams[slot as usize];
    if s.loaded[REQUEST].refused.is_some() {
        return refuse(slot);
    }
    if s.upgrade.is_some() {
        s.work.push_back(Work::Headers { dir: REQUEST, pos: 0, eos: false });
        return upgrade::open(slot, REQUEST);
    }
    let eos = body.0 == body.1 && !trailers && !s.loaded[REQUEST].chunked;
    s.work.push_back(Work::Headers { dir: REQUEST, pos: 0, eos });
    if !eos {
        deliver_body(slot, REQUEST, body.0, true);
    }
}

/// A message as it came in: its headers and trailers.
fn record(trace: &mut Trace, row: Row, maps: &mut [HeaderMap]) {
    let [headers, trailers] = maps else { return };
    if trailers.len() == 0 {
        headers.place = Some(trace.push_headers(row, Has::Trailers, None, |out| headers.write(out)));
        return;
    }
    trace.push(row, |f| {
        f.with(|out| headers.write(out)).with(|out| trailers.write(out));
    });
}

/// Envoy answers this request itself: no filter is asked, each is told at the end.
fn refuse(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let Some(refusal) = s.loaded[REQUEST].refused else { return };
    if refusal.details == UPGRADE_FAILED {
        let row = Row { exchange: s.exchange, ..Row::event(Event::Note, c.now) };
        c.trace.push(row, |f| {
            f.bytes(b"asks for an upgrade of the protocol, which Envoy refuses unless upgrade_configs allow it");
        });
    }
    if refusal.unread {
        s.maps[0].clear(crate::headers::Side::Request);
        (s.head, s.grpc) = (false, false);
    }
    local::answer_for_proxy(slot, refusal.code, refusal.body, refusal.details);
}

/// When the piece that ends at `upto` is there: pieces spread evenly between the message's first and last byte.
fn time_of(s: &Stream, dir: usize, upto: u32) -> u64 {
    let (start, end) = s.bodies[dir];
    let whole = s.times[dir * 2 + 1].saturating_sub(s.times[dir * 2]);
    let passed = if start == end { whole } else { (u128::from(whole) * u128::from(upto - start) / u128::from(end - start)) as u64 };
    s.began[dir] + passed
}

/// Where the piece that begins at `from` ends.
fn piece(size: u32, from: u32, end: u32) -> u32 {
    if size == 0 { end } else { from.saturating_add(size).min(end) }
}

/// Captured body from `from` on enters the chain as far as it is there; the rest is planned. `first` where none came before.
/// HTTP/1 tells the end apart from the last piece, as Envoy's codec does.
pub fn deliver_body(slot: u32, dir: usize, mut from: u32, first: bool) {
    let c = core();
    let chunk = c.settings.chunk;
    let s = &mut c.streams[slot as usize];
    if dir == REQUEST && s.stopped || dir == RESPONSE && s.local {
        return;
    }
    let end = s.bodies[dir].1;
    let mut due = !first;
    for _ in 0..MOST_PIECES {
        let upto = piece(chunk, from, end);
        if !due && time_of(s, dir, upto) > c.now {
            break;
        }
        due = false;
        let last = upto == end;
        s.received[dir] += u64::from(upto - from);
        let trailers = s.has_trailers[dir];
        let with_end = last && !trailers && s.versions[dir] >= 20;
        if upto > from || with_end {
            s.work.push_back(Work::Data { dir, pos: 0, bytes: Bytes::Captured(from, upto), eos: with_end, kept: Kept::No });
        }
        if last {
            s.last_byte = c.now;
            if trailers {
                s.work.push_back(Work::Trailers { dir, pos: 0 });
            } else if !with_end {
                s.work.push_back(Work::Data { dir, pos: 0, bytes: Bytes::default(), eos: true, kept: Kept::No });
            }
            c.ready.push_back(slot);
            return;
        }
        from = upto;
    }
    c.ready.push_back(slot);
    let at = time_of(s, dir, piece(chunk, from, end)).max(c.now);
    c.events.plan(at, Planned::Body { slot, life: s.life, dir: dir as u32, from });
}

/// The upstream's answer arrives.
pub fn respond(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    if s.local {
        return;
    }
    if let Some(reason) = s.unsendable.take() {
        return local::unsendable(slot, &reason);
    }
    // of 1xx only the switch of protocols is an answer, and without one the upstream has failed
    if !s.has_response || s.status == 100 || matches!(s.status, 102..=199) {
        return local::upstream_failed(slot);
    }
    let mut map = std::mem::take(&mut s.maps[2]);
    let loaded = message::load_response(&mut map, s.status, s.versions[RESPONSE], s.list(2));
    s.maps[2] = map;
    let Some(loaded) = loaded else { return local::upstream_malformed(slot) };
    s.loaded[RESPONSE] = loaded;
    s.response_loaded = true;
    s.began[RESPONSE] = c.now;
    s.last_byte = c.now;
    let bodiless = s.head || matches!(s.status, 204 | 304);
    s.has_trailers[RESPONSE] &= !bodiless;
    let mut map = std::mem::take(&mut s.maps[3]);
    message::load_trailers(&mut map, if bodiless { crate::packed::Pairs::default() } else { s.list(3) });
    s.maps[3] = map;
    let body = s.bodies[RESPONSE];
    let row = Row {
        exchange: s.exchange,
        result: s.status as i32,
        args: [body.1 - body.0, s.maps[3].len() as u32, 0, 0],
        ..Row::event(Event::Response, c.now)
    };
    record(&mut c.trace, row, &mut s.maps[2..]);
    if s.upgrade.is_some() && s.status == 101 {
        s.code = s.status;
        s.details.extend_from_slice(b"via_upstream");
        s.work.push_back(Work::Headers { dir: RESPONSE, pos: 0, eos: false });
        c.ready.push_back(slot);
        return upgrade::open(slot, RESPONSE);
    }
    let empty = body.0 == body.1 && !s.has_trailers[RESPONSE];
    // an HTTP/1 response that does not say where it ends goes on until the connection does
    let open_end = loaded.chunked || !loaded.framed && s.versions[RESPONSE] < 20;
    let eos = bodiless || empty && !open_end;
    s.code = s.status;
    s.details.extend_from_slice(b"via_upstream");
    s.work.push_back(Work::Headers { dir: RESPONSE, pos: 0, eos });
    c.ready.push_back(slot);
    if !eos {
        deliver_body(slot, RESPONSE, body.0, true);
    }
}
