//! CEL's extension functions on texts; places are counted in characters.

use std::sync::Arc;

use cel::extractors::{Arguments, This};
use cel::{Context, ExecutionError, Value};

/// Give a context these functions.
pub fn add(context: &mut Context) {
    context.add_function("lowerAscii", |This(text): This<Arc<String>>| text.to_ascii_lowercase());
    context.add_function("upperAscii", |This(text): This<Arc<String>>| text.to_ascii_uppercase());
    context.add_function("trim", |This(text): This<Arc<String>>| text.trim().to_owned());
    context.add_function("replace", |This(text): This<Arc<String>>, old: Arc<String>, new: Arc<String>| text.replace(&*old, &new));
    context.add_function("split", split);
    context.add_function("join", join);
    context.add_function("charAt", char_at);
    context.add_function("substring", substring);
    context.add_function("indexOf", |This(text): This<Arc<String>>, part: Arc<String>| place(&text, text.find(part.as_str())));
    context.add_function("lastIndexOf", |This(text): This<Arc<String>>, part: Arc<String>| place(&text, text.rfind(part.as_str())));
}

fn text(text: String) -> Value {
    Value::String(Arc::new(text))
}

fn wrong(function: &str, problem: &str) -> ExecutionError {
    ExecutionError::function_error(function, problem)
}

/// A place in bytes as one in characters, -1 where there is none.
fn place(text: &str, at: Option<usize>) -> i64 {
    at.map_or(-1, |at| text[..at].chars().count() as i64)
}

fn split(This(whole): This<Arc<String>>, by: Arc<String>) -> Result<Value, ExecutionError> {
    let parts = whole.split(by.as_str()).map(|part| text(part.to_owned()));
    Ok(Value::List(Arc::new(parts.collect())))
}

fn join(This(parts): This<Arc<Vec<Value>>>, Arguments(arguments): Arguments) -> Result<Value, ExecutionError> {
    let between = match arguments.first() {
        Some(Value::String(between)) => between.to_string(),
        _ => String::new(),
    };
    let part = |part: &Value| match part {
        Value::String(part) => Ok(part.to_string()),
        _ => Err(wrong("join", "a list of texts is wanted")),
    };
    let parts: Vec<String> = parts.iter().map(part).collect::<Result<_, _>>()?;
    Ok(text(parts.join(&between)))
}

fn char_at(This(whole): This<Arc<String>>, at: i64) -> Result<Value, ExecutionError> {
    let sign = usize::try_from(at).ok().and_then(|at| whole.chars().nth(at));
    match sign {
        Some(sign) => Ok(text(sign.to_string())),
        None if at == whole.chars().count() as i64 => Ok(text(String::new())),
        None => Err(wrong("charAt", "the place is outside the text")),
    }
}

fn substring(This(whole): This<Arc<String>>, Arguments(arguments): Arguments) -> Result<Value, ExecutionError> {
    let size = whole.chars().count();
    let given = |at: usize| match arguments.get(at) {
        Some(Value::Int(number)) => usize::try_from(*number).ok().filter(|number| *number <= size),
        _ => None,
    };
    let end = if arguments.len() > 1 { given(1) } else { Some(size) };
    match (given(0), end) {
        (Some(start), Some(end)) if start <= end => Ok(text(whole.chars().skip(start).take(end - start).collect())),
        _ => Err(wrong("substring", "the places are outside the text")),
    }
}
