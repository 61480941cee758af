//! Entering a filter: the callbacks, the stack of contexts, and what a trap leaves to clean up.

use crate::guest;
use crate::hostcalls::Restricted;
use crate::state::{core, Active, Core, Ctx, ABI_01, RESTART};
use crate::stream::{self, Pending};
use crate::worker::Presence;
use crate::trace::{Event, Row, CALLBACK, NONE, NO_FILTER};

/// One entry into a VM. Hostcalls act on `effective` where a filter set one, else on the context it was entered with.
pub struct Frame {
    pub ctx: Ctx,
    pub ctx_id: u32,
    pub effective: Option<(u32, Ctx)>,
    pub row: u32,
    /// The exchange that the callback belongs to: what a root context does in it counts there.
    pub exchange: u32,
    /// Real time spent in hostcalls so far.
    pub host_ns: u64,
    pub started: u64,
}

impl Frame {
    pub fn current(&self) -> (u32, Ctx) {
        self.effective.unwrap_or((self.ctx_id, self.ctx))
    }
}

/// The callbacks, in the order of the schema and of the bits in `Vm::exports`.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
pub enum Callback {
    Initialize,
    Main,
    MainVoid,
    Start,
    ContextCreate,
    VmStart,
    Configure,
    Tick,
    QueueReady,
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    Log,
    Done,
    Delete,
    HttpCallResponse,
    GrpcReceiveInitialMetadata,
    GrpcReceive,
    GrpcReceiveTrailingMetadata,
    GrpcClose,
    NewConnection,
    DownstreamData,
    UpstreamData,
    DownstreamClose,
    UpstreamClose,
}

pub const CALLBACKS: &[(&str, &str)] = &[
    ("_initialize", "-"),
    ("main", "-"),
    ("__main_void", "-"),
    ("_start", "-"),
    ("proxy_on_context_create", "parent_context_id"),
    ("proxy_on_vm_start", "vm_configuration_size"),
    ("proxy_on_configure", "plugin_configuration_size"),
    ("proxy_on_tick", "-"),
    ("proxy_on_queue_ready", "token"),
    ("proxy_on_request_headers", "num_headers,end_of_stream"),
    ("proxy_on_request_body", "body_size,end_of_stream"),
    ("proxy_on_request_trailers", "num_trailers"),
    ("proxy_on_response_headers", "num_headers,end_of_stream"),
    ("proxy_on_response_body", "body_size,end_of_stream"),
    ("proxy_on_response_trailers", "num_trailers"),
    ("proxy_on_log", "-"),
    ("proxy_on_done", "-"),
    ("proxy_on_delete", "-"),
    ("proxy_on_http_call_response", "token,num_headers,body_size,num_trailers"),
    ("proxy_on_grpc_receive_initial_metadata", "token,num_headers"),
    ("proxy_on_grpc_receive", "token,message_size"),
    ("proxy_on_grpc_receive_trailing_metadata", "token,num_trailers"),
    ("proxy_on_grpc_close", "token,status_code"),
    ("proxy_on_new_connection", "-"),
    ("proxy_on_downstream_data", "data_size,end_of_stream"),
    ("proxy_on_upstream_data", "data_size,end_of_stream"),
    ("proxy_on_downstream_connection_close", "close_type"),
    ("proxy_on_upstream_connection_close", "close_type"),
];

impl Core {
    pub fn has(&self, vm: u32, callback: Callback) -> bool {
        self.vms[vm as usize].exports >> (callback as u8) & 1 != 0
    }
}

/// Who is called, and for whom.
#[derive(Clone, Copy)]
pub struct Target {
    pub vm: u32,
    pub filter: u32,
    pub ctx: Ctx,
    pub ctx_id: u32,
    pub exchange: u32,
    pub pending: Option<(u32, Pending)>,
}

/// Calls a filter and records it. May never return: everything that must survive a trap is in the state before.
pub fn callback(which: Callback, target: Target, [a, b]: [u32; 2]) -> u32 {
    callback_of_four(which, target, [a, b, 0, 0])
}

