//! A Proxy-Wasm host that is itself a wasm module. README.md says how it is composed; this file is its door to Python,
//! and the pump that takes events in the order of virtual time.

mod answers;
mod arrival;
mod call;
mod callouts;
mod chain;
mod connection;
mod departure;
mod events;
mod failure;
mod guest;
mod headers;
mod hostcalls;
mod idle;
mod intercept;
mod local;
mod memory;
mod message;
mod packed;
mod pieces;
mod refusal;
mod resume;
mod root;
mod shared;
mod state;
mod stream;
mod swap;
mod trace;
mod upgrade;
mod work;
mod worker;

use events::Event;
use state::core;

const DONE: i32 = 0;
const TRACE_FULL: i32 = 1;
const NEEDS_VM: i32 = 2;
const NEEDS_ANSWER: i32 = 3;

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

/// From now on filters are added, started and left on this thread. Workers count from 0, the main thread comes next, then a trial.
#[no_mangle]
pub extern "C" fn worker_enter(worker: u32) {
    worker::enter(worker);
}

/// A filter that does not serve here: 1 fails streams as its policy says, 2 is no part of them, 3 not yet.
#[no_mangle]
pub extern "C" fn filter_leave(filter: u32, how: u32) {
    use worker::Presence;
    worker::leave(filter, [Presence::Dead, Presence::Absent, Presence::Out][how as usize - 1]);
}

/// At this time `needs` names the filter, with reason 3: its successor is to be started.
#[no_mangle]
pub extern "C" fn swap_plan(filter: u32, at: u64) {
    swap::plan(filter, at);
}

/// A filter's successor has started on this thread.
#[no_mangle]
pub extern "C" fn filter_retire(filter: u32) {
    swap::retire(filter);
}

/// Something that the user should know.
#[no_mangle]
pub extern "C" fn note(at: *const u8, n: u32) {
    let c = core();
    c.trace.push(trace::Row::event(trace::Event::Note, c.now), |f| {
        f.bytes(bytes(at, n));
    });
}

/// A filter goes back to an earlier VM: the fresh one did not start.
#[no_mangle]
pub extern "C" fn filter_home(filter: u32, vm: u32) {
    core().filters[filter as usize].vm = vm;
}

/// Ends the root context of a filter that refused to start in a VM of its own: on_done and on_delete, as when the VM goes.
#[no_mangle]
pub extern "C" fn root_end(filter: u32) {
    root::finish(filter);
}

/// A VM that is not needed any more: no callback comes to it.
#[no_mangle]
pub extern "C" fn vm_close(vm: u32) {
    worker::close(vm, b"its VM was closed");
}

/// The filter that needs a fresh VM, where, and why (1 reload, 2 restart, 3 its successor), as filter | worker << 8 | reason << 16; -1 for none.
#[no_mangle]
pub extern "C" fn needs() -> i32 {
    core().needs.pop_front().map_or(-1, |(filter, worker, reason)| (filter | worker << 8 | reason << 16) as i32)
}

#[no_mangle]
pub extern "C" fn recover(kind: u32, message: *const u8, n: u32) {
    call::recover(kind, bytes(message, n));
}

/// Why the VM that failed last did, in the words of the trace.
#[no_mangle]
pub extern "C" fn failure_ptr() -> *const u8 {
    core().last_failure.as_ptr()
}

#[no_mangle]
pub extern "C" fn failure_len() -> u32 {
    core().last_failure.len() as u32
}

/// Where the trace so far lies: place and bytes of its rows, place and bytes of its blob.
#[no_mangle]
pub extern "C" fn trace_place() -> *const u32 {
    let trace = &mut core().trace;
    let rows = trace.rows.len() * std::mem::size_of::<trace::Row>();
    trace.place = [trace.rows.as_ptr() as u32, rows as u32, trace.blob.as_ptr() as u32, trace.blob.len() as u32];
    trace.place.as_ptr()
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
    c.batch = n as usize;
    c.horizon = horizon;
    pump()
}

#[no_mangle]
pub extern "C" fn resume() -> i32 {
    pump()
}

/// Names of the clusters that filters may call: their number, then each as `str`.
#[no_mangle]
pub extern "C" fn clusters(at: *const u8, n: u32) {
    callouts::set_clusters(bytes(at, n));
}

/// The questions that status 3 stands for: u32 size of the rest, u32 count, then each as `str`.
#[no_mangle]
pub extern "C" fn questions() -> *const u8 {
    core().callouts.asked.as_ptr()
}

/// Where the answers to them go, each as `str`, in the order of the questions.
#[no_mangle]
pub extern "C" fn answer_room(n: u32) -> *mut u8 {
    callouts::room(n)
}

