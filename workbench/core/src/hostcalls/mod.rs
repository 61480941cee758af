//! What a filter may call. One file a family; each function's name and types are the import's, with the VM's number in front.
//! Order of checks as in the C++ host: ranges of enumerations, input pointers, the operation, output pointers.

pub mod buffers;
pub mod callouts;
pub mod control;
pub mod foreign;
pub mod headers;
pub mod properties;
pub mod sharing;
pub mod wasi;

use crate::call::Frame;
use crate::guest;
use crate::memory;
use crate::state::{core, Ctx, MEMORY, TRAP};
use crate::trace::{Event, Fields, Row, HOSTCALL, NONE, NO_FILTER};

pub const OK: u32 = 0;
pub const NOT_FOUND: u32 = 1;
pub const BAD_ARGUMENT: u32 = 2;
pub const SERIALIZATION_FAILURE: u32 = 3;
pub const PARSE_FAILURE: u32 = 4;
pub const INVALID_MEMORY: u32 = 6;
pub const INTERNAL_FAILURE: u32 = 10;
pub const UNIMPLEMENTED: u32 = 12;

/// Bytes that a filter may pass in one argument.
const MOST_INPUT: u32 = 64 << 20;

/// Bytes of an argument's buffer that are worth keeping.
const KEPT_ARGUMENT: u32 = 64 << 10;

/// Where Envoy's runtime lets a filter call next to nothing: anything else is a trap there.
#[derive(Clone, Copy, PartialEq, Default)]
pub enum Restricted {
    #[default]
    No,
    /// While the filter allocates memory for the host.
    Allocator,
    /// While the VM starts.
    Start,
}

/// Err holds the ABI status.
pub type Answer = Result<(), u32>;

/// A hostcall that runs: its row in the trace, and its times.
pub struct Host {
    pub vm: u32,
    row: u32,
    guest_ns: u64,
}

/// Runs a hostcall between two readings of the clock and records it.
#[inline]
pub fn hostcall(vm: u32, code: Call, args: [u32; 4], body: impl FnOnce(&mut Host) -> Answer) -> u32 {
    hostcall_raw(vm, code, args, |host| body(host).err().unwrap_or(OK))
}

/// The same, for results that are not an ABI status.
#[inline]
pub fn hostcall_raw(vm: u32, code: Call, args: [u32; 4], body: impl FnOnce(&mut Host) -> u32) -> u32 {
    let started = guest::real_ns();
    let c = core();
    if c.restricted != Restricted::No && !code.is_allowed(c.restricted) {
        return refused(vm, code, args);
    }
    if memory::in_use() > memory::MOST + c.held + c.batch {
        return too_much(vm);
    }
    let row = open_row(vm, code, args);
    let mut host = Host { vm, row, guest_ns: 0 };
    let result = body(&mut host);
    let ns = guest::real_ns().saturating_sub(started);
    let guest_ns = host.guest_ns.min(ns);
    let c = core();
    c.trace.finish(row, result as i32, ns, guest_ns);
    if let Some(frame) = c.frames.last_mut() {
        frame.host_ns += ns - guest_ns;
    }
    result
}

/// Who calls: what the call acts on.
pub struct Caller {
    pub filter: u32,
    pub exchange: u32,
    pub context: u32,
    parent: u32,
}

/// The context that acts.
pub fn current() -> Ctx {
    core().frames.last().map_or(Ctx::Vm, |frame| frame.current().1)
}

#[inline(always)]
pub fn caller() -> Caller {
    let c = core();
    // a wasm start section runs before the VM is known: such a call stands on its own
    let (context, ctx, parent) = c.frames.last().map_or((0, Ctx::Vm, NONE), |f| (f.current().0, f.current().1, f.row));
    let (filter, exchange) = match ctx {
        Ctx::Vm => (c.active.map_or(NO_FILTER as u32, |a| a.filter), NONE),
        Ctx::Root(filter) => (filter, c.frames.last().map_or(NONE, |f| f.exchange)),
        Ctx::Stream { slot, filter } => (filter, c.streams[slot as usize].exchange),
    };
    Caller { filter, exchange, context, parent }
}

/// A hostcall begins: its row in the trace.
#[inline(always)]
pub fn open_row(vm: u32, code: Call, args: [u32; 4]) -> u32 {
    let Caller { filter, exchange, context, parent } = caller();
    let c = core();
    c.trace.push_bounded(
        Row {
            kind: HOSTCALL,
            filter: filter.min(NO_FILTER as u32) as u8,
            code: code as u8,
            flags: 0,
            exchange,
            context,
            parent,
            args,
            vm,
            ..Row::event(Event::Note, c.now)
        },
    )
}

