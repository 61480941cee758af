//! A request's attributes, each asked of the host once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::Value;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

/// What an attribute is. Envoy gives numbers as 8 bytes; what is none of its own may be JSON, which other filters keep.
enum Kind {
    Text,
    Number,
    Flag,
    Headers,
    Other,
}

fn kind_of(path: &[String]) -> Kind {
    match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["request", "headers"] => Kind::Headers,
        ["request", "size" | "total_size"] | ["source" | "destination", "port"] | ["connection", "id"] => Kind::Number,
        ["connection", "mtls"] => Kind::Flag,
        ["request" | "source" | "destination" | "connection", _] => Kind::Text,
        _ => Kind::Other,
    }
}

/// How many names of a path belong to the attribute; what follows them is within its value.
pub fn attribute_length(path: &[String]) -> usize {
    match path.first().map(String::as_str) {
        Some("request" | "source" | "destination" | "connection") => path.len().min(2),
        _ => path.len(),
    }
}

#[derive(Default)]
pub struct Attributes {
    properties: RefCell<HashMap<Vec<String>, Option<Vec<u8>>>>,
    headers: RefCell<Option<Vec<(String, Vec<u8>)>>>,
}

impl Attributes {
    /// The bytes of a property, None where there is none.
    pub fn property(&self, path: &[String]) -> Option<Vec<u8>> {
        if let Some(known) = self.properties.borrow().get(path) {
            return known.clone();
        }
        let found = hostcalls::get_property(path.iter().map(String::as_str).collect()).ok().flatten();
        self.properties.borrow_mut().insert(path.to_vec(), found.clone());
        found
    }

    /// A property as text: empty where there is none, None where it is no UTF-8.
    pub fn text(&self, path: &[String]) -> Option<String> {
        String::from_utf8(self.property(path).unwrap_or_default()).ok()
    }

    /// The request's host without its port. What follows the first colon goes, of an IPv6 address too, as in the original.
    pub fn host(&self) -> String {
        let host = self.text(&["request".to_owned(), "host".to_owned()]).unwrap_or_default();
        host.split(':').next().unwrap_or_default().to_owned()
    }

    /// The headers of the request.
    pub fn headers(&self) -> Vec<(String, Vec<u8>)> {
        let mut kept = self.headers.borrow_mut();
        kept.get_or_insert_with(|| hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default()).clone()
    }

    /// An attribute as a value of CEL, null where there is none.
    pub fn value(&self, path: &[String]) -> Value {
        if let Kind::Headers = kind_of(path) {
            return self.header_map();
        }
        let Some(bytes) = self.property(path) else { return Value::Null };
        match (kind_of(path), <[u8; 8]>::try_from(&bytes[..])) {
            (Kind::Number, Ok(number)) => Value::Int(i64::from_le_bytes(number)),
            (Kind::Flag, _) => Value::Bool(bytes.first().is_some_and(|&byte| byte != 0)),
            (Kind::Other, _) => serde_json::from_slice::<serde_json::Value>(&bytes)
                .ok()
                .and_then(|json| cel::to_value(json).ok())
                .unwrap_or_else(|| text_of(bytes)),
            _ => text_of(bytes),
        }
    }

    /// Values of one name are one text, with commas between them.
    fn header_map(&self) -> Value {
        let mut found: HashMap<String, String> = HashMap::new();
        for (name, value) in self.headers() {
            let value = String::from_utf8_lossy(&value).into_owned();
            found.entry(name.to_lowercase()).and_modify(|first| *first = format!("{first},{value}")).or_insert(value);
        }
        let map = found.into_iter().map(|(name, value)| (Key::from(name), Value::String(Arc::new(value)))).collect();
        Value::Map(Map { map: Arc::new(map) })
    }
}

fn text_of(bytes: Vec<u8>) -> Value {
    Value::String(Arc::new(String::from_utf8_lossy(&bytes).into_owned()))
}