/// The same for a callback with more arguments.
pub fn callback_of_four(which: Callback, target: Target, args: [u32; 4]) -> u32 {
    let c = core();
    c.trace.begin();
    let row = c.trace.push(
        Row {
            kind: CALLBACK,
            filter: target.filter.min(NO_FILTER as u32) as u8,
            code: which as u8,
            flags: 0,
            exchange: target.exchange,
            context: target.ctx_id,
            args,
            vm: target.vm,
            ..Row::event(Event::Note, c.now)
        },
        |_| {},
    );
    c.active = Some(Active { vm: target.vm, filter: target.filter, row, stream: target.pending });
    let started = guest::real_ns();
    c.frames.push(Frame { ctx: target.ctx, ctx_id: target.ctx_id, effective: None, row, exchange: target.exchange, host_ns: 0, started });
    let result = dispatch(which, target.vm, target.ctx_id, args);
    let ns = guest::real_ns().saturating_sub(started);
    let c = core();
    let host_ns = c.frames.pop().map_or(0, |frame| frame.host_ns);
    c.active = None;
    c.trace.finish(row, result as i32, ns, host_ns);
    // SAFETY: the gate answers by itself.
    let fuel = unsafe { guest::workbench_fuel(target.vm) };
    close(row);
    note_fuel(target.vm, row, fuel);
    note_memory(target.vm, row);
    result
}

/// Records how many instructions the filter executed in a callback, where they are counted.
fn note_fuel(vm: u32, row: u32, fuel: u64) {
    let c = core();
    if fuel != 0 {
        let of = c.trace.at(row).map(|row| (row.filter, row.exchange));
        let (filter, exchange) = of.unwrap_or((NO_FILTER, NONE));
        let args = [fuel as u32, (fuel >> 32) as u32, 0, 0];
        c.trace.push(Row { filter, exchange, parent: row, vm, args, ..Row::event(Event::Fuel, c.now) }, |_| {});
    }
}

/// Records how much memory a VM has, where a callback changed it and after the first one.
fn note_memory(vm: u32, row: u32) {
    // SAFETY: the gate's slots of every VM are filled; nothing of the filter runs.
    let pages = unsafe { guest::memory_pages(vm) };
    let c = core();
    let before = std::mem::replace(&mut c.vms[vm as usize].pages, pages);
    if before != pages {
        let of = c.trace.at(row).map(|row| (row.filter, row.exchange));
        let (filter, exchange) = of.unwrap_or((NO_FILTER, NONE));
        c.trace.push(Row { filter, exchange, parent: row, vm, args: [pages, before, 0, 0], ..Row::event(Event::Memory, c.now) }, |_| {});
    }
}

/// Writes what belongs behind a callback that has ended.
fn close(row: u32) {
    stream::flush_touched(row);
    let c = core();
    let left_out = c.trace.end();
    if left_out > 0 {
        let of = c.trace.at(row).map(|row| (row.filter, row.exchange));
        let (filter, exchange) = of.unwrap_or((NO_FILTER, NONE));
        c.trace.push(Row { filter, exchange, parent: row, ..Row::event(Event::Note, c.now) }, |f| {
            f.bytes(format!("{left_out} hostcalls more of this callback are not recorded, it had made too many").as_bytes());
        });
    }
}

