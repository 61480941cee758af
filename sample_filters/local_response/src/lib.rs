//! `proxy_send_local_response` with its `details` argument, which the SDK's own function leaves empty.
//! Envoy writes the details to its access log as `%RESPONSE_CODE_DETAILS%`, white space as `_`.

#[link(wasm_import_module = "env")]
extern "C" {
    fn proxy_send_local_response(
        status_code: u32,
        details_data: *const u8,
        details_size: usize,
        body_data: *const u8,
        body_size: usize,
        headers_data: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

const GRPC_STATUS_NOT_GIVEN: i32 = -1;

/// Answers the current request; the callback that calls this should return `Action::Pause`.
/// Returns the ABI's status: 0 is Ok, 6 a host that could not read the filter's memory.
pub fn send(status_code: u32, headers: &[(&str, &str)], body: &str, details: &str) -> u32 {
    let pairs = serialize(headers);
    // SAFETY: every pointer goes with the size of what it points to, and the host copies it before it returns
    unsafe {
        proxy_send_local_response(
            status_code,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            pairs.as_ptr(),
            pairs.len(),
            GRPC_STATUS_NOT_GIVEN,
        )
    }
}

/// The ABI's pair list: the count, the sizes of each name and value, then the texts, each with a zero byte behind it.
fn serialize(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((pairs.len() as u32).to_le_bytes());
    for (name, value) in pairs {
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    bytes
}
