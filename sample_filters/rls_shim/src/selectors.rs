//! Conditions and data with selectors, as releases 0.3 to 0.6 of the wasm-shim have them.

use serde::Deserialize;

use crate::attributes::Attributes;
use crate::messages::{Descriptor, Entry};

#[derive(Deserialize)]
pub struct Rule {
    #[serde(default)]
    conditions: Vec<Condition>,
    data: Vec<Item>,
}

#[derive(Deserialize)]
pub struct Condition {
    #[serde(rename = "allOf")]
    all_of: Vec<Pattern>,
}

#[derive(Deserialize)]
struct Pattern {
    selector: String,
    operator: Operator,
    value: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Operator {
    Eq,
    Neq,
    StartsWith,
    EndsWith,
    Matches,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Item {
    Static { key: String, value: String },
    Selector { selector: String, key: Option<String>, default: Option<String> },
}

impl Rule {
    pub fn new(conditions: Vec<Condition>, data: Vec<Item>) -> Rule {
        Rule { conditions, data }
    }

    /// The descriptor for a request: None where no condition holds, or something is missing that has no default.
    pub fn descriptor(&self, attributes: &Attributes) -> Option<Descriptor> {
        let met = |condition: &Condition| condition.all_of.iter().all(|pattern| pattern.holds(attributes));
        if !self.conditions.is_empty() && !self.conditions.iter().any(met) {
            return None;
        }
        let entries: Option<Vec<Entry>> = self.data.iter().map(|item| item.entry(attributes)).collect();
        entries.filter(|entries| !entries.is_empty()).map(|entries| Descriptor { entries })
    }
}

impl Pattern {
    /// What is absent counts as empty; what is no UTF-8 never holds.
    fn holds(&self, attributes: &Attributes) -> bool {
        let Some(found) = attributes.text(&path_of(&self.selector)) else { return false };
        match self.operator {
            Operator::Eq => found == self.value,
            Operator::Neq => found != self.value,
            Operator::StartsWith => found.starts_with(&self.value),
            Operator::EndsWith => found.ends_with(&self.value),
            Operator::Matches => glob(self.value.as_bytes(), found.as_bytes()),
        }
    }
}

impl Item {
    fn entry(&self, attributes: &Attributes) -> Option<Entry> {
        match self {
            Item::Static { key, value } => Some(Entry { key: key.clone(), value: value.clone() }),
            Item::Selector { selector, key, default } => {
                let found = attributes.property(&path_of(selector)).and_then(|bytes| String::from_utf8(bytes).ok());
                let value = found.or_else(|| default.clone())?;
                Some(Entry { key: key.clone().unwrap_or_else(|| selector.clone()), value })
            }
        }
    }
}

/// The names of a selector: dots part them, but for those behind a backslash.
fn path_of(selector: &str) -> Vec<String> {
    let mut path = vec![String::new()];
    let mut signs = selector.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' if signs.peek() == Some(&'.') => path.last_mut().expect("never empty").push(signs.next().expect("peeked")),
            '.' => path.push(String::new()),
            _ => path.last_mut().expect("never empty").push(sign),
        }
    }
    path
}

/// Whether a pattern covers all of a text: `?` up to one byte, `*` any number, `+` at least one. Takes time in proportion to both.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // which lengths of the text the pattern so far can have covered
    let mut covered = vec![false; text.len() + 1];
    covered[0] = true;
    for &sign in pattern {
        let before = covered.clone();
        let mut any_before = false;
        for end in 0..=text.len() {
            let one_less = end > 0 && before[end - 1];
            covered[end] = match sign {
                b'*' => any_before || before[end],
                b'+' => any_before,
                b'?' => before[end] || one_less,
                _ => one_less && text[end - 1] == sign,
            };
            any_before |= before[end];
        }
    }
    covered[text.len()]
}
