//! A message through the filters: who is called next, what a callback's result means, what leaves at the end.
//! Rules: Envoy's filter manager and its Wasm context (results of headers, body and trailers callbacks).

use crate::call::{callback, Callback};
use crate::connection;
use crate::departure;
use crate::failure;
use crate::hostcalls::control::{note, run_actions};
use crate::idle;
use crate::local;
use crate::resume;
use crate::state::{core, EARLIER, RESTART};
use crate::stream::{self, Pause, Pending, Phase, Together, HEADERS, REQUEST, RESPONSE, TRAILERS};
use crate::trace::{Event, Row, NONE};
use crate::work::{Kept, Work};

/// Does one piece of a stream's work. May never return.
pub fn perform(slot: u32, work: Work) {
    let count = core().filters.len() as u32;
    match work {
        Work::End { step, filter } if core().streams[slot as usize].tcp.is_some() => connection::end_step(slot, step, filter),
        Work::End { step, filter } => departure::end_step(slot, step, filter),
        Work::Read { pos, data } => connection::read(slot, pos, data),
        Work::Write { pos } => connection::write(slot, pos),
        Work::UpstreamClose { filter } => connection::upstream_close(slot, filter),
        Work::Settle { dir } => connection::settle(slot, dir),
        Work::Judge { vm, pending, result, answers } => act(slot, vm, pending, result, answers),
        Work::Headers { dir, pos, eos } if pos == count => departure::leave_headers(slot, dir, eos),
        Work::Data { dir, pos, bytes, eos, .. } if pos == count => departure::leave_data(slot, dir, bytes, eos),
        Work::Trailers { dir, pos } if pos == count => departure::leave_trailers(slot, dir),
        Work::Headers { dir, pos, .. } | Work::Data { dir, pos, .. } | Work::Trailers { dir, pos } => offer(slot, dir, pos, work),
    }
}

/// The filter at a place of a direction, and the other way round: responses go through the chain backwards.
pub fn turned(dir: usize, place: u32) -> u32 {
    if dir == REQUEST { place } else { (core().filters.len() as u32 - 1).wrapping_sub(place) }
}

pub enum Gate {
    Open,
    /// The filter has no part in this; the message goes on.
    Skip,
    /// The filter knows nothing of the stream yet.
    Create,
    /// The stream was answered instead.
    Answered,
}

/// Whether a filter can be called for a stream now.
pub fn gate(slot: u32, dir: usize, filter: u32) -> Gate {
    let c = core();
    let state = &c.streams[slot as usize].filters[filter as usize];
    if state.absent {
        return Gate::Skip;
    }
    if state.dead || c.vms[state.vm as usize].failed != 0 {
        return failed_gate(slot, dir, filter);
    }
    match state.created {
        true => Gate::Open,
        // the response of a stream that the filter never saw passes it by
        false if dir == RESPONSE && !state.renewed => Gate::Skip,
        false => Gate::Create,
    }
}

/// The same where the filter's VM has failed.
#[cold]
fn failed_gate(slot: u32, dir: usize, filter: u32) -> Gate {
    let c = core();
    let state = &c.streams[slot as usize].filters[filter as usize];
    let chain = &c.filters[filter as usize];
    let began = state.created || state.renewed || dir == REQUEST;
    // a stream that was failed already passes what answers it
    if !began || state.failure_answered {
        return Gate::Skip;
    }
    let fresh = chain.policy == RESTART && c.vms[chain.vm as usize].failed == 0 && !state.dead;
    let (vm, fail_open) = (chain.vm, chain.fail_open);
    let message = if state.dead { chain.refusal.clone() } else { c.vms[state.vm as usize].failure.clone() };
    failure::tell_failure(slot, filter, EARLIER, &message, NONE, fresh);
    if fresh {
        let state = &mut core().streams[slot as usize].filters[filter as usize];
        (state.vm, state.created, state.renewed) = (vm, false, true);
        return Gate::Create;
    }
    if fail_open {
        return Gate::Skip;
    }
    local::fail(slot, filter);
    Gate::Answered
}

