//! A filter lets a direction go on, whether or not it holds it back. Rules: Envoy's filter manager (`commonContinue`).

use crate::chain::turned;
use crate::connection;
use crate::hostcalls::control::note;
use crate::state::core;
use crate::stream::{Bytes, Pause, Stream, Together, REQUEST, RESPONSE};
use crate::trace::{Event, Row, NONE};
use crate::work::{Kept, Work};

/// Asked for where Envoy follows a pointer that is not there yet.
pub const NO_RESPONSE: &str = "asked to continue the response, of which there is none yet: nothing to do here, Envoy crashes";

/// A filter lets a direction go on: the direction and the place that it goes on from, None where nothing does. `row` is the hostcall's.
pub fn resume(slot: u32, filter: u32, dir: usize, row: u32) -> Option<(usize, u32)> {
    let pos = turned(dir, filter);
    let c = core();
    let s = &mut c.streams[slot as usize];
    // a request that a filter answered on its way goes nowhere any more, nor does any once the answer is whole
    if dir == REQUEST && (s.aborted || s.whole[RESPONSE]) {
        return None;
    }
    let half = &mut s.filters[filter as usize].half[dir];
    let before = std::mem::take(&mut half.pause);
    if before == Pause::No {
        return go_on(slot, filter, dir, row);
    }
    if dir == REQUEST {
        half.headers_open = false;
        half.trailers_open = false;
    }
    let borrowed = take_from_others(s, filter, dir);
    let held = s.filters[filter as usize].half[dir].held.len() as u32;
    // after a headers pause the body still comes to this filter; after a later one it goes to the next
    release(s, filter, dir, before, if before == Pause::All { pos } else { pos + 1 }, pos + 1);
    let row = Row { filter: filter as u8, exchange: s.exchange, args: [dir as u32, held, 0, 0], ..Row::event(Event::Resume, c.now) };
    c.trace.push(row, |_| {});
    c.ready.push_back(slot);
    if borrowed {
        note(slot, filter, NONE, "let go of a body that another filter still holds: filters share one buffer in Envoy");
    }
    Some((dir, if before == Pause::All { pos } else { pos + 1 }))
}

/// The end of the message has been shown at this place, or has left the chain.
pub fn has_ended(s: &Stream, dir: usize, pos: u32) -> bool {
    let filter = turned(dir, pos);
    s.filters.get(filter as usize).map_or(s.sink[dir].ended, |state| state.half[dir].ended)
}

/// The same of a direction that the filter does not hold back: the filters behind it get what there is so far, and again what this filter
/// passes on. Envoy does not look whether a filter waits.
fn go_on(slot: u32, filter: u32, dir: usize, row: u32) -> Option<(usize, u32)> {
    let c = core();
    let s = &mut c.streams[slot as usize];
    if dir == RESPONSE && !s.response_loaded {
        note(slot, filter, row, NO_RESPONSE);
        return None;
    }
    let half = &mut s.filters[filter as usize].half[dir];
    let headers = !std::mem::replace(&mut half.headers_gone, true);
    // Envoy starts with this very filter where it is shown what it kept itself, and finds it at the end; with trailers it would call it from
    // within its own call, which is left out here
    let here = half.chunk.is_some() && half.chunk_kept == Kept::Here;
    let next = turned(dir, filter) + 1;
    let whole = s.whole[dir];
    let trailers = !here && (whole && s.has_trailers[dir] || s.trailers_added[dir]);
    let held = s.buffered[dir] || s.filters.iter().any(|state| state.half[dir].held.len() > 0);
    let data = held && !here && !has_ended(s, dir, next);
    let which = if dir == REQUEST { "request" } else { "response" };
    let effect = if headers || trailers || data { "the filters behind it go on at once, as in Envoy, whatever it returns" } else { "nothing to do" };
    note(slot, filter, row, &format!("asked to continue the {which}, which it did not hold back: {effect}"));
    let s = &mut core().streams[slot as usize];
    if headers {
        s.advance(Work::Headers { dir, pos: next, eos: whole && !held && !trailers });
    }
    if data {
        take_from_others(s, filter, dir);
        let half = &mut s.filters[filter as usize].half[dir];
        let mut bytes = std::mem::take(&mut half.held);
        if let Some(chunk) = half.chunk.as_mut().filter(|_| half.chunk_kept != Kept::No) {
            bytes.append(std::mem::take(chunk), &s.record);
        }
        s.advance(Work::Data { dir, pos: next, bytes, eos: whole && !trailers, kept: Kept::Yes });
    }
    if trailers {
        s.advance(Work::Trailers { dir, pos: next });
    }
    core().ready.push_back(slot);
    (headers || data || trailers).then_some((dir, next))
}

