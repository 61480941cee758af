//! A Proxy-Wasm host that is itself a wasm module. README.md says how it is composed; this file is its door to Python,
//! and the pump that takes events in the order of virtual time.

mod arrival;
mod call;
mod chain;
mod departure;
mod events;
mod failure;
mod guest;
mod headers;
mod hostcalls;
mod local;
mod message;
mod packed;
mod root;
mod shared;
mod state;
mod stream;
mod trace;

use events::Event;
use state::core;

const DONE: i32 = 0;
const TRACE_FULL: i32 = 1;
const NEEDS_VM: i32 = 2;

/// How long a stream may stay paused after all else has ended: Envoy's default stream idle timeout.
const IDLE_LIMIT_NS: u64 = 300_000_000_000;

fn bytes<'a>(at: *const u8, n: u32) -> &'a [u8] {
    // SAFETY: Python passes what core_alloc gave it, and keeps it until the call is over.
    unsafe { std::slice::from_raw_parts(at, n as usize) }
}

#[no_mangle]
pub extern "C" fn core_alloc(n: u32) -> *mut u8 {
    let mut buffer = Vec::<u8>::with_capacity(n.max(1) as usize);
    let at = buffer.as_mut_ptr();
    std::mem::forget(buffer);
    at
}

/// # Safety
/// `at` and `n` must be what `core_alloc` was called with and gave.
#[no_mangle]
pub unsafe extern "C" fn core_free(at: *mut u8, n: u32) {
    drop(Vec::from_raw_parts(at, 0, n.max(1) as usize));
}

#[no_mangle]
pub extern "C" fn schema_ptr() -> *const u8 {
    let c = core();
    if c.schema.is_empty() {
        c.schema = hostcalls::schema();
    }
    c.schema.as_ptr()
}

#[no_mangle]
pub extern "C" fn schema_len() -> u32 {
    schema_ptr();
    core().schema.len() as u32
}

#[no_mangle]
pub extern "C" fn configure(at: *const u8, n: u32) {
    core().configure(bytes(at, n));
}

#[no_mangle]
pub extern "C" fn vm_add(at: *const u8, n: u32) {
    core().add_vm(bytes(at, n));
}

#[no_mangle]
pub extern "C" fn filter_add(at: *const u8, n: u32) -> u32 {
    core().add_filter(bytes(at, n))
}

#[no_mangle]
pub extern "C" fn vm_boot(vm: u32) {
    call::boot(vm);
}

/// Starts a filter in a VM, which becomes its own: 0, or the kind of failure.
#[no_mangle]
pub extern "C" fn filter_start(filter: u32, vm: u32) -> u32 {
    call::start_filter(filter, vm)
}

/// No fresh VM can be had for a filter: it stays as it failed.
#[no_mangle]
pub extern "C" fn filter_give_up(filter: u32) {
    core().filters[filter as usize].given_up = true;
}

/// The filter that needs a fresh VM and why (1 reload, 2 restart), as filter | reason << 16; -1 for none.
#[no_mangle]
pub extern "C" fn needs() -> i32 {
    core().needs.pop_front().map_or(-1, |(filter, reason)| (filter | reason << 16) as i32)
}

#[no_mangle]
pub extern "C" fn recover(kind: u32, message: *const u8, n: u32) {
    call::recover(kind, bytes(message, n));
}

#[no_mangle]
pub extern "C" fn records_ptr() -> *const trace::Row {
    core().trace.rows.as_ptr()
}

/// In bytes.
#[no_mangle]
pub extern "C" fn records_len() -> u32 {
    (core().trace.rows.len() * std::mem::size_of::<trace::Row>()) as u32
}

#[no_mangle]
pub extern "C" fn blob_ptr() -> *const u8 {
    core().trace.blob.as_ptr()
}

#[no_mangle]
pub extern "C" fn blob_len() -> u32 {
    core().trace.blob.len() as u32
}

#[no_mangle]
pub extern "C" fn trace_clear() {
    core().trace.clear();
}

#[no_mangle]
pub extern "C" fn exchanges_done() -> u32 {
    core().done
}

