//! What comes in: a captured request, its answer, and the pieces of their bodies, each at its time.

use crate::events::Event as Planned;
use crate::failure;
use crate::message;
use crate::state::{core, Core, EARLIER, OPEN};
use crate::stream::{Bytes, Stream, Work, REQUEST, RESPONSE};
use crate::trace::{Event, Row, NONE};

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
            failure::tell(slot, filter, EARLIER, 2, b"its VM had failed before", NONE);
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
