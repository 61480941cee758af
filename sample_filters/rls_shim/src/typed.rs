//! Typed actions, releases from 0.13 on: the message that CEL makes, and what is done with the answer.

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::ast::{operators, EntryExpr, Expr};
use cel::objects::{Key, Map};
use cel::{Context, IdedExpr, Value};
use serde::Deserialize;

use crate::attributes::Attributes;
use crate::expressions::{as_text, has_message, Expression};
use crate::messages::{Descriptor, Entry, RateLimitRequest, RateLimitResponse};

/// What comes of an answer.
pub enum Outcome {
    Allowed(Vec<(String, String)>),
    Denied { status: u32, headers: Vec<(String, String)>, body: String },
    Failed(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypedAction {
    r#type: String,
    predicate: String,
    terminal: bool,
    #[serde(default)]
    var: String,
    #[serde(default)]
    pub service: String,
    #[serde(default)]
    message_builder: String,
    #[serde(default)]
    on_reply: Vec<TypedAction>,
    #[serde(default)]
    deny_with: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    headers: String,
    #[serde(default)]
    log_message: String,
}

/// A call, as CEL says it.
pub struct Call {
    predicate: Expression,
    message: Expression,
    var: String,
    replies: Vec<Reply>,
}

struct Reply {
    predicate: Expression,
    terminal: bool,
    act: Act,
}

enum Act {
    Deny(Expression),
    Headers(Expression),
    Fail(String),
    /// Keeps a value for other actions; none of a rate limit's reads any.
    Store,
}

impl TypedAction {
    pub fn call(self) -> Result<Call, String> {
        if self.r#type != "grpc" {
            return Err(format!("an action of type {:?}; this filter does grpc, and in onReply deny, headers, fail and store", self.r#type));
        }
        let message = Expression::parse(&self.message_builder)?;
        check(message.tree(), "RateLimitRequest")?;
        let replies = self.on_reply.into_iter().map(TypedAction::reply).collect::<Result<_, _>>()?;
        Ok(Call { predicate: Expression::plain(&self.predicate)?, message, var: self.var, replies })
    }

    fn reply(self) -> Result<Reply, String> {
        let act = match (self.r#type.as_str(), self.target.as_str()) {
            ("deny", _) => {
                let response = Expression::parse(&self.deny_with)?;
                check(response.tree(), "DenyResponse")?;
                Act::Deny(response)
            }
            ("headers", "response") => Act::Headers(Expression::plain(&self.headers)?),
            ("fail", _) => Act::Fail(self.log_message),
            ("store", _) => Act::Store,
            (kind, target) => return Err(format!("{kind:?} {target:?} in onReply is nothing that this filter does")),
        };
        Ok(Reply { predicate: Expression::plain(&self.predicate)?, terminal: self.terminal, act })
    }
}

impl Call {
    /// The message for a request, None where the predicate does not hold.
    pub fn request(&self, functions: &Context, attributes: &Attributes) -> Result<Option<RateLimitRequest>, String> {
        if !self.predicate.holds(functions, attributes, &[])? {
            return Ok(None);
        }
        let scope = self.message.scope(functions, attributes, &[]);
        rate_limit_request(self.message.tree(), &scope).map(Some)
    }

    pub fn outcome(&self, functions: &Context, attributes: &Attributes, answer: RateLimitResponse) -> Result<Outcome, String> {
        let more = [(self.var.as_str(), answer_value(answer))];
        let mut added = Vec::new();
        for reply in &self.replies {
            if !reply.predicate.holds(functions, attributes, &more)? {
                continue;
            }
            match &reply.act {
                Act::Deny(response) => return deny(response.tree(), &response.scope(functions, attributes, &more)),
                Act::Headers(headers) => added.extend(header_list(&headers.value(functions, attributes, &more)?)?),
                Act::Fail(message) => return Ok(Outcome::Failed(message.clone())),
                Act::Store => {}
            }
            if reply.terminal {
                break;
            }
        }
        Ok(Outcome::Allowed(added))
    }
}

/// A message is made of this type, and of messages only where they are read below.
fn check(expr: &IdedExpr, name: &str) -> Result<(), String> {
    match &expr.expr {
        Expr::Struct(message) if message.type_name.rsplit('.').next() == Some(name) => Ok(()),
        _ => Err(format!("no {name} is made")),
    }
}

fn rate_limit_request(expr: &IdedExpr, scope: &Context) -> Result<RateLimitRequest, String> {
    let mut request = RateLimitRequest::default();
    for (name, value) in fields(expr, "RateLimitRequest")? {
        match name {
            "domain" => request.domain = text(value, scope)?,
            "hits_addend" => request.hits_addend = number(value, scope)?,
            "descriptors" => request.descriptors = list(value, scope)?.into_iter().map(|each| descriptor(each, scope)).collect::<Result<_, _>>()?,
            _ => return Err(format!("RateLimitRequest has no field {name}")),
        }
    }
    Ok(request)
}

fn descriptor(expr: &IdedExpr, scope: &Context) -> Result<Descriptor, String> {
    let mut found = Descriptor::default();
    for (name, value) in fields(expr, "RateLimitDescriptor")? {
        match name {
            "entries" => found.entries = list(value, scope)?.into_iter().map(|each| entry(each, scope)).collect::<Result<_, _>>()?,
            _ => return Err(format!("RateLimitDescriptor has no field {name}")),
        }
    }
    Ok(found)
}

fn entry(expr: &IdedExpr, scope: &Context) -> Result<Entry, String> {
    let mut found = Entry::default();
    for (name, value) in fields(expr, "Entry")? {
        match name {
            "key" => found.key = text(value, scope)?,
            "value" => found.value = text(value, scope)?,
            _ => return Err(format!("Entry has no field {name}")),
        }
    }
    Ok(found)
}

fn deny(expr: &IdedExpr, scope: &Context) -> Result<Outcome, String> {
    let (mut status, mut headers, mut body) = (500, Vec::new(), String::new());
    for (name, value) in fields(expr, "DenyResponse")? {
        match name {
            "status" => status = number(value, scope)?,
            "headers" => headers = header_list(&plain(value, scope)?)?,
            "body" => body = text(value, scope)?,
            _ => return Err(format!("DenyResponse has no field {name}")),
        }
    }
    Ok(Outcome::Denied { status, headers, body })
}

/// Names and values of a message's fields.
fn fields<'a>(expr: &'a IdedExpr, name: &str) -> Result<Vec<(&'a str, &'a IdedExpr)>, String> {
    check(expr, name)?;
    let Expr::Struct(message) = &expr.expr else { return Err(format!("no {name} is made")) };
    let field = |entry: &'a EntryExpr| match entry {
        EntryExpr::StructField(field) => Some((field.field.as_str(), &field.value)),
        EntryExpr::MapEntry(_) => None,
    };
    Ok(message.entries.iter().filter_map(|entry| field(&entry.expr)).collect())
}

/// The items of a list of messages: a literal one, two with `+` between them, or one of two by a condition.
fn list<'a>(expr: &'a IdedExpr, scope: &Context) -> Result<Vec<&'a IdedExpr>, String> {
    match &expr.expr {
        Expr::List(list) => Ok(list.elements.iter().collect()),
        Expr::Call(call) if call.func_name == operators::ADD && call.args.len() == 2 => {
            let mut found = list(&call.args[0], scope)?;
            found.extend(list(&call.args[1], scope)?);
            Ok(found)
        }
        Expr::Call(call) if call.func_name == operators::CONDITIONAL && call.args.len() == 3 => match plain(&call.args[0], scope)? {
            Value::Bool(holds) => list(&call.args[if holds { 1 } else { 2 }], scope),
            _ => Err("a condition is neither true nor false".to_owned()),
        },
        _ => Err("a list of messages is wanted".to_owned()),
    }
}

