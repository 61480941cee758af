//! Logging, time, stream control and local responses. What changes a stream is queued and done when the call into the VM ends.

use super::*;
use crate::connection;
use crate::departure;
use crate::headers::parse_pairs;
use crate::local::{self, Reply};
use crate::resume;
use crate::stream::{REQUEST, RESPONSE};

/// Times that a filter is heard that asks to go on, in one call.
const MOST_ACTIONS: usize = 1000;

/// What a filter asked for and gets when its callback has returned.
pub enum Action {
    Continue { slot: u32, life: u32, filter: u32, dir: usize, row: u32 },
    Close { slot: u32, life: u32, filter: u32 },
    /// Of a connection: read on, with the filters behind this one.
    Read { slot: u32, life: u32, filter: u32 },
    Answer { slot: u32, life: u32, filter: u32, reply: Box<Reply>, row: u32 },
    DeleteRoot { filter: u32 },
}

/// Does what a VM queued, in order, up to what sets a stream going: that comes first, and with it what the VM's callbacks queue meanwhile.
/// The direction and place from which that stream goes on; None where nothing does.
pub fn run_actions(vm: u32) -> Option<(usize, u32)> {
    while let Some(at) = core().actions.iter().position(|(of, _)| *of == vm) {
        let Some((_, action)) = core().actions.remove(at) else { break };
        let going = run(action);
        if going.is_some() {
            core().deferred = core().actions.iter().any(|(of, _)| *of == vm);
            return going;
        }
    }
    None
}

/// Does what is left once everything has come to rest.
pub fn run_left() {
    let c = core();
    if c.deferred && !c.ready.is_empty() {
        return;
    }
    c.deferred = false;
    while let Some(&(vm, _)) = core().actions.front() {
        if run_actions(vm).is_some() {
            return;
        }
    }
}

fn run(action: Action) -> Option<(usize, u32)> {
    match action {
        Action::Continue { slot, life, filter, dir, row } if alive(slot, life) => return resume::resume(slot, filter, dir, row),
        Action::Answer { slot, life, filter, reply, row } if alive(slot, life) => {
            local::answer_for_filter(slot, filter, *reply, row);
            return alive(slot, life).then_some((RESPONSE, 0));
        }
        Action::Close { slot, life, filter } if alive(slot, life) => {
            if core().streams[slot as usize].tcp.is_some() {
                connection::close_by(slot, filter);
            } else {
                let details = &mut core().streams[slot as usize].details;
                if details.is_empty() {
                    details.extend_from_slice(b"wasm_close_stream");
                }
                departure::cut(slot);
            }
        }
        Action::Read { slot, life, filter } if alive(slot, life) => connection::continue_reading(slot, filter),
        Action::DeleteRoot { filter } => crate::root::delete(filter),
        _ => {}
    }
    None
}

/// Forgets the answers queued for a stream, and records that they had no effect.
pub fn drop_answers(slot: u32) {
    for action in std::mem::take(&mut core().actions) {
        match action {
            (_, Action::Answer { slot: of, filter, reply, row, .. }) if of == slot => local::record_ignored(slot, filter, &reply, local::FILTER, row),
            other => core().actions.push_back(other),
        }
    }
}

fn is_connection(slot: u32) -> bool {
    core().streams[slot as usize].tcp.is_some()
}

fn alive(slot: u32, life: u32) -> bool {
    let s = &core().streams[slot as usize];
    s.live && s.life == life && !s.ending
}

/// Says in the trace what a filter should know of.
pub fn note(slot: u32, filter: u32, parent: u32, text: &str) {
    let c = core();
    let exchange = c.streams[slot as usize].exchange;
    c.trace.push(Row { filter: filter as u8, exchange, parent, ..Row::event(Event::Note, c.now) }, |f| {
        f.bytes(text.as_bytes());
    });
}