/// Ends the filter that is calling: it fails as if it had trapped. Comes back only where it cannot be ended.
#[cold]
#[inline(never)]
pub fn fault(vm: u32, kind: u32, why: String) -> u32 {
    core().blame = Some((kind, why));
    // SAFETY: the call traps; whatever it does, the core holds nothing across it.
    unsafe { guest::workbench_fault(vm) };
    core().blame = None;
    INTERNAL_FAILURE
}

#[cold]
#[inline(never)]
fn too_much(vm: u32) -> u32 {
    fault(vm, MEMORY, format!("made the host keep more than {} MiB", memory::MOST >> 20))
}

/// A call that ends the filter stands in the trace as one that never returned.
#[cold]
#[inline(never)]
fn refused(vm: u32, code: Call, args: [u32; 4]) -> u32 {
    open_row(vm, code, args);
    forbidden(vm, HOSTCALLS[code as usize].0.as_bytes())
}

#[cold]
#[inline(never)]
fn forbidden(vm: u32, name: &[u8]) -> u32 {
    let doing = if core().restricted == Restricted::Start { "starting" } else { "allocating memory" };
    fault(vm, TRAP, format!("called {} while {doing}, which Envoy does not allow", String::from_utf8_lossy(name)))
}

/// Bytes up to which allocations are alike: the filter's share of such a call is timed for some, and what is typical stands for the
/// rest, since two readings of the clock cost more than most allocators take.
const SMALL: u32 = 4096;

/// What small allocations of a VM cost.
#[derive(Default)]
pub struct Allocator {
    calls: u32,
    /// Near the median of those timed: one that the system interrupted does not count for more than any other.
    typical_ns: u64,
}

impl Allocator {
    /// All of the first ones, and then one in sixteen.
    fn is_due(&mut self) -> bool {
        self.calls = self.calls.wrapping_add(1);
        self.calls <= 64 || self.calls % 16 == 0
    }

    fn took(&mut self, ns: u64) {
        let step = self.typical_ns / 16 + 1;
        self.typical_ns = match self.typical_ns {
            0 => ns,
            typical if ns > typical => ns.min(typical + step),
            typical => ns.max(typical - step),
        };
    }
}

impl Call {
    /// Source: proxy-wasm-cpp-host, and tried one by one with Envoy 1.40. The rarer WASI functions are looked at by name.
    pub fn is_allowed(self, restricted: Restricted) -> bool {
        match self {
            _ if restricted == Restricted::No => true,
            Call::Log | Call::FdWrite | Call::ClockTimeGet | Call::WasiOther => true,
            Call::RandomGet | Call::EnvironGet => restricted == Restricted::Start,
            _ => false,
        }
    }
}

impl Host {
    /// A call that is under way, by its row.
    pub fn of(vm: u32, row: u32) -> Host {
        Host { vm, row, guest_ns: 0 }
    }

    /// The allocator's time into the row of a call that is answered in Python.
    pub fn finish_giving(self) {
        if let Some(row) = core().trace.at(self.row) {
            row.other_ns = row.other_ns.saturating_add(self.guest_ns.min(u32::MAX as u64) as u32);
        }
    }

    /// The context the call acts on.
    pub fn ctx(&self) -> Ctx {
        core().frames.last().map_or(Ctx::Vm, |f| f.current().1)
    }

    /// The filter whose root context, or whose stream's root context, is current.
    pub fn filter(&self) -> Option<u32> {
        match self.ctx() {
            Ctx::Vm => None,
            Ctx::Root(filter) | Ctx::Stream { filter, .. } => Some(filter),
        }
    }

    /// The root context that is current, or the one above the current stream.
    pub fn root(&self) -> Option<u32> {
        match self.ctx() {
            Ctx::Root(_) => core().frames.last().map(|f| f.current().0),
            Ctx::Stream { filter, .. } => Some(core().filters[filter as usize].root),
            Ctx::Vm => None,
        }
    }

    pub fn stream(&self) -> Option<(u32, u32)> {
        match self.ctx() {
            Ctx::Stream { slot, filter } => Some((slot, filter)),
            _ => None,
        }
    }

    pub fn input(&self, at: u32, n: u32) -> Result<Vec<u8>, u32> {
        if n > MOST_INPUT && guest::contains(self.vm, at, n) {
            return Err(fault(self.vm, MEMORY, format!("passed {} MiB to the host at once", n >> 20)));
        }
        guest::read(self.vm, at, n).ok_or(INVALID_MEMORY)
    }

