//! What is to change in a JSON document, and how.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edits {
    set: Map<String, Value>,
    remove: Vec<String>,
}

impl Edits {
    /// Reads the configuration; none at all means no edits.
    pub fn parse(configuration: &[u8]) -> Result<Self, String> {
        let edits: Self = match configuration.trim_ascii_start().first() {
            None => Self::default(),
            Some(b'{') => serde_json::from_slice(configuration).map_err(|error| error.to_string())?,
            // serde would take a list for the fields in their order
            Some(_) => return Err("not a JSON object".to_owned()),
        };
        match edits.set.keys().chain(&edits.remove).find(|path| path.split('.').any(str::is_empty)) {
            Some(path) => Err(format!("the path {path:?} has an empty part")),
            None => Ok(edits),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Sets, then removes. Gives how many edits changed something, and the paths that led nowhere.
    pub fn apply<'a>(&'a self, document: &mut Value) -> (usize, Vec<&'a str>) {
        let mut changed = 0;
        let mut nowhere = Vec::new();
        for (path, value) in &self.set {
            match set(document, path, value) {
                Some(true) => changed += 1,
                Some(false) => {}
                None => nowhere.push(path.as_str()),
            }
        }
        for path in &self.remove {
            match remove(document, path) {
                Some(_) => changed += 1,
                None => nowhere.push(path.as_str()),
            }
        }
        (changed, nowhere)
    }
}

/// Whether it changed anything; None where the path goes through a text, a number or past the end of a list.
fn set(document: &mut Value, path: &str, value: &Value) -> Option<bool> {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = document;
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        at = match at {
            Value::Object(fields) => fields.entry(part).or_insert_with(|| Value::Object(Map::new())),
            other => child(other, part)?,
        };
    }
    match at {
        Value::Object(fields) => Some(fields.insert(last.to_owned(), value.clone()).as_ref() != Some(value)),
        other => {
            let item = child(other, last)?;
            Some(std::mem::replace(item, value.clone()) != *value)
        }
    }
}

fn remove(document: &mut Value, path: &str) -> Option<Value> {
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = document;
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        at = child(at, part)?;
    }
    match at {
        Value::Object(fields) => fields.shift_remove(last),
        Value::Array(items) => {
            let place = last.parse::<usize>().ok().filter(|place| *place < items.len())?;
            Some(items.remove(place))
        }
        _ => None,
    }
}

fn child<'a>(at: &'a mut Value, part: &str) -> Option<&'a mut Value> {
    match at {
        Value::Object(fields) => fields.get_mut(part),
        Value::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    }
}
