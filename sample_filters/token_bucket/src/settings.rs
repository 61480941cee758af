//! The configuration: which requests are limited, and what they share a bucket by.

use serde::Deserialize;

use crate::bucket::Limit;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Configuration {
    rate: u32,
    per_s: u32,
    burst: Option<u32>,
    key: String,
    methods: Vec<String>,
    prefix: String,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { rate: 5, per_s: 10, burst: None, key: "all".to_owned(), methods: vec!["POST".to_owned()], prefix: "/toys".to_owned() }
    }
}

/// What requests share a bucket by.
#[derive(Debug, PartialEq)]
pub enum Key {
    All,
    Header(String),
    Path,
}

#[derive(Debug)]
pub struct Settings {
    pub limit: Limit,
    pub key: Key,
    methods: Vec<String>,
    prefix: String,
}

impl Settings {
    /// Reads the configuration; none at all means the defaults.
    pub fn parse(configuration: &[u8]) -> Result<Self, String> {
        let parsed: Configuration = match configuration.trim_ascii_start().first() {
            None => Configuration::default(),
            Some(b'{') => serde_json::from_slice(configuration).map_err(|error| error.to_string())?,
            // serde would take a list for the fields in their order
            Some(_) => return Err("not a JSON object".to_owned()),
        };
        let limit = Limit { rate: parsed.rate, per_s: parsed.per_s, burst: parsed.burst.unwrap_or(parsed.rate) };
        if limit.rate == 0 || limit.per_s == 0 || limit.burst == 0 {
            return Err("rate, per_s and burst must be 1 or more".to_owned());
        }
        let key = match parsed.key.split_once(':') {
            None if parsed.key == "all" => Key::All,
            None if parsed.key == "path" => Key::Path,
            Some(("header", name)) if !name.is_empty() => Key::Header(name.to_lowercase()),
            _ => return Err("key must be \"all\", \"path\" or \"header:NAME\"".to_owned()),
        };
        Ok(Self { limit, key, methods: parsed.methods, prefix: parsed.prefix })
    }

    /// No methods at all mean every method.
    pub fn concern(&self, method: &[u8], path: &[u8]) -> bool {
        let method_fits = self.methods.is_empty() || self.methods.iter().any(|wanted| wanted.as_bytes() == method);
        method_fits && path.starts_with(self.prefix.as_bytes())
    }

    /// The name of the bucket in the shared data. The limit is part of it, so a changed limit begins with a full bucket.
    pub fn bucket_name(&self, shared_by: &str) -> String {
        let Limit { rate, per_s, burst } = self.limit;
        format!("token_bucket {rate}/{per_s}s+{burst} {} {shared_by}", self.prefix)
    }

    /// `x-ratelimit-limit` in the form of draft-polli-ratelimit-headers-03: the quota, then the quota with its window.
    pub fn limit_header(&self) -> String {
        let Limit { rate, per_s, burst } = self.limit;
        let burst = if burst == rate { String::new() } else { format!(";burst={burst}") };
        format!("{rate}, {rate};w={per_s}{burst}")
    }
}
