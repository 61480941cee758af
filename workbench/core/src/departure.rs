//! What goes out behind the last filter, to the upstream or the client, and the end of a stream.

use crate::call::{callback, Callback};
use crate::events::Event as Planned;
use crate::hostcalls::control::note;
use crate::local;
use crate::state::core;
use crate::stream::{create, target, Bytes, Pause, Pending, Phase, Stream, HEADERS, REQUEST, RESPONSE, TRAILERS};
use crate::trace::{Event, Has, Row, NONE, NO_FILTER};
use crate::work::Work;

impl Stream {
    pub fn put(&mut self, dir: usize, bytes: Bytes) {
        let sink = &mut self.sink[dir];
        let start = self.bodies[dir].0;
        if sink.own.is_none() {
            match bytes {
                Bytes::Captured(from, to) if from == start + sink.passed || from == to => {
                    sink.passed += to - from;
                    return;
                }
                Bytes::Own(own) if sink.passed == 0 => {
                    sink.own = Some(own);
                    return;
                }
                _ => sink.own = Some(self.record[start as usize..(start + sink.passed) as usize].to_vec()),
            }
        }
        if let Some(own) = &mut sink.own {
            own.extend_from_slice(bytes.get(&self.record));
        }
    }
}

pub fn leave_headers(slot: u32, dir: usize, eos: bool) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    if dir == REQUEST && s.stopped {
        // answered meanwhile: it does not get as far as the upstream
        return;
    }
    if dir == REQUEST {
        let map = &s.maps[0];
        let routed = map.get(b":path").is_some_and(|path| path.first() == Some(&b'/')) && map.get(b"x-forwarded-proto").is_some_and(|v| !v.is_empty());
        if !routed {
            return local::answer_for_proxy(slot, 404, b"", b"route_not_found");
        }
        let fault = match map.get(b":method") {
            None => Some(b"missing required header: :method".to_vec()),
            Some(_) => map.illegal(),
        };
        if fault.is_some() {
            // found when the upstream's connection is there: the body comes before it as a rule, and passes the filters
            s.unsendable = fault;
            s.response_planned = true;
            let (at, life) = (s.began[REQUEST] + s.times[1].saturating_sub(s.times[0]), s.life);
            return c.events.plan(at.max(c.now), Planned::Response { slot, life });
        }
        s.sent_at = c.now;
        // an answer that came before the request was whole keeps its distance to the request's start
        let early = s.has_response && s.times[2] < s.times[1] || s.upgrade.is_some();
        if early && !s.response_planned {
            s.response_planned = true;
            let (at, life) = (c.now + s.times[2].saturating_sub(s.times[0]), s.life);
            c.events.plan(at, Planned::Response { slot, life });
        }
    } else if status(s).is_none() {
        let details = b"filter_removed_required_response_headers{missing_required_header:_:status}";
        return local::answer_for_proxy(slot, 502, b"missing required header: :status", details);
    }
    if dir == RESPONSE {
        s.code = status(s).unwrap_or(0);
        // without a length, and HTTP/1 has none for it
        s.sink[RESPONSE].spoilt |= eos && s.code < 100 && s.maps[2].get(b"content-length").is_none();
        // Envoy takes them off here: the log does not see them either
        if !s.upgraded {
            s.maps[2].retain(|name| !crate::message::stays_behind(name));
        }
    }
    let again = std::mem::replace(&mut s.sink[dir].headers, true);
    if again {
        let goes = if dir == REQUEST { "as a second request in Envoy" } else { "which no client can read" };
        s.sink[dir].spoilt = dir == RESPONSE;
        note(slot, NO_FILTER as u32, NONE, &format!("the headers go out a second time, {goes}"));
    }
    let s = &mut core().streams[slot as usize];
    if !eos && s.filters.iter().any(|f| f.half[dir].headers_open) {
        // what a filter writes from now on changes the map, no longer the message
        let mut frozen = Vec::new();
        let map = &s.maps[HEADERS[dir]];
        map.write(&mut frozen);
        s.sink[dir].frozen = Some((frozen, map.place));
    }
    if eos {
        complete(slot, dir);
    }
}

pub fn leave_data(slot: u32, dir: usize, bytes: Bytes, eos: bool) {
    let s = &mut core().streams[slot as usize];
    if s.sink[dir].ended || dir == REQUEST && s.stopped {
        return;
    }
    if !s.sink[dir].spoilt {
        s.put(dir, bytes);
    }
    if dir == REQUEST && core().streams[slot as usize].upgraded {
        crate::upgrade::gone(slot);
    }
    if eos {
        complete(slot, dir);
    }
}

pub fn leave_trailers(slot: u32, dir: usize) {
    let s = &mut core().streams[slot as usize];
    if dir == REQUEST && s.stopped {
        return;
    }
    s.has_trailers[dir] |= s.trailers_added[dir];
    complete(slot, dir);
}

/// A message has left the chain whole.
fn complete(slot: u32, dir: usize) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    if dir == REQUEST && s.unsendable.is_some() {
        return;
    }
    if dir == RESPONSE && s.work.iter().any(|work| work.ends_again()) {
        note(slot, NO_FILTER as u32, NONE, "a filter continued the response at its end and passes it on once more: Envoy crashes");
    }
    let s = &mut core().streams[slot as usize];
    if s.sink[dir].spoilt || dir == RESPONSE && is_informational(s) {
        return cut(slot);
    }
    if std::mem::replace(&mut s.sink[dir].ended, true) {
        return;
    }
    write_out(slot, dir, false);
    let c = core();
    let s = &mut c.streams[slot as usize];
    if dir == RESPONSE {
        return end(slot);
    }
    if s.response_planned {
        return;
    }
    s.response_planned = true;
    let life = s.life;
    let latency = if s.has_response { s.times[2].saturating_sub(s.times[1]) } else { 0 };
    c.events.plan(c.now + latency, Planned::Response { slot, life });
}

