//! Root contexts between streams: ticks, queue notices, and their end.

use crate::call::{callback, Callback, Target};
use crate::events::Event as Planned;
use crate::state::{core, Ctx};
use crate::trace::NONE;

fn target(filter: u32) -> Target {
    let f = &core().filters[filter as usize];
    Target { vm: f.vm, filter, ctx: Ctx::Root(filter), ctx_id: f.root, exchange: NONE, pending: None }
}

pub fn tick(filter: u32, generation: u32) {
    let c = core();
    let (current, period) = c.filters[filter as usize].tick;
    let vm = c.filters[filter as usize].vm;
    if current != generation || period == 0 || c.vms[vm as usize].failed != 0 {
        return;
    }
    // armed again first: a trap in the callback must not matter, and ticks do not pile up
    c.events.plan(c.now + period, Planned::Tick { filter, generation });
    if c.has(vm, Callback::Tick) {
        callback(Callback::Tick, target(filter), [0, 0]);
        crate::hostcalls::control::run_actions();
    }
}

pub fn queue_ready(vm: u32, root: u32, token: u32) {
    let c = core();
    let Some(Ctx::Root(filter)) = c.vms[vm as usize].contexts.get(&root).copied() else { return };
    if c.vms[vm as usize].failed == 0 && c.has(vm, Callback::QueueReady) {
        callback(Callback::QueueReady, Target { vm, ctx_id: root, ..target(filter) }, [token, 0]);
        crate::hostcalls::control::run_actions();
    }
}

/// `proxy_on_done`; a filter that answers 0 is deleted when it calls `proxy_done`, or at the very end.
pub fn finish(filter: u32) {
    let c = core();
    let vm = c.filters[filter as usize].vm;
    if c.vms[vm as usize].failed != 0 || !c.vms[vm as usize].contexts.contains_key(&c.filters[filter as usize].root) {
        return;
    }
    c.filters[filter as usize].awaits_done = true;
    if c.has(vm, Callback::Done) {
        callback(Callback::Done, target(filter), [0, 0]);
    }
    crate::hostcalls::control::run_actions();
    delete(filter);
}

pub fn delete(filter: u32) {
    let c = core();
    c.filters[filter as usize].awaits_done = false;
    let (vm, root) = (c.filters[filter as usize].vm, c.filters[filter as usize].root);
    if c.vms[vm as usize].failed != 0 || c.vms[vm as usize].contexts.remove(&root).is_none() {
        return;
    }
    if c.has(vm, Callback::Delete) {
        callback(Callback::Delete, target(filter), [0, 0]);
    }
}