    /// The same without an allocation: in one of two buffers, good until the filter is called.
    pub fn argument(&self, place: usize, at: u32, n: u32) -> Result<&'static mut [u8], u32> {
        let buffer = &mut core().arguments[place];
        if n > KEPT_ARGUMENT || buffer.capacity() > KEPT_ARGUMENT as usize {
            *buffer = self.input(at, n)?;
        } else if !guest::read_into(self.vm, at, n, buffer) {
            return Err(INVALID_MEMORY);
        }
        Ok(&mut core().arguments[place])
    }

    /// An argument that is a header's name: in lower case.
    pub fn name(&self, at: u32, n: u32) -> Result<&'static [u8], u32> {
        let name = self.argument(0, at, n)?;
        name.make_ascii_lowercase();
        Ok(name)
    }

    /// Puts bytes into memory that the filter allocates, and their place and size where it asked for them.
    pub fn give(&mut self, bytes: &[u8], at_out: u32, size_out: u32) -> Answer {
        let mut at = 0;
        if !bytes.is_empty() {
            at = self.allocate(bytes.len() as u32);
            if at == 0 || !guest::write(self.vm, at, bytes) {
                return Err(INVALID_MEMORY);
            }
        }
        self.store(at_out, at)?;
        self.store(size_out, bytes.len() as u32)
    }

    /// The same where 0 in place of a pointer says that it is not wanted: memory is allocated all the same.
    pub fn give_where_wanted(&mut self, bytes: &[u8], at_out: u32, size_out: u32) -> Answer {
        let at = if bytes.is_empty() { 0 } else { self.allocate(bytes.len() as u32) };
        if !bytes.is_empty() && (at == 0 || !guest::write(self.vm, at, bytes)) {
            return Err(INVALID_MEMORY);
        }
        for (out, value) in [(at_out, at), (size_out, bytes.len() as u32)] {
            if out != 0 {
                self.store(out, value)?;
            }
        }
        Ok(())
    }

    pub fn store(&self, at: u32, value: u32) -> Answer {
        if guest::store32(self.vm, at, value) { Ok(()) } else { Err(INVALID_MEMORY) }
    }

    pub fn store64(&self, at: u32, value: u64) -> Answer {
        if guest::store64(self.vm, at, value) { Ok(()) } else { Err(INVALID_MEMORY) }
    }

    fn allocate(&mut self, n: u32) -> u32 {
        let c = core();
        let timed = n > SMALL || c.vms[self.vm as usize].allocator.is_due();
        let started = if timed { guest::real_ns() } else { 0 };
        let row = self.parent();
        c.frames.push(Frame { ctx: Ctx::Vm, ctx_id: 0, effective: None, row, exchange: NONE, host_ns: 0, started });
        let before = std::mem::replace(&mut c.restricted, Restricted::Allocator);
        // SAFETY: composition fills this slot for every VM.
        let at = unsafe { guest::malloc(self.vm, n) };
        core().restricted = before;
        let nested = core().frames.pop().map_or(0, |f| f.host_ns);
        let allocator = &mut core().vms[self.vm as usize].allocator;
        self.guest_ns += match timed {
            true => {
                let ns = guest::real_ns().saturating_sub(started).saturating_sub(nested);
                if n <= SMALL {
                    allocator.took(ns);
                }
                ns
            }
            false => allocator.typical_ns,
        };
        at
    }

    /// Adds a field to the call's row.
    pub fn field(&mut self, bytes: &[u8]) {
        self.fields(|f| {
            f.bytes(bytes);
        });
    }

    pub fn fields(&mut self, fill: impl FnOnce(&mut Fields)) {
        core().trace.add_field(self.row, fill);
    }

    /// Sets a number of the row that is known only afterwards.
    pub fn arg(&mut self, place: usize, value: u32) {
        if let Some(row) = core().trace.at(self.row) {
            row.args[place] = value;
        }
    }

    pub fn flag(&mut self, flag: u8) {
        if let Some(row) = core().trace.at(self.row) {
            row.flags |= flag;
        }
    }

    pub fn row(&self) -> u32 {
        self.row
    }

    /// The callback that the call belongs to.
    pub fn parent(&self) -> u32 {
        core().frames.last().map_or(NONE, |f| f.row)
    }
}

macro_rules! calls {
    ($($call:ident $name:literal $args:literal $fields:literal;)*) => {
        /// Codes of the hostcalls in the trace.
        #[allow(clippy::enum_variant_names)]
        #[derive(Clone, Copy, PartialEq)]
        #[repr(u8)]
        pub enum Call { $($call),* }
        /// By code.
        pub const CALLS: &[Call] = &[$(Call::$call),*];
        /// Name, names of the row's numbers, names of the blob's fields.
        pub const HOSTCALLS: &[(&str, &str, &str)] = &[$(($name, $args, $fields)),*];
    };
}

