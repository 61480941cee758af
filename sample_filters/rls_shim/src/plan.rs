//! The plugin configuration, in each form that releases of the wasm-shim took, read into one: calls to make for a request.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use cel::Context;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::actions::{Block, LegacyAction, Pair};
use crate::attributes::Attributes;
use crate::expressions::{all_hold, functions, Expression};
use crate::messages::{RateLimitRequest, RateLimitResponse, OK, OVER_LIMIT};
use crate::selectors::{Condition, Item, Rule};
use crate::typed::{Call, Outcome, TypedAction};

const RLS: (&str, &str) = ("envoy.service.ratelimit.v3.RateLimitService", "ShouldRateLimit");
const CHECK: (&str, &str) = ("kuadrant.service.ratelimit.v1.RateLimitService", "CheckRateLimit");
/// Of releases 0.3 to 0.6, fixed there.
const OLD_TIMEOUT: Duration = Duration::from_millis(5000);
const TIMEOUT: Duration = Duration::from_millis(20);
const REFUSAL: &str = "Too Many Requests\n";

/// Who is asked, and what a failure means.
pub struct Service {
    pub cluster: String,
    pub name: String,
    pub method: String,
    pub timeout: Duration,
    pub deny: bool,
}

/// A call to make, and what to do with the answer.
pub struct Action {
    pub service: Rc<Service>,
    domain: String,
    ask: Ask,
}

enum Ask {
    Rules(Vec<Rule>),
    Data { predicates: Vec<Expression>, blocks: Vec<Block>, labels: Rc<Vec<Pair>> },
    Typed(Call),
}

struct Set {
    hostnames: Vec<String>,
    predicates: Vec<Expression>,
    actions: Vec<Rc<Action>>,
}

pub struct Plan {
    sets: Vec<Set>,
    /// Releases to 0.6 choose by the most specific hostname alone, later ones take the first set that fits.
    most_specific: bool,
    /// Releases to 0.9 add the answer's headers to those of the response, later ones set them.
    pub adds_headers: bool,
    functions: Context<'static>,
}

impl Plan {
    pub fn parse(configuration: &[u8]) -> Result<Plan, String> {
        let json: Json = serde_json::from_slice(configuration).map_err(|problem| format!("the configuration is not JSON: {problem}"))?;
        let has = |name: &str| json.get(name).is_some();
        let old = !has("actionSets");
        let (sets, adds_headers) = match () {
            () if has("rateLimitPolicies") => (read::<Policies>(json)?.sets(), true),
            () if has("policies") => (read::<Extensions>(json)?.sets()?, true),
            () => read::<Services>(json)?.sets()?,
        };
        Ok(Plan { sets, most_specific: old, adds_headers, functions: functions() })
    }

    /// The calls for a request, none where nothing fits.
    pub fn actions(&self, attributes: &Attributes) -> Result<Vec<Rc<Action>>, String> {
        let host = attributes.host();
        let mut fitting: Vec<(usize, &Set)> =
            self.sets.iter().filter_map(|set| set.hostnames.iter().filter_map(|name| fit(name, &host)).max().map(|fit| (fit, set))).collect();
        if self.most_specific {
            // of several that are as specific the first holds
            let best = fitting.iter().map(|(fit, _)| *fit).max();
            fitting.retain(|(fit, _)| Some(*fit) == best);
            fitting.truncate(1);
        }
        for (_, set) in fitting {
            if all_hold(&set.predicates, &self.functions, attributes)? {
                return Ok(set.actions.clone());
            }
        }
        Ok(Vec::new())
    }

    /// The message of a call, None where it is not to be made.
    pub fn request(&self, action: &Action, attributes: &Attributes) -> Result<Option<RateLimitRequest>, String> {
        match &action.ask {
            Ask::Rules(rules) => {
                let descriptors: Vec<_> = rules.iter().filter_map(|rule| rule.descriptor(attributes)).collect();
                let request = RateLimitRequest { domain: action.domain.clone(), descriptors, hits_addend: 1 };
                Ok(Some(request).filter(|request| !request.descriptors.is_empty()))
            }
            Ask::Data { predicates, blocks, labels } => match all_hold(predicates, &self.functions, attributes)? {
                true => crate::actions::request(&action.domain, blocks, labels, &self.functions, attributes),
                false => Ok(None),
            },
            Ask::Typed(call) => call.request(&self.functions, attributes),
        }
    }

