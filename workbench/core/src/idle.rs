//! Streams that a filter paused and that nobody lets go on: bounded in virtual time and in memory.

use crate::departure;
use crate::local;
use crate::state::{core, Core};
use crate::stream::{Pause, Stream, REQUEST, RESPONSE};
use crate::trace::{Event, Row};
use std::collections::VecDeque;

/// Envoy's default stream idle timeout.
const LIMIT_NS: u64 = 300_000_000_000;
/// The same of tcp_proxy. A chain is for one of them, so that the list stays in order.
const CONNECTION_LIMIT_NS: u64 = 3_600_000_000_000;

fn limit(s: &Stream) -> u64 {
    if s.tcp.is_some() { CONNECTION_LIMIT_NS } else { LIMIT_NS }
}
/// Bytes of captured exchanges that may be under way at once before the oldest paused one is given up.
const MOST_HELD: usize = 256 << 20;

/// A stream that was paused, and until when it may stay so.
#[derive(Clone, Copy)]
pub struct Watched {
    until: u64,
    slot: u32,
    life: u32,
}

pub type Idle = VecDeque<Watched>;

/// A filter paused this stream now.
pub fn watch(c: &mut Core, slot: u32) {
    let s = &mut c.streams[slot as usize];
    s.paused_at = c.now;
    if !std::mem::replace(&mut s.watched, true) {
        c.idle.push_back(Watched { until: c.now + limit(s), slot, life: s.life });
    }
}

fn is_paused(s: &Stream) -> bool {
    s.filters.iter().any(|f| f.half.iter().any(|half| half.pause != Pause::No))
}

/// The paused stream that has waited longest, if it still does.
fn first(c: &mut Core) -> Option<Watched> {
    while let Some(&watched) = c.idle.front() {
        let s = &mut c.streams[watched.slot as usize];
        let current = s.live && s.life == watched.life && !s.ending;
        if current && is_paused(s) && s.paused_at + limit(s) <= watched.until {
            return Some(watched);
        }
        c.idle.pop_front();
        if current && is_paused(s) {
            c.idle.push_back(Watched { until: s.paused_at + limit(s), ..watched });
        } else if current {
            s.watched = false;
        }
    }
    None
}

/// When the next stream has been paused for too long.
pub fn next_time(c: &mut Core) -> Option<u64> {
    first(c).map(|watched| watched.until)
}

/// The stream that has been paused for longest has no time left.
pub fn expire() {
    let c = core();
    let Some(watched) = first(c) else { return };
    c.idle.pop_front();
    let s = &mut c.streams[watched.slot as usize];
    s.watched = false;
    if s.tcp.is_some() {
        return departure::end(watched.slot);
    }
    for dir in [REQUEST, RESPONSE] {
        if s.filters.iter().any(|f| f.half[dir].pause != Pause::No) {
            s.left |= 1 << dir;
        }
    }
    local::timed_out(watched.slot);
}

/// Gives up a paused stream where too much is under way. True if one was.
pub fn make_room(c: &mut Core) -> bool {
    if c.held < MOST_HELD {
        return false;
    }
    let Some(watched) = first(c) else { return false };
    let row = Row { exchange: c.streams[watched.slot as usize].exchange, ..Row::event(Event::Note, c.now) };
    c.trace.push(row, |f| {
        f.bytes(format!("given up while paused: over {} MiB of exchanges were under way", MOST_HELD >> 20).as_bytes());
    });
    c.idle.pop_front();
    departure::end(watched.slot);
    true
}
