//! A rate limit: a token bucket in the host's shared data, which all workers' VMs with the same vm_id see.

mod bucket;
mod settings;

use std::rc::Rc;
use std::time::UNIX_EPOCH;

use log::{debug, error, warn};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType, Status};

use bucket::{Bucket, Quota};
use settings::{Key, Settings};

/// So often is the bucket tried when other workers change it meanwhile.
const ATTEMPTS: u32 = 16;
/// More of a header or path is not used to tell buckets apart.
const MAX_SHARED_BY: usize = 64;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Root { plugin: None }));
}}

struct Root {
    plugin: Option<Rc<Plugin>>,
}

/// One plugin configuration; a VM may serve several.
struct Plugin {
    settings: Settings,
    allowed: u32,
    limited: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let settings = match Settings::parse(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(settings) => settings,
            Err(problem) => {
                error!("token_bucket: {problem}");
                return false;
            }
        };
        let counter = |name| hostcalls::define_metric(MetricType::Counter, name);
        match (counter("token_bucket.allowed"), counter("token_bucket.limited")) {
            (Ok(allowed), Ok(limited)) => {
                self.plugin = Some(Rc::new(Plugin { settings, allowed, limited }));
                true
            }
            _ => {
                error!("token_bucket: the host refused the counters");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        let plugin = Rc::clone(self.plugin.as_ref()?);
        Some(Box::new(Exchange { plugin, quota: None }))
    }
}

struct Exchange {
    plugin: Rc<Plugin>,
    /// What the request phase found, for the response's headers: the request itself is gone by then.
    quota: Option<Quota>,
}

enum Verdict {
    Allowed(Quota),
    Limited {
        quota: Quota,
        wait_s: u128,
    },
    /// Other workers were faster, every time.
    Unknown,
}

impl Context for Exchange {}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        // values are read as bytes: a client may send what is not UTF-8, which the SDK's text getters panic on
        let method = self.get_http_request_header_bytes(":method").unwrap_or_default();
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        if !self.plugin.settings.concern(&method, &path) {
            return Action::Continue;
        }
        let name = self.plugin.settings.bucket_name(&self.shared_by(&path));
        match self.take(&name) {
            Verdict::Allowed(quota) => {
                debug!("token_bucket: allowed, {} left in {name:?}", quota.remaining);
                self.count(self.plugin.allowed);
                self.quota = Some(quota);
                Action::Continue
            }
            Verdict::Limited { quota, wait_s } => {
                debug!("token_bucket: limited for {wait_s} s by {name:?}");
                self.count(self.plugin.limited);
                self.refuse(quota, wait_s);
                Action::Pause
            }
            Verdict::Unknown => {
                warn!("token_bucket: lost {ATTEMPTS} races for {name:?}, the request passes uncounted");
                Action::Continue
            }
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let Some(quota) = self.quota.take() {
            for (name, value) in self.headers(quota) {
                self.set_http_response_header(name, Some(&value));
            }
        }
        Action::Continue
    }
}

impl Exchange {
    fn shared_by(&self, path: &[u8]) -> String {
        let text = match &self.plugin.settings.key {
            Key::All => return "all".to_owned(),
            Key::Path => path.split(|&byte| byte == b'?').next().unwrap_or_default().to_vec(),
            Key::Header(name) => self.get_http_request_header_bytes(name).unwrap_or_default(),
        };
        String::from_utf8_lossy(&text[..text.len().min(MAX_SHARED_BY)]).into_owned()
    }

    fn take(&self, name: &str) -> Verdict {
        let limit = &self.plugin.settings.limit;
        for _ in 0..ATTEMPTS {
            let now_ns = self.get_current_time().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
            let (stored, cas) = self.get_shared_data(name);
            let bucket = stored
                .and_then(|bytes| Bucket::from_bytes(&bytes))
                .map_or_else(|| Bucket::full(limit, now_ns), |bucket| bucket.refilled(limit, now_ns));
            let Some(left) = bucket.taken(limit) else {
                return Verdict::Limited { quota: bucket.quota(limit), wait_s: bucket.wait_s(limit) };
            };
            // 0 would overwrite what another worker has put there since; any other number is ignored while there is nothing
            let expected = cas.unwrap_or(u32::MAX);
            match self.set_shared_data(name, Some(&left.to_bytes()), Some(expected)) {
                Ok(()) => return Verdict::Allowed(left.quota(limit)),
                Err(Status::CasMismatch) => continue,
                Err(status) => {
                    error!("token_bucket: the host answered {status:?} to the shared data");
                    return Verdict::Unknown;
                }
            }
        }
        Verdict::Unknown
    }

    fn headers(&self, quota: Quota) -> [(&'static str, String); 3] {
        [
            ("x-ratelimit-limit", self.plugin.settings.limit_header()),
            ("x-ratelimit-remaining", quota.remaining.to_string()),
            ("x-ratelimit-reset", quota.reset_s.to_string()),
        ]
    }

    fn refuse(&self, quota: Quota, wait_s: u128) {
        let headers = self.headers(quota);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = format!("Too many requests. Try again in {wait_s} s.\n");
        let status = local_response::send(429, &headers, &body, "token_bucket_limited");
        if status != 0 {
            error!("token_bucket: the host answered {status} to the local response");
        }
    }

    fn count(&self, counter: u32) {
        if let Err(status) = hostcalls::increment_metric(counter, 1) {
            warn!("token_bucket: the host answered {status:?} to a counter");
        }
    }
}
