//! Failures of filters, told on the exchanges that they hit. What a stream then gets is the chain's and `local`'s matter.

use crate::state::{core, OPEN};
use crate::trace::{Event, Row, NONE};

/// Records on the exchange that a filter failed there, or suffers from an earlier failure; `harmless` where the exchange does not
/// suffer. Once a filter and exchange.
pub fn tell_failure(slot: u32, filter: u32, kind: u32, message: &[u8], parent: u32, harmless: bool) {
    let c = core();
    let passes = harmless || c.filters[filter as usize].fail_open;
    if !std::mem::replace(&mut c.streams[slot as usize].filters[filter as usize].failure_told, true) {
        tell(slot, filter, kind, if passes { 2 } else { 1 }, message, parent);
    }
}

pub fn tell(slot: u32, filter: u32, kind: u32, effect: u32, message: &[u8], parent: u32) {
    let c = core();
    let policy = c.filters[filter as usize].policy;
    let policy = if c.filters[filter as usize].fail_open { OPEN } else { policy };
    let row = Row {
        filter: filter as u8,
        exchange: c.streams[slot as usize].exchange,
        parent,
        vm: c.streams[slot as usize].filters[filter as usize].vm,
        args: [kind, policy, effect, 0],
        ..Row::event(Event::Failure, c.now)
    };
    let name = if parent == NONE { "" } else { c.trace.at(parent).map_or("", |row| crate::call::CALLBACKS[row.code as usize].0) };
    c.trace.push(row, |f| {
        f.bytes(message).bytes(name.as_bytes());
    });
}