/// Takes packed exchanges, in order of their start, and goes on to `horizon` (all ones: to the end).
#[no_mangle]
pub extern "C" fn run(at: *const u8, n: u32, horizon: u64) -> i32 {
    let c = core();
    c.input = (at as u32, at as u32 + n);
    c.horizon = horizon;
    pump()
}

#[no_mangle]
pub extern "C" fn resume() -> i32 {
    pump()
}

/// Ends the root contexts, once the streams are done.
#[no_mangle]
pub extern "C" fn finish() -> i32 {
    for filter in 0..core().filters.len() as u32 {
        root::finish(filter);
    }
    DONE
}

fn pump() -> i32 {
    loop {
        let c = core();
        if !c.needs.is_empty() {
            return NEEDS_VM;
        }
        if let Some((slot, pending)) = c.trapped.take() {
            c.ready.push_front(slot);
            chain::settle(slot, pending, None);
            continue;
        }
        hostcalls::control::run_actions();
        if let Some(&slot) = core().ready.front() {
            drain(slot);
            core().ready.pop_front();
            continue;
        }
        let c = core();
        if c.trace.bytes() > c.settings.trace_limit {
            return TRACE_FULL;
        }
        if !next_event() {
            return DONE;
        }
    }
}

/// Does what a stream has to do until it waits for something.
fn drain(slot: u32) {
    loop {
        let Some(work) = core().streams[slot as usize].work.pop_front() else { return };
        chain::perform(slot, work);
        hostcalls::control::run_actions();
    }
}

fn record_at(at: u32) -> (&'static [u8], u64) {
    let size = u32::from_le_bytes(bytes(at as *const u8, 4).try_into().unwrap_or([0; 4]));
    let record = bytes((at + 4) as *const u8, size);
    let start = record.get(8..16).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    (record, start)
}

/// Takes the next arrival or planned event, whichever is first. False when nothing is left before the horizon.
fn next_event() -> bool {
    let c = core();
    let (at, end) = c.input;
    let planned = c.events.next_time();
    if at < end {
        let (record, start) = record_at(at);
        if planned.is_none_or(|time| time > start) {
            c.now = c.now.max(start);
            if arrival::wants_reload(c) {
                return true;
            }
            c.input.0 = at + 4 + record.len() as u32;
            let slot = arrival::arrive(record);
            core().ready.push_back(slot);
            return true;
        }
    } else if c.horizon == u64::MAX && c.events.work == 0 {
        // only ticks are left: they matter as long as a stream waits for one
        let patience = c.last_activity.max(c.settings.start) + IDLE_LIMIT_NS;
        if c.open == 0 || planned.is_none_or(|time| time > patience) {
            return abandon();
        }
    }
    if planned.is_none_or(|time| time >= c.horizon && c.horizon != u64::MAX) {
        return false;
    }
    let Some((time, event)) = core().events.pop() else { return false };
    let c = core();
    c.now = c.now.max(time);
    match event {
        Event::RequestBody { slot, life, from } if current(slot, life) => arrival::deliver_body(slot, stream::REQUEST, from),
        Event::Response { slot, life } if current(slot, life) => {
            if c.streams[slot as usize].has_response {
                arrival::respond(slot);
            } else {
                local::upstream_failed(slot);
            }
        }
        Event::ResponseBody { slot, life, from } if current(slot, life) => arrival::deliver_body(slot, stream::RESPONSE, from),
        Event::Tick { filter, generation } => root::tick(filter, generation),
        Event::QueueReady { vm, root, token } => root::queue_ready(vm, root, token),
        _ => {}
    }
    true
}

fn current(slot: u32, life: u32) -> bool {
    let s = &core().streams[slot as usize];
    s.live && s.life == life && !s.ending
}

/// Ends what still waits when nothing more can come. False when nothing waited.
fn abandon() -> bool {
    let c = core();
    let waiting: Vec<u32> = (0..c.streams.len() as u32).filter(|&slot| c.streams[slot as usize].live).collect();
    for &slot in &waiting {
        departure::end(slot);
    }
    !waiting.is_empty()
}