fn dispatch(which: Callback, vm: u32, ctx: u32, [a, b, c, d]: [u32; 4]) -> u32 {
    let old = core().vms[vm as usize].abi == ABI_01;
    // SAFETY: the gate's slots of this VM are filled for each callback that it exports.
    unsafe {
        match which {
            Callback::Initialize => guest::_initialize(vm),
            Callback::Main => return guest::main(vm, 0, 0),
            Callback::MainVoid => return guest::__main_void(vm),
            Callback::Start => guest::_start(vm),
            Callback::ContextCreate => guest::proxy_on_context_create(vm, ctx, a),
            Callback::VmStart => return guest::proxy_on_vm_start(vm, ctx, a),
            Callback::Configure => return guest::proxy_on_configure(vm, ctx, a),
            Callback::Tick => guest::proxy_on_tick(vm, ctx),
            Callback::QueueReady => guest::proxy_on_queue_ready(vm, ctx, a),
            Callback::RequestHeaders if old => return guest::proxy_on_request_headers_abi_01(vm, ctx, a),
            Callback::RequestHeaders => return guest::proxy_on_request_headers(vm, ctx, a, b),
            Callback::RequestBody => return guest::proxy_on_request_body(vm, ctx, a, b),
            Callback::RequestTrailers => return guest::proxy_on_request_trailers(vm, ctx, a),
            Callback::ResponseHeaders if old => return guest::proxy_on_response_headers_abi_01(vm, ctx, a),
            Callback::ResponseHeaders => return guest::proxy_on_response_headers(vm, ctx, a, b),
            Callback::ResponseBody => return guest::proxy_on_response_body(vm, ctx, a, b),
            Callback::ResponseTrailers => return guest::proxy_on_response_trailers(vm, ctx, a),
            Callback::Log => guest::proxy_on_log(vm, ctx),
            Callback::Done => return guest::proxy_on_done(vm, ctx),
            Callback::Delete => guest::proxy_on_delete(vm, ctx),
            Callback::HttpCallResponse => guest::proxy_on_http_call_response(vm, ctx, a, b, c, d),
            Callback::GrpcReceiveInitialMetadata => guest::proxy_on_grpc_receive_initial_metadata(vm, ctx, a, b),
            Callback::GrpcReceive => guest::proxy_on_grpc_receive(vm, ctx, a, b),
            Callback::GrpcReceiveTrailingMetadata => guest::proxy_on_grpc_receive_trailing_metadata(vm, ctx, a, b),
            Callback::GrpcClose => guest::proxy_on_grpc_close(vm, ctx, a, b),
            Callback::NewConnection => return guest::proxy_on_new_connection(vm, ctx),
            Callback::DownstreamData => return guest::proxy_on_downstream_data(vm, ctx, a, b),
            Callback::UpstreamData => return guest::proxy_on_upstream_data(vm, ctx, a, b),
            Callback::DownstreamClose => guest::proxy_on_downstream_connection_close(vm, ctx, a),
            Callback::UpstreamClose => guest::proxy_on_upstream_connection_close(vm, ctx, a),
        }
    }
    0
}

/// After a trap unwound the core: closes what was open, marks the VM, and leaves the stream's consequences to the pump.
pub fn recover(kind: u32, message: &[u8]) {
    let c = core();
    // the host may have ended the filter itself, and knows why
    let blame = c.blame.take();
    let (kind, message) = blame.as_ref().map_or((kind, message), |(kind, why)| (*kind, why.as_bytes()));
    c.restricted = Restricted::No;
    let Some(active) = c.active.take() else { return };
    let elapsed = c.frames.first().map_or((0, 0), |f| (guest::real_ns().saturating_sub(f.started), f.host_ns));
    c.frames.clear();
    if let Some(row) = c.trace.at(active.row) {
        row.ns = elapsed.0.min(u32::MAX as u64) as u32;
        row.other_ns = elapsed.1.min(u32::MAX as u64) as u32;
    }
    close(active.row);
    note_memory(active.vm, active.row);
    let c = core();
    let vm = &mut c.vms[active.vm as usize];
    vm.failed = kind;
    vm.failed_at = c.now;
    vm.failure = message.to_vec();
    c.last_failure = message.to_vec();
    if let Some((slot, pending)) = active.stream {
        // a reply that the filter asked for before it fell comes second: the failure's own wins
        crate::hostcalls::control::drop_answers(slot);
        crate::failure::tell_failure(slot, active.filter, kind, message, active.row, pending.phase == stream::Phase::End);
        core().trapped = Some((slot, pending));
    } else {
        root_failure(active.filter, kind, message, active.row);
    }
    let c = core();
    c.in_notice = false;
    crate::callouts::drop_vm(active.vm);
    let c = core();
    c.vms[active.vm as usize].contexts.clear();
    // whoever answers moves all filters of this policy that lived there
    let trial = crate::worker::on_trial(c);
    if let Some(filter) = c.filters.iter().take_while(|_| !trial).position(|f| f.vm == active.vm && f.policy == RESTART && f.vms > 0 && !f.given_up) {
        c.needs.push_back((filter as u32, c.worker, 2));
    }
}

pub fn root_failure(filter: u32, kind: u32, message: &[u8], parent: u32) {
    let c = core();
    let policy = c.filters.get(filter as usize).map_or(0, |f| f.policy);
    let row = Row { filter: filter.min(255) as u8, parent, args: [kind, policy, 0, 0], ..Row::event(Event::Failure, c.now) };
    let name = c.trace.at(parent).map_or("", |row| CALLBACKS[row.code as usize].0);
    c.trace.push(row, |f| {
        f.bytes(message).bytes(name.as_bytes());
    });
}

