;; Ten hostcalls an exchange, the work of a small header filter: what speed is measured with. ABI 0.2.1.
;; In the request's headers: reads x-h1, x-h5, :path and x-none (absent as a rule), sets x-h1, adds hello: world, logs one line.
;; In the response's headers: reads x-h1, adds hello: world, sets x-h5.
(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) "x-h1")
  (data (i32.const 32) "x-h5")
  (data (i32.const 48) ":path")
  (data (i32.const 64) "x-none")
  (data (i32.const 80) "hello")
  (data (i32.const 96) "world")
  (data (i32.const 112) "request seen")

  ;; Gives the space from 65536 to 131071 round and round; refuses what is larger than all of it.
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (if (i32.gt_u (local.get $size) (i32.const 65536)) (then (return (i32.const 0))))
    (local.set $at (global.get $heap))
    (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 131072)) (then (local.set $at (i32.const 65536))))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))

  (func $read (param $map i32) (param $name i32) (param $size i32)
    (drop (call $get (local.get $map) (local.get $name) (local.get $size) (i32.const 0) (i32.const 4))))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $read (i32.const 0) (i32.const 16) (i32.const 4))
    (call $read (i32.const 0) (i32.const 32) (i32.const 4))
    (call $read (i32.const 0) (i32.const 48) (i32.const 5))
    (call $read (i32.const 0) (i32.const 64) (i32.const 6))
    (drop (call $replace (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 96) (i32.const 5)))
    (drop (call $add (i32.const 0) (i32.const 80) (i32.const 5) (i32.const 96) (i32.const 5)))
    (drop (call $log (i32.const 2) (i32.const 112) (i32.const 12)))
    (i32.const 0))

  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $read (i32.const 2) (i32.const 16) (i32.const 4))
    (drop (call $add (i32.const 2) (i32.const 80) (i32.const 5) (i32.const 96) (i32.const 5)))
    (drop (call $replace (i32.const 2) (i32.const 32) (i32.const 4) (i32.const 96) (i32.const 5)))
    (i32.const 0))

  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_delete") (param i32)))
