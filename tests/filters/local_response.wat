;; Answers a request itself, in the callback that its path names: /local/request_headers, /local/request_body,
;; /local/response_headers or /local/response_body. Any other path passes. ABI 0.2.1.
;; The answer: status 418, x-local: the callback's name, body "answered in " and that name, details "local response" (with a space,
;; which Envoy writes as _). /local/twice answers in the request's headers, and at once again with status 500 and no details: the
;; client gets the first, while Envoy 1.40's access log shows the second's details. (Twice in the response's headers ends Envoy 1.40.)
;; Every callback of the stream logs its name, which shows what still follows an answer. Bodies are not held back.
;;
;; A request's headers are gone in later callbacks, so what its path asked for is kept in a byte at 4096 + (context id mod 4096).
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 16) ":path")
  (data (i32.const 32) "local response")
  (data (i32.const 64) "answered in request_headers")  ;; the name begins at 76
  (data (i32.const 96) "answered in request_body")
  (data (i32.const 128) "answered in response_headers")
  (data (i32.const 160) "answered in response_body")
  (data (i32.const 192) "/local/twice")
  ;; lists of one pair: count, sizes, name, value
  (data (i32.const 256) "\01\00\00\00\07\00\00\00\0f\00\00\00x-local\00request_headers\00")
  (data (i32.const 320) "\01\00\00\00\07\00\00\00\0c\00\00\00x-local\00request_body\00")
  (data (i32.const 384) "\01\00\00\00\07\00\00\00\10\00\00\00x-local\00response_headers\00")
  (data (i32.const 448) "\01\00\00\00\07\00\00\00\0d\00\00\00x-local\00response_body\00")
  ;; a row of three words for each callback: where "answered in NAME" is, its size, where the pair list is; NAME is 12 bytes further
  (data (i32.const 512)
    "\40\00\00\00\1b\00\00\00\00\01\00\00" "\60\00\00\00\18\00\00\00\40\01\00\00"
    "\80\00\00\00\1c\00\00\00\80\01\00\00" "\a0\00\00\00\19\00\00\00\c0\01\00\00")

  ;; Gives the space from 65536 to 131071 round and round; refuses what is larger than all of it.
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (if (i32.gt_u (local.get $size) (i32.const 65536)) (then (return (i32.const 0))))
    (local.set $at (global.get $heap))
    (if (i32.gt_u (i32.add (local.get $at) (local.get $size)) (i32.const 131072)) (then (local.set $at (i32.const 65536))))
    (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
    (local.get $at))

  (func $place (param $context i32) (result i32)
    (i32.add (i32.const 4096) (i32.and (local.get $context) (i32.const 4095))))

  (func $row (param $callback i32) (result i32) (i32.add (i32.const 500) (i32.mul (local.get $callback) (i32.const 12))))

  (func $equal (param $a i32) (param $b i32) (param $size i32) (result i32)
    (loop $next
      (if (i32.eqz (local.get $size)) (then (return (i32.const 1))))
      (if (i32.ne (i32.load8_u (local.get $a)) (i32.load8_u (local.get $b))) (then (return (i32.const 0))))
      (local.set $a (i32.add (local.get $a) (i32.const 1)))
      (local.set $b (i32.add (local.get $b) (i32.const 1)))
      (local.set $size (i32.sub (local.get $size) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; 1 to 4 for the callback that the path names, 5 for twice, 0 for none
  (func $wanted (result i32)
    (local $path i32) (local $size i32) (local $callback i32) (local $row i32)
    (if (call $get (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 4)) (then (return (i32.const 0))))
    (local.set $path (i32.load (i32.const 0)))
    (local.set $size (i32.load (i32.const 4)))
    (if (i32.lt_u (local.get $size) (i32.const 7)) (then (return (i32.const 0))))
    (if (i32.eqz (call $equal (local.get $path) (i32.const 192) (i32.const 7))) (then (return (i32.const 0))))
    (if (i32.eq (local.get $size) (i32.const 12))
      (then (if (call $equal (local.get $path) (i32.const 192) (i32.const 12)) (then (return (i32.const 5))))))
    (local.set $callback (i32.const 4))
    (loop $next
      (local.set $row (call $row (local.get $callback)))
      (if (i32.eq (i32.sub (local.get $size) (i32.const 7)) (i32.sub (i32.load offset=4 (local.get $row)) (i32.const 12)))
        (then
          (if (call $equal (i32.add (local.get $path) (i32.const 7)) (i32.add (i32.load (local.get $row)) (i32.const 12))
              (i32.sub (local.get $size) (i32.const 7)))
            (then (return (local.get $callback))))))
      (local.set $callback (i32.sub (local.get $callback) (i32.const 1)))
      (br_if $next (local.get $callback)))
    (i32.const 0))

  ;; logs the callback's name, and answers once if the stream's path asked for it
  (func $visit (param $context i32) (param $callback i32) (result i32)
    (local $row i32) (local $text i32) (local $size i32) (local $pairs i32) (local $asked i32)
    (local.set $row (call $row (local.get $callback)))
    (local.set $text (i32.load (local.get $row)))
    (local.set $size (i32.load offset=4 (local.get $row)))
    (local.set $pairs (i32.load offset=8 (local.get $row)))
    (drop (call $log (i32.const 2) (i32.add (local.get $text) (i32.const 12)) (i32.sub (local.get $size) (i32.const 12))))
    (local.set $asked (i32.load8_u (call $place (local.get $context))))
    (if (i32.or (i32.eq (local.get $asked) (local.get $callback)) (i32.eq (local.get $asked) (i32.const 5)))
      (then
        (i32.store8 (call $place (local.get $context)) (i32.const 0))
        (drop (call $respond (i32.const 418) (i32.const 32) (i32.const 14) (local.get $text) (local.get $size)
          (local.get $pairs) (i32.add (local.get $size) (i32.const 9)) (i32.const -1)))))
    (if (i32.eq (local.get $asked) (i32.const 5))
      (then
        (drop (call $respond (i32.const 500) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const -1)))))
    (i32.const 0))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param $context i32) (param i32 i32) (result i32)
    (i32.store8 (call $place (local.get $context)) (call $wanted))
    (call $visit (local.get $context) (i32.const 1)))
  (func (export "proxy_on_request_body") (param $context i32) (param i32 i32) (result i32)
    (call $visit (local.get $context) (i32.const 2)))
  (func (export "proxy_on_response_headers") (param $context i32) (param i32 i32) (result i32)
    (call $visit (local.get $context) (i32.const 3)))
  (func (export "proxy_on_response_body") (param $context i32) (param i32 i32) (result i32)
    (call $visit (local.get $context) (i32.const 4)))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_delete") (param i32)))
