//! A message through the filters: who is called next, what a callback's result means, what leaves at the end.
//! Rules: Envoy's filter manager and its Wasm context (results of headers, body and trailers callbacks).

use crate::call::{callback, Callback};
use crate::departure;
use crate::failure;
use crate::local;
use crate::state::{core, EARLIER, RESTART};
use crate::stream::{self, Bytes, Pause, Pending, Phase, Work, HEADERS, REQUEST, RESPONSE, TRAILERS};
use crate::trace::{Event, Row, NONE};

/// What a filter's callback came to.
#[derive(Clone, Copy, PartialEq)]
enum Verdict {
    Continue,
    Stop(u32),
}

/// Does one piece of a stream's work. May never return.
pub fn perform(slot: u32, work: Work) {
    let count = core().filters.len() as u32;
    match work {
        Work::End { step, filter } => departure::end_step(slot, step, filter),
        Work::Headers { dir, pos, eos } if pos == count => departure::leave_headers(slot, dir, eos),
        Work::Data { dir, pos, bytes, eos } if pos == count => departure::leave_data(slot, dir, bytes, eos),
        Work::Trailers { dir, pos } if pos == count => departure::leave_trailers(slot, dir),
        Work::Headers { dir, pos, eos } => headers(slot, dir, pos, eos),
        Work::Data { dir, pos, bytes, eos } => data(slot, dir, pos, bytes, eos),
        Work::Trailers { dir, pos } => trailers(slot, dir, pos),
    }
}

/// The filter at a place of a direction: responses go through the chain backwards.
fn filter_at(dir: usize, pos: u32) -> u32 {
    if dir == REQUEST { pos } else { core().filters.len() as u32 - 1 - pos }
}

enum Gate {
    Open,
    /// The filter has no part in this; the message goes on.
    Skip,
    /// Something else comes first: the work was put back, or the stream was answered.
    Later,
}

/// Whether a filter can be called for a stream now.
fn gate(slot: u32, dir: usize, pos: u32, again: impl FnOnce() -> Work) -> Gate {
    let filter = filter_at(dir, pos);
    let c = core();
    let s = &mut c.streams[slot as usize];
    let state = &mut s.filters[filter as usize];
    if state.absent {
        return Gate::Skip;
    }
    let vm = &c.vms[state.vm as usize];
    let chain = &c.filters[filter as usize];
    if vm.failed != 0 {
        let message = vm.failure.clone();
        let began = state.created || dir == REQUEST;
        let fresh = chain.policy == RESTART && chain.vm != state.vm && !chain.given_up;
        let fail_open = chain.fail_open;
        if !began || s.local && dir == RESPONSE {
            return Gate::Skip;
        }
        failure::tell_failure(slot, filter, EARLIER, &message, NONE, false);
        let state = &mut core().streams[slot as usize].filters[filter as usize];
        if fresh && !state.failure_answered {
            // the stream goes on in the fresh VM, in a context that has seen nothing of it yet
            state.vm = core().filters[filter as usize].vm;
            state.created = false;
        } else if fail_open {
            return Gate::Skip;
        } else {
            local::fail(slot, filter);
            return Gate::Later;
        }
    }
    let c = core();
    let restarted = c.streams[slot as usize].filters[filter as usize].failure_told;
    let state = &mut c.streams[slot as usize].filters[filter as usize];
    if !state.created {
        if dir == RESPONSE && !restarted {
            return Gate::Skip;
        }
        c.streams[slot as usize].work.push_front(again());
        stream::create(slot, filter);
        return Gate::Later;
    }
    Gate::Open
}

fn headers(slot: u32, dir: usize, pos: u32, eos: bool) {
    match gate(slot, dir, pos, || Work::Headers { dir, pos, eos }) {
        Gate::Later => return,
        Gate::Skip => return core().streams[slot as usize].work.push_front(Work::Headers { dir, pos: pos + 1, eos }),
        Gate::Open => {}
    }
    let filter = filter_at(dir, pos);
    let c = core();
    let s = &mut c.streams[slot as usize];
    let size = s.maps[HEADERS[dir]].len() as u32;
    let half = &mut s.filters[filter as usize].half[dir];
    half.headers_open = true;
    let vm = s.filters[filter as usize].vm;
    let which = if dir == REQUEST { Callback::RequestHeaders } else { Callback::ResponseHeaders };
    let pending = Pending { filter, phase: Phase::Headers, dir, pos, eos };
    let result = if c.has(vm, which) { callback(which, stream::target(c, slot, filter, pending), [size, u32::from(eos)]) } else { 0 };
    settle(slot, pending, Some(result));
}

