//! Buffers: bodies while their callback runs or is held back, and configurations.

use super::*;
use crate::stream::{Pause, Touched};
use crate::trace::LAST;

const HTTP_REQUEST_BODY: u32 = 0;
const HTTP_RESPONSE_BODY: u32 = 1;
const DOWNSTREAM_DATA: u32 = 2;
const UPSTREAM_DATA: u32 = 3;
const HTTP_CALL_RESPONSE_BODY: u32 = 4;
const GRPC_RECEIVE_BUFFER: u32 = 5;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
/// What a context looked at last: Envoy reads through a pointer that it keeps.
const CALL_DATA: u32 = 8;

/// A body that a filter can reach now: the chunk of its callback, or what is held back for it.
fn body(h: &Host, buffer: u32) -> Option<(u32, u32, usize)> {
    let (slot, filter) = h.stream()?;
    let dir = buffer as usize;
    match buffer {
        HTTP_REQUEST_BODY | HTTP_RESPONSE_BODY => {}
        DOWNSTREAM_DATA | UPSTREAM_DATA => {
            let s = &core().streams[slot as usize];
            return (s.tcp.is_some() && s.filters[filter as usize].shown[dir - 2]).then_some((slot, filter, dir));
        }
        _ => return None,
    }
    let half = &core().streams[slot as usize].filters[filter as usize].half[dir];
    (half.chunk.is_some() || half.buffering || half.pause == Pause::Body).then_some((slot, filter, dir))
}

fn view(at: (u32, u32, usize)) -> &'static [u8] {
    let s = &core().streams[at.0 as usize];
    s.shown(at.1, at.2).get(&s.record)
}

/// What the running callback shows of a callout's answer.
fn answer(h: &Host) -> Option<&'static crate::answers::Shown> {
    core().callouts.shown_to(h.vm, h.root()?)
}

/// A gRPC message in its callback can be edited as a body can.
fn set_message(h: &mut Host, start: usize, size: usize, data: Vec<u8>) -> Answer {
    answer(h).ok_or(BAD_ARGUMENT)?;
    let Some(message) = core().callouts.shown.as_mut().and_then(|shown| shown.message.as_mut()) else { return Err(BAD_ARGUMENT) };
    h.arg(3, message.len() as u32);
    edit(message, start, size, data)
}

/// Envoy edits at the ends only: in front (with the first `size` bytes gone), or behind.
fn edit(body: &mut Vec<u8>, start: usize, size: usize, data: Vec<u8>) -> Answer {
    match start {
        0 if size >= body.len() => *body = data,
        0 => drop(body.splice(..size, data)),
        _ if start < body.len() => return Err(BAD_ARGUMENT),
        _ => body.extend_from_slice(&data),
    }
    Ok(())
}

/// Where the context that is current keeps which buffer it looked at last.
fn last(h: &Host) -> Option<&'static mut Option<u32>> {
    let c = core();
    match h.stream() {
        Some((slot, filter)) => Some(&mut c.streams[slot as usize].filters[filter as usize].last_buffer),
        None => h.filter().map(|filter| &mut c.filters[filter as usize].last_buffer),
    }
}

/// The buffer that a number means.
fn chosen(h: &Host, buffer: u32) -> Option<u32> {
    if buffer == CALL_DATA { last(h).and_then(|last| *last) } else { Some(buffer) }
}

/// A buffer looked at. Through the last one a configuration can be read at any time; of what is over nothing is left.
fn look(h: &Host, buffer: u32) -> Result<&'static [u8], u32> {
    if buffer != CALL_DATA {
        let found = contents(h, buffer)?;
        if let Some(last) = last(h) {
            *last = Some(buffer);
        }
        return Ok(found);
    }
    match (chosen(h, buffer), h.filter()) {
        (Some(PLUGIN_CONFIGURATION), Some(filter)) => Ok(&core().filters[filter as usize].config),
        (Some(buffer), _) => Ok(contents(h, buffer).unwrap_or(&[])),
        (None, _) => Ok(&[]),
    }
}