    /// What an answer means.
    pub fn outcome(&self, action: &Action, attributes: &Attributes, answer: RateLimitResponse) -> Outcome {
        if let Ask::Typed(call) = &action.ask {
            return call.outcome(&self.functions, attributes, answer).unwrap_or_else(Outcome::Failed);
        }
        let code = answer.overall_code;
        let headers = answer.response_headers_to_add.into_iter().map(|header| header.pair()).collect();
        match code {
            OK => Outcome::Allowed(headers),
            OVER_LIMIT => Outcome::Denied { status: 429, headers, body: REFUSAL.to_owned() },
            code => Outcome::Failed(format!("the service answered with code {code}")),
        }
    }
}

/// How well a hostname fits: the length of what it says, exact names above all; None where it does not.
fn fit(name: &str, host: &str) -> Option<usize> {
    match name.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix).then_some(suffix.len()),
        None => (name == host).then_some(usize::MAX),
    }
}

fn read<T: for<'a> Deserialize<'a>>(json: Json) -> Result<T, String> {
    serde_json::from_value(json).map_err(|problem| format!("the configuration has no known form: {problem}"))
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum FailureMode {
    Deny,
    Allow,
}

/// 0.3 to 0.5.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Policies {
    failure_mode: FailureMode,
    rate_limit_policies: Vec<Policy>,
}

#[derive(Deserialize)]
struct Policy {
    domain: String,
    service: String,
    hostnames: Vec<String>,
    rules: Vec<Rule>,
}

impl Policies {
    fn sets(self) -> Vec<Set> {
        let deny = self.failure_mode == FailureMode::Deny;
        let set = |policy: Policy| {
            let service = Rc::new(old_service(policy.service, deny));
            let action = Action { service, domain: policy.domain, ask: Ask::Rules(policy.rules) };
            Set { hostnames: policy.hostnames, predicates: Vec::new(), actions: vec![Rc::new(action)] }
        };
        self.rate_limit_policies.into_iter().map(set).collect()
    }
}

fn old_service(cluster: String, deny: bool) -> Service {
    Service { cluster, name: RLS.0.to_owned(), method: RLS.1.to_owned(), timeout: OLD_TIMEOUT, deny }
}

/// 0.6.
#[derive(Deserialize)]
struct Extensions {
    extensions: BTreeMap<String, ServiceForm>,
    policies: Vec<ExtensionPolicy>,
}

#[derive(Deserialize)]
struct ExtensionPolicy {
    hostnames: Vec<String>,
    rules: Vec<ExtensionRule>,
}

#[derive(Deserialize)]
struct ExtensionRule {
    #[serde(default)]
    conditions: Vec<Condition>,
    actions: Vec<ExtensionAction>,
}

#[derive(Deserialize)]
struct ExtensionAction {
    extension: String,
    scope: String,
    data: Vec<Item>,
}

impl Extensions {
    fn sets(self) -> Result<Vec<Set>, String> {
        let mut sets = Vec::new();
        for policy in self.policies {
            let mut actions = Vec::new();
            for rule in policy.rules {
                let [action] = <[ExtensionAction; 1]>::try_from(rule.actions).map_err(|_| "a rule has more than one action".to_owned())?;
                let form = self.extensions.get(&action.extension).ok_or_else(|| format!("no extension {:?}", action.extension))?;
                form.check("ratelimit")?;
                let service = Rc::new(old_service(form.endpoint.clone(), form.failure_mode == FailureMode::Deny));
                let rules = vec![Rule::new(rule.conditions, action.data)];
                actions.push(Rc::new(Action { service, domain: action.scope, ask: Ask::Rules(rules) }));
            }
            sets.push(Set { hostnames: policy.hostnames, predicates: Vec::new(), actions });
        }
        Ok(sets)
    }
}

