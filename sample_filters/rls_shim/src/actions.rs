//! Actions with data, releases 0.7 to 0.12: entries of one descriptor, some under conditions.

use cel::Context;
use serde::Deserialize;

use crate::attributes::Attributes;
use crate::expressions::{all_hold, as_text, Expression};
use crate::messages::{Descriptor, Entry, RateLimitRequest};
use crate::plan::plain_all;

const DOMAIN: &str = "ratelimit.domain";
const HITS: &str = "ratelimit.hits_addend";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyAction {
    pub service: String,
    pub scope: String,
    #[serde(default)]
    pub predicates: Vec<String>,
    #[serde(default)]
    data: Vec<Item>,
    #[serde(default)]
    conditional_data: Vec<ConditionalData>,
}

#[derive(Deserialize)]
struct ConditionalData {
    #[serde(default)]
    predicates: Vec<String>,
    #[serde(default)]
    data: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Item {
    Static { key: String, value: String },
    Expression { key: String, value: String },
}

/// A key with its value, or with the CEL of it.
pub struct Pair {
    key: String,
    value: Value,
}

enum Value {
    Text(String),
    Cel(Expression),
}

/// Entries that hold together.
pub struct Block {
    predicates: Vec<Expression>,
    pairs: Vec<Pair>,
}

impl LegacyAction {
    /// Its data, a flat list as one block without conditions.
    pub fn blocks(self) -> Result<Vec<Block>, String> {
        let mut given = self.conditional_data;
        if !self.data.is_empty() {
            given.push(ConditionalData { predicates: Vec::new(), data: self.data });
        }
        let block = |each: ConditionalData| {
            let pairs = each.data.into_iter().map(Item::pair).collect::<Result<_, _>>()?;
            Ok(Block { predicates: plain_all(&each.predicates)?, pairs })
        };
        given.into_iter().map(block).collect()
    }
}

impl Item {
    fn pair(self) -> Result<Pair, String> {
        match self {
            Item::Static { key, value } => Ok(Pair { key, value: Value::Text(value) }),
            Item::Expression { key, value } => Ok(Pair { key, value: Value::Cel(Expression::plain(&value)?) }),
        }
    }
}

impl Pair {
    /// An entry of `requestData`; a name in `metrics.labels` goes without that.
    pub fn label(name: &str, text: &str) -> Result<Pair, String> {
        let key = name.strip_prefix("metrics.labels.").unwrap_or(name).to_owned();
        Ok(Pair { key, value: Value::Cel(Expression::plain(text)?) })
    }

    fn text(&self, functions: &Context, attributes: &Attributes) -> Result<String, String> {
        match &self.value {
            Value::Text(text) => Ok(text.clone()),
            Value::Cel(expression) => {
                let value = expression.value(functions, attributes, &[])?;
                as_text(&value).ok_or_else(|| format!("the value of {:?} has no text", self.key))
            }
        }
    }
}

/// The message; None where every block has conditions and none is met, or there is nothing to say.
pub fn request(
    domain: &str,
    blocks: &[Block],
    labels: &[Pair],
    functions: &Context,
    attributes: &Attributes,
) -> Result<Option<RateLimitRequest>, String> {
    let mut request = RateLimitRequest { domain: domain.to_owned(), descriptors: Vec::new(), hits_addend: 1 };
    let mut entries = Vec::new();
    for block in blocks {
        if !all_hold(&block.predicates, functions, attributes)? {
            continue;
        }
        for pair in &block.pairs {
            let value = pair.text(functions, attributes)?;
            match pair.key.as_str() {
                DOMAIN => request.domain = value,
                HITS => request.hits_addend = value.parse().map_err(|_| format!("{HITS} is {value:?}"))?,
                key => entries.push(Entry { key: key.to_owned(), value }),
            }
        }
    }
    if entries.is_empty() {
        return Ok(None);
    }
    request.descriptors.push(Descriptor { entries });
    if !labels.is_empty() {
        let entry = |pair: &Pair| Ok(Entry { key: pair.key.clone(), value: pair.text(functions, attributes)? });
        request.descriptors.push(Descriptor { entries: labels.iter().map(entry).collect::<Result<_, String>>()? });
    }
    Ok(Some(request))
}
