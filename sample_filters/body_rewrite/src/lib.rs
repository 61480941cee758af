//! Edits the JSON body of a response: sets and removes fields.

mod edits;

use std::rc::Rc;

use log::{error, info, warn};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde_json::Value;

use edits::Edits;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { edits: Rc::default() }));
}}

/// One plugin configuration; a VM may serve several.
struct Plugin {
    edits: Rc<Edits>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        match Edits::parse(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(edits) => {
                self.edits = Rc::new(edits);
                true
            }
            Err(problem) => {
                error!("body_rewrite: {problem}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Response { edits: Rc::clone(&self.edits), wanted: false }))
    }
}

struct Response {
    edits: Rc<Edits>,
    /// The headers said that the body can be edited.
    wanted: bool,
}

impl Context for Response {}

impl HttpContext for Response {
    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        if end_of_stream || self.edits.is_empty() {
            return Action::Continue;
        }
        match self.obstacle() {
            Some(why) => info!("body_rewrite: left as it is: {why}"),
            None => {
                self.wanted = true;
                // the host mends no length; once the headers are on their way it is too late
                self.remove_http_response_header("content-length");
            }
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if !self.wanted {
            return Action::Continue;
        }
        if !end_of_stream {
            return Action::Pause;
        }
        match self.rewritten(size) {
            Ok(body) => self.set_http_response_body(0, size, &body),
            Err(why) => info!("body_rewrite: left as it is: {why}"),
        }
        Action::Continue
    }
}

impl Response {
    /// Why the body cannot be edited, as far as the headers tell.
    fn obstacle(&self) -> Option<String> {
        // values are read as bytes: an upstream may send what is not UTF-8, which the SDK's text getters panic on
        let encoding = self.get_http_response_header_bytes("content-encoding").unwrap_or_default();
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity") {
            return Some(format!("its content-encoding is {:?}", String::from_utf8_lossy(&encoding)));
        }
        match self.get_http_response_header_bytes("content-type") {
            None => Some("it has no content-type".to_owned()),
            Some(kind) if !is_json(&kind) => Some(format!("its content-type is {:?}", String::from_utf8_lossy(&kind))),
            Some(_) => None,
        }
    }

    fn rewritten(&self, size: usize) -> Result<Vec<u8>, String> {
        let body = self.get_http_response_body(0, size).unwrap_or_default();
        let mut document: Value = serde_json::from_slice(&body).map_err(|error| format!("it is not valid JSON: {error}"))?;
        let (changed, nowhere) = self.edits.apply(&mut document);
        if !nowhere.is_empty() {
            warn!("body_rewrite: not in this document: {}", nowhere.join(", "));
        }
        if changed == 0 {
            return Err("no edit changes it".to_owned());
        }
        info!("body_rewrite: {changed} edits");
        serde_json::to_vec(&document).map_err(|error| error.to_string())
    }
}

/// `application/json`, and any type whose name ends in `+json` (RFC 6839), whatever its parameters.
fn is_json(content_type: &[u8]) -> bool {
    let name = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    name == b"application/json" || name.ends_with(b"+json")
}
