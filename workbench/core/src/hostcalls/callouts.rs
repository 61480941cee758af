//! Calls to other services. A replay knows no cluster yet: each is refused as Envoy refuses an unknown one.

use super::*;

#[no_mangle]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn proxy_http_call(vm: u32, upstream: u32, upstream_n: u32, pairs: u32, pairs_n: u32, body: u32, body_n: u32, trailers: u32, trailers_n: u32, timeout: u32, token_out: u32) -> u32 {
    hostcall(vm, Call::HttpCall, [timeout, 0, 0, 0], |h| {
        let upstream = h.input(upstream, upstream_n)?;
        let (pairs, body, trailers) = (h.input(pairs, pairs_n)?, h.input(body, body_n)?, h.input(trailers, trailers_n)?);
        h.fields(|f| {
            f.bytes(&upstream).bytes(&pairs).bytes(&body).bytes(&trailers);
        });
        // Envoy writes the token before it tries
        h.store(token_out, 0)?;
        Err(BAD_ARGUMENT)
    })
}

#[no_mangle]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn proxy_grpc_call(vm: u32, upstream: u32, upstream_n: u32, service: u32, service_n: u32, method: u32, method_n: u32, metadata: u32, metadata_n: u32, message: u32, message_n: u32, timeout: u32, _token_out: u32) -> u32 {
    hostcall(vm, Call::GrpcCall, [timeout, 0, 0, 0], |h| {
        let parts = [h.input(upstream, upstream_n)?, h.input(service, service_n)?, h.input(method, method_n)?, h.input(metadata, metadata_n)?, h.input(message, message_n)?];
        h.fields(|f| {
            for part in &parts {
                f.bytes(part);
            }
        });
        Err(PARSE_FAILURE)
    })
}

#[no_mangle]
#[allow(clippy::too_many_arguments)]
pub extern "C" fn proxy_grpc_stream(vm: u32, upstream: u32, upstream_n: u32, service: u32, service_n: u32, method: u32, method_n: u32, metadata: u32, metadata_n: u32, _token_out: u32) -> u32 {
    hostcall(vm, Call::GrpcStream, [0; 4], |h| {
        let parts = [h.input(upstream, upstream_n)?, h.input(service, service_n)?, h.input(method, method_n)?, h.input(metadata, metadata_n)?];
        h.fields(|f| {
            for part in &parts {
                f.bytes(part);
            }
        });
        Err(PARSE_FAILURE)
    })
}

/// The low two bits of a token are its kind: 0 HTTP, 1 unary, 2 stream.
fn unknown_token(valid: bool) -> Answer {
    Err(if valid { NOT_FOUND } else { BAD_ARGUMENT })
}

#[no_mangle]
pub extern "C" fn proxy_grpc_send(vm: u32, token: u32, message: u32, message_n: u32, end: u32) -> u32 {
    hostcall(vm, Call::GrpcSend, [token, end, 0, 0], |h| {
        let message = h.input(message, message_n)?;
        h.field(&message);
        unknown_token(token & 3 == 2)
    })
}

#[no_mangle]
pub extern "C" fn proxy_grpc_close(vm: u32, token: u32) -> u32 {
    hostcall(vm, Call::GrpcClose, [token, 0, 0, 0], |_| unknown_token(matches!(token & 3, 1 | 2)))
}

#[no_mangle]
pub extern "C" fn proxy_grpc_cancel(vm: u32, token: u32) -> u32 {
    hostcall(vm, Call::GrpcCancel, [token, 0, 0, 0], |_| unknown_token(matches!(token & 3, 1 | 2)))
}

#[no_mangle]
pub extern "C" fn proxy_get_status(vm: u32, code_out: u32, message_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::GetStatus, [0; 4], |h| {
        h.field(b"");
        h.store(code_out, 0)?;
        h.give(b"", message_out, size_out)
    })
}

/// Of Envoy's foreign functions only the one that has nothing to do here; any other is NotFound.
#[no_mangle]
pub extern "C" fn proxy_call_foreign_function(vm: u32, name: u32, name_n: u32, argument: u32, argument_n: u32, result_out: u32, size_out: u32) -> u32 {
    hostcall(vm, Call::CallForeignFunction, [0; 4], |h| {
        let (name, argument) = (h.input(name, name_n)?, h.input(argument, argument_n)?);
        h.fields(|f| {
            f.bytes(&name).bytes(&argument);
        });
        if name != b"clear_route_cache" {
            return Err(NOT_FOUND);
        }
        // no result; either pointer may be 0 where it is not wanted
        for out in [result_out, size_out].into_iter().filter(|&out| out != 0) {
            h.store(out, 0)?;
        }
        Ok(())
    })
}