/// A piece of a message comes to a filter. May never return.
fn offer(slot: u32, dir: usize, pos: u32, work: Work) {
    let filter = turned(dir, pos);
    let s = &mut core().streams[slot as usize];
    s.whole[dir] |= pos == 0 && work.ends();
    // headers that come a second time are shown to one that waits, too
    if s.filters[filter as usize].half[dir].pause == Pause::All && !matches!(work, Work::Headers { .. }) {
        return hold(slot, dir, filter, work);
    }
    match gate(slot, dir, filter) {
        Gate::Open => {}
        Gate::Skip => return pass(slot, dir, filter, pos, work),
        Gate::Answered => return,
        Gate::Create => {
            core().streams[slot as usize].work.push_front(work);
            return stream::create(slot, filter);
        }
    }
    let c = core();
    let s = &mut c.streams[slot as usize];
    let half = &mut s.filters[filter as usize].half[dir];
    // nothing of a body is for one that has been shown the end
    if half.ended && matches!(work, Work::Data { .. }) {
        return;
    }
    let mut last_buffer = None;
    let (phase, callbacks, args, end) = match work {
        Work::Headers { eos, .. } => {
            half.headers_open = true;
            (Phase::Headers, [Callback::RequestHeaders, Callback::ResponseHeaders], [s.maps[HEADERS[dir]].len() as u32, u32::from(eos)], eos)
        }
        Work::Data { bytes, eos, kept, .. } => {
            half.chunk_kept = kept;
            let size = if half.buffering {
                half.held.append(bytes, &s.record);
                half.held.len()
            } else {
                let size = bytes.len();
                half.chunk = Some(bytes);
                size
            };
            half.held_eos = eos;
            last_buffer = Some(dir as u32);
            half.may_add_trailers = eos && !s.has_trailers[dir];
            (Phase::Body, [Callback::RequestBody, Callback::ResponseBody], [size as u32, u32::from(eos)], eos)
        }
        _ => {
            half.trailers_open = true;
            (Phase::Trailers, [Callback::RequestTrailers, Callback::ResponseTrailers], [s.maps[TRAILERS[dir]].len() as u32, 0], true)
        }
    };
    half.ended |= end;
    s.filters[filter as usize].last_buffer = last_buffer.or(s.filters[filter as usize].last_buffer);
    let vm = s.filters[filter as usize].vm;
    let pending = Pending { filter, phase, dir, pos, eos: end };
    if c.has(vm, callbacks[dir]) {
        let result = callback(callbacks[dir], stream::target(c, slot, filter, pending), args);
        settle(slot, pending, Some(result));
    } else {
        judge(slot, pending, 0, 0);
    }
}

/// Keeps what comes to a filter that paused in the headers.
fn hold(slot: u32, dir: usize, filter: u32, work: Work) {
    let s = &mut core().streams[slot as usize];
    let half = &mut s.filters[filter as usize].half[dir];
    match work {
        Work::Data { bytes, eos, .. } => {
            half.held.append(bytes, &s.record);
            half.held_eos |= eos;
            s.buffered[dir] = true;
            if half.limited {
                over_limit(slot, dir, filter);
            }
        }
        _ => half.trailers_waiting = true,
    }
}

/// Lets work go by a filter that has no part in it, behind what that filter held when it failed.
fn pass(slot: u32, dir: usize, filter: u32, pos: u32, work: Work) {
    let s = &mut core().streams[slot as usize];
    let half = std::mem::take(&mut s.filters[filter as usize].half[dir]);
    let next = pos + 1;
    if half.headers_held {
        s.advance(Work::Headers { dir, pos: next, eos: false });
    }
    if half.held.len() > 0 {
        s.advance(Work::Data { dir, pos: next, bytes: half.held, eos: false, kept: Kept::Yes });
    }
    s.advance(match work {
        Work::Headers { eos, .. } => Work::Headers { dir, pos: next, eos },
        Work::Data { bytes, eos, kept, .. } => Work::Data { dir, pos: next, bytes, eos, kept },
        _ => Work::Trailers { dir, pos: next },
    });
}

