//! A user's function in the place of a hostcall (`workbench/host/intercept.py`): where it is called from, and what it leaves in the
//! trace. Nothing here runs, and no hostcall looks here, where nothing is intercepted: the filter's import leads to Python then.

use crate::guest;
use crate::hostcalls::{open_row, Call, Host, CALLS, INVALID_MEMORY};
use crate::packed::Reader;
use crate::state::core;
use crate::trace::{Event, Row, HOSTCALL, INSTEAD, NONE, NO_FILTER};

/// Who calls, and what `intercept_close` wants to have back.
#[repr(C)]
pub struct Place {
    now: u64,
    started: u64,
    host_ns: u64,
    filter: u32,
    exchange: u32,
    context: u32,
    /// Code of the callback that runs, or NONE.
    callback: u32,
    /// 0 where Envoy's runtime forbids the call now.
    allowed: u32,
    /// The number of the row that is written next.
    row: u32,
}

fn call_of(code: u32) -> Option<Call> {
    CALLS.get(code as usize).copied()
}

/// # Safety
/// `out` must have room for a `Place`.
#[no_mangle]
pub unsafe extern "C" fn intercept_begin(code: u32, out: *mut Place) {
    let started = guest::real_ns();
    let c = core();
    let who = crate::hostcalls::caller();
    let callback = c.active.map_or(NONE, |active| active.row);
    *out = Place {
        now: c.now,
        started,
        host_ns: c.frames.last().map_or(0, |frame| frame.host_ns),
        filter: who.filter,
        exchange: who.exchange,
        context: who.context,
        callback: c.trace.at(callback).map_or(NONE, |row| u32::from(row.code)),
        allowed: u32::from(call_of(code).is_none_or(|call| call.is_allowed(c.restricted))),
        row: c.trace.taken.wrapping_add(c.trace.rows.len() as u32),
    };
}

/// The row of a call that the host does not get to see: u32 code, then u32 numbers a to d, then the blob's fields as they are.
#[no_mangle]
pub extern "C" fn intercept_open(vm: u32, at: *const u8, n: u32) -> u32 {
    let mut given = Reader::new(crate::bytes(at, n));
    let Some(call) = call_of(given.u32()) else { return NONE };
    let args = [given.u32(), given.u32(), given.u32(), given.u32()];
    let row = open_row(vm, call, args);
    core().trace.set_blob(row, given.rest());
    row
}

/// Bytes into memory that the filter allocates, as a hostcall gives them; the call's row gets the allocator's time.
#[no_mangle]
pub extern "C" fn intercept_give(vm: u32, row: u32, at: *const u8, n: u32, at_out: u32, size_out: u32) -> u32 {
    let mut host = Host::of(vm, row);
    let status = host.give(crate::bytes(at, n), at_out, size_out).err().unwrap_or(0);
    host.finish_giving();
    status
}

const CHANGED: u32 = 1;
const REWRITTEN: u32 = 2;
const STOOD_IN: u32 = 4;

/// The call is over: u32 row, u32 code, u32 result, u32 bits (1 the filter got something else than the host gave, 2 numbers and fields
/// are given anew, 4 the host did nothing), u32 status of the host, u64 started, u64 host_ns (from `Place`), u32 numbers a to d,
/// str fields, str fields of the event.
#[no_mangle]
pub extern "C" fn intercept_close(vm: u32, at: *const u8, n: u32) {
    let mut given = Reader::new(crate::bytes(at, n));
    let (number, code, result, bits, status) = (given.u32(), given.u32(), given.u32(), given.u32(), given.u32());
    let (started, host_ns) = (given.u64(), given.u64());
    let args = [given.u32(), given.u32(), given.u32(), given.u32()];
    let (fields, changes) = (given.str(), given.str());
    let ns = guest::real_ns().saturating_sub(started);
    let c = core();
    // a call that its callback has no room to record left no row
    let mine = |row: &&mut Row| row.kind == HOSTCALL && u32::from(row.code) == code && row.vm == vm;
    let number = if c.trace.at(number).as_ref().is_some_and(mine) { number } else { NONE };
    let guest_ns = c.trace.at(number).map_or(0, |row| u64::from(row.other_ns));
    if let Some(frame) = c.frames.last_mut() {
        frame.host_ns = host_ns + ns.saturating_sub(guest_ns);
    }
    c.trace.finish(number, result as i32, ns, guest_ns);
    if bits & REWRITTEN != 0 {
        c.trace.set_blob(number, fields);
    }
    let parent = c.frames.last().map_or(NONE, |frame| frame.row);
    if let Some(row) = c.trace.at(number) {
        if bits & REWRITTEN != 0 {
            row.args = args;
        }
        if bits & STOOD_IN != 0 {
            row.flags |= INSTEAD;
        }
    }
    if bits & CHANGED != 0 && c.trace.has_room() {
        let who = crate::hostcalls::caller();
        let row = Row {
            filter: who.filter.min(NO_FILTER as u32) as u8,
            exchange: who.exchange,
            context: who.context,
            parent,
            vm,
            result: result as i32,
            args: [number, u32::from(bits & STOOD_IN == 0), status, code],
            ns: ns.min(u32::MAX as u64) as u32,
            ..Row::event(Event::Intercepted, c.now)
        };
        let row = c.trace.push(row, |_| {});
        c.trace.set_blob(row, changes);
    }
}

/// A number into the filter's memory, 4 or 8 bytes wide.
#[no_mangle]
pub extern "C" fn intercept_store(vm: u32, at: u32, value: u64, size: u32) -> u32 {
    let done = if size == 4 { guest::store32(vm, at, value as u32) } else { guest::store64(vm, at, value) };
    if done { 0 } else { INVALID_MEMORY }
}

/// A call of an import that the filter has no capability for: recorded, and answered with this status. A name is given for those
/// that share one code.
#[no_mangle]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn intercept_deny(vm: u32, code: u32, a: u32, b: u32, c: u32, d: u32, name: *const u8, name_n: u32, status: u32) -> u32 {
    let Some(call) = call_of(code) else { return status };
    crate::hostcalls::hostcall_raw(vm, call, [a, b, c, d], |host| {
        if name_n > 0 {
            host.field(crate::bytes(name, name_n));
        }
        status
    })
}
