//! The filters' side: what the core calls in a VM, through the gate, and the copies between the two memories.
//! A call into a filter may never return (a trap unwinds the core's frames): hold nothing across one.

#[link(wasm_import_module = "guest")]
extern "C" {
    pub fn memory_read(vm: u32, from: u32, to: *mut u8, n: u32) -> u32;
    pub fn memory_write(vm: u32, from: *const u8, to: u32, n: u32) -> u32;
    pub fn memory_store32(vm: u32, to: u32, value: u32) -> u32;
    pub fn memory_store64(vm: u32, to: u32, value: u64) -> u32;
    /// Size of the filter's memory, in pages of 64 KiB.
    pub fn memory_pages(vm: u32) -> u32;
    /// Instructions that the filter executed in the last call into it, where they are counted; else 0.
    pub fn workbench_fuel(vm: u32) -> u64;
    /// No VM has this function: a call of it traps in the filter's name.
    pub fn workbench_fault(vm: u32);
    pub fn malloc(vm: u32, n: u32) -> u32;
    pub fn _initialize(vm: u32);
    pub fn main(vm: u32, argc: u32, argv: u32) -> u32;
    pub fn __main_void(vm: u32) -> u32;
    pub fn _start(vm: u32);
    pub fn proxy_on_context_create(vm: u32, ctx: u32, parent: u32);
    pub fn proxy_on_vm_start(vm: u32, root: u32, size: u32) -> u32;
    pub fn proxy_on_configure(vm: u32, root: u32, size: u32) -> u32;
    pub fn proxy_on_tick(vm: u32, root: u32);
    pub fn proxy_on_queue_ready(vm: u32, root: u32, token: u32);
    pub fn proxy_on_request_headers(vm: u32, ctx: u32, n: u32, eos: u32) -> u32;
    pub fn proxy_on_request_headers_abi_01(vm: u32, ctx: u32, n: u32) -> u32;
    pub fn proxy_on_request_body(vm: u32, ctx: u32, size: u32, eos: u32) -> u32;
    pub fn proxy_on_request_trailers(vm: u32, ctx: u32, n: u32) -> u32;
    pub fn proxy_on_response_headers(vm: u32, ctx: u32, n: u32, eos: u32) -> u32;
    pub fn proxy_on_response_headers_abi_01(vm: u32, ctx: u32, n: u32) -> u32;
    pub fn proxy_on_response_body(vm: u32, ctx: u32, size: u32, eos: u32) -> u32;
    pub fn proxy_on_response_trailers(vm: u32, ctx: u32, n: u32) -> u32;
    pub fn proxy_on_done(vm: u32, ctx: u32) -> u32;
    pub fn proxy_on_log(vm: u32, ctx: u32);
    pub fn proxy_on_delete(vm: u32, ctx: u32);
    pub fn proxy_on_http_call_response(vm: u32, root: u32, token: u32, headers: u32, body: u32, trailers: u32);
    pub fn proxy_on_grpc_receive_initial_metadata(vm: u32, root: u32, token: u32, headers: u32);
    pub fn proxy_on_grpc_receive(vm: u32, root: u32, token: u32, size: u32);
    pub fn proxy_on_grpc_receive_trailing_metadata(vm: u32, root: u32, token: u32, trailers: u32);
    pub fn proxy_on_grpc_close(vm: u32, root: u32, token: u32, status: u32);
    pub fn proxy_on_new_connection(vm: u32, ctx: u32) -> u32;
    pub fn proxy_on_downstream_data(vm: u32, ctx: u32, size: u32, eos: u32) -> u32;
    pub fn proxy_on_upstream_data(vm: u32, ctx: u32, size: u32, eos: u32) -> u32;
    pub fn proxy_on_downstream_connection_close(vm: u32, ctx: u32, peer: u32);
    pub fn proxy_on_upstream_connection_close(vm: u32, ctx: u32, peer: u32);
}

#[link(wasm_import_module = "clock")]
extern "C" {
    fn now() -> u64;
}

/// Real time, nanoseconds, monotonic.
#[inline]
pub fn real_ns() -> u64 {
    unsafe { now() }
}

/// Reads `n` bytes of the filter's memory; None where the range is not inside it.
pub fn read(vm: u32, from: u32, n: u32) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(vm, from, n, &mut bytes).then_some(bytes)
}

/// The same in place of what a buffer holds.
pub fn read_into(vm: u32, from: u32, n: u32, bytes: &mut Vec<u8>) -> bool {
    bytes.clear();
    if n == 0 && from == 0 {
        return true;
    }
    if n > UNSEEN && !contains(vm, from, n) {
        return false;
    }
    bytes.reserve(n as usize);
    // SAFETY: memory_read writes exactly n bytes, or none and returns 0.
    unsafe {
        if memory_read(vm, from, bytes.as_mut_ptr(), n) == 0 {
            return false;
        }
        bytes.set_len(n as usize);
    }
    true
}

/// Bytes that are allocated for a range before it is known to be one.
const UNSEEN: u32 = 1 << 16;

/// True if the range of `n` bytes, at least one, lies in the filter's memory.
pub fn contains(vm: u32, from: u32, n: u32) -> bool {
    let mut last = 0;
    // SAFETY: memory_read writes one byte, or none.
    from.checked_add(n - 1).is_some_and(|at| unsafe { memory_read(vm, at, &mut last, 1) != 0 })
}

/// Writes into the filter's memory; false where the range is not inside it. Nothing can be written anywhere.
pub fn write(vm: u32, at: u32, bytes: &[u8]) -> bool {
    bytes.is_empty() || unsafe { memory_write(vm, bytes.as_ptr(), at, bytes.len() as u32) != 0 }
}

pub fn store32(vm: u32, at: u32, value: u32) -> bool {
    unsafe { memory_store32(vm, at, value) != 0 }
}

pub fn store64(vm: u32, at: u32, value: u64) -> bool {
    unsafe { memory_store64(vm, at, value) != 0 }
}
