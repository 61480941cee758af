;; Holds messages back, as the path asks, and lets them go. ABI 0.2.1.
;;   /pause/request_headers    pauses in the request's headers; the next tick (every 20 ms) adds x-paused: yes and goes on
;;   /pause/response_headers   the same in the response's headers
;;   /pause/request_body       keeps the request's body until its end, then puts [ before and ] behind it
;;   /pause/response_body      the same with the response's body
;;   /pause/forever            pauses in the request's headers and never goes on
;; Any other path passes. content-length is removed where a body will change. Ticks stand still while nothing waits.
;;
;; A request's headers are gone in later callbacks, so what its path asked for (1 to 5, in the order above) is kept in a byte at
;; 4096 + (context id mod 4096). Who waits for the tick is a list of (context, map type) pairs at 8192, at most 512 of them.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $set_tick (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $set_effective_context (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue_stream (param i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) ":path")
  (data (i32.const 32) "x-paused")
  (data (i32.const 48) "yes")
  (data (i32.const 52) "[")
  (data (i32.const 53) "]")
  (data (i32.const 64) "content-length")
  (data (i32.const 96) "context is gone")
  (data (i32.const 1024) "/pause/request_headers")
  (data (i32.const 1056) "/pause/response_headers")
  (data (i32.const 1088) "/pause/request_body")
  (data (i32.const 1120) "/pause/response_body")
  (data (i32.const 1152) "/pause/forever")
  (data (i32.const 1184) "\16\17\13\14\0e") ;; the sizes of the five
  (global $waiting (mut i32) (i32.const 0))

  ;; Gives the space from 65536 to 131071 round and round; refuses what is larger than all of it.
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (if (i32.gt_u (local.get $size) (i32.const 65536)) (then (return (i32.const 0))))
    (local.set $at (global.get $heap))
    (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 131072)) (then (local.set $at (i32.const 65536))))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))

  (func $asked (param $context i32) (result i32)
    (i32.load8_u (i32.add (i32.const 4096) (i32.and (local.get $context) (i32.const 4095)))))

  (func $equal (param $a i32) (param $b i32) (param $size i32) (result i32)
    (loop $next
      (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
      (if (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))) (then (return (i32.const 0))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $size (i32.sub (local.get $size) (i32.const 1)))
      (br $next))
    (unreachable))

  (func $read_path (param $context i32)
    (local $asked i32)
    (if (i32.eqz (call $get (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 4)))
      (then
        (local.set $asked (i32.const 5))
        (loop $next
          (if (i32.eq (i32.load (i32.const 4)) (i32.load8_u (i32.add (i32.const 1183) (local.get $asked))))
            (then
              (if (call $equal (i32.load (i32.const 0))
                  (i32.add (i32.const 992) (i32.mul (local.get $asked) (i32.const 32))) (i32.load (i32.const 4)))
                (then
                  (i32.store8 (i32.add (i32.const 4096) (i32.and (local.get $context) (i32.const 4095))) (local.get $asked))
                  (return)))))
          (local.set $asked (i32.sub (local.get $asked) (i32.const 1)))
          (br_if $next (local.get $asked)))))
    (i32.store8 (i32.add (i32.const 4096) (i32.and (local.get $context) (i32.const 4095))) (i32.const 0)))

  (func $wait (param $context i32) (param $map i32) (result i32) ;; 1 (pause) if there is room in the list
    (local $at i32)
    (if (i32.ge_u (global.get $waiting) (i32.const 512)) (then (return (i32.const 0))))
    (local.set $at (i32.add (i32.const 8192) (i32.mul (global.get $waiting) (i32.const 8))))
    (i32.store (local.get $at) (local.get $context))
    (i32.store offset=4 (local.get $at) (local.get $map))
    (global.set $waiting (i32.add (global.get $waiting) (i32.const 1)))
    (drop (call $set_tick (i32.const 20)))
    (i32.const 1))

  (func $embrace (param $buffer i32) (param $size i32) (param $end i32) (result i32)
    (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
    (drop (call $set_buffer (local.get $buffer) (i32.const 0) (i32.const 0) (i32.const 52) (i32.const 1)))
    (drop (call $set_buffer (local.get $buffer) (i32.add (local.get $size) (i32.const 1)) (i32.const 0) (i32.const 53) (i32.const 1)))
    (i32.const 0))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))

  (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
    (call $read_path (local.get $context))
    (if (i32.eq (call $asked (local.get $context)) (i32.const 3))
      (then (drop (call $remove (i32.const 0) (i32.const 64) (i32.const 14)))))
    (if (i32.eq (call $asked (local.get $context)) (i32.const 1))
      (then (return (call $wait (local.get $context) (i32.const 0)))))
    (i32.eq (call $asked (local.get $context)) (i32.const 5)))

  (func (export "proxy_on_request_body") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (if (i32.ne (call $asked (local.get $context)) (i32.const 3)) (then (return (i32.const 0))))
    (call $embrace (i32.const 0) (local.get $size) (local.get $end)))

  (func (export "proxy_on_response_headers") (param $context i32) (param i32 i32) (result i32)
    (if (i32.eq (call $asked (local.get $context)) (i32.const 4))
      (then (drop (call $remove (i32.const 2) (i32.const 64) (i32.const 14)))))
    (if (i32.eq (call $asked (local.get $context)) (i32.const 2))
      (then (return (call $wait (local.get $context) (i32.const 2)))))
    (i32.const 0))

  (func (export "proxy_on_response_body") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (if (i32.ne (call $asked (local.get $context)) (i32.const 4)) (then (return (i32.const 0))))
    (call $embrace (i32.const 1) (local.get $size) (local.get $end)))

  (func (export "proxy_on_tick") (param $root i32)
    (local $at i32) (local $map i32)
    (drop (call $set_tick (i32.const 0)))
    (local.set $at (i32.const 8192))
    (loop $next
      (if (i32.lt_u (local.get $at) (i32.add (i32.const 8192) (i32.mul (global.get $waiting) (i32.const 8))))
        (then
          (local.set $map (i32.load offset=4 (local.get $at)))
          (if (call $set_effective_context (i32.load (local.get $at)))
            (then (drop (call $log (i32.const 3) (i32.const 96) (i32.const 15))))
            (else
              (drop (call $add (local.get $map) (i32.const 32) (i32.const 8) (i32.const 48) (i32.const 3)))
              ;; map 0 is that of stream type 0, the request; map 2 that of stream type 1, the response
              (drop (call $continue_stream (i32.shr_u (local.get $map) (i32.const 1))))))
          (local.set $at (i32.add (local.get $at) (i32.const 8)))
          (br $next))))
    (global.set $waiting (i32.const 0)))

  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_delete") (param i32)))
