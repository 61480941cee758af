//! Rate limits of a service outside: asks Envoy's rate-limit service for each request that its configuration names, and does what it says.
//! The configuration is that of Kuadrant's wasm-shim, in the forms of its releases.

mod actions;
mod attributes;
mod exchange;
mod expressions;
mod messages;
mod plan;
mod selectors;
mod strings;
mod typed;

use std::collections::VecDeque;
use std::rc::Rc;

use log::{error, info, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel, MetricType, Status};

use attributes::Attributes;
use exchange::{Exchange, State};
use plan::Plan;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| {
        info!("rls_shim {}", env!("CARGO_PKG_VERSION"));
        Box::new(Root { serving: None })
    });
}}

struct Root {
    serving: Option<(Rc<Plan>, Rc<Metrics>)>,
}

/// The counters, by the wasm-shim's names.
pub struct Metrics {
    hits: u32,
    misses: u32,
    allowed: u32,
    denied: u32,
    errors: u32,
}

impl Metrics {
    fn define() -> Result<Metrics, Status> {
        let counter = |name| hostcalls::define_metric(MetricType::Counter, name);
        let configs = counter("kuadrant.configs")?;
        let metrics = Metrics {
            hits: counter("kuadrant.hits")?,
            misses: counter("kuadrant.misses")?,
            allowed: counter("kuadrant.allowed")?,
            denied: counter("kuadrant.denied")?,
            errors: counter("kuadrant.errors")?,
        };
        metrics.count(configs);
        Ok(metrics)
    }

    fn count(&self, counter: u32) {
        if let Err(status) = hostcalls::increment_metric(counter, 1) {
            warn!("rls_shim: the host answered {status:?} to a counter");
        }
    }
}

/// Log what the host would keep, and no more.
fn follow_log_level() {
    if let Ok(level) = hostcalls::get_log_level() {
        proxy_wasm::set_log_level(level);
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let metrics = match Metrics::define() {
            Ok(metrics) => metrics,
            Err(status) => {
                error!("rls_shim: the host refused the counters: {status:?}");
                return false;
            }
        };
        let read = Plan::parse(&self.get_plugin_configuration().unwrap_or_default());
        follow_log_level();
        match read {
            Ok(plan) => {
                self.serving = Some((Rc::new(plan), Rc::new(metrics)));
                true
            }
            Err(problem) => {
                error!("rls_shim: {problem}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        follow_log_level();
        let (plan, metrics) = self.serving.clone()?;
        Some(Box::new(Exchange {
            plan,
            metrics,
            attributes: Attributes::default(),
            state: State::Untouched,
            waiting: VecDeque::new(),
            asked: None,
            headers: Vec::new(),
        }))
    }
}
