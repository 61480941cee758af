//! What outlives a stream and a VM: shared data and shared queues, keyed by vm_id, and metrics.

use std::collections::{BTreeMap, VecDeque};

pub const OK: u32 = 0;
pub const NOT_FOUND: u32 = 1;
pub const BAD_ARGUMENT: u32 = 2;
pub const EMPTY: u32 = 7;
pub const CAS_MISMATCH: u32 = 8;

#[derive(Default)]
pub struct SharedData {
    values: BTreeMap<(Vec<u8>, Vec<u8>), (Vec<u8>, u32)>,
    last_cas: u32,
}

impl SharedData {
    pub fn get(&self, vm_id: &[u8], key: &[u8]) -> Option<(&[u8], u32)> {
        self.values.get(&(vm_id.to_vec(), key.to_vec())).map(|(value, cas)| (&value[..], *cas))
    }

    /// A CAS of 0 writes in any case; one for a key that does not exist is accepted, as in Envoy.
    pub fn set(&mut self, vm_id: &[u8], key: &[u8], value: &[u8], cas: u32) -> u32 {
        let slot = (vm_id.to_vec(), key.to_vec());
        if let Some((_, now)) = self.values.get(&slot) {
            if cas != 0 && cas != *now {
                return CAS_MISMATCH;
            }
        }
        self.last_cas = self.last_cas.wrapping_add(1).max(1);
        self.values.insert(slot, (value.to_vec(), self.last_cas));
        OK
    }
}

/// A queue, and who is told of a new item: the latest to register.
pub struct Queue {
    vm_id: Vec<u8>,
    name: Vec<u8>,
    items: VecDeque<Vec<u8>>,
    pub owner: (u32, u32),
}

#[derive(Default)]
pub struct Queues(Vec<Queue>);

impl Queues {
    fn position(&self, vm_id: &[u8], name: &[u8]) -> Option<usize> {
        self.0.iter().position(|q| q.vm_id == vm_id && q.name == name)
    }

    /// Gives the token; `owner` is the VM and root context to tell.
    pub fn register(&mut self, vm_id: &[u8], name: &[u8], owner: (u32, u32)) -> u32 {
        let at = self.position(vm_id, name).unwrap_or_else(|| {
            self.0.push(Queue { vm_id: vm_id.to_vec(), name: name.to_vec(), items: VecDeque::new(), owner });
            self.0.len() - 1
        });
        self.0[at].owner = owner;
        at as u32 + 1
    }

    pub fn resolve(&self, vm_id: &[u8], name: &[u8]) -> Option<u32> {
        self.position(vm_id, name).map(|at| at as u32 + 1)
    }

    pub fn get(&mut self, token: u32) -> Option<&mut Queue> {
        self.0.get_mut((token as usize).wrapping_sub(1))
    }
}

impl Queue {
    pub fn push(&mut self, item: &[u8]) {
        self.items.push_back(item.to_vec());
    }
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.items.pop_front()
    }
}

pub const COUNTER: u32 = 0;
pub const GAUGE: u32 = 1;

struct Metric {
    kind: u32,
    name: Vec<u8>,
    value: u64,
}

/// Metrics are the host's, by name: a fresh VM that defines one again goes on with it.
#[derive(Default)]
pub struct Metrics(Vec<Metric>);

/// The ids of one VM: counters 4, 8, …, gauges 5, 9, …, histograms 6, 10, …, each the place of a metric.
#[derive(Default)]
pub struct MetricIds([Vec<usize>; 3]);

impl MetricIds {
    fn place(&self, id: u32) -> Option<usize> {
        self.0.get((id & 3) as usize)?.get((id as usize >> 2).wrapping_sub(1)).copied()
    }
}

impl Metrics {
    pub fn define(&mut self, ids: &mut MetricIds, kind: u32, name: &[u8]) -> Option<u32> {
        let known = ids.0.get_mut(kind as usize)?;
        let at = self.0.iter().position(|m| m.kind == kind && m.name == name).unwrap_or_else(|| {
            self.0.push(Metric { kind, name: name.to_vec(), value: 0 });
            self.0.len() - 1
        });
        known.push(at);
        Some((known.len() as u32) << 2 | kind)
    }

    pub fn increment(&mut self, ids: &MetricIds, id: u32, offset: i64) -> u32 {
        if id & 3 > GAUGE {
            return BAD_ARGUMENT;
        }
        let Some(at) = ids.place(id) else { return NOT_FOUND };
        if id & 3 == COUNTER && offset <= 0 {
            return BAD_ARGUMENT;
        }
        self.0[at].value = self.0[at].value.wrapping_add_signed(offset);
        OK
    }

    /// On a counter Envoy adds, it does not set.
    pub fn record(&mut self, ids: &MetricIds, id: u32, value: u64) -> u32 {
        let Some(at) = ids.place(id) else { return NOT_FOUND };
        let metric = &mut self.0[at];
        metric.value = if metric.kind == COUNTER { metric.value.wrapping_add(value) } else { value };
        OK
    }

    pub fn get(&self, ids: &MetricIds, id: u32) -> Result<u64, u32> {
        if id & 3 > GAUGE {
            return Err(BAD_ARGUMENT);
        }
        ids.place(id).map(|at| self.0[at].value).ok_or(NOT_FOUND)
    }
}