/// Draws the consequences of a callback: `result` None if it ended in a trap. First what the filter queued meanwhile
/// (continue, close, local response), then what its result means for the chain.
pub fn settle(slot: u32, p: Pending, result: Option<u32>) {
    let c = core();
    let vm = c.streams[slot as usize].filters[p.filter as usize].vm;
    if result.is_none() && !c.filters[p.filter as usize].fail_open {
        // a stream that is ending has been answered; its context is made only to be told so
        if !matches!(p.phase, Phase::End | Phase::UpstreamClose) && !c.streams[slot as usize].ending {
            local::fail(slot, p.filter);
        }
        run_actions(vm);
        return;
    }
    act(slot, vm, p, result.unwrap_or(0), c.streams[slot as usize].answers);
}

/// Does what a callback's filter queued meanwhile. What that sets going comes before the callback's result, as in Envoy.
fn act(slot: u32, vm: u32, p: Pending, result: u32, answers: u32) {
    let queued = core().streams[slot as usize].work.len();
    let going = run_actions(vm);
    let c = core();
    let deferred = c.deferred;
    let s = &mut c.streams[slot as usize];
    s.aborted |= s.answers != answers && p.dir == REQUEST && p.phase.is_message();
    // the stream was answered here, or is over: the chain does not see this result any more
    if !s.live || s.ending || s.answers != answers && !deferred {
        return connection::after_close(slot, p);
    }
    if let Some(going) = going {
        let before = [going, (p.dir, p.pos + 1)];
        let last = s.work.iter().rposition(|work| work.place().is_some_and(|(dir, pos)| before.iter().any(|from| from.0 == dir && pos >= from.1)));
        return s.work.insert(last.map_or(0, |at| at + 1), Work::Judge { vm, pending: p, result, answers });
    }
    if s.answers == answers {
        judge(slot, p, result, queued);
    }
}

/// What a callback's result means; `queued` tells how much work a connection had before.
fn judge(slot: u32, p: Pending, result: u32, queued: usize) {
    match p.phase {
        Phase::Headers => after_headers(slot, p, result),
        Phase::Body => after_data(slot, p, result),
        Phase::Trailers => after_trailers(slot, p, result),
        Phase::NewConnection | Phase::Data => connection::after(slot, p, result, core().streams[slot as usize].work.len().saturating_sub(queued)),
        Phase::Create | Phase::UpstreamClose | Phase::End => {}
    }
}

fn after_headers(slot: u32, p: Pending, result: u32) {
    let c = core();
    let stop_iteration = c.filters[p.filter as usize].stop_iteration;
    let s = &mut c.streams[slot as usize];
    let half = &mut s.filters[p.filter as usize].half[p.dir];
    // Envoy has no case for ContinueAndEndStream (2) here
    if matches!(result, 0 | 2) {
        half.headers_open = false;
        half.headers_gone = true;
        half.headers_held = false;
        if half.pause == Pause::All {
            // it waits for another call of it
            return;
        }
        return s.advance(Work::Headers { dir: p.dir, pos: p.pos + 1, eos: p.eos });
    }
    half.pause = if result == 1 && stop_iteration { Pause::HeadersOnly } else { Pause::All };
    half.headers_held = !half.headers_gone;
    half.headers_end = p.eos;
    // StopAllIterationAndBuffer (3) has a limit, the others slow the peer down
    half.limited = result == 3;
    paused(slot, p, 0, result);
}

