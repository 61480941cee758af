//! Everything the core knows between two calls. One replay, one thread.

use crate::call::Frame;
use crate::events::Events;
use crate::hostcalls::control::Action;
use crate::packed::Reader;
use crate::shared::{MetricIds, Metrics, Queues, SharedData};
use crate::stream::Stream;
use crate::trace::Trace;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

pub const ABI_01: u32 = 10;

/// Envoy's failure policies by its numbers, and our own, restart.
pub const RELOAD: u32 = 1;
pub const OPEN: u32 = 3;
pub const RESTART: u32 = 4;

/// `FailureKind` of the trace.
pub const TRAP: u32 = 1;
pub const MEMORY: u32 = 3;
pub const EARLIER: u32 = 6;
pub const HANG: u32 = 7;

/// A context a filter may act on.
#[derive(Clone, Copy, PartialEq)]
pub enum Ctx {
    Vm,
    Root(u32),
    Stream { slot: u32, filter: u32 },
}

#[derive(Default)]
pub struct IdHasher(u64);
impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u32(&mut self, id: u32) {
        // a multiplication spreads consecutive ids over the table
        self.0 = u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
pub type Contexts = HashMap<u32, Ctx, BuildHasherDefault<IdHasher>>;

#[derive(Default)]
pub struct Vm {
    pub abi: u32,
    /// Bit i: the i-th callback of the schema is exported.
    pub exports: u64,
    pub vm_id: Vec<u8>,
    pub config: Vec<u8>,
    /// The thread that it belongs to.
    pub worker: u32,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// 0, or the kind of failure that ended it: it is never entered again.
    pub failed: u32,
    pub failed_at: u64,
    pub failure: Vec<u8>,
    pub contexts: Contexts,
    pub last_context: u32,
    pub metrics: MetricIds,
    /// Callouts so far by their kind.
    pub tokens: [u32; 3],
    pub allocator: crate::hostcalls::Allocator,
    /// Pages of memory when last looked at, 0 before the first call.
    pub pages: u32,
}

#[derive(Default)]
pub struct Filter {
    pub vm: u32,
    pub root: u32,
    pub policy: u32,
    pub stop_iteration: bool,
    pub fail_open: bool,
    pub name: Vec<u8>,
    pub root_id: Vec<u8>,
    pub config: Vec<u8>,
    /// The plugin configuration can be read now.
    pub config_open: bool,
    pub timer: crate::root::Timer,
    pub vms: u32,
    /// When its VM was started last, or was to be.
    pub loaded_at: u64,
    pub presence: crate::worker::Presence,
    /// Why it did not start.
    pub refusal: Vec<u8>,
    /// No fresh VM can be had: the last failure stays.
    pub given_up: bool,
    /// Its on_done has been called; it answered that it is not ready yet.
    pub finished: bool,
    pub awaits_done: bool,
    /// The buffer that its root context looked at last.
    pub last_buffer: Option<u32>,
    /// Properties declared read-only in its root context.
    pub read_only: Vec<Vec<u8>>,
}

#[derive(Default)]
pub struct Settings {
    pub start: u64,
    pub chunk: u32,
    pub buffer_limit: u32,
    pub trace_limit: usize,
    pub log_level: u32,
    /// Threads that serve connections; the main thread's number comes next, then that of a trial.
    pub workers: u32,
    /// Which upgrades to WebSocket are allowed, see `upgrade`.
    pub websocket: u32,
}

/// The callback that runs in a VM now: what a trap takes down.
#[derive(Clone, Copy)]
pub struct Active {
    pub vm: u32,
    pub filter: u32,
    pub row: u32,
    pub stream: Option<(u32, crate::stream::Pending)>,
}

#[derive(Default)]
pub struct Core {
    pub settings: Settings,
    pub now: u64,
    pub random: u64,
    pub vms: Vec<Vm>,
    /// Of the thread that runs; see `worker`.
    pub filters: Vec<Filter>,
    pub worker: u32,
    pub parked: Vec<Vec<Filter>>,
    pub streams: Vec<Stream>,
    pub free: Vec<u32>,
    pub ready: VecDeque<u32>,
    pub events: Events,
    pub callouts: crate::callouts::Callouts,
    pub frames: Vec<Frame>,
    /// By the VM that asked: Envoy has a list for each.
    pub actions: VecDeque<(u32, Action)>,
    /// Some of them wait until what the ones before set going has come to rest.
    pub deferred: bool,
    /// A stream's callback that ended in a trap and whose consequences are still to be drawn.
    pub trapped: Option<(u32, crate::stream::Pending)>,
    pub active: Option<Active>,
    /// What the filter may not call now, see `hostcalls`.
    pub restricted: crate::hostcalls::Restricted,
    /// Why the host ended the running filter: kind and words.
    pub blame: Option<(u32, String)>,
    pub last_failure: Vec<u8>,
    /// Maps and bodies changed in the running callback.
    pub touched: Vec<crate::stream::Touched>,
    /// Arguments of the running hostcall, in buffers that are kept.
    pub arguments: [Vec<u8>; 2],
    /// The property that was asked for last from Python.
    pub foreign_value: Vec<u8>,
    pub data: SharedData,
    pub queues: Queues,
    pub metrics: Metrics,
    pub trace: Trace,
    /// Filter, thread and reason.
    pub needs: VecDeque<(u32, u32, u32)>,
    pub input: (u32, u32),
    /// Thread and filter: retired, with streams that still go through them.
    pub retiring: Vec<(u32, u32)>,
    /// A stream that is arriving, and the filter that takes part in it next.
    pub arriving: Option<(u32, u32)>,
    pub horizon: u64,
    pub done: u32,
    pub open: u32,
    /// Bytes of the records of open streams, and of the batch that they come from.
    pub held: usize,
    pub batch: usize,
    pub idle: crate::idle::Idle,
    pub idle_ticks: u32,
    /// An on_queue_ready runs.
    pub in_notice: bool,
    pub schema: String,
}

static mut CORE: Option<Core> = None;

/// The one state. A call into a filter re-enters here, so take it afresh after each.
#[allow(static_mut_refs)]
#[inline(always)]
pub fn core() -> &'static mut Core {
    // SAFETY: the core runs on one thread, and no reference is used across a call into a filter.
    match unsafe { CORE.as_mut() } {
        Some(core) => core,
        None => begin(),
    }
}

