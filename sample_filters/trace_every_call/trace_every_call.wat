;; A Proxy-Wasm filter (ABI 0.2.1) that has every callback of the ABI, logs each with its arguments, and calls each kind of
;; host function once where it makes sense, logging the status it got. It changes nothing but headers of its own, and always
;; continues. It teaches who calls whom and when; and it probes a host.
;;
;; A line of its log reads:  NAME argument argument ...       for a callback,
;;                           > NAME status result ...         for a host function called in it.
;; Configuration, optional: the name of a cluster (at most 64 bytes). Then each request also makes an HTTP and a gRPC callout to it.
;;
;; Memory: 0 to 1023 constants, 1024 to 1087 the cluster's name, 1100 to 1199 results of host functions, 2048 to 3071 the line
;; being written, 4096 to 65535 names of callbacks and functions, 65536 to 327679 what the host allocates.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_log_level" (func $get_log_level (param i32) (result i32)))
  (import "env" "proxy_get_status" (func $get_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register_queue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_resolve_shared_queue" (func $resolve_queue (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace_header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove_header (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $get_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_size" (func $get_map_size (param i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_status" (func $get_buffer_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_call" (func $grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $set_tick (param i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $get_time (param i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define_metric (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment_metric (param i32 i64) (result i32)))
  (import "env" "proxy_record_metric" (func $record_metric (param i32 i64) (result i32)))
  (import "env" "proxy_get_metric" (func $get_metric (param i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $set_effective_context (param i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $call_foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 5)

  (data (i32.const 0) ":path")
  (data (i32.const 16) ":status")
  (data (i32.const 32) "x-trace-every-call")
  (data (i32.const 64) "x-trace-every-call-none")
  (data (i32.const 96) "request\00method")
  (data (i32.const 112) "response\00code")
  (data (i32.const 128) "trace_every_call")
  (data (i32.const 160) "requests")
  (data (i32.const 176) "in_flight")
  (data (i32.const 192) "headers")
  (data (i32.const 208) "1")
  (data (i32.const 210) "2")
  (data (i32.const 224) "trace_every_call.none")
  (data (i32.const 256) "workbench.Trace")
  (data (i32.const 272) "Call")
  (data (i32.const 304) ;; a pair list: :method GET, :path /trace, :authority trace
    "\03\00\00\00" "\07\00\00\00\03\00\00\00" "\05\00\00\00\06\00\00\00" "\0a\00\00\00\05\00\00\00"
    ":method\00GET\00" ":path\00/trace\00" ":authority\00trace\00")
  (data (i32.const 0x1000) "proxy_on_context_create\00")
  (data (i32.const 0x1030) "proxy_on_vm_start\00")
  (data (i32.const 0x1060) "proxy_validate_configuration\00")
  (data (i32.const 0x1090) "proxy_on_configure\00")
  (data (i32.const 0x10c0) "proxy_on_tick\00")
  (data (i32.const 0x10f0) "proxy_on_queue_ready\00")
  (data (i32.const 0x1120) "proxy_on_request_headers\00")
  (data (i32.const 0x1150) "proxy_on_request_body\00")
  (data (i32.const 0x1180) "proxy_on_request_trailers\00")
  (data (i32.const 0x11b0) "proxy_on_request_metadata\00")
  (data (i32.const 0x11e0) "proxy_on_response_headers\00")
  (data (i32.const 0x1210) "proxy_on_response_body\00")
  (data (i32.const 0x1240) "proxy_on_response_trailers\00")
  (data (i32.const 0x1270) "proxy_on_response_metadata\00")
  (data (i32.const 0x12a0) "proxy_on_http_call_response\00")
  (data (i32.const 0x12d0) "proxy_on_grpc_receive_initial_metadata\00")
  (data (i32.const 0x1300) "proxy_on_grpc_receive\00")
  (data (i32.const 0x1330) "proxy_on_grpc_receive_trailing_metadata\00")
  (data (i32.const 0x1360) "proxy_on_grpc_close\00")
  (data (i32.const 0x1390) "proxy_on_foreign_function\00")
  (data (i32.const 0x13c0) "proxy_on_new_connection\00")
  (data (i32.const 0x13f0) "proxy_on_downstream_data\00")
  (data (i32.const 0x1420) "proxy_on_upstream_data\00")
  (data (i32.const 0x1450) "proxy_on_downstream_connection_close\00")
  (data (i32.const 0x1480) "proxy_on_upstream_connection_close\00")
  (data (i32.const 0x14b0) "proxy_on_log\00")
  (data (i32.const 0x14e0) "proxy_on_done\00")
  (data (i32.const 0x1510) "proxy_on_delete\00")
  (data (i32.const 0x2000) "proxy_get_header_map_value\00")
  (data (i32.const 0x2030) "proxy_get_property\00")
  (data (i32.const 0x2060) "proxy_get_buffer_status\00")
  (data (i32.const 0x2090) "proxy_get_buffer_bytes\00")
  (data (i32.const 0x20c0) "proxy_set_buffer_bytes\00")
  (data (i32.const 0x20f0) "proxy_get_header_map_pairs\00")
  (data (i32.const 0x2120) "proxy_get_status\00")
  (data (i32.const 0x2150) "proxy_get_current_time_nanoseconds\00")
  (data (i32.const 0x2180) "proxy_get_shared_data\00")
  (data (i32.const 0x21b0) "proxy_set_shared_data\00")
  (data (i32.const 0x21e0) "proxy_http_call\00")
  (data (i32.const 0x2210) "proxy_grpc_call\00")
  (data (i32.const 0x2240) "proxy_get_log_level\00")
  (data (i32.const 0x2270) "proxy_set_tick_period_milliseconds\00")
  (data (i32.const 0x22a0) "proxy_define_metric\00")
  (data (i32.const 0x22d0) "proxy_register_shared_queue\00")
  (data (i32.const 0x2300) "proxy_resolve_shared_queue\00")
  (data (i32.const 0x2330) "proxy_get_metric\00")
  (data (i32.const 0x2360) "proxy_dequeue_shared_queue\00")
  (data (i32.const 0x2390) "proxy_get_header_map_size\00")
  (data (i32.const 0x23c0) "proxy_add_header_map_value\00")
  (data (i32.const 0x23f0) "proxy_set_property\00")
  (data (i32.const 0x2420) "proxy_enqueue_shared_queue\00")
  (data (i32.const 0x2450) "proxy_increment_metric\00")
  (data (i32.const 0x2480) "proxy_record_metric\00")
  (data (i32.const 0x24b0) "proxy_set_effective_context\00")
  (data (i32.const 0x24e0) "proxy_call_foreign_function\00")
  (data (i32.const 0x2510) "proxy_replace_header_map_value\00")
  (data (i32.const 0x2540) "proxy_remove_header_map_value\00")
  (data (i32.const 0x2570) "proxy_set_header_map_pairs\00")

  (global $line_end (mut i32) (i32.const 2048))
  (global $heap (mut i32) (i32.const 65536))
  (global $cluster_size (mut i32) (i32.const 0))
  (global $queue (mut i32) (i32.const 0))
  (global $counter (mut i32) (i32.const 0))
  (global $gauge (mut i32) (i32.const 0))
  (global $histogram (mut i32) (i32.const 0))

  ;; What the host gives lives until the space is used up and begins anew; a filter here never keeps it beyond its callback.
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (if (i32.gt_u (local.get $size) (i32.const 262144)) (then (return (i32.const 0))))
    (local.set $at (global.get $heap))
    (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 327680)) (then (local.set $at (i32.const 65536))))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))

  ;; --- the line -----------------------------------------------------------------------------------------------------
  (func $byte (param $byte i32)
    (if (i32.ge_u (global.get $line_end) (i32.const 3072)) (then (return)))
    (i32.store8 (global.get $line_end) (local.get $byte))
    (global.set $line_end (i32.add (global.get $line_end) (i32.const 1))))

  (func $name (param $at i32) ;; a name ends with a zero byte
    (local $byte i32)
    (loop $next
      (local.set $byte (i32.load8_u (local.get $at)))
      (if (local.get $byte)
        (then
          (call $byte (local.get $byte))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))))

  (func $number (param $value i64) ;; a space and the decimal digits
    (local $power i64)
    (call $byte (i32.const 32))
    (local.set $power (i64.const 1))
    (loop $widen
      (if (i64.ge_u (i64.div_u (local.get $value) (local.get $power)) (i64.const 10))
        (then
          (local.set $power (i64.mul (local.get $power) (i64.const 10)))
          (br $widen))))
    (loop $digit
      (call $byte (i32.add (i32.const 48)
        (i32.wrap_i64 (i64.rem_u (i64.div_u (local.get $value) (local.get $power)) (i64.const 10)))))
      (local.set $power (i64.div_u (local.get $power) (i64.const 10)))
      (br_if $digit (i64.ne (local.get $power) (i64.const 0)))))

  (func $int (param $value i32) (call $number (i64.extend_i32_u (local.get $value))))

  (func $bytes (param $at i32) (param $size i32) ;; a space and at most 64 bytes; what is not printable ASCII becomes a dot
    (local $end i32) (local $byte i32)
    (call $byte (i32.const 32))
    (if (i32.gt_u (local.get $size) (i32.const 64)) (then (local.set $size (i32.const 64))))
    (local.set $end (i32.add (local.get $at) (local.get $size)))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $byte (i32.load8_u (local.get $at)))
          (if (i32.gt_u (i32.sub (local.get $byte) (i32.const 32)) (i32.const 94)) (then (local.set $byte (i32.const 46))))
          (call $byte (local.get $byte))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))))

  (func $end_line (param $level i32)
    (drop (call $log (local.get $level) (i32.const 2048) (i32.sub (global.get $line_end) (i32.const 2048))))
    (global.set $line_end (i32.const 2048)))

  ;; --- callbacks are logged at level info, the host functions they call at debug ----------------------------------------
  (func $called (param $name i32) (param $count i32) (param $a i32) (param $b i32) (param $c i32) (param $d i32) (param $e i32)
    (call $name (local.get $name))
    (call $int (local.get $a))
    (if (i32.gt_u (local.get $count) (i32.const 1)) (then (call $int (local.get $b))))
    (if (i32.gt_u (local.get $count) (i32.const 2)) (then (call $int (local.get $c))))
    (if (i32.gt_u (local.get $count) (i32.const 3)) (then (call $int (local.get $d))))
    (if (i32.gt_u (local.get $count) (i32.const 4)) (then (call $int (local.get $e))))
    (call $end_line (i32.const 2)))

  (func $called_1 (param $name i32) (param $a i32)
    (call $called (local.get $name) (i32.const 1) (local.get $a) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  (func $called_2 (param $name i32) (param $a i32) (param $b i32)
    (call $called (local.get $name) (i32.const 2) (local.get $a) (local.get $b) (i32.const 0) (i32.const 0) (i32.const 0)))
  (func $called_3 (param $name i32) (param $a i32) (param $b i32) (param $c i32)
    (call $called (local.get $name) (i32.const 3) (local.get $a) (local.get $b) (local.get $c) (i32.const 0) (i32.const 0)))

  (func $answer (param $name i32) (param $status i32)
    (call $byte (i32.const 62))
    (call $byte (i32.const 32))
    (call $name (local.get $name))
    (call $int (local.get $status)))

  (func $status (param $name i32) (param $status i32)
    (call $answer (local.get $name) (local.get $status))
    (call $end_line (i32.const 1)))

  (func $status_int (param $name i32) (param $status i32) ;; and the u32 that the host left at 1100
    (call $answer (local.get $name) (local.get $status))
    (if (i32.eqz (local.get $status)) (then (call $int (i32.load (i32.const 1100)))))
    (call $end_line (i32.const 1)))

  (func $status_long (param $name i32) (param $status i32) ;; and the u64 at 1112
    (call $answer (local.get $name) (local.get $status))
    (if (i32.eqz (local.get $status)) (then (call $number (i64.load (i32.const 1112)))))
    (call $end_line (i32.const 1)))

  (func $status_bytes (param $name i32) (param $status i32) ;; and the bytes whose place is at 1100, whose size at 1104
    (call $answer (local.get $name) (local.get $status))
    (if (i32.eqz (local.get $status))
      (then
        (call $int (i32.load (i32.const 1104)))
        (call $bytes (i32.load (i32.const 1100)) (i32.load (i32.const 1104)))))
    (call $end_line (i32.const 1)))

  ;; --- host functions that several callbacks call -----------------------------------------------------------------------
  (func $show_header (param $map i32) (param $name i32) (param $size i32)
    (call $status_bytes (i32.const 0x2000)
      (call $get_header (local.get $map) (local.get $name) (local.get $size) (i32.const 1100) (i32.const 1104))))

  (func $show_property (param $path i32) (param $size i32)
    (call $status_bytes (i32.const 0x2030)
      (call $get_property (local.get $path) (local.get $size) (i32.const 1100) (i32.const 1104))))

  (func $show_buffer (param $buffer i32) ;; its length, then its first 32 bytes
    (call $status_int (i32.const 0x2060) (call $get_buffer_status (local.get $buffer) (i32.const 1100) (i32.const 1108)))
    (call $status_bytes (i32.const 0x2090)
      (call $get_buffer (local.get $buffer) (i32.const 0) (i32.const 32) (i32.const 1100) (i32.const 1104))))

  (func $touch_buffer (param $buffer i32) (param $size i32) ;; appends nothing to it
    (call $status (i32.const 0x20c0)
      (call $set_buffer (local.get $buffer) (local.get $size) (i32.const 0) (i32.const 0) (i32.const 0))))

  (func $count_pairs (param $map i32) ;; the number of fields in a header map
    (local $status i32)
    (i32.store (i32.const 1104) (i32.const 0))
    (local.set $status (call $get_pairs (local.get $map) (i32.const 1100) (i32.const 1104)))
    (call $answer (i32.const 0x20f0) (local.get $status))
    (if (i32.ge_u (i32.load (i32.const 1104)) (i32.const 4)) (then (call $int (i32.load (i32.load (i32.const 1100))))))
    (call $end_line (i32.const 1)))

  (func $show_status
    (local $status i32)
    (i32.store (i32.const 1104) (i32.const 0))
    (local.set $status (call $get_status (i32.const 1108) (i32.const 1100) (i32.const 1104)))
    (call $answer (i32.const 0x2120) (local.get $status))
    (call $int (i32.load (i32.const 1108)))
    (call $bytes (i32.load (i32.const 1100)) (i32.load (i32.const 1104)))
    (call $end_line (i32.const 1)))

  (func $show_time (call $status_long (i32.const 0x2150) (call $get_time (i32.const 1112))))

  (func $count_in_shared_data ;; reads a byte, adds one, and writes it back if nobody else has written meanwhile
    (local $status i32) (local $cas i32)
    (i32.store (i32.const 1108) (i32.const 0))
    (i32.store8 (i32.const 1120) (i32.const 0))
    (local.set $status
      (call $get_shared (i32.const 128) (i32.const 16) (i32.const 1100) (i32.const 1104) (i32.const 1108)))
    (if (i32.and (i32.eqz (local.get $status)) (i32.eq (i32.load (i32.const 1104)) (i32.const 1)))
      (then (i32.store8 (i32.const 1120) (i32.load8_u (i32.load (i32.const 1100))))))
    (local.set $cas (i32.load (i32.const 1108)))
    (call $answer (i32.const 0x2180) (local.get $status))
    (call $int (i32.load8_u (i32.const 1120)))
    (call $int (local.get $cas))
    (call $end_line (i32.const 1))
    (i32.store8 (i32.const 1120) (i32.add (i32.load8_u (i32.const 1120)) (i32.const 1)))
    (call $status (i32.const 0x21b0)
      (call $set_shared (i32.const 128) (i32.const 16) (i32.const 1120) (i32.const 1) (local.get $cas))))

  (func $call_out
    (if (i32.eqz (global.get $cluster_size)) (then (return)))
    (call $status_int (i32.const 0x21e0)
      (call $http_call (i32.const 1024) (global.get $cluster_size) (i32.const 304) (i32.const 70)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 1100)))
    (call $status_int (i32.const 0x2210)
      (call $grpc_call (i32.const 1024) (global.get $cluster_size) (i32.const 256) (i32.const 15) (i32.const 272) (i32.const 4)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 1100))))

  ;; --- the callbacks, in the order in which a plugin's life brings them -------------------------------------------------
  (func (export "proxy_abi_version_0_2_1"))

  (func (export "proxy_on_context_create") (param $context i32) (param $parent i32)
    (call $called_2 (i32.const 0x1000) (local.get $context) (local.get $parent)))

  (func (export "proxy_on_vm_start") (param $root i32) (param $size i32) (result i32)
    (call $called_2 (i32.const 0x1030) (local.get $root) (local.get $size))
    (call $show_buffer (i32.const 6))
    (call $status_int (i32.const 0x2240) (call $get_log_level (i32.const 1100)))
    (call $status (i32.const 0x2270) (call $set_tick (i32.const 1000)))
    (i32.const 1))

  (func (export "proxy_validate_configuration") (param $root i32) (param $size i32) (result i32)
    (call $called_2 (i32.const 0x1060) (local.get $root) (local.get $size))
    (i32.const 1))

  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (local $status i32)
    (call $called_2 (i32.const 0x1090) (local.get $root) (local.get $size))
    (i32.store (i32.const 1104) (i32.const 0))
    (local.set $status (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 64) (i32.const 1100) (i32.const 1104)))
    (if (i32.eqz (local.get $status))
      (then
        (global.set $cluster_size (i32.load (i32.const 1104)))
        (memory.copy (i32.const 1024) (i32.load (i32.const 1100)) (global.get $cluster_size))))
    (call $status_bytes (i32.const 0x2090) (local.get $status))
    (call $status_int (i32.const 0x22a0) (call $define_metric (i32.const 0) (i32.const 160) (i32.const 8) (i32.const 1100)))
    (global.set $counter (i32.load (i32.const 1100)))
    (call $status_int (i32.const 0x22a0) (call $define_metric (i32.const 1) (i32.const 176) (i32.const 9) (i32.const 1100)))
    (global.set $gauge (i32.load (i32.const 1100)))
    (call $status_int (i32.const 0x22a0) (call $define_metric (i32.const 2) (i32.const 192) (i32.const 7) (i32.const 1100)))
    (global.set $histogram (i32.load (i32.const 1100)))
    (call $status_int (i32.const 0x22d0) (call $register_queue (i32.const 128) (i32.const 16) (i32.const 1100)))
    (global.set $queue (i32.load (i32.const 1100)))
    (call $status_int (i32.const 0x2300)
      (call $resolve_queue (i32.const 0) (i32.const 0) (i32.const 128) (i32.const 16) (i32.const 1100)))
    (i32.const 1))

  (func (export "proxy_on_tick") (param $root i32)
    (call $called_1 (i32.const 0x10c0) (local.get $root))
    (call $show_time)
    (call $status_long (i32.const 0x2330) (call $get_metric (global.get $counter) (i32.const 1112))))

  (func (export "proxy_on_queue_ready") (param $root i32) (param $queue i32)
    (call $called_2 (i32.const 0x10f0) (local.get $root) (local.get $queue))
    (call $status_bytes (i32.const 0x2360) (call $dequeue (local.get $queue) (i32.const 1100) (i32.const 1104))))

  (func (export "proxy_on_request_headers") (param $context i32) (param $count i32) (param $end i32) (result i32)
    (call $called_3 (i32.const 0x1120) (local.get $context) (local.get $count) (local.get $end))
    (call $show_header (i32.const 0) (i32.const 0) (i32.const 5))
    (call $count_pairs (i32.const 0))
    (call $status_int (i32.const 0x2390) (call $get_map_size (i32.const 0) (i32.const 1100)))
    (call $status (i32.const 0x23c0)
      (call $add_header (i32.const 0) (i32.const 32) (i32.const 18) (i32.const 208) (i32.const 1)))
    (call $show_property (i32.const 96) (i32.const 14))
    (call $status (i32.const 0x23f0) (call $set_property (i32.const 128) (i32.const 16) (i32.const 208) (i32.const 1)))
    (call $show_time)
    (call $count_in_shared_data)
    (call $status (i32.const 0x2420) (call $enqueue (global.get $queue) (i32.const 128) (i32.const 16)))
    (call $status (i32.const 0x2450) (call $increment_metric (global.get $counter) (i64.const 1)))
    (call $status (i32.const 0x2450) (call $increment_metric (global.get $gauge) (i64.const 1)))
    (call $status (i32.const 0x2480)
      (call $record_metric (global.get $histogram) (i64.extend_i32_u (local.get $count))))
    (call $status (i32.const 0x24b0) (call $set_effective_context (local.get $context)))
    (call $status (i32.const 0x24e0)
      (call $call_foreign (i32.const 224) (i32.const 21) (i32.const 0) (i32.const 0) (i32.const 1100) (i32.const 1104)))
    (call $call_out)
    (i32.const 0))

  (func (export "proxy_on_request_body") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (call $called_3 (i32.const 0x1150) (local.get $context) (local.get $size) (local.get $end))
    (call $show_buffer (i32.const 0))
    (call $touch_buffer (i32.const 0) (local.get $size))
    (i32.const 0))

  (func (export "proxy_on_request_trailers") (param $context i32) (param $count i32) (result i32)
    (call $called_2 (i32.const 0x1180) (local.get $context) (local.get $count))
    (call $count_pairs (i32.const 1))
    (i32.const 0))

  (func (export "proxy_on_request_metadata") (param $context i32) (param $count i32) (result i32)
    (call $called_2 (i32.const 0x11b0) (local.get $context) (local.get $count))
    (i32.const 0))

  (func (export "proxy_on_response_headers") (param $context i32) (param $count i32) (param $end i32) (result i32)
    (call $called_3 (i32.const 0x11e0) (local.get $context) (local.get $count) (local.get $end))
    (call $show_header (i32.const 2) (i32.const 16) (i32.const 7))
    (call $show_property (i32.const 112) (i32.const 13))
    (call $status (i32.const 0x2510)
      (call $replace_header (i32.const 2) (i32.const 32) (i32.const 18) (i32.const 210) (i32.const 1)))
    (call $status (i32.const 0x2540) (call $remove_header (i32.const 2) (i32.const 64) (i32.const 23)))
    (call $count_pairs (i32.const 2))
    ;; puts the list back as it came; a list of more than 1024 fields would come back as none
    (if (i32.ge_u (i32.load (i32.const 1104)) (i32.const 4))
      (then
        (if (i32.le_u (i32.load (i32.load (i32.const 1100))) (i32.const 1024))
          (then
            (call $status (i32.const 0x2570)
              (call $set_pairs (i32.const 2) (i32.load (i32.const 1100)) (i32.load (i32.const 1104))))))))
    (i32.const 0))

  (func (export "proxy_on_response_body") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (call $called_3 (i32.const 0x1210) (local.get $context) (local.get $size) (local.get $end))
    (call $show_buffer (i32.const 1))
    (call $touch_buffer (i32.const 1) (local.get $size))
    (i32.const 0))

  (func (export "proxy_on_response_trailers") (param $context i32) (param $count i32) (result i32)
    (call $called_2 (i32.const 0x1240) (local.get $context) (local.get $count))
    (call $count_pairs (i32.const 3))
    (i32.const 0))

  (func (export "proxy_on_response_metadata") (param $context i32) (param $count i32) (result i32)
    (call $called_2 (i32.const 0x1270) (local.get $context) (local.get $count))
    (i32.const 0))

  (func (export "proxy_on_http_call_response")
    (param $root i32) (param $token i32) (param $count i32) (param $size i32) (param $trailers i32)
    (call $called (i32.const 0x12a0) (i32.const 5)
      (local.get $root) (local.get $token) (local.get $count) (local.get $size) (local.get $trailers))
    (call $show_header (i32.const 6) (i32.const 16) (i32.const 7))
    (call $show_buffer (i32.const 4))
    (call $count_pairs (i32.const 7)))

  (func (export "proxy_on_grpc_receive_initial_metadata") (param $root i32) (param $token i32) (param $count i32)
    (call $called_3 (i32.const 0x12d0) (local.get $root) (local.get $token) (local.get $count))
    (call $count_pairs (i32.const 4)))

  (func (export "proxy_on_grpc_receive") (param $root i32) (param $token i32) (param $size i32)
    (call $called_3 (i32.const 0x1300) (local.get $root) (local.get $token) (local.get $size))
    (call $show_buffer (i32.const 5)))

  (func (export "proxy_on_grpc_receive_trailing_metadata") (param $root i32) (param $token i32) (param $count i32)
    (call $called_3 (i32.const 0x1330) (local.get $root) (local.get $token) (local.get $count))
    (call $count_pairs (i32.const 5)))

  (func (export "proxy_on_grpc_close") (param $root i32) (param $token i32) (param $status i32)
    (call $called_3 (i32.const 0x1360) (local.get $root) (local.get $token) (local.get $status))
    (call $show_status))

  (func (export "proxy_on_foreign_function") (param $context i32) (param $function i32) (param $size i32)
    (call $called_3 (i32.const 0x1390) (local.get $context) (local.get $function) (local.get $size))
    (call $show_buffer (i32.const 8)))

  (func (export "proxy_on_new_connection") (param $context i32) (result i32)
    (call $called_1 (i32.const 0x13c0) (local.get $context))
    (i32.const 0))

  (func (export "proxy_on_downstream_data") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (call $called_3 (i32.const 0x13f0) (local.get $context) (local.get $size) (local.get $end))
    (call $show_buffer (i32.const 2))
    (i32.const 0))

  (func (export "proxy_on_upstream_data") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (call $called_3 (i32.const 0x1420) (local.get $context) (local.get $size) (local.get $end))
    (call $show_buffer (i32.const 3))
    (i32.const 0))

  (func (export "proxy_on_downstream_connection_close") (param $context i32) (param $peer i32)
    (call $called_2 (i32.const 0x1450) (local.get $context) (local.get $peer)))

  (func (export "proxy_on_upstream_connection_close") (param $context i32) (param $peer i32)
    (call $called_2 (i32.const 0x1480) (local.get $context) (local.get $peer)))

  (func (export "proxy_on_log") (param $context i32)
    (call $called_1 (i32.const 0x14b0) (local.get $context))
    (call $show_header (i32.const 0) (i32.const 0) (i32.const 5))
    (call $show_property (i32.const 112) (i32.const 13))
    (call $status (i32.const 0x2450) (call $increment_metric (global.get $gauge) (i64.const -1))))

  (func (export "proxy_on_done") (param $context i32) (result i32)
    (call $called_1 (i32.const 0x14e0) (local.get $context))
    (i32.const 1))

  (func (export "proxy_on_delete") (param $context i32)
    (call $called_1 (i32.const 0x1510) (local.get $context))))