calls! {
    Log "proxy_log" "level" "message";
    GetLogLevel "proxy_get_log_level" "level" "-";
    GetStatus "proxy_get_status" "code" "message";
    GetProperty "proxy_get_property" "-" "path,value";
    SetProperty "proxy_set_property" "-" "path,value";
    GetConfiguration "proxy_get_configuration" "size" "-";
    ContinueRequest "proxy_continue_request" "-" "-";
    ContinueResponse "proxy_continue_response" "-" "-";
    ClearRouteCache "proxy_clear_route_cache" "-" "-";
    ContinueStream "proxy_continue_stream" "stream_type" "-";
    CloseStream "proxy_close_stream" "stream_type" "-";
    SendLocalResponse "proxy_send_local_response" "status_code,grpc_status" "details,body,headers";
    GetSharedData "proxy_get_shared_data" "cas" "key,value";
    SetSharedData "proxy_set_shared_data" "cas" "key,value";
    RegisterSharedQueue "proxy_register_shared_queue" "token" "name";
    ResolveSharedQueue "proxy_resolve_shared_queue" "token" "vm_id,name";
    DequeueSharedQueue "proxy_dequeue_shared_queue" "token" "value";
    EnqueueSharedQueue "proxy_enqueue_shared_queue" "token" "value";
    GetHeaderMapValue "proxy_get_header_map_value" "map_type" "name,value";
    AddHeaderMapValue "proxy_add_header_map_value" "map_type" "name,value,before,after";
    ReplaceHeaderMapValue "proxy_replace_header_map_value" "map_type" "name,value,before,after";
    RemoveHeaderMapValue "proxy_remove_header_map_value" "map_type" "name,before,after";
    GetHeaderMapPairs "proxy_get_header_map_pairs" "map_type,count" "-";
    SetHeaderMapPairs "proxy_set_header_map_pairs" "map_type,count" "before,after";
    GetHeaderMapSize "proxy_get_header_map_size" "map_type,size" "-";
    GetBufferBytes "proxy_get_buffer_bytes" "buffer_type,start,max_size,size" "-";
    GetBufferStatus "proxy_get_buffer_status" "buffer_type,size" "-";
    SetBufferBytes "proxy_set_buffer_bytes" "buffer_type,start,size,size_before" "value";
    HttpCall "proxy_http_call" "timeout_ms,token" "upstream,headers,body,trailers";
    GrpcCall "proxy_grpc_call" "timeout_ms,token" "upstream,service,method,metadata,message";
    GrpcStream "proxy_grpc_stream" "token" "upstream,service,method,metadata";
    GrpcSend "proxy_grpc_send" "token,end_stream" "message";
    GrpcClose "proxy_grpc_close" "token" "-";
    GrpcCancel "proxy_grpc_cancel" "token" "-";
    SetTickPeriod "proxy_set_tick_period_milliseconds" "period" "-";
    GetCurrentTime "proxy_get_current_time_nanoseconds" "-" "-";
    DefineMetric "proxy_define_metric" "metric_type,metric_id" "name";
    IncrementMetric "proxy_increment_metric" "metric_id,offset_low,offset_high" "-";
    RecordMetric "proxy_record_metric" "metric_id,value_low,value_high" "-";
    GetMetric "proxy_get_metric" "metric_id,value_low,value_high" "-";
    SetEffectiveContext "proxy_set_effective_context" "context_id" "-";
    Done "proxy_done" "-" "-";
    CallForeignFunction "proxy_call_foreign_function" "-" "name,argument,result";
    FdWrite "fd_write" "fd,size" "message";
    ClockTimeGet "clock_time_get" "clock_id" "-";
    RandomGet "random_get" "size" "-";
    EnvironGet "environ_get" "-" "-";
    ProcExit "proc_exit" "code" "-";
    WasiOther "wasi" "-" "name";
}

/// The schema's text, as `trace.records.Schema.parse` reads it.
pub fn schema() -> String {
    let mut text = String::new();
    for (name, args) in crate::call::CALLBACKS {
        text += &format!("c {name} {args}\n");
    }
    for (name, args, fields) in HOSTCALLS {
        text += &format!("h {name} {args} {fields}\n");
    }
    text
}

#[no_mangle]
pub extern "C" fn env_pthread_equal(_vm: u32, a: u32, b: u32) -> u32 {
    u32::from(a == b)
}

#[no_mangle]
pub extern "C" fn env_emscripten_notify_memory_growth(_vm: u32, _memory: u32) {}
