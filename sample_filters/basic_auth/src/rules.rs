//! Which requests need which credentials.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine;
use serde::Deserialize;

const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

#[derive(Deserialize)]
struct Configuration {
    #[serde(default = "default_realm")]
    realm: String,
    #[serde(default)]
    basic_auth_rules: Vec<ConfiguredRule>,
}

#[derive(Deserialize)]
struct ConfiguredRule {
    prefix: Option<String>,
    exact: Option<String>,
    suffix: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
    request_methods: Vec<String>,
    credentials: Vec<String>,
}

fn default_realm() -> String {
    "istio".to_owned()
}

/// How a rule compares a text with the one it was given.
enum Pattern {
    Prefix(String),
    Exact(String),
    Suffix(String),
}

impl Pattern {
    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Self::Prefix(start) => text.starts_with(start.as_bytes()),
            Self::Exact(whole) => text == whole.as_bytes(),
            Self::Suffix(end) => text.ends_with(end.as_bytes()),
        }
    }

    /// `*x` is a suffix, `x*` a prefix, anything else exact.
    fn of_host(host: String) -> Self {
        if let Some(end) = host.strip_prefix('*') {
            Self::Suffix(end.to_owned())
        } else if let Some(start) = host.strip_suffix('*') {
            Self::Prefix(start.to_owned())
        } else {
            Self::Exact(host)
        }
    }
}

struct Rule {
    path: Pattern,
    hosts: Vec<Pattern>,
    credentials: HashSet<Vec<u8>>,
}

/// Why a request is denied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Denial {
    NoCredentials,
    WrongCredentials,
}

/// The rules of each request method, in their order.
pub struct Rules {
    pub realm: String,
    by_method: HashMap<Vec<u8>, Vec<Rc<Rule>>>,
}

impl Rules {
    /// Reads the configuration; no bytes at all mean no rules. The error says what is wrong, without quoting any value: it may be a secret.
    pub fn parse(configuration: &[u8]) -> Result<Self, String> {
        if configuration.is_empty() {
            return Ok(Self { realm: default_realm(), by_method: HashMap::new() });
        }
        // serde would take a list for the fields in their order
        if configuration.trim_ascii_start().first() != Some(&b'{') {
            return Err("not a JSON object".to_owned());
        }
        let parsed: Configuration = serde_json::from_slice(configuration)
            .map_err(|error| format!("not JSON of the expected form at line {}, column {}", error.line(), error.column()))?;
        let mut by_method: HashMap<Vec<u8>, Vec<Rc<Rule>>> = HashMap::new();
        for (place, configured) in parsed.basic_auth_rules.into_iter().enumerate() {
            let methods = configured.request_methods.clone();
            let rule = Rc::new(Rule::parse(configured).map_err(|problem| format!("basic_auth_rules[{place}]: {problem}"))?);
            for method in methods {
                by_method.entry(method.into_bytes()).or_default().push(Rc::clone(&rule));
            }
        }
        Ok(Self { realm: parsed.realm, by_method })
    }

    /// Whether any rule is about this method: if none is, nothing else of the request matters.
    pub fn concern(&self, method: &[u8]) -> bool {
        self.by_method.contains_key(method)
    }

    /// Every matching rule must be satisfied, so a later one can deny what an earlier one allowed. `path` is as the client sent it,
    /// with its query; `authorization` is the header's value.
    pub fn check(&self, method: &[u8], authority: &[u8], path: &[u8], authorization: Option<&[u8]>) -> Result<(), Denial> {
        let host = without_port(authority);
        for rule in self.by_method.get(method).into_iter().flatten() {
            if !rule.concerns(host, path) {
                continue;
            }
            let token = authorization.and_then(|value| value.strip_prefix(b"Basic ")).ok_or(Denial::NoCredentials)?;
            if !rule.credentials.contains(token) {
                return Err(Denial::WrongCredentials);
            }
        }
        Ok(())
    }
}

impl Rule {
    fn parse(configured: ConfiguredRule) -> Result<Self, &'static str> {
        let path = match (configured.prefix, configured.exact, configured.suffix) {
            (Some(start), None, None) => Pattern::Prefix(start),
            (None, Some(whole), None) => Pattern::Exact(whole),
            (None, None, Some(end)) => Pattern::Suffix(end),
            _ => return Err("exactly one of prefix, exact and suffix is wanted"),
        };
        if configured.request_methods.is_empty() {
            return Err("request_methods is empty");
        }
        if configured.credentials.is_empty() {
            return Err("credentials is empty");
        }
        let credentials = configured.credentials.into_iter().map(token).collect::<Result<_, _>>()?;
        let hosts = configured.hosts.into_iter().map(Pattern::of_host).collect();
        Ok(Self { path, hosts, credentials })
    }

    fn concerns(&self, host: &[u8], path: &[u8]) -> bool {
        (self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(host))) && self.path.matches(path)
    }
}

/// What follows `Basic ` in the header: `user:password` is encoded, base64 is kept as it was given.
fn token(credential: String) -> Result<Vec<u8>, &'static str> {
    if credential.contains(':') {
        return Ok(BASE64.encode(credential).into_bytes());
    }
    match BASE64.decode(&credential) {
        Ok(decoded) if !decoded.is_empty() => Ok(credential.into_bytes()),
        _ => Err("a credential is neither user:password nor base64"),
    }
}

/// `[::1]:80` is the host `[::1]`, `example.com:80` the host `example.com`.
fn without_port(authority: &[u8]) -> &[u8] {
    let end_of_address = authority.iter().rposition(|&byte| byte == b']').unwrap_or(0);
    match authority.iter().rposition(|&byte| byte == b':') {
        Some(colon) if colon >= end_of_address => &authority[..colon],
        _ => authority,
    }
}
