//! Threads of the proxy: each has its own VM of each filter, and all share data, queues and metrics.
//! `Core::filters` are those of the thread that runs; the others are parked. Whatever is planned comes back on the thread that planned it.

use crate::state::{core, Core};

/// The main thread and the trial of a configuration in the trace; streams never come to either.
const MAIN: u32 = 255;
const TRIAL: u32 = 254;

/// From now on things happen on this thread.
#[inline(always)]
pub fn enter(worker: u32) {
    if core().worker != worker {
        change(worker);
    }
}

#[cold]
fn change(worker: u32) {
    let c = core();
    let (from, to) = (c.worker as usize, worker as usize);
    if c.parked.len() <= from.max(to) {
        c.parked.resize_with(from.max(to) + 1, Vec::new);
    }
    let going = std::mem::take(&mut c.parked[to]);
    c.parked[from] = std::mem::replace(&mut c.filters, going);
    c.worker = worker;
    c.events.worker = worker;
}

/// The thread that serves a connection: the same in each run, and connections numbered in a row spread evenly.
pub fn of_connection(workers: u32, connection: u32) -> u32 {
    let workers = u64::from(workers.max(1));
    let spread = u64::from(connection.wrapping_mul(0x9E37_79B1));
    (spread * workers >> 32) as u32
}

/// The thread's number in the trace.
pub fn shown(c: &Core) -> u32 {
    match c.worker.checked_sub(c.settings.workers.max(1)) {
        None => c.worker,
        Some(0) => MAIN,
        Some(_) => TRIAL,
    }
}

/// A configuration is tried, in a VM that is thrown away.
pub fn on_trial(c: &Core) -> bool {
    c.worker > c.settings.workers.max(1)
}

/// Where a notice for this thread goes: a VM on trial is gone by then, and Envoy looks for its successor on the main thread.
pub fn notified(c: &Core, worker: u32) -> u32 {
    worker.min(c.settings.workers.max(1))
}

/// A VM is thrown away as it stands: no callback any more, and its timers stop.
pub fn close(vm: u32, why: &[u8]) {
    let c = core();
    let state = &mut c.vms[vm as usize];
    state.failed = crate::state::EARLIER;
    state.failed_at = c.now;
    state.failure = why.to_vec();
    state.contexts.clear();
    crate::callouts::drop_vm(vm);
    let c = core();
    for filter in c.filters.iter_mut().filter(|filter| filter.vm == vm) {
        filter.timer.reset();
    }
}

/// What a filter that did not start means for streams from now on.
#[derive(Clone, Copy, PartialEq, Default)]
pub enum Presence {
    #[default]
    Here,
    /// It fails each stream as its policy says.
    Dead,
    /// It is no part of any stream, whatever its policy: so does Envoy where a thread's VM refuses what a first one took.
    Absent,
    /// It is no part of streams that begin now, and nothing is wrong with it: not its turn yet, or not any more.
    Out,
}

/// A filter did not start on this thread.
pub fn leave(filter: u32, presence: Presence) {
    let c = core();
    let f = &mut c.filters[filter as usize];
    f.presence = presence;
    if f.refusal.is_empty() {
        f.refusal = c.last_failure.clone();
    }
    if presence == Presence::Dead {
        f.timer.reset();
        let (vm, root) = (f.vm as usize, f.root);
        if let Some(vm) = c.vms.get_mut(vm) {
            vm.contexts.remove(&root);
        }
    }
}