fn plain(expr: &IdedExpr, scope: &Context) -> Result<Value, String> {
    match has_message(expr) {
        true => Err("a message stands where a value is wanted".to_owned()),
        false => scope.resolve(expr).map_err(|problem| problem.to_string()),
    }
}

fn text(expr: &IdedExpr, scope: &Context) -> Result<String, String> {
    match plain(expr, scope)? {
        Value::String(text) => Ok(text.to_string()),
        _ => Err("a text is wanted".to_owned()),
    }
}

fn number(expr: &IdedExpr, scope: &Context) -> Result<u32, String> {
    let found = match plain(expr, scope)? {
        Value::Int(number) => u32::try_from(number).ok(),
        Value::UInt(number) => u32::try_from(number).ok(),
        _ => None,
    };
    found.ok_or_else(|| "a number from 0 to 4294967295 is wanted".to_owned())
}

fn answer_value(answer: RateLimitResponse) -> Value {
    let headers = answer.response_headers_to_add.into_iter().map(|header| {
        let (key, value) = header.pair();
        map([("key", key), ("value", value)].map(|(name, text)| (name, Value::String(Arc::new(text)))))
    });
    let headers = Value::List(Arc::new(headers.collect()));
    map([("overall_code", Value::Int(i64::from(answer.overall_code))), ("response_headers_to_add", headers)])
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let map: HashMap<Key, Value> = pairs.into_iter().map(|(name, value)| (Key::from(name), value)).collect();
    Value::Map(Map { map: Arc::new(map) })
}

/// Headers as the wire's messages, or as lists of name and value.
fn header_list(value: &Value) -> Result<Vec<(String, String)>, String> {
    let Value::List(headers) = value else { return Err("a list of headers is wanted".to_owned()) };
    let pair = |header: &Value| match header {
        Value::Map(header) => Some((as_text(header.get(&"key".into())?)?, as_text(header.get(&"value".into())?)?)),
        Value::List(pair) if pair.len() == 2 => Some((as_text(&pair[0])?, as_text(&pair[1])?)),
        _ => None,
    };
    headers.iter().map(|header| pair(header).ok_or_else(|| "a header has a key and a value".to_owned())).collect()
}
