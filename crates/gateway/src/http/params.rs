//! The parameters of a request: `query`, `operationName`, `variables`, `extensions`; others are ignored.

use std::borrow::Cow;
use std::fmt;

use async_graphql::{Name, Value, Variables};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use tavern_domain::Limits;

use crate::cache::PersistedQuery;
use crate::error::{RequestError, shorten};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Params<'a> {
    #[serde(borrow, deserialize_with = "query")]
    pub query: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "operation_name")]
    pub operation_name: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "variables")]
    pub variables: Variables,
    /// `extensions.persistedQuery`, the only extension there is.
    #[serde(rename = "extensions", deserialize_with = "extensions")]
    pub persisted: Option<PersistedQuery>,
}

impl<'a> Params<'a> {
    /// # Errors
    /// BAD_USER_INPUT unless `body` is a JSON object whose members have the right types and do not nest too deep.
    pub fn from_json(body: &'a [u8], limits: &Limits) -> Result<Self, RequestError> {
        match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => {}
            Some(b'[') => {
                return Err(RequestError::bad_request(
                    "Batches are not supported: send one operation a request.",
                ));
            }
            Some(_) => return Err(RequestError::bad_request("The body must be a JSON object.")),
            None => {
                return Err(RequestError::bad_request(
                    "The body is empty; it must be a JSON object with a member `query`.",
                ));
            }
        }
        // The object itself is a level more than its variables.
        check_depth(body, limits.json_depth + 1)?;
        serde_json::from_slice(body).map_err(|error| wrong_json("The body", &error))
    }

    /// The query string of a GET; `variables` and `extensions` are JSON in it.
    ///
    /// # Errors
    /// BAD_USER_INPUT for JSON that is none or has the wrong type, and for a parameter that is given twice.
    pub fn from_query_string(text: &'a str, limits: &Limits) -> Result<Self, RequestError> {
        let (mut params, mut seen) = (Self::default(), Vec::new());
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            let known = ["query", "operationName", "variables", "extensions"]
                .into_iter()
                .find(|known| *known == name);
            let Some(known) = known else { continue };
            if seen.contains(&known) {
                return Err(RequestError::bad_request(format!("`{known}` is given twice.")));
            }
            seen.push(known);
            match known {
                "query" => params.query = Some(value),
                "operationName" => params.operation_name = Some(value),
                // What clients send for "none".
                _ if value.is_empty() => {}
                _ => {
                    check_depth(value.as_bytes(), limits.json_depth)?;
                    let mut json = serde_json::Deserializer::from_str(&value);
                    let read = if known == "variables" {
                        variables(&mut json).map(|read| params.variables = read)
                    } else {
                        extensions(&mut json).map(|read| params.persisted = read)
                    };
                    read.and_then(|()| json.end())
                        .map_err(|error| wrong_json(&format!("`{known}`"), &error))?;
                }
            }
        }
        Ok(params)
    }
}

fn wrong_json(what: &str, error: &serde_json::Error) -> RequestError {
    let (verb, text) = (
        if error.is_data() { "is wrong" } else { "is not JSON" },
        error.to_string(),
    );
    RequestError::bad_request(format!("{what} {verb}: {}.", shorten(&text, 200)))
}

/// Brackets outside of strings, before the JSON reader recurses into them.
fn check_depth(json: &[u8], limit: usize) -> Result<(), RequestError> {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if deepest > limit {
        Err(RequestError::bad_request(format!(
            "The JSON nests {deepest} levels deep; the limit is {limit}."
        )))
    } else {
        Ok(())
    }
}

fn query<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    from.deserialize_any(Text("query"))
}

fn operation_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    from.deserialize_any(Text("operationName"))
}

fn variables<'de, D: Deserializer<'de>>(from: D) -> Result<Variables, D::Error> {
    from.deserialize_any(VariablesVisitor)
}

fn extensions<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PersistedQuery>, D::Error> {
    from.deserialize_any(ExtensionsVisitor)
}

// Visitors, because what serde derives would take arrays for objects and not say which member is wrong.

/// A string or null; the member's name is for the error.
struct Text(&'static str);

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be a string", self.0)
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }
}

struct VariablesVisitor;

impl<'de> Visitor<'de> for VariablesVisitor {
    type Value = Variables;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`variables` to be an object")
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Variables::default())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut variables = Variables::default();
        while let Some((name, value)) = map.next_entry::<Name, Value>()? {
            variables.insert(name, value);
        }
        Ok(variables)
    }
}

struct ExtensionsVisitor;

impl<'de> Visitor<'de> for ExtensionsVisitor {
    type Value = Option<PersistedQuery>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`extensions` to be an object")
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut persisted = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == "persistedQuery" {
                persisted = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(persisted)
    }
}
