//! HTTP basic authentication (RFC 7617) by rules, configured and behaving as Istio's filter of that name.

mod rules;

use std::rc::Rc;

use log::{debug, error};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

use rules::{Denial, Rules};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Plugin { rules: None }));
}}

/// One plugin configuration; a VM may serve several.
struct Plugin {
    rules: Option<Rc<Rules>>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _size: usize) -> bool {
        match Rules::parse(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(rules) => {
                self.rules = Some(Rc::new(rules));
                true
            }
            Err(problem) => {
                error!("basic_auth: {problem}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        self.rules.clone().map(|rules| Box::new(Request { rules }) as Box<dyn HttpContext>)
    }
}

struct Request {
    rules: Rc<Rules>,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        // values are read as bytes: a client may send what is not UTF-8, which the SDK's text getters panic on
        let method = self.get_http_request_header_bytes(":method").unwrap_or_default();
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        if !self.rules.concern(&method) {
            return Action::Continue;
        }
        let authority = self.get_http_request_header_bytes(":authority").unwrap_or_default();
        let authorization = self.get_http_request_header_bytes("authorization");
        match self.rules.check(&method, &authority, &path, authorization.as_deref()) {
            Ok(()) => Action::Continue,
            Err(denial) => {
                self.deny(denial);
                Action::Pause
            }
        }
    }
}

impl Request {
    fn deny(&self, denial: Denial) {
        let details = match denial {
            Denial::NoCredentials => "Request denied by Basic Auth check. No Basic Authentication information found.",
            Denial::WrongCredentials => "Request denied by Basic Auth check. Invalid username and/or password",
        };
        debug!("basic_auth: {details}");
        let challenge = format!("Basic realm={}", self.rules.realm);
        let status = local_response::send(401, &[("WWW-Authenticate", &challenge)], "", details);
        if status != 0 {
            error!("basic_auth: the host answered {status} to the local response");
        }
    }
}