fn data(slot: u32, dir: usize, pos: u32, bytes: Bytes, eos: bool) {
    let filter = filter_at(dir, pos);
    {
        let s = &mut core().streams[slot as usize];
        let half = &mut s.filters[filter as usize].half[dir];
        if half.pause == Pause::All {
            half.held.append(bytes, &s.record);
            half.held_eos |= eos;
            return over_limit(slot, dir, filter);
        }
    }
    let kept = bytes.clone();
    match gate(slot, dir, pos, || Work::Data { dir, pos, bytes: kept, eos }) {
        Gate::Later => return,
        Gate::Skip => {
            // what was held here before the filter failed goes first
            let s = &mut core().streams[slot as usize];
            let half = &mut s.filters[filter as usize].half[dir];
            let mut all = std::mem::take(&mut half.held);
            all.append(bytes, &s.record);
            half.pause = Pause::No;
            let headers = std::mem::take(&mut half.headers_held);
            s.work.push_front(Work::Data { dir, pos: pos + 1, bytes: all, eos });
            if headers {
                s.work.push_front(Work::Headers { dir, pos: pos + 1, eos: false });
            }
            return;
        }
        Gate::Open => {}
    }
    let c = core();
    let s = &mut c.streams[slot as usize];
    let half = &mut s.filters[filter as usize].half[dir];
    let size = if half.buffering {
        half.held.append(bytes, &s.record);
        half.held.len()
    } else {
        let size = bytes.len();
        half.chunk = Some(bytes);
        size
    };
    half.may_add_trailers = eos && !s.has_trailers[dir];
    let vm = s.filters[filter as usize].vm;
    let which = if dir == REQUEST { Callback::RequestBody } else { Callback::ResponseBody };
    let pending = Pending { filter, phase: Phase::Body, dir, pos, eos };
    let result = if c.has(vm, which) { callback(which, stream::target(c, slot, filter, pending), [size as u32, u32::from(eos)]) } else { 0 };
    settle(slot, pending, Some(result));
}

fn trailers(slot: u32, dir: usize, pos: u32) {
    let filter = filter_at(dir, pos);
    let half = &mut core().streams[slot as usize].filters[filter as usize].half[dir];
    if half.pause == Pause::All {
        half.trailers_waiting = true;
        return;
    }
    match gate(slot, dir, pos, || Work::Trailers { dir, pos }) {
        Gate::Later => return,
        Gate::Skip => return core().streams[slot as usize].work.push_front(Work::Trailers { dir, pos: pos + 1 }),
        Gate::Open => {}
    }
    let c = core();
    let s = &mut c.streams[slot as usize];
    let size = s.maps[TRAILERS[dir]].len() as u32;
    s.filters[filter as usize].half[dir].trailers_open = true;
    let vm = s.filters[filter as usize].vm;
    let which = if dir == REQUEST { Callback::RequestTrailers } else { Callback::ResponseTrailers };
    let pending = Pending { filter, phase: Phase::Trailers, dir, pos, eos: true };
    let result = if c.has(vm, which) { callback(which, stream::target(c, slot, filter, pending), [size, 0]) } else { 0 };
    settle(slot, pending, Some(result));
}

/// Draws the consequences of a callback: `result` None if it ended in a trap. First what the filter queued meanwhile
/// (continue, close, local response), then what its result means for the chain.
pub fn settle(slot: u32, pending: Pending, result: Option<u32>) {
    let Pending { filter, phase, .. } = pending;
    let passes = core().filters[filter as usize].fail_open;
    if result.is_none() && !passes {
        if matches!(phase, Phase::Headers | Phase::Body | Phase::Trailers) {
            local::fail(slot, filter);
        }
        crate::hostcalls::control::run_actions();
        return;
    }
    crate::hostcalls::control::run_actions();
    let s = &core().streams[slot as usize];
    // the stream was answered here, or is over: the chain does not see this result any more
    if !s.live || s.ending || pending.dir == REQUEST && s.stopped || pending.dir == RESPONSE && s.local && s.sink[RESPONSE].ended {
        return;
    }
    let result = result.unwrap_or(0);
    match phase {
        Phase::Headers => after_headers(slot, pending, result),
        Phase::Body => after_data(slot, pending, result),
        Phase::Trailers => after_trailers(slot, pending, result),
        Phase::Create | Phase::End => {}
    }
}

fn after_headers(slot: u32, p: Pending, result: u32) {
    let c = core();
    let stop_iteration = c.filters[p.filter as usize].stop_iteration;
    let s = &mut c.streams[slot as usize];
    let half = &mut s.filters[p.filter as usize].half[p.dir];
    let verdict = match result {
        // Envoy has no case for ContinueAndEndStream (2) here
        0 | 2 => Verdict::Continue,
        other => Verdict::Stop(other),
    };
    match verdict {
        Verdict::Continue => {
            half.headers_open = false;
            s.work.push_front(Work::Headers { dir: p.dir, pos: p.pos + 1, eos: p.eos });
        }
        Verdict::Stop(value) => {
            half.pause = if value == 1 && stop_iteration { Pause::HeadersOnly } else { Pause::All };
            half.headers_held = true;
            half.held_eos = p.eos;
            paused(slot, p, 0, value);
        }
    }
}

