//! A filter is replaced by another build while exchanges go on, as Envoy does when its configuration changes: streams that begin from
//! then on meet the new one, those under way finish on the old one, whose root context ends with the last of them.

use crate::events::Event;
use crate::root;
use crate::state::core;
use crate::worker::Presence;

/// Why a filter is in `Core::needs`, beside 1 reload and 2 restart.
const SWAP: u32 = 3;

/// A filter's successor takes over at this time. Until then it is no part of any stream.
pub fn plan(filter: u32, at: u64) {
    core().events.plan_on(0, at, Event::Swap { filter });
}

/// It is time: Python starts the successor, and then retires the filter.
pub fn due(filter: u32) {
    let c = core();
    c.needs.push_back((filter, c.worker, SWAP));
}

/// On this thread the filter's successor has taken over.
pub fn retire(filter: u32) {
    let c = core();
    let f = &mut c.filters[filter as usize];
    f.presence = Presence::Out;
    // a VM that fails with it is not replaced
    f.given_up = true;
    c.retiring.push((c.worker, filter));
    end_unused();
}

/// Ends the retired filters that no stream is left of.
pub fn end_unused() {
    let c = core();
    let unused = |&(worker, filter): &(u32, u32)| {
        worker == c.worker
            && !c.streams.iter().any(|s| s.live && s.worker == worker && s.filters.get(filter as usize).is_some_and(|state| state.ctx != 0))
    };
    let Some(at) = c.retiring.iter().position(unused) else { return };
    let (_, filter) = core().retiring.remove(at);
    core().filters[filter as usize].timer.reset();
    root::finish(filter);
    end_unused();
}
