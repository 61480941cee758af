//! What happens when: a queue ordered by virtual time, and among equals by the order in which things were planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The next piece of a captured body, from a byte on.
    Body { slot: u32, life: u32, dir: u32, from: u32 },
    Response { slot: u32, life: u32 },
    Tick { filter: u32, generation: u32 },
    QueueReady { filter: u32, root: u32, token: u32 },
    /// The next part of a callout's answer, and the time until which there must be one.
    CalloutPart { vm: u32, token: u32 },
    CalloutDeadline { vm: u32, token: u32 },
    /// The next message of a captured connection, from one side.
    Piece { slot: u32, life: u32, dir: u32 },
    /// A filter's successor is to take its place.
    Swap { filter: u32 },
}

#[derive(Default)]
pub struct Events {
    heap: BinaryHeap<Reverse<(u64, u64, u32, Event)>>,
    planned: u64,
    /// The thread that plans, and that the event comes back to.
    pub worker: u32,
    /// How many in the queue belong to exchanges.
    pub work: u32,
}

impl Events {
    pub fn plan(&mut self, time: u64, event: Event) {
        self.plan_on(self.worker, time, event);
    }

    pub fn plan_on(&mut self, worker: u32, time: u64, event: Event) {
        self.planned += 1;
        self.work += u32::from(is_work(event));
        self.heap.push(Reverse((time, self.planned, worker, event)));
    }

    pub fn next_time(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((time, ..))| *time)
    }

    /// When the next that belongs to an exchange is due; looks at all of them.
    pub fn next_work(&self) -> Option<u64> {
        self.heap.iter().filter(|Reverse((.., event))| is_work(*event)).map(|Reverse((time, ..))| *time).min()
    }

    /// The thread, and what happens there.
    pub fn pop(&mut self) -> Option<(u32, Event)> {
        let Reverse((_, _, worker, event)) = self.heap.pop()?;
        self.work -= u32::from(is_work(event));
        Some((worker, event))
    }
}

pub fn is_work(event: Event) -> bool {
    matches!(event, Event::Body { .. } | Event::Response { .. } | Event::Piece { .. })
}