/// The response's status where Envoy can read it: blanks around it and a plus do not matter. One beyond 31 bits is 0.
fn status(s: &Stream) -> Option<u32> {
    let value = std::str::from_utf8(s.maps[2].get(b":status")?).ok()?;
    let digits = value.trim_ascii();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok())?.map(|status| i32::try_from(status).unwrap_or(0) as u32)
}

/// A response whose status says that the real one follows: it never does, but for the switch of protocols.
fn is_informational(s: &Stream) -> bool {
    matches!(s.code, 100 | 102..=199) && s.sink[RESPONSE].headers
}

/// Records what the upstream or the client got.
pub fn write_out(slot: u32, dir: usize, reset: bool) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    let captured = s.bodies[dir].1 - s.bodies[dir].0;
    let sink = &s.sink[dir];
    let as_captured = sink.own.is_none() && sink.passed == captured && !(dir == RESPONSE && s.local);
    let start = s.bodies[dir].0;
    let body: &[u8] = match &sink.own {
        Some(own) => own,
        None if as_captured => b"",
        None => &s.record[start as usize..(start + sink.passed) as usize],
    };
    let size = if as_captured { captured } else { body.len() as u32 };
    let event = if dir == REQUEST { Event::UpstreamRequest } else { Event::DownstreamResponse };
    let row = Row {
        exchange: s.exchange,
        result: if dir == REQUEST { 0 } else { status(s).unwrap_or(0) as i32 },
        args: [size, 0, u32::from(as_captured), u32::from(reset)],
        ..Row::event(event, c.now)
    };
    let (headers, trailers) = (&s.maps[HEADERS[dir]], &s.maps[TRAILERS[dir]]);
    let with_trailers = !reset && (s.has_trailers[dir] || s.trailers_added[dir]);
    let (known, write_headers): (_, &dyn Fn(&mut Vec<u8>)) = match &sink.frozen {
        Some((frozen, place)) => (*place, &|out| out.extend_from_slice(frozen)),
        None => (headers.place, &|out| headers.write(out)),
    };
    if !with_trailers && body.is_empty() {
        c.trace.push_headers(row, Has::Body, known, write_headers);
        return;
    }
    c.trace.push(row, |f| {
        f.with(write_headers);
        f.with(|out| if with_trailers { trailers.write(out) } else { out.extend_from_slice(&[0; 4]) });
        f.bytes(body);
    });
}

/// The connection to the client ends where it stands.
pub fn cut(slot: u32) {
    let s = &core().streams[slot as usize];
    if is_informational(s) && !s.upgraded {
        note(slot, NO_FILTER as u32, NONE, &format!("status {} says that the answer follows: the client gets none", s.code));
    } else if s.sink[RESPONSE].headers && !s.upgraded {
        write_out(slot, RESPONSE, true);
    }
    end(slot);
}

/// Nothing more comes: log, done and delete are what is left.
pub fn end(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    if std::mem::replace(&mut s.ending, true) || !s.live {
        return;
    }
    s.work.clear();
    s.work.push_back(Work::End { step: 0, filter: 0 });
    if s.upgraded {
        // what goes over a WebSocket has no end of its own
        let cut = !s.sink[RESPONSE].ended && s.sink[RESPONSE].headers;
        write_out(slot, REQUEST, false);
        if cut {
            write_out(slot, RESPONSE, true);
        }
    }
    c.ready.push_back(slot);
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
    if state.absent || state.dead || c.vms[vm as usize].failed != 0 {
        // the next filter begins where this one would have: with its log, or with its done
        c.streams[slot as usize].work.push_front(Work::End { step: step.min(1), filter: filter + 1 });
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
}

pub fn release(slot: u32) {
    let c = core();
    let s = &mut c.streams[slot as usize];
    // a filter's context can be chosen until the last one is deleted
    for state in &s.filters {
        c.vms[state.vm as usize].contexts.remove(&state.ctx);
    }
    let mut state = s.left;
    if !s.local && !s.sink[REQUEST].ended && s.filters.iter().any(|f| f.half[REQUEST].pause != Pause::No) {
        state |= 1;
    }
    if !s.local && !s.sink[RESPONSE].ended && s.filters.iter().any(|f| f.half[RESPONSE].pause != Pause::No) {
        state |= 2;
    }
    if !s.sink[RESPONSE].ended {
        state |= 4;
    }
    let exchange = s.exchange;
    state |= u32::from(crate::callouts::stream_over(slot, state & 3 != 0)) << 3;
    let c = core();
    let s = &mut c.streams[slot as usize];
    let row = Row { exchange, args: [state, 0, 0, 0], ..Row::event(Event::End, c.now) };
    c.trace.push(row, |_| {});
    c.held -= s.record.len();
    s.clear();
    c.free.push(slot);
    c.done += 1;
    c.open -= 1;
    if !c.retiring.is_empty() {
        crate::swap::end_unused();
    }
}
