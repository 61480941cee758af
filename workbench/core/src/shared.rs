//! What outlives a stream and a VM: shared data and shared queues, keyed by vm_id, and metrics.

use std::collections::{BTreeMap, VecDeque};

pub const OK: u32 = 0;
pub const NOT_FOUND: u32 = 1;
pub const BAD_ARGUMENT: u32 = 2;
pub const EMPTY: u32 = 7;
pub const CAS_MISMATCH: u32 = 8;

/// Value and CAS number by key.
type Values = BTreeMap<Vec<u8>, (Vec<u8>, u32)>;

#[derive(Default)]
pub struct SharedData {
    /// By vm_id.
    values: BTreeMap<Vec<u8>, Values>,
    last_cas: u32,
}

impl SharedData {
    pub fn get(&self, vm_id: &[u8], key: &[u8]) -> Option<(&[u8], u32)> {
        self.values.get(vm_id)?.get(key).map(|(value, cas)| (&value[..], *cas))
    }

    /// A CAS of 0 writes in any case; one for a key that does not exist is accepted, as in Envoy.
    pub fn set(&mut self, vm_id: &[u8], key: Vec<u8>, value: Vec<u8>, cas: u32) -> u32 {
        if !self.values.contains_key(vm_id) {
            self.values.insert(vm_id.to_vec(), Values::new());
        }
        let Some(values) = self.values.get_mut(vm_id) else { return OK };
        if values.get(&key).is_some_and(|(_, now)| cas != 0 && cas != *now) {
            return CAS_MISMATCH;
        }
        self.last_cas = self.last_cas.wrapping_add(1).max(1);
        values.insert(key, (value, self.last_cas));
        OK
    }
}

/// Who is told of a new item: the latest to register. Its VM is looked for when the notice comes.
#[derive(Clone, Copy)]
pub struct Owner {
    pub worker: u32,
    pub filter: u32,
    pub root: u32,
}

pub struct Queue {
    pub items: VecDeque<Vec<u8>>,
    pub owner: Owner,
}

/// Tokens count up from 1 over all vm_ids.
#[derive(Default)]
pub struct Queues {
    queues: Vec<Queue>,
    tokens: BTreeMap<(Vec<u8>, Vec<u8>), u32>,
}

impl Queues {
    pub fn register(&mut self, vm_id: &[u8], name: Vec<u8>, owner: Owner) -> u32 {
        let queues = &mut self.queues;
        let token = *self.tokens.entry((vm_id.to_vec(), name)).or_insert_with(|| {
            queues.push(Queue { items: VecDeque::new(), owner });
            queues.len() as u32
        });
        queues[token as usize - 1].owner = owner;
        token
    }

    pub fn resolve(&self, vm_id: &[u8], name: Vec<u8>) -> Option<u32> {
        self.tokens.get(&(vm_id.to_vec(), name)).copied()
    }

    pub fn get(&mut self, token: u32) -> Option<&mut Queue> {
        self.queues.get_mut((token as usize).wrapping_sub(1))
    }
}

pub const COUNTER: u32 = 0;
pub const GAUGE: u32 = 1;

/// Metrics are the host's, by type and name: a fresh VM that defines one again goes on with it.
#[derive(Default)]
pub struct Metrics {
    values: Vec<u64>,
    places: BTreeMap<(u32, Vec<u8>), usize>,
}

/// The ids of one VM: counters 4, 8, …, gauges 5, 9, …, histograms 6, 10, …, each the place of a metric.
#[derive(Default)]
pub struct MetricIds([Vec<usize>; 3]);

impl MetricIds {
    fn place(&self, id: u32) -> Option<usize> {
        self.0.get((id & 3) as usize)?.get((id as usize >> 2).wrapping_sub(1)).copied()
    }
}

impl Metrics {
    pub fn define(&mut self, ids: &mut MetricIds, kind: u32, name: Vec<u8>) -> Option<u32> {
        let known = ids.0.get_mut(kind as usize)?;
        let values = &mut self.values;
        let at = *self.places.entry((kind, name)).or_insert_with(|| {
            values.push(0);
            values.len() - 1
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
        self.values[at] = self.values[at].wrapping_add_signed(offset);
        OK
    }

    /// On a counter Envoy adds, it does not set.
    pub fn record(&mut self, ids: &MetricIds, id: u32, value: u64) -> u32 {
        let Some(at) = ids.place(id) else { return NOT_FOUND };
        self.values[at] = if id & 3 == COUNTER { self.values[at].wrapping_add(value) } else { value };
        OK
    }

    pub fn get(&self, ids: &MetricIds, id: u32) -> Result<u64, u32> {
        if id & 3 > GAUGE {
            return Err(BAD_ARGUMENT);
        }
        ids.place(id).map(|at| self.values[at]).ok_or(NOT_FOUND)
    }
}