/// They are there: takes them, then goes on as `resume`.
#[no_mangle]
pub extern "C" fn answered() -> i32 {
    callouts::answered();
    pump()
}

/// Ends the root contexts, once the streams are done; the last filter's first, as Envoy lets go of a chain.
#[no_mangle]
pub extern "C" fn finish() -> i32 {
    let c = core();
    // workers end first, each with the filters that came last; a filter that is no part of streams goes with its VM
    for worker in 0..=c.settings.workers.max(1) {
        worker::enter(worker);
        for absent in [false, true] {
            for filter in (0..core().filters.len() as u32).rev() {
                if absent == (core().filters[filter as usize].presence != worker::Presence::Here) {
                    root::finish(filter);
                }
            }
        }
    }
    callouts::finish();
    DONE
}

fn pump() -> i32 {
    loop {
        let c = core();
        if !c.needs.is_empty() {
            return NEEDS_VM;
        }
        if c.trace.bytes() > c.settings.trace_limit {
            return TRACE_FULL;
        }
        if let Some((slot, pending)) = c.trapped.take() {
            c.ready.push_front(slot);
            worker::enter(c.streams[slot as usize].worker);
            chain::settle(slot, pending, None);
            continue;
        }
        hostcalls::control::run_left();
        if callouts::take_questions() {
            return NEEDS_ANSWER;
        }
        let c = core();
        if let Some((slot, filter)) = c.arriving {
            worker::enter(c.streams[slot as usize].worker);
            arrival::enroll(slot, filter);
            continue;
        }
        match c.ready.front() {
            Some(&slot) => match c.streams[slot as usize].work.pop_front() {
                Some(work) => {
                    worker::enter(c.streams[slot as usize].worker);
                    chain::perform(slot, work);
                }
                None => {
                    c.ready.pop_front();
                }
            },
            None if answers::step() || next_event() => {}
            None => return DONE,
        }
    }
}

fn record_at(at: u32) -> (&'static [u8], u64) {
    let size = u32::from_le_bytes(bytes(at as *const u8, 4).try_into().unwrap_or([0; 4]));
    let record = bytes((at + 4) as *const u8, size);
    let start = record.get(8..16).map_or(0, |time| packed::Reader::new(time).time());
    (record, start)
}

/// When the next captured request starts, if it is known.
fn next_arrival() -> Option<u64> {
    let (at, end) = core().input;
    (at < end).then(|| record_at(at).1)
}

/// Takes the next arrival, planned event or paused stream's end, whichever is first. False when nothing is left before the horizon.
fn next_event() -> bool {
    let c = core();
    let arrival = next_arrival();
    let planned = c.events.next_time();
    let last = arrival.is_none() && c.horizon == u64::MAX;
    // ticks and notices matter as long as a stream may wait for one
    if last && c.open == 0 && planned.is_none_or(|time| time > c.now) && !c.callouts.pending() {
        return false;
    }
    let idle = idle::next_time(c);
    if last && c.events.work == 0 && idle.is_none() && c.open > 0 {
        return abandon();
    }
    let next = planned.into_iter().chain(idle).min();
    if let Some(start) = arrival.filter(|&start| next.is_none_or(|time| time > start)) {
        c.now = c.now.max(start);
        if idle::make_room(c) {
            return true;
        }
        let record = record_at(c.input.0).0;
        c.input.0 += 4 + record.len() as u32;
        c.idle_ticks = 0;
        arrival::arrive(record);
        return true;
    }
    let Some(time) = next.filter(|&time| time < c.horizon || c.horizon == u64::MAX) else { return false };
    c.now = c.now.max(time);
    if planned != Some(time) {
        idle::expire();
        return true;
    }
    let Some((worker, event)) = c.events.pop() else { return false };
    worker::enter(worker);
    if events::is_work(event) {
        core().idle_ticks = 0;
    }
    match event {
        Event::Body { slot, life, dir, from } if current(slot, life) => arrival::deliver_body(slot, dir as usize, from, false),
        Event::Response { slot, life } if current(slot, life) => arrival::respond(slot),
        Event::Piece { slot, life, dir } if current(slot, life) => connection::arrive(slot, dir as usize),
        Event::Tick { filter, generation } => root::tick(filter, generation),
        Event::QueueReady { filter, root, token } => root::queue_ready(filter, root, token),
        Event::CalloutPart { vm, token } => callouts::part_due(vm, token),
        Event::CalloutDeadline { vm, token } => callouts::deadline(vm, token),
        Event::Swap { filter } => swap::due(filter),
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
        let s = &core().streams[slot as usize];
        if s.tcp.is_some() || s.upgraded || s.ending || s.answers > 0 {
            departure::end(slot);
        } else {
            local::timed_out(slot);
        }
    }
    !waiting.is_empty()
}
