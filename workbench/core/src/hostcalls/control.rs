//! Logging, time, stream control and local responses. What changes a stream is queued and done when the call into the VM ends.

use super::*;
use crate::chain;
use crate::connection;
use crate::departure;
use crate::headers::parse_pairs;
use crate::local::{self, Reply};
use crate::stream::{REQUEST, RESPONSE};

/// What a filter asked for and gets when its callback has returned.
pub enum Action {
    Continue { slot: u32, life: u32, filter: u32, dir: usize, row: u32 },
    Close { slot: u32, life: u32, filter: u32 },
    /// Of a connection: read on, with the filters behind this one.
    Read { slot: u32, life: u32, filter: u32 },
    Answer { slot: u32, life: u32, filter: u32, reply: Box<Reply>, row: u32 },
    DeleteRoot { filter: u32 },
}

/// Does what was queued, in order.
pub fn run_actions() {
    while let Some(action) = core().actions.pop_front() {
        match action {
            Action::Continue { slot, life, filter, dir, row } => {
                if alive(slot, life) && !chain::resume(slot, filter, dir) {
                    let which = if dir == REQUEST { "request" } else { "response" };
                    note(slot, filter, row, &format!("asked to continue the {which}, which was not paused: nothing to do here, a fault in Envoy"));
                }
            }
            Action::Close { slot, life, filter } => {
                if alive(slot, life) && core().streams[slot as usize].tcp.is_some() {
                    connection::close_by(slot, filter);
                } else if alive(slot, life) {
                    let details = &mut core().streams[slot as usize].details;
                    if details.is_empty() {
                        details.extend_from_slice(b"wasm_close_stream");
                    }
                    departure::cut(slot);
                }
            }
            Action::Read { slot, life, filter } => {
                if alive(slot, life) {
                    connection::continue_reading(slot, filter);
                }
            }
            Action::Answer { slot, life, filter, reply, row } => {
                if alive(slot, life) {
                    local::answer_for_filter(slot, filter, *reply, row);
                }
            }
            Action::DeleteRoot { filter } => crate::root::delete(filter),
        }
    }
}

/// Forgets the answers queued for a stream, and records that they had no effect.
pub fn drop_answers(slot: u32) {
    for action in std::mem::take(&mut core().actions) {
        match action {
            Action::Answer { slot: of, filter, reply, row, .. } if of == slot => local::record_ignored(slot, filter, &reply, local::FILTER, row),
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
    let same = |action: &Action| matches!(action, Action::Continue { slot: s, filter: f, dir: d, .. } if (*s, *f, *d) == (slot, filter, dir));
    if !c.actions.iter().any(same) {
        c.actions.push_back(Action::Continue { slot, life, filter, dir, row: h.row() });
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
                core().actions.push_back(Action::Read { slot, life, filter });
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
            if !actions.iter().any(|action| matches!(action, Action::Close { slot: of, .. } if *of == slot)) {
                actions.push_back(Action::Close { slot, life, filter });
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
            let queued = core().actions.iter().any(|action| matches!(action, Action::Answer { slot: of, .. } if *of == slot));
            let pairs = pairs.into_iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
            let reply = Box::new(Reply { code, details, body, pairs, grpc_status: grpc });
            if queued {
                // only the first of a call into the filter counts
                if core().trace.has_room() {
                    local::record_ignored(slot, filter, &reply, local::FILTER, h.parent());
                }
            } else {
                core().actions.push_back(Action::Answer { slot, life, filter, reply, row: h.parent() });
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
        core().actions.push_back(Action::DeleteRoot { filter });
        Ok(())
    })
}