/// Envoy has one buffer for all filters of a direction: who goes on takes along what the others hold. True if they held anything.
fn take_from_others(s: &mut Stream, filter: u32, dir: usize) -> bool {
    let (mut taken, mut end, mut trailers) = (Bytes::default(), false, false);
    let place = turned(dir, filter);
    for pos in (place + 1..s.filters.len() as u32).rev() {
        taken.append(std::mem::take(&mut s.filters[turned(dir, pos) as usize].half[dir].held), &s.record);
    }
    taken.append(std::mem::take(&mut s.filters[filter as usize].half[dir].held), &s.record);
    let own = taken.len();
    for pos in (0..place).rev() {
        let half = &mut s.filters[turned(dir, pos) as usize].half[dir];
        if half.pause == Pause::All {
            taken.append(std::mem::take(&mut half.held), &s.record);
        } else if matches!(half.pause, Pause::Body | Pause::Trailers) && (half.held.len() > 0 || half.held_eos || half.pause == Pause::Trailers) {
            taken.append(std::mem::take(&mut half.held), &s.record);
            end |= std::mem::take(&mut half.held_eos);
            trailers |= half.pause == Pause::Trailers;
            // it still waits, but what it waited with has gone
            half.pause = Pause::Body;
        }
    }
    for work in s.work.iter_mut() {
        match work {
            Work::Data { dir: of, pos, bytes, kept: Kept::Yes | Kept::Here, .. } if *of == dir && *pos <= place => taken.append(std::mem::take(bytes), &s.record),
            _ => {}
        }
    }
    let half = &mut s.filters[filter as usize].half[dir];
    let any = taken.len() > own || trailers;
    half.held = taken;
    half.held_eos |= end;
    half.trailers_waiting |= trailers;
    any
}

/// What a filter held back goes to the places given: body and trailers, and headers.
fn release(s: &mut Stream, filter: u32, dir: usize, before: Pause, to: u32, headers_to: u32) {
    let half = &mut s.filters[filter as usize].half[dir];
    half.buffering = false;
    let bytes = std::mem::take(&mut half.held);
    // within a body callback the end may belong to the chunk that is still to be judged
    let chunk_follows = half.chunk.as_ref().is_some_and(|chunk| chunk.len() > 0);
    let end = !chunk_follows && (std::mem::take(&mut half.held_eos) || s.whole[dir]);
    let headers = std::mem::take(&mut half.headers_held);
    half.headers_gone |= headers;
    let headers_end = std::mem::take(&mut half.headers_end);
    let came = s.whole[dir] && s.has_trailers[dir];
    let trailers = std::mem::take(&mut half.trailers_waiting) || before == Pause::Trailers || end && s.trailers_added[dir] || came;
    if before == Pause::All && bytes.len() > 0 && trailers {
        half.together = Together::Came;
    }
    if headers {
        s.advance(Work::Headers { dir, pos: headers_to, eos: headers_end });
    }
    if bytes.len() > 0 || end && !trailers && !headers_end || s.buffered[dir] {
        s.advance(Work::Data { dir, pos: to, bytes, eos: end && !trailers, kept: if before == Pause::All { Kept::Here } else { Kept::Yes } });
    }
    if trailers {
        s.advance(Work::Trailers { dir, pos: to });
    }
}

/// What a filter held back when its VM failed comes to it again, now that it lives in a fresh one.
pub fn give_back(slot: u32, filter: u32) {
    let c = core();
    if c.streams[slot as usize].tcp.is_some() {
        return connection::give_back(slot, filter);
    }
    for dir in [REQUEST, RESPONSE] {
        let pos = turned(dir, filter);
        let s = &mut c.streams[slot as usize];
        let before = s.filters[filter as usize].half[dir].pause;
        if before != Pause::No && !(dir == REQUEST && s.stopped) {
            release(s, filter, dir, before, pos, pos);
            c.ready.push_back(slot);
        }
        s.filters[filter as usize].half[dir] = Default::default();
    }
}
