//! Shared data, shared queues and metrics.

use super::*;
use crate::shared::Owner;

fn vm_id(vm: u32) -> &'static [u8] {
    &core().vms[vm as usize].vm_id
}

#[no_mangle]
pub extern "C" fn proxy_get_shared_data(vm: u32, key: u32, key_n: u32, value_out: u32, size_out: u32, cas_out: u32) -> u32 {
    hostcall(vm, Call::GetSharedData, [0; 4], |h| {
        let key = &*h.argument(0, key, key_n)?;
        let Some((value, cas)) = core().data.get(vm_id(vm), key) else {
            h.field(key);
            return Err(NOT_FOUND);
        };
        h.arg(0, cas);
        h.fields(|f| {
            f.bytes(key).bytes(value);
        });
        h.give(value, value_out, size_out)?;
        h.store(cas_out, cas)
    })
}

#[no_mangle]
pub extern "C" fn proxy_set_shared_data(vm: u32, key: u32, key_n: u32, value: u32, value_n: u32, cas: u32) -> u32 {
    hostcall_raw(vm, Call::SetSharedData, [cas, 0, 0, 0], |h| {
        let (Ok(key), Ok(value)) = (h.input(key, key_n), h.input(value, value_n)) else { return INVALID_MEMORY };
        h.fields(|f| {
            f.bytes(&key).bytes(&value);
        });
        core().data.set(vm_id(vm), key, value, cas)
    })
}

#[no_mangle]
pub extern "C" fn proxy_register_shared_queue(vm: u32, name: u32, name_n: u32, token_out: u32) -> u32 {
    hostcall(vm, Call::RegisterSharedQueue, [0; 4], |h| {
        let name = h.input(name, name_n)?;
        h.field(&name);
        let c = core();
        let filter = h.filter().unwrap_or(0);
        let root = h.filter().map_or(0, |filter| c.filters[filter as usize].root);
        let owner = Owner { worker: crate::worker::notified(c, c.worker), filter, root };
        let token = c.queues.register(vm_id(vm), name, owner);
        h.arg(0, token);
        h.store(token_out, token)
    })
}

#[no_mangle]
pub extern "C" fn proxy_resolve_shared_queue(vm: u32, id: u32, id_n: u32, name: u32, name_n: u32, token_out: u32) -> u32 {
    hostcall(vm, Call::ResolveSharedQueue, [0; 4], |h| {
        let (id, name) = (h.input(id, id_n)?, h.input(name, name_n)?);
        h.fields(|f| {
            f.bytes(&id).bytes(&name);
        });
        let owner = if id.is_empty() { vm_id(vm) } else { &id };
        let token = core().queues.resolve(owner, name).ok_or(NOT_FOUND)?;
        h.arg(0, token);
        h.store(token_out, token)
    })
}

#[no_mangle]
pub extern "C" fn proxy_dequeue_shared_queue(vm: u32, token: u32, value_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::DequeueSharedQueue, [token, 0, 0, 0], |h| {
        let item = core().queues.get(token).ok_or(NOT_FOUND)?.items.pop_front().ok_or(crate::shared::EMPTY)?;
        h.field(&item);
        h.give(&item, value_out, size_out)
    })
}

#[no_mangle]
pub extern "C" fn proxy_enqueue_shared_queue(vm: u32, token: u32, value: u32, value_n: u32) -> u32 {
    hostcall(vm, Call::EnqueueSharedQueue, [token, 0, 0, 0], |h| {
        let value = h.input(value, value_n)?;
        h.field(&value);
        let queue = core().queues.get(token).ok_or(NOT_FOUND)?;
        queue.items.push_back(value);
        // told later, never inside this call
        crate::root::plan_notice(queue.owner, token);
        Ok(())
    })
}

#[no_mangle]
pub extern "C" fn proxy_define_metric(vm: u32, kind: u32, name: u32, name_n: u32, id_out: u32) -> u32 {
    hostcall(vm, Call::DefineMetric, [kind, 0, 0, 0], |h| {
        let name = h.input(name, name_n)?;
        h.field(&name);
        if kind > 2 {
            return Err(BAD_ARGUMENT);
        }
        let c = core();
        let id = c.metrics.define(&mut c.vms[vm as usize].metrics, kind, name).ok_or(BAD_ARGUMENT)?;
        h.arg(1, id);
        h.store(id_out, id)
    })
}

#[no_mangle]
pub extern "C" fn proxy_increment_metric(vm: u32, id: u32, offset: i64) -> u32 {
    hostcall_raw(vm, Call::IncrementMetric, [id, offset as u32, (offset >> 32) as u32, 0], |_| {
        let c = core();
        c.metrics.increment(&c.vms[vm as usize].metrics, id, offset)
    })
}

#[no_mangle]
pub extern "C" fn proxy_record_metric(vm: u32, id: u32, value: i64) -> u32 {
    hostcall_raw(vm, Call::RecordMetric, [id, value as u32, (value >> 32) as u32, 0], |_| {
        let c = core();
        c.metrics.record(&c.vms[vm as usize].metrics, id, value as u64)
    })
}

#[no_mangle]
pub extern "C" fn proxy_get_metric(vm: u32, id: u32, value_out: u32) -> u32 {
    hostcall(vm, Call::GetMetric, [id, 0, 0, 0], |h| {
        let c = core();
        let value = c.metrics.get(&c.vms[vm as usize].metrics, id)?;
        h.arg(1, value as u32);
        h.arg(2, (value >> 32) as u32);
        h.store64(value_out, value)
    })
}