#[no_mangle]
pub extern "C" fn proxy_log(vm: u32, level: u32, message: u32, size: u32) -> u32 {
    hostcall(vm, Call::Log, [level, 0, 0, 0], |h| {
        if level > 5 {
            return Err(BAD_ARGUMENT);
        }
        let message = h.argument(0, message, size)?;
        h.field(message);
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn proxy_get_log_level(vm: u32, level_out: u32) -> u32 {
    let level = core().settings.log_level;
    hostcall(vm, Call::GetLogLevel, [level, 0, 0, 0], |h| h.store(level_out, level))
}

#[no_mangle]
pub extern "C" fn proxy_get_current_time_nanoseconds(vm: u32, time_out: u32) -> u32 {
    hostcall(vm, Call::GetCurrentTime, [0; 4], |h| h.store64(time_out, core().now))
}

#[no_mangle]
pub extern "C" fn proxy_set_tick_period_milliseconds(vm: u32, period: u32) -> u32 {
    hostcall(vm, Call::SetTickPeriod, [period, 0, 0, 0], |h| {
        if let Some(filter) = h.filter() {
            crate::root::set_period(filter, u64::from(period) * 1_000_000);
        }
        Ok(())
    })
}

fn queue_continue(h: &Host, dir: usize) {
    let Some((slot, filter)) = h.stream() else { return };
    let c = core();
    let s = &mut c.streams[slot as usize];
    if s.tcp.is_some() {
        return;
    }
    // Envoy drops the request's pointers at once, for both stream types
    let half = &mut s.filters[filter as usize].half[REQUEST];
    half.headers_open = false;
    half.trailers_open = false;
    let life = s.life;
    let passing = c.active.and_then(|active| active.stream).is_some_and(|(of, p)| of == slot && p.dir == REQUEST && p.phase.is_message());
    if dir == RESPONSE && passing && !s.response_loaded {
        return note(slot, filter, h.row(), resume::NO_RESPONSE);
    }
    if c.actions.len() < MOST_ACTIONS {
        c.actions.push_back((h.vm, Action::Continue { slot, life, filter, dir, row: h.row() }));
    }
}

#[no_mangle]
pub extern "C" fn proxy_continue_stream(vm: u32, stream_type: u32) -> u32 {
    hostcall(vm, Call::ContinueStream, [stream_type, 0, 0, 0], |h| match stream_type {
        0 | 1 => {
            queue_continue(h, stream_type as usize);
            Ok(())
        }
        2 => {
            // each call counts: the filters behind are called again
            if let Some((slot, filter)) = h.stream().filter(|&(slot, _)| is_connection(slot)) {
                let life = core().streams[slot as usize].life;
                core().actions.push_back((vm, Action::Read { slot, life, filter }));
            }
            Ok(())
        }
        3 => Err(UNIMPLEMENTED),
        _ => Err(BAD_ARGUMENT),
    })
}

#[no_mangle]
pub extern "C" fn proxy_continue_request(vm: u32) -> u32 {
    hostcall(vm, Call::ContinueRequest, [0; 4], |h| {
        queue_continue(h, REQUEST);
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn proxy_continue_response(vm: u32) -> u32 {
    hostcall(vm, Call::ContinueResponse, [0; 4], |h| {
        queue_continue(h, RESPONSE);
        Ok(())
    })
}

/// There is one route in a replay, so nothing is left to clear.
#[no_mangle]
pub extern "C" fn proxy_clear_route_cache(vm: u32) -> u32 {
    hostcall(vm, Call::ClearRouteCache, [0; 4], |_| Ok(()))
}

#[no_mangle]
pub extern "C" fn proxy_close_stream(vm: u32, stream_type: u32) -> u32 {
    hostcall(vm, Call::CloseStream, [stream_type, 0, 0, 0], |h| {
        if stream_type > 3 {
            return Err(BAD_ARGUMENT);
        }
        // types 0 and 1 are an exchange's, 2 and 3 a connection's
        if let Some((slot, filter)) = h.stream().filter(|&(slot, _)| is_connection(slot) == (stream_type > 1)) {
            let life = core().streams[slot as usize].life;
            let actions = &mut core().actions;
            if !actions.iter().any(|(_, action)| matches!(action, Action::Close { slot: of, .. } if *of == slot)) {
                actions.push_back((vm, Action::Close { slot, life, filter }));
            }
        }
        Ok(())
    })
}

#[no_mangle]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn proxy_send_local_response(vm: u32, code: u32, details: u32, details_n: u32, body: u32, body_n: u32, pairs: u32, pairs_n: u32, grpc: u32) -> u32 {
    hostcall(vm, Call::SendLocalResponse, [code, grpc, 0, 0], |h| {
        let details = h.input(details, details_n)?;
        let body = h.input(body, body_n)?;
        let pairs = h.input(pairs, pairs_n)?;
        let pairs = parse_pairs(&pairs);
        h.fields(|f| {
            f.bytes(&details).bytes(&body).with(|out| crate::packed::write_pairs(out, pairs.iter().copied(), pairs.len()));
        });
        if let Some((slot, filter)) = h.stream().filter(|&(slot, _)| !is_connection(slot)) {
            let life = core().streams[slot as usize].life;
            let queued = core().actions.iter().any(|(_, action)| matches!(action, Action::Answer { slot: of, .. } if *of == slot));
            let pairs = pairs.into_iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            // a status has 16 bits in Envoy
            let reply = Box::new(Reply { code: code & 0xffff, details, body, pairs, grpc_status: grpc });
            if queued {
                // only the first of a call into the filter counts
                if core().trace.has_room() {
                    local::record_ignored(slot, filter, &reply, local::FILTER, h.parent());
                }
            } else {
                core().actions.push_back((vm, Action::Answer { slot, life, filter, reply, row: h.parent() }));
            }
        }
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn proxy_set_effective_context(vm: u32, id: u32) -> u32 {
    hostcall(vm, Call::SetEffectiveContext, [id, 0, 0, 0], |_| {
        let c = core();
        let effective = match c.vms[vm as usize].contexts.get(&id) {
            Some(ctx) => Some((id, *ctx)),
            None if id == 0 => None,
            None => return Err(BAD_ARGUMENT),
        };
        // the callback's frame, not the allocator's
        if let Some(frame) = c.frames.last_mut() {
            frame.effective = effective;
        }
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn proxy_done(vm: u32) -> u32 {
    hostcall(vm, Call::Done, [0; 4], |h| {
        let filter = h.filter().ok_or(NOT_FOUND)?;
        if !std::mem::replace(&mut core().filters[filter as usize].awaits_done, false) {
            return Err(NOT_FOUND);
        }
        core().actions.push_back((vm, Action::DeleteRoot { filter }));
        Ok(())
    })
}