// apart, so that the way through `core` that is taken hundreds of times an exchange is a few instructions
#[allow(static_mut_refs)]
#[cold]
#[inline(never)]
fn begin() -> &'static mut Core {
    // SAFETY: as above.
    unsafe { CORE.insert(Core::default()) }
}

impl Core {
    pub fn configure(&mut self, data: &[u8]) {
        let mut r = Reader::new(data);
        self.random = r.u64();
        self.settings = Settings {
            start: r.time(),
            chunk: r.u32(),
            buffer_limit: r.u32(),
            trace_limit: r.u32() as usize,
            log_level: r.u32(),
            workers: r.u32(),
            websocket: r.u32(),
        };
        self.now = self.settings.start;
    }

    pub fn add_vm(&mut self, data: &[u8]) {
        let mut r = Reader::new(data);
        let (number, abi, exports) = (r.u32() as usize, r.u32(), r.u64());
        let (vm_id, config) = (r.str().to_vec(), r.str().to_vec());
        let env = r.pairs().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        if self.vms.len() <= number {
            self.vms.resize_with(number + 1, Vm::default);
        }
        self.vms[number] = Vm { abi, exports, vm_id, config, env, worker: self.worker, ..Vm::default() };
    }

    pub fn add_filter(&mut self, data: &[u8]) -> u32 {
        let mut r = Reader::new(data);
        let (vm, policy, flags) = (r.u32(), r.u32(), r.u32());
        self.filters.push(Filter {
            vm,
            policy,
            stop_iteration: flags & 1 != 0,
            fail_open: flags & 2 != 0,
            name: r.str().to_vec(),
            root_id: r.str().to_vec(),
            config: r.str().to_vec(),
            ..Filter::default()
        });
        self.filters.len() as u32 - 1
    }

    /// The next number of a fixed sequence (splitmix64): the same for the same seed.
    pub fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl Vm {
    /// Ids count up from 1; one in use is skipped.
    pub fn new_context(&mut self, ctx: Ctx) -> u32 {
        loop {
            self.last_context = self.last_context.wrapping_add(1).max(1);
            if !self.contexts.contains_key(&self.last_context) {
                self.contexts.insert(self.last_context, ctx);
                return self.last_context;
            }
        }
    }
}