/// From 0.7 on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Services {
    services: BTreeMap<String, ServiceForm>,
    action_sets: Vec<SetForm>,
    #[serde(default)]
    request_data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceForm {
    r#type: String,
    endpoint: String,
    failure_mode: FailureMode,
    timeout: Option<String>,
    grpc_service: Option<String>,
    grpc_method: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SetForm {
    route_rule_conditions: RouteConditions,
    #[serde(default)]
    actions: Vec<Json>,
}

#[derive(Deserialize)]
struct RouteConditions {
    hostnames: Vec<String>,
    #[serde(default)]
    predicates: Vec<String>,
}

impl ServiceForm {
    fn check(&self, wanted: &str) -> Result<(), String> {
        match self.r#type == wanted {
            true => Ok(()),
            false => Err(format!("a service of type {:?}: this filter knows rate limits only", self.r#type)),
        }
    }

    fn service(&self) -> Result<Service, String> {
        let (name, method) = match (self.r#type.as_str(), &self.grpc_service, &self.grpc_method) {
            ("ratelimit", _, _) => RLS,
            ("ratelimit-check", _, _) => CHECK,
            ("dynamic", Some(service), Some(method)) => (service.as_str(), method.as_str()),
            _ => return Err(self.check("ratelimit").err().unwrap_or_default()),
        };
        let timeout = self.timeout.as_deref().map_or(Ok(TIMEOUT), duration)?;
        let deny = self.failure_mode == FailureMode::Deny;
        Ok(Service { cluster: self.endpoint.clone(), name: name.to_owned(), method: method.to_owned(), timeout, deny })
    }
}

impl Services {
    /// The sets, and whether headers are added.
    fn sets(self) -> Result<(Vec<Set>, bool), String> {
        let labels = Rc::new(self.request_data.iter().map(|(name, text)| Pair::label(name, text)).collect::<Result<_, _>>()?);
        let mut flat = false;
        let mut sets = Vec::new();
        for form in self.action_sets {
            let mut actions = Vec::new();
            for action in form.actions {
                flat |= action.get("data").is_some();
                let typed = action.get("type").is_some();
                actions.push(Rc::new(if typed { typed_action(action, &self.services)? } else { legacy_action(action, &self.services, &labels)? }));
            }
            let predicates = plain_all(&form.route_rule_conditions.predicates)?;
            sets.push(Set { hostnames: form.route_rule_conditions.hostnames, predicates, actions });
        }
        Ok((sets, flat))
    }
}

fn typed_action(action: Json, services: &BTreeMap<String, ServiceForm>) -> Result<Action, String> {
    let form: TypedAction = read(action)?;
    let service = Rc::new(named(services, &form.service)?.service()?);
    Ok(Action { service, domain: String::new(), ask: Ask::Typed(form.call()?) })
}

fn legacy_action(action: Json, services: &BTreeMap<String, ServiceForm>, labels: &Rc<Vec<Pair>>) -> Result<Action, String> {
    let form: LegacyAction = read(action)?;
    let service = Rc::new(named(services, &form.service)?.service()?);
    let predicates = plain_all(&form.predicates)?;
    let domain = form.scope.clone();
    Ok(Action { service, domain, ask: Ask::Data { predicates, blocks: form.blocks()?, labels: Rc::clone(labels) } })
}

fn named<'a>(services: &'a BTreeMap<String, ServiceForm>, name: &str) -> Result<&'a ServiceForm, String> {
    services.get(name).ok_or_else(|| format!("no service {name:?}"))
}

pub fn plain_all(texts: &[String]) -> Result<Vec<Expression>, String> {
    texts.iter().map(|text| Expression::plain(text)).collect()
}

/// A duration as Go writes it: numbers with ms, s, m or h behind each.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration");
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|sign: char| !sign.is_ascii_digit() && sign != '.').ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|sign: char| !sign.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        seconds += number.parse::<f64>().map_err(|_| wrong())? * unit;
        rest = behind;
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|found| !found.is_zero()).ok_or_else(wrong)
}
