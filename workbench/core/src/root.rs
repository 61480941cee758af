//! Root contexts between streams: ticks, queue notices, and their end.

use crate::call::{callback, Callback, Target};
use crate::events::Event as Planned;
use crate::shared::Owner;
use crate::state::{core, Ctx};
use crate::trace::{Event, Row, NONE};

/// Ticks in a row with nothing of an exchange between them before a replay skips to what comes next of one.
const MOST_IDLE_TICKS: u32 = 100_000;
/// How far a notice made by a notice moves in time, so that time goes on while a filter feeds its own queue.
const NOTICE_NS: u64 = 1_000_000;
const NEVER: u64 = u64::MAX;

/// A filter's timer. One event stands for it in the queue; that the timer was set anew shows when it is due.
pub struct Timer {
    period: u64,
    due: u64,
    /// Time and number of the event that counts; others are stale.
    planned: u64,
    generation: u32,
}

impl Default for Timer {
    fn default() -> Self {
        Timer { period: 0, due: 0, planned: NEVER, generation: 0 }
    }
}

impl Timer {
    /// For a fresh VM: no timer runs.
    pub fn reset(&mut self) {
        *self = Timer { generation: self.generation + 1, ..Timer::default() };
    }
}

/// Sets a filter's timer; nanoseconds, 0 stops it.
pub fn set_period(filter: u32, period: u64) {
    let now = core().now;
    core().filters[filter as usize].timer.period = period;
    if period > 0 {
        plan_tick(filter, now + period);
    }
}

fn plan_tick(filter: u32, due: u64) {
    let c = core();
    let timer = &mut c.filters[filter as usize].timer;
    timer.due = due;
    // a later one is found when the planned event comes
    if due < timer.planned {
        timer.planned = due;
        timer.generation += 1;
        c.events.plan(due, Planned::Tick { filter, generation: timer.generation });
    }
}

fn target(filter: u32) -> Target {
    let f = &core().filters[filter as usize];
    Target { vm: f.vm, filter, ctx: Ctx::Root(filter), ctx_id: f.root, exchange: NONE, pending: None }
}

pub fn tick(filter: u32, generation: u32) {
    let c = core();
    let f = &mut c.filters[filter as usize];
    if f.timer.generation != generation {
        return;
    }
    f.timer.planned = NEVER;
    let (vm, period, due) = (f.vm, f.timer.period, f.timer.due);
    if period == 0 || c.vms[vm as usize].failed != 0 {
        return;
    }
    if c.now < due {
        return plan_tick(filter, due);
    }
    // an exchange that a filter holds may wait for any of them, and not for long
    c.idle_ticks = if crate::idle::next_time(c).is_some() { 0 } else { c.idle_ticks + 1 };
    // armed again first: a trap in the callback must not matter, and ticks do not pile up
    plan_tick(filter, (c.now + period).max(after_idle_ticks()));
    let c = core();
    if c.has(vm, Callback::Tick) {
        callback(Callback::Tick, target(filter), [0, 0]);
        crate::hostcalls::control::run_actions(vm);
    }
}

/// Where ticks go on after too many with nothing between them: a capture may leap over years, and an answer may take as long.
fn after_idle_ticks() -> u64 {
    let c = core();
    if c.idle_ticks <= MOST_IDLE_TICKS {
        return 0;
    }
    let known = crate::next_arrival().into_iter().chain(c.events.next_work()).min();
    let next = known.unwrap_or(if c.horizon == NEVER { 0 } else { c.horizon });
    if c.idle_ticks == MOST_IDLE_TICKS + 1 && next > c.now {
        c.trace.push(Row::event(Event::Note, c.now), |f| {
            f.bytes(format!("{MOST_IDLE_TICKS} ticks with nothing of an exchange between them: those up to the next are left out").as_bytes());
        });
    }
    next
}

/// Plans the notice of a new item for the root context that registered last; it never comes inside a call.
pub fn plan_notice(owner: Owner, token: u32) {
    let c = core();
    let later = if c.in_notice { NOTICE_NS } else { 0 };
    let Owner { worker, filter, root } = owner;
    c.events.plan_on(worker, c.now + later, Planned::QueueReady { filter, root, token });
}

/// A root context is found by its number in the VM that its filter has now: after a reload that is the fresh one.
pub fn queue_ready(filter: u32, root: u32, token: u32) {
    let c = core();
    let vm = c.filters[filter as usize].vm;
    let Some(Ctx::Root(filter)) = c.vms[vm as usize].contexts.get(&root).copied() else { return };
    if c.vms[vm as usize].failed == 0 && c.has(vm, Callback::QueueReady) {
        c.in_notice = true;
        callback(Callback::QueueReady, Target { vm, ctx_id: root, ..target(filter) }, [token, 0]);
        core().in_notice = false;
        crate::hostcalls::control::run_actions(vm);
    }
}

/// `proxy_on_done`; a filter that answers 0 is deleted when `proxy_done` is called for it, and not at all otherwise.
pub fn finish(filter: u32) {
    let c = core();
    let f = &mut c.filters[filter as usize];
    let (vm, root) = (f.vm, f.root);
    if std::mem::replace(&mut f.finished, true) || c.vms[vm as usize].failed != 0 || !c.vms[vm as usize].contexts.contains_key(&root) {
        return;
    }
    let ready = !c.has(vm, Callback::Done) || callback(Callback::Done, target(filter), [0, 0]) != 0;
    core().filters[filter as usize].awaits_done = !ready;
    crate::hostcalls::control::run_actions(vm);
    if ready {
        delete(filter);
    }
}

pub fn delete(filter: u32) {
    let c = core();
    let (vm, root) = (c.filters[filter as usize].vm, c.filters[filter as usize].root);
    if c.vms[vm as usize].failed != 0 || !c.vms[vm as usize].contexts.contains_key(&root) {
        return;
    }
    if c.has(vm, Callback::Delete) {
        callback(Callback::Delete, target(filter), [0, 0]);
    }
    // it can be chosen until then
    core().vms[vm as usize].contexts.remove(&root);
}