fn after_data(slot: u32, p: Pending, result: u32) {
    let s = &mut core().streams[slot as usize];
    let half = &mut s.filters[p.filter as usize].half[p.dir];
    let chunk = half.chunk.take();
    let mut bytes = std::mem::take(&mut half.held);
    if result == 0 {
        if let Some(chunk) = chunk {
            bytes.append(chunk, &s.record);
        }
        half.buffering = false;
        let waited = std::mem::take(&mut half.pause) != Pause::No;
        let kept = if waited || half.chunk_kept != Kept::No { Kept::Yes } else { Kept::No };
        half.together = Together::No;
        half.may_add_trailers = false;
        let headers = std::mem::take(&mut half.headers_held);
        half.headers_gone |= headers;
        let end = std::mem::take(&mut half.held_eos);
        if p.eos && !end {
            // a continue in this very callback has let all of it go
            return;
        }
        let trailers = end && s.trailers_added[p.dir];
        let (dir, pos) = (p.dir, p.pos + 1);
        if trailers && resume::has_ended(s, dir, pos) {
            // it has the trailers: a continue in this very callback
            return;
        }
        if headers {
            s.advance(Work::Headers { dir, pos, eos: false });
        }
        s.advance(Work::Data { dir, pos, bytes, eos: end && !trailers, kept });
        if trailers {
            s.advance(Work::Trailers { dir, pos });
        }
        return;
    }
    // 1 keeps the body and shows it whole next time; 2 keeps it, shows the next chunk alone; 3 and more let the chunk go
    let kept = result <= 2 || half.together != Together::No;
    if let Some(chunk) = chunk.filter(|_| kept) {
        bytes.append(chunk, &s.record);
    }
    half.held = bytes;
    half.buffering = result == 1;
    s.buffered[p.dir] |= kept || s.whole[p.dir] && !s.has_trailers[p.dir];
    if half.pause == Pause::No {
        half.pause = Pause::Body;
        paused(slot, p, 1, result);
    }
    if result == 1 {
        over_limit(slot, p.dir, p.filter);
    }
}

fn after_trailers(slot: u32, p: Pending, result: u32) {
    let s = &mut core().streams[slot as usize];
    let half = &mut s.filters[p.filter as usize].half[p.dir];
    let together = std::mem::take(&mut half.together);
    if result != 0 {
        half.pause = Pause::Trailers;
        return paused(slot, p, 2, result);
    }
    if together == Together::Came {
        half.together = Together::Again;
        return s.advance(Work::Trailers { dir: p.dir, pos: p.pos });
    }
    half.trailers_open = false;
    let waited = std::mem::take(&mut half.pause) != Pause::No;
    half.buffering = false;
    let (bytes, headers) = (std::mem::take(&mut half.held), std::mem::take(&mut half.headers_held));
    half.headers_gone |= headers;
    let (dir, pos) = (p.dir, p.pos + 1);
    if headers {
        s.advance(Work::Headers { dir, pos, eos: false });
    }
    if together == Together::Again {
        let text = "held the body again that had come with the trailers, and let the trailers go: the body is lost, a fault in Envoy";
        note(slot, p.filter, NONE, text);
    } else if bytes.len() > 0 || waited && s.buffered[dir] {
        s.advance(Work::Data { dir, pos, bytes, eos: false, kept: Kept::Yes });
    }
    core().streams[slot as usize].advance(Work::Trailers { dir, pos });
}

fn paused(slot: u32, p: Pending, phase: u32, value: u32) {
    let c = core();
    let exchange = c.streams[slot as usize].exchange;
    let row = Row { filter: p.filter as u8, exchange, args: [p.dir as u32, phase, value, 0], ..Row::event(Event::Pause, c.now) };
    c.trace.push(row, |_| {});
    idle::watch(c, slot);
}

/// A buffered body over the limit: Envoy answers 413 to a request, 500 in place of a response.
fn over_limit(slot: u32, dir: usize, filter: u32) {
    let c = core();
    let held = c.streams[slot as usize].filters[filter as usize].half[dir].held.len();
    if held > c.settings.buffer_limit as usize {
        let (code, body, details): (u32, &[u8], &[u8]) = if dir == REQUEST {
            (413, b"Payload Too Large", b"request_payload_too_large")
        } else {
            (500, b"Internal Server Error", b"response_payload_too_large")
        };
        local::answer_for_proxy(slot, code, body, details);
    }
}
