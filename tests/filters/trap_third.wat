;; Traps on the third request that this VM sees, after one log line. Every other request gets x-request-number with the last digit of
;; its number in this VM, so a fresh VM shows. ABI 0.2.1.
(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "x-request-number")
  (data (i32.const 48) "third request")
  (global $requests (mut i32) (i32.const 0))

  ;; Gives the space from 65536 to 131071 round and round; refuses what is larger than all of it.
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (if (i32.gt_u (local.get $size) (i32.const 65536)) (then (return (i32.const 0))))
    (local.set $at (global.get $heap))
    (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 131072)) (then (local.set $at (i32.const 65536))))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
    (if (i32.eq (global.get $requests) (i32.const 3))
      (then
        (drop (call $log (i32.const 3) (i32.const 48) (i32.const 13)))
        (unreachable)))
    (i32.store8 (i32.const 8) (i32.add (i32.const 48) (i32.rem_u (global.get $requests) (i32.const 10))))
    (drop (call $add (i32.const 0) (i32.const 16) (i32.const 16) (i32.const 8) (i32.const 1)))
    (i32.const 0))

  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_delete") (param i32)))
