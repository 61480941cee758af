//! Foreign functions. What Envoy registers is answered in Python (`workbench/host/foreign.py`), to which the import leads; this is the
//! way for those nobody knows, and what the answers need of the core's state. The callback `proxy_on_foreign_function` is looked up by
//! Envoy and called by nothing in it (only a host that embeds the library could): it is not called here either.

use super::*;
use crate::packed::Reader;

#[no_mangle]
pub extern "C" fn proxy_call_foreign_function(vm: u32, name: u32, name_n: u32, argument: u32, argument_n: u32, result_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::CallForeignFunction, [0; 4], |h| {
        let (name, argument) = (h.input(name, name_n)?, h.input(argument, argument_n)?);
        h.fields(|f| {
            f.bytes(&name).bytes(&argument);
        });
        let _ = (result_out, size_out);
        Err(NOT_FOUND)
    })
}

/// A result into memory that the filter allocates; either pointer may be 0 where it is not wanted.
#[no_mangle]
pub extern "C" fn foreign_give(vm: u32, row: u32, at: *const u8, n: u32, at_out: u32, size_out: u32) -> u32 {
    let mut host = Host::of(vm, row);
    let status = host.give_where_wanted(crate::bytes(at, n), at_out, size_out).err().unwrap_or(OK);
    host.finish_giving();
    status
}

/// Filter state of Envoy's own for the current stream: u32 life span, str name, str value as it reads, u32 whether it can be read.
#[no_mangle]
pub extern "C" fn foreign_set_state(at: *const u8, n: u32) -> u32 {
    let mut given = Reader::new(crate::bytes(at, n));
    let (span, name, value, readable) = (given.u32(), given.str(), given.str(), given.u32() != 0);
    let Ctx::Stream { slot, .. } = current() else { return NOT_FOUND };
    let states = &mut core().streams[slot as usize].envoy_state;
    match states.iter_mut().find(|state| state.name == name) {
        // what is there for another life span stays, and Envoy says Ok
        Some(state) if state.span != span => {}
        Some(state) => state.value = value.to_vec(),
        None => states.push(crate::stream::EnvoyState { name: name.to_vec(), value: value.to_vec(), span, readable }),
    }
    OK
}

/// A property declared read-only in a root context: streams of that filter can set it once.
#[no_mangle]
pub extern "C" fn foreign_declare(at: *const u8, n: u32) {
    if let Ctx::Root(filter) = current() {
        core().filters[filter as usize].read_only.push(crate::bytes(at, n).to_vec());
    }
}

/// A property for the context that the filter was entered with, whatever is effective; its status, and see `foreign_value_ptr`.
#[no_mangle]
pub extern "C" fn foreign_property(vm: u32, at: *const u8, n: u32) -> u32 {
    let c = core();
    let effective = c.frames.last_mut().and_then(|frame| frame.effective.take());
    let found = properties::property(&Host::of(vm, NONE), crate::bytes(at, n));
    if let Some(frame) = core().frames.last_mut() {
        frame.effective = effective;
    }
    let status = *found.as_ref().err().unwrap_or(&OK);
    core().foreign_value = found.unwrap_or_default();
    status
}

#[no_mangle]
pub extern "C" fn foreign_value_ptr() -> *const u8 {
    core().foreign_value.as_ptr()
}

#[no_mangle]
pub extern "C" fn foreign_value_len() -> u32 {
    core().foreign_value.len() as u32
}
