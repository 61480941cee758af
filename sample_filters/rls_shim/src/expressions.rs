//! CEL over a request's attributes: which of them an expression names, its evaluation, and functions beyond the standard's.

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr};
use cel::extractors::{Arguments, This};
use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, IdedExpr, Program, Value};

use crate::attributes::{attribute_length, Attributes};
use crate::strings;

/// A CEL text, parsed, with the paths of the attributes that it names.
pub struct Expression {
    text: String,
    program: Program,
    paths: Vec<Vec<String>>,
}

impl Expression {
    /// Parse a text. Messages (`Name{…}`) are left to `builder`, which evaluates what stands in their fields.
    pub fn parse(text: &str) -> Result<Expression, String> {
        let program = Program::compile(text).map_err(|problem| format!("{text:?} is not CEL: {problem}"))?;
        let mut paths = Vec::new();
        walk(program.expression(), &mut Vec::new(), &mut paths);
        paths.sort();
        paths.dedup();
        Ok(Expression { text: text.to_owned(), program, paths })
    }

    /// The same, refused where it makes a message.
    pub fn plain(text: &str) -> Result<Expression, String> {
        let parsed = Expression::parse(text)?;
        match has_message(parsed.tree()) {
            true => Err(format!("{text:?} makes a message where a value is wanted")),
            false => Ok(parsed),
        }
    }

    pub fn tree(&self) -> &IdedExpr {
        self.program.expression()
    }

    /// The value for a request; `more` are further variables.
    pub fn value(&self, functions: &Context, attributes: &Attributes, more: &[(&str, Value)]) -> Result<Value, String> {
        let scope = self.scope(functions, attributes, more);
        scope.resolve(self.tree()).map_err(|problem| format!("{:?}: {problem}", self.text))
    }

    /// The value of a predicate.
    pub fn holds(&self, functions: &Context, attributes: &Attributes, more: &[(&str, Value)]) -> Result<bool, String> {
        match self.value(functions, attributes, more)? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(format!("{:?} is neither true nor false", self.text)),
        }
    }

    /// The attributes that the expression names, as variables.
    pub fn scope<'a>(&self, functions: &'a Context, attributes: &Attributes, more: &[(&str, Value)]) -> Context<'a> {
        let mut roots: HashMap<&str, Tree> = HashMap::new();
        for path in &self.paths {
            if more.iter().all(|(name, _)| name != &path[0]) {
                let own = &path[..attribute_length(path)];
                roots.entry(&path[0]).or_default().put(&own[1..], attributes.value(own));
            }
        }
        let mut scope = functions.new_inner_scope();
        for (name, tree) in roots {
            scope.add_variable_from_value(name, tree.value());
        }
        for (name, value) in more {
            scope.add_variable_from_value(*name, value.clone());
        }
        scope
    }
}

/// Whether all of them hold, asked in turn until one does not.
pub fn all_hold(predicates: &[Expression], functions: &Context, attributes: &Attributes) -> Result<bool, String> {
    for predicate in predicates {
        if !predicate.holds(functions, attributes, &[])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A value as the text of a descriptor's entry.
pub fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    }
}

/// A map of maps, as paths grow into it.
#[derive(Default)]
struct Tree {
    own: Option<Value>,
    children: HashMap<String, Tree>,
}

impl Tree {
    fn put(&mut self, path: &[String], value: Value) {
        match path.split_first() {
            Some((name, rest)) => self.children.entry(name.clone()).or_default().put(rest, value),
            None => self.own = Some(value),
        }
    }

    fn value(self) -> Value {
        if self.children.is_empty() {
            return self.own.unwrap_or(Value::Null);
        }
        let map = self.children.into_iter().map(|(name, tree)| (Key::from(name), tree.value())).collect();
        Value::Map(Map { map: Arc::new(map) })
    }
}

/// The expressions right within another, and of a comprehension the names that it binds.
fn parts(expr: &Expr) -> (Vec<&IdedExpr>, Vec<&str>) {
    let mut bound = Vec::new();
    let found = match expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(loops) => {
            bound.extend([loops.iter_var.as_str(), loops.accu_var.as_str()]);
            bound.extend(loops.iter_var2.as_deref());
            vec![&loops.iter_range, &loops.accu_init, &loops.loop_cond, &loops.loop_step, &loops.result]
        }
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| in_entry(&entry.expr)).collect(),
        Expr::Struct(message) => message.entries.iter().flat_map(|entry| in_entry(&entry.expr)).collect(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    };
    (found, bound)
}

fn in_entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

pub fn has_message(expr: &IdedExpr) -> bool {
    matches!(expr.expr, Expr::Struct(_)) || parts(&expr.expr).0.into_iter().any(has_message)
}

fn walk<'a>(expr: &'a IdedExpr, bound: &mut Vec<&'a str>, found: &mut Vec<Vec<String>>) {
    if let Some(path) = path_of(&expr.expr) {
        if !bound.contains(&path[0]) {
            found.push(path.into_iter().map(str::to_owned).collect());
        }
        return;
    }
    let (inner, names) = parts(&expr.expr);
    let before = bound.len();
    bound.extend(names);
    for each in inner {
        walk(each, bound, found);
    }
    bound.truncate(before);
}

/// `a.b.c` as its names.
fn path_of(expr: &Expr) -> Option<Vec<&str>> {
    match expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) => {
            let mut path = path_of(&select.operand.expr)?;
            path.push(&select.field);
            Some(path)
        }
        _ => None,
    }
}

/// The standard's functions, and those that configurations of the wasm-shim use besides.
pub fn functions() -> Context<'static> {
    let mut context = Context::default();
    context.add_function("string", string);
    strings::add(&mut context);
    context.add_function("queryMap", query_map);
    context.add_function("decodeQueryString", query_map);
    context
}

fn string(This(value): This<Value>) -> Result<Value, ExecutionError> {
    match as_text(&value) {
        Some(text) => Ok(Value::String(Arc::new(text))),
        None => Err(ExecutionError::function_error("string", format!("{value:?} has no text"))),
    }
}

/// A query as a map. Of several values of one name the first counts, or with `true` as a second argument all, as a list.
fn query_map(Arguments(arguments): Arguments) -> Result<Value, ExecutionError> {
    let query = match arguments.first() {
        Some(Value::String(query)) => query.to_string(),
        Some(Value::Null) => String::new(),
        _ => return Err(ExecutionError::function_error("queryMap", "a text is wanted")),
    };
    let repeats = matches!(arguments.get(1), Some(Value::Bool(true)));
    let mut found: HashMap<String, Vec<Value>> = HashMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        // as in the original, a second `=` ends the value
        let mut parts = pair.split('=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        found.entry(decoded(name)).or_default().push(Value::String(Arc::new(decoded(value))));
    }
    let map = found.into_iter().map(|(name, mut values)| {
        let value = if repeats && values.len() > 1 { Value::List(Arc::new(values)) } else { values.swap_remove(0) };
        (Key::from(name), value)
    });
    Ok(Value::Map(Map { map: Arc::new(map.collect()) }))
}

/// Text of a query with `%41` as the byte; `+` stays, as in the original.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let escaped = rest.get(..2).and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        match (byte, escaped) {
            (b'%', Some(meant)) => {
                bytes.push(meant);
                rest = &rest[2..];
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