/// What a buffer holds now. NotFound only for the two that Envoy may not have; a body out of reach reads as empty.
fn contents(h: &Host, buffer: u32) -> Result<&'static [u8], u32> {
    match buffer {
        HTTP_REQUEST_BODY..=UPSTREAM_DATA => Ok(body(h, buffer).map_or(&[], view)),
        HTTP_CALL_RESPONSE_BODY => answer(h).and_then(|shown| shown.body.as_deref()).ok_or(NOT_FOUND),
        GRPC_RECEIVE_BUFFER => Ok(answer(h).and_then(|shown| shown.message.as_deref()).unwrap_or(&[])),
        VM_CONFIGURATION => Ok(&core().vms[h.vm as usize].config),
        PLUGIN_CONFIGURATION => match h.filter().map(|f| &core().filters[f as usize]) {
            Some(filter) if filter.config_open => Ok(&filter.config),
            _ => Err(NOT_FOUND),
        },
        _ => Ok(&[]),
    }
}

#[no_mangle]
pub extern "C" fn proxy_get_buffer_bytes(vm: u32, buffer: u32, start: u32, max: u32, bytes_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetBufferBytes, [buffer, start, max, 0], |h| {
        if buffer > CALL_DATA {
            return Err(BAD_ARGUMENT);
        }
        let all = look(h, buffer)?;
        let from = (start as usize).min(all.len());
        let upto = from.saturating_add(max as usize).min(all.len());
        let part = &all[from..upto];
        h.arg(3, part.len() as u32);
        h.give(part, bytes_out, size_out)
    })
}

#[no_mangle]
pub extern "C" fn proxy_get_buffer_status(vm: u32, buffer: u32, length_out: u32, flags_out: u32) -> u32 {
    hostcall(vm, Call::GetBufferStatus, [buffer, 0, 0, 0], |h| {
        if buffer > CALL_DATA {
            return Err(BAD_ARGUMENT);
        }
        let size = look(h, buffer)?.len() as u32;
        h.arg(1, size);
        h.store(length_out, size)?;
        h.store(flags_out, 0)
    })
}

#[no_mangle]
pub extern "C" fn proxy_get_configuration(vm: u32, value_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetConfiguration, [0; 4], |h| {
        let config = contents(h, PLUGIN_CONFIGURATION).or_else(|_| contents(h, VM_CONFIGURATION))?;
        h.arg(0, config.len() as u32);
        h.give(config, value_out, size_out)
    })
}

#[no_mangle]
pub extern "C" fn proxy_set_buffer_bytes(vm: u32, buffer: u32, start: u32, size: u32, data: u32, data_n: u32) -> u32 {
    hostcall(vm, Call::SetBufferBytes, [buffer, start, size, 0], |h| {
        if buffer > CALL_DATA {
            return Err(BAD_ARGUMENT);
        }
        look(h, buffer)?;
        let data = h.input(data, data_n)?;
        let (asked, Some(buffer)) = (buffer, chosen(h, buffer)) else { return Err(BAD_ARGUMENT) };
        if buffer == GRPC_RECEIVE_BUFFER {
            return set_message(h, start as usize, size as usize, data);
        }
        let Some((slot, filter, dir)) = body(h, buffer) else { return Err(BAD_ARGUMENT) };
        let (start, size, len) = (start as usize, size as usize, view((slot, filter, dir)).len());
        if start > 0 && start < len {
            return Err(BAD_ARGUMENT);
        }
        // it is kept here, twice in the trace (after this callback, and as the upstream or the client gets it), and may move
        if !memory::has_room(4 * (len + data.len())) {
            return Err(fault(h.vm, MEMORY, format!("changed a body of {} MiB, which is more than the host can hold", len >> 20)));
        }
        if asked == CALL_DATA {
            h.arg(0, buffer);
            h.flag(LAST);
        }
        h.arg(3, len as u32);
        h.field(&data);
        let s = &mut core().streams[slot as usize];
        let body = match &mut s.tcp {
            Some(tcp) => &mut tcp.buffer[dir & 1],
            None => {
                let half = &mut s.filters[filter as usize].half[dir];
                half.chunk.as_mut().unwrap_or(&mut half.held)
            }
        };
        edit(body.own(&s.record), start, size, data)?;
        let touched = &mut core().touched;
        if !touched.iter().any(|t| matches!(t, Touched::Body { slot: s, filter: f, dir: d, .. } if (*s, *f, *d) == (slot, filter, dir))) {
            touched.push(Touched::Body { slot, filter, dir, before: len as u32 });
        }
        Ok(())
    })
}
