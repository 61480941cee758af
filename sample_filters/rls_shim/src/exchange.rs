//! A request on its way: the calls for it one after the other, and what becomes of it.

use std::collections::VecDeque;
use std::rc::Rc;

use log::{debug, warn};
use prost::Message;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action as Flow, MapType};

use crate::attributes::Attributes;
use crate::messages::{RateLimitRequest, RateLimitResponse};
use crate::plan::{Action, Plan, Service};
use crate::typed::Outcome;
use crate::Metrics;

const TRACING: [&str; 3] = ["traceparent", "tracestate", "baggage"];
const FAILURE: (u32, &str) = (500, "Internal Server Error.\n");

pub struct Exchange {
    pub plan: Rc<Plan>,
    pub metrics: Rc<Metrics>,
    pub attributes: Attributes,
    pub state: State,
    pub waiting: VecDeque<Rc<Action>>,
    pub asked: Option<Rc<Action>>,
    /// Headers of the answers, for the response.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum State {
    /// No limit has been found for the request.
    Untouched,
    /// The service has been asked.
    Limited,
    /// It has got its response here.
    Answered,
}

impl Context for Exchange {
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, size: usize) {
        let Some(action) = self.asked.take() else { return };
        let outcome = match status {
            0 => {
                let bytes = self.get_grpc_call_response_body(0, size).unwrap_or_default();
                match RateLimitResponse::decode(&bytes[..]) {
                    Ok(answer) => self.plan.outcome(&action, &self.attributes, answer),
                    Err(problem) => Outcome::Failed(format!("the answer is no RateLimitResponse: {problem}")),
                }
            }
            status => Outcome::Failed(format!("the call ended with gRPC status {status}")),
        };
        let goes_on = match outcome {
            Outcome::Allowed(headers) => {
                self.headers.extend(headers);
                true
            }
            Outcome::Denied { status, headers, body } => {
                self.metrics.count(self.metrics.denied);
                self.answer(status, &headers, &body);
                false
            }
            Outcome::Failed(problem) => self.failed(&action, &problem),
        };
        if goes_on && !self.ask() && self.state != State::Answered {
            self.resume_http_request();
        }
    }
}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Flow {
        let actions = match self.plan.actions(&self.attributes) {
            Ok(actions) => actions,
            Err(problem) => {
                warn!("rls_shim: a route's predicate failed: {problem}");
                self.metrics.count(self.metrics.errors);
                return self.refuse();
            }
        };
        self.waiting = actions.into();
        if self.ask() || self.state == State::Answered {
            return Flow::Pause;
        }
        if self.state == State::Untouched {
            self.metrics.count(self.metrics.misses);
        }
        Flow::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end: bool) -> Flow {
        if self.state == State::Limited {
            self.metrics.count(self.metrics.allowed);
            self.put_headers();
        }
        Flow::Continue
    }
}

impl Exchange {
    /// Make the next call that is to be made; false where there is none left, or the request has been answered instead.
    fn ask(&mut self) -> bool {
        while let Some(action) = self.waiting.pop_front() {
            let goes_on = match self.plan.request(&action, &self.attributes) {
                Ok(None) => true,
                Ok(Some(request)) => match self.call(&action.service, &request) {
                    Ok(()) => {
                        self.asked = Some(action);
                        return true;
                    }
                    Err(problem) => self.failed(&action, &problem),
                },
                Err(problem) => self.failed(&action, &problem),
            };
            if !goes_on {
                return false;
            }
        }
        false
    }

    fn call(&mut self, service: &Service, request: &RateLimitRequest) -> Result<(), String> {
        let headers = self.attributes.headers();
        let metadata = TRACING.iter().filter_map(|name| headers.iter().find(|(own, _)| own == name));
        let metadata: Vec<(&str, &[u8])> = metadata.map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        if std::mem::replace(&mut self.state, State::Limited) == State::Untouched {
            self.metrics.count(self.metrics.hits);
        }
        debug!("rls_shim: asking {} for {:?}", service.cluster, request.domain);
        let message = request.encode_to_vec();
        self.dispatch_grpc_call(&service.cluster, &service.name, &service.method, metadata, Some(&message), service.timeout)
            .map(|_| ())
            .map_err(|status| format!("the host does not call {:?}: {status:?}", service.cluster))
    }

    /// What a failure means: whether the request goes on.
    fn failed(&mut self, action: &Action, problem: &str) -> bool {
        warn!("rls_shim: {problem}");
        self.metrics.count(self.metrics.errors);
        if action.service.deny {
            self.refuse();
        }
        !action.service.deny
    }

    fn refuse(&mut self) -> Flow {
        self.metrics.count(self.metrics.denied);
        self.answer(FAILURE.0, &[], FAILURE.1);
        Flow::Pause
    }

    fn answer(&mut self, status: u32, headers: &[(String, String)], body: &str) {
        self.state = State::Answered;
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.send_http_response(status, headers, Some(body.as_bytes()));
    }

    /// Give the response the headers of the answers.
    fn put_headers(&mut self) {
        let headers = std::mem::take(&mut self.headers);
        if headers.is_empty() {
            return;
        }
        if self.plan.adds_headers {
            for (name, value) in &headers {
                self.add_http_response_header(name, value);
            }
            return;
        }
        let mut all = hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default();
        all.retain(|(name, _)| headers.iter().all(|(own, _)| !own.eq_ignore_ascii_case(name)));
        all.extend(headers.into_iter().map(|(name, value)| (name, value.into_bytes())));
        self.set_http_response_headers_bytes(all.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect());
    }
}