fn root_target(filter: u32, vm: u32, ctx: Ctx, ctx_id: u32) -> Target {
    Target { vm, filter, ctx, ctx_id, exchange: NONE, pending: None }
}

/// `_initialize` and then `main`, or `_start`: on the VM context.
pub fn boot(vm: u32) {
    let target = root_target(NO_FILTER as u32, vm, Ctx::Vm, 0);
    core().restricted = Restricted::Start;
    let has = |callback| core().has(vm, callback);
    if has(Callback::Initialize) {
        callback(Callback::Initialize, target, [0, 0]);
        if has(Callback::Main) {
            callback(Callback::Main, target, [0, 0]);
        } else if has(Callback::MainVoid) {
            callback(Callback::MainVoid, target, [0, 0]);
        }
    } else if has(Callback::Start) {
        callback(Callback::Start, target, [0, 0]);
    }
    core().restricted = Restricted::No;
}

/// Creates a filter's root context in a VM and starts it; 0, or the kind of failure.
pub fn start_filter(filter: u32, vm: u32) -> u32 {
    let c = core();
    let root = c.vms[vm as usize].new_context(Ctx::Root(filter));
    let (vm_size, size) = (c.vms[vm as usize].config.len() as u32, c.filters[filter as usize].config.len() as u32);
    let f = &mut c.filters[filter as usize];
    f.root = root;
    f.config_open = true;
    f.loaded_at = c.now;
    (f.finished, f.awaits_done) = (false, false);
    f.read_only.clear();
    let old = std::mem::replace(&mut f.vm, vm);
    f.timer.reset();
    let reason = f.vms.min(1);
    f.vms += 1;
    let count = f.vms;
    let policy = f.policy;
    let worker = crate::worker::shown(c);
    let row = Row {
        filter: filter as u8,
        vm,
        args: [count, if reason == 0 { 0 } else if policy == RESTART { 2 } else { 1 }, worker, 0],
        ..Row::event(Event::Vm, c.now)
    };
    c.trace.push(row, |_| {});
    let target = root_target(filter, vm, Ctx::Root(filter), root);
    if core().has(vm, Callback::ContextCreate) {
        callback(Callback::ContextCreate, target, [0, 0]);
    }
    core().filters[filter as usize].config_open = false;
    if core().has(vm, Callback::VmStart) && callback(Callback::VmStart, target, [vm_size, 0]) == 0 {
        return refuse(filter, 4, b"proxy_on_vm_start returned false");
    }
    core().filters[filter as usize].config_open = true;
    if core().has(vm, Callback::Configure) && callback(Callback::Configure, target, [size, 0]) == 0 {
        return refuse(filter, 5, b"proxy_on_configure returned false");
    }
    let f = &mut core().filters[filter as usize];
    f.config_open = false;
    f.presence = Presence::Here;
    crate::hostcalls::control::run_actions(vm);
    if policy == RESTART && reason != 0 {
        move_streams(filter, old);
    }
    0
}

/// Exchanges that the filter had paused in its old VM come to it again. The one that failed there does not.
fn move_streams(filter: u32, old: u32) {
    let c = core();
    let failing = c.trapped.map(|(slot, _)| slot);
    for slot in 0..c.streams.len() as u32 {
        let s = &core().streams[slot as usize];
        if s.live && !s.ending && failing != Some(slot) && s.filters[filter as usize].vm == old {
            crate::resume::give_back(slot, filter);
        }
    }
}

/// The VM lives on, as in Envoy: what becomes of the filter is for whoever started it to say.
fn refuse(filter: u32, kind: u32, message: &[u8]) -> u32 {
    let c = core();
    c.filters[filter as usize].config_open = false;
    c.filters[filter as usize].refusal = message.to_vec();
    // behind the callback's row stand those of its hostcalls
    let parent = c.trace.rows.iter().rposition(|row| row.kind == CALLBACK).map_or(NONE, |at| c.trace.taken.wrapping_add(at as u32));
    root_failure(filter, kind, message, parent);
    kind
}