fn after_data(slot: u32, p: Pending, result: u32) {
    let s = &mut core().streams[slot as usize];
    let half = &mut s.filters[p.filter as usize].half[p.dir];
    let chunk = half.chunk.take();
    let mut bytes = std::mem::take(&mut half.held);
    match result {
        0 => {
            if let Some(chunk) = chunk {
                bytes.append(chunk, &s.record);
            }
            half.buffering = false;
            half.pause = Pause::No;
            half.may_add_trailers = false;
            let headers = std::mem::take(&mut half.headers_held);
            let eos = p.eos && !s.trailers_added[p.dir];
            if p.eos && s.trailers_added[p.dir] {
                s.work.push_front(Work::Trailers { dir: p.dir, pos: p.pos + 1 });
            }
            if bytes.len() > 0 || eos {
                s.work.push_front(Work::Data { dir: p.dir, pos: p.pos + 1, bytes, eos });
            }
            if headers {
                s.work.push_front(Work::Headers { dir: p.dir, pos: p.pos + 1, eos: false });
            }
        }
        value => {
            // 1 keeps the body and shows it whole next time; 2 keeps it, shows the next chunk alone; 3 and more let the chunk go
            match chunk {
                Some(chunk) if value <= 2 => bytes.append(chunk, &s.record),
                _ => {}
            }
            half.held = bytes;
            half.buffering = value == 1;
            half.held_eos |= p.eos;
            if half.pause == Pause::No {
                half.pause = Pause::Body;
                paused(slot, p, 1, value);
            }
            if value == 1 {
                over_limit(slot, p.dir, p.filter);
            }
        }
    }
}

fn after_trailers(slot: u32, p: Pending, result: u32) {
    let s = &mut core().streams[slot as usize];
    let half = &mut s.filters[p.filter as usize].half[p.dir];
    if result != 0 {
        half.pause = Pause::Trailers;
        return paused(slot, p, 2, result);
    }
    half.trailers_open = false;
    half.pause = Pause::No;
    half.buffering = false;
    let bytes = std::mem::take(&mut half.held);
    let headers = std::mem::take(&mut half.headers_held);
    s.work.push_front(Work::Trailers { dir: p.dir, pos: p.pos + 1 });
    if bytes.len() > 0 {
        s.work.push_front(Work::Data { dir: p.dir, pos: p.pos + 1, bytes, eos: false });
    }
    if headers {
        s.work.push_front(Work::Headers { dir: p.dir, pos: p.pos + 1, eos: false });
    }
}

fn paused(slot: u32, p: Pending, phase: u32, value: u32) {
    let c = core();
    let exchange = c.streams[slot as usize].exchange;
    let row = Row { filter: p.filter as u8, exchange, args: [p.dir as u32, phase, value, 0], ..Row::event(Event::Pause, c.now) };
    c.trace.push(row, |_| {});
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

/// A filter lets a direction go on. False where it was not paused.
pub fn resume(slot: u32, filter: u32, dir: usize) -> bool {
    let c = core();
    let count = c.filters.len() as u32;
    let s = &mut c.streams[slot as usize];
    let half = &mut s.filters[filter as usize].half[dir];
    let before = std::mem::take(&mut half.pause);
    if before == Pause::No || !s.live {
        return false;
    }
    let pos = if dir == REQUEST { filter } else { count - 1 - filter };
    if dir == REQUEST {
        half.headers_open = false;
        half.trailers_open = false;
    }
    half.buffering = false;
    half.chunk = None;
    let bytes = std::mem::take(&mut half.held);
    let eos = std::mem::take(&mut half.held_eos);
    let headers = std::mem::take(&mut half.headers_held);
    let trailers = std::mem::take(&mut half.trailers_waiting) || before == Pause::Trailers;
    let held = bytes.len() as u32;
    // after a headers pause the body still comes to this filter; after a later one it goes to the next
    let next = if before == Pause::All { pos } else { pos + 1 };
    let headers_eos = headers && before == Pause::All && eos && held == 0 && !trailers && !s.awaits_body(dir);
    if trailers {
        s.work.push_front(Work::Trailers { dir, pos: next });
    }
    if held > 0 || eos && !headers_eos {
        s.work.push_front(Work::Data { dir, pos: next, bytes, eos: eos && !trailers });
    }
    if headers {
        s.work.push_front(Work::Headers { dir, pos: pos + 1, eos: headers_eos });
    }
    let row = Row { filter: filter as u8, exchange: s.exchange, args: [dir as u32, held, 0, 0], ..Row::event(Event::Resume, c.now) };
    c.trace.push(row, |_| {});
    c.ready.push_back(slot);
    true
}
