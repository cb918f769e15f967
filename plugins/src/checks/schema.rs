//! Schemas that authors write: of an installation's configuration, and of what a tool takes.
//!
//! A schema is a program of strangers that runs over values of others. So it refers to nothing outside of
//! itself, nothing in it refers to itself, its patterns are linear, and what it comes to with all references
//! followed is bounded: checking costs no more than that times the value's size.

#[cfg(test)]
mod tests;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

/// Bytes of a configuration, as JSON.
pub const MAX_CONFIG_BYTES: usize = 32 << 10;
/// Bytes of a schema, as JSON.
pub const MAX_SCHEMA_BYTES: usize = 64 << 10;
/// Values of a schema once every reference in it is followed.
const MAX_NODES: usize = 2_000;
/// Patterns of a schema, likewise.
const MAX_PATTERNS: usize = 32;
/// Levels of a schema, references followed.
const MAX_DEPTH: usize = 32;
/// Mistakes of a configuration that are told at once.
const MAX_MISTAKES: usize = 20;
/// Values of a schema times values of a configuration up to which all mistakes are looked for; beyond, the
/// first one is told, because each may have as many.
const MAX_PRODUCT: usize = 200_000;
/// Bytes of the automaton of one pattern.
const PATTERN_SIZE: usize = 1 << 16;

/// Whether this is a schema of an object that can be checked at a bounded cost.
///
/// # Errors
/// What is wrong, as the end of a sentence that begins with what the schema is of.
pub fn examine(schema: &Value) -> Result<(), String> {
    compile(schema).map(|_| ())
}

/// As [`examine`], for the schema of a configuration: its secrets are texts at the top that need not be
/// there, since they are kept apart from the rest.
///
/// # Errors
/// As [`examine`].
pub fn examine_config(schema: &Value) -> Result<(), String> {
    examine(schema)?;
    for name in secret_names(schema) {
        if schema["properties"][name].get("type").and_then(Value::as_str) != Some("string") {
            return Err(format!(
                "mark `{}` as `x-secret`, which is for `\"type\": \"string\"` alone",
                bounded(name)
            ));
        }
        let required = schema.get("required").and_then(Value::as_array);
        if required.is_some_and(|required| required.iter().any(|required| required == name)) {
            return Err(format!(
                "require `{}`, but what is marked `x-secret` is kept apart",
                bounded(name)
            ));
        }
    }
    if marks(schema) != secret_names(schema).count() {
        return Err("have `x-secret` elsewhere than as `true` in a property at the top".into());
    }
    Ok(())
}

/// How often `x-secret` stands in a schema.
fn marks(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(marks).sum(),
        Value::Object(fields) => {
            usize::from(fields.contains_key("x-secret")) + fields.values().map(marks).sum::<usize>()
        }
        _ => 0,
    }
}

/// A schema that can be used, and what it comes to.
struct Compiled {
    validator: Validator,
    cost: Cost,
}

#[derive(Default)]
struct Cost {
    nodes: usize,
    patterns: usize,
}

fn compile(schema: &Value) -> Result<Compiled, String> {
    let Some(object) = schema.as_object() else {
        return Err("are no JSON object".into());
    };
    if object.get("type").and_then(Value::as_str) != Some("object") {
        return Err("do not say `\"type\": \"object\"`".into());
    }
    let mut cost = Cost::default();
    follow(schema, schema, 0, &mut cost)?;
    let validator = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .with_pattern_options(
            PatternOptions::regex()
                .size_limit(PATTERN_SIZE)
                .dfa_size_limit(PATTERN_SIZE),
        )
        .build(schema)
        .map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { "/" } else { &place };
            format!(
                "are no valid JSON schema: at `{}`: {}",
                bounded(place),
                bounded(&error.to_string())
            )
        })?;
    Ok(Compiled { validator, cost })
}

/// Counts the values below this one, following references.
fn follow(root: &Value, value: &Value, depth: usize, cost: &mut Cost) -> Result<(), String> {
    cost.nodes += 1;
    if cost.nodes > MAX_NODES {
        return Err(format!(
            "come to more than {MAX_NODES} values when references are followed"
        ));
    }
    // A reference to what it stands in would go on for ever, and so ends here as well.
    if depth > MAX_DEPTH {
        return Err(format!("are deeper than {MAX_DEPTH} levels, or refer to themselves"));
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| follow(root, item, depth + 1, cost)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "pattern" => cost.patterns += 1,
                    "patternProperties" => cost.patterns += field.as_object().map_or(0, Map::len),
                    _ => {}
                }
                if cost.patterns > MAX_PATTERNS {
                    return Err(format!(
                        "have more than {MAX_PATTERNS} patterns when references are followed"
                    ));
                }
                match name.as_str() {
                    "$ref" => match field.as_str() {
                        Some(target) => follow(root, referred(root, target)?, depth + 1, cost)?,
                        // A property may be called so.
                        None => follow(root, field, depth + 1, cost)?,
                    },
                    "$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" | "$vocabulary"
                        if !field.is_object() =>
                    {
                        return Err(format!("have `{name}`, which is not supported"));
                    }
                    "$schema" if depth == 0 && field.as_str().is_some_and(is_known_draft) => {}
                    "$schema" if !field.is_object() => {
                        return Err("have a `$schema` other than draft 2020-12's".into());
                    }
                    _ => follow(root, field, depth + 1, cost)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_known_draft(text: &str) -> bool {
    text.trim_end_matches('#') == "https://json-schema.org/draft/2020-12/schema"
}

fn referred<'a>(root: &'a Value, target: &str) -> Result<&'a Value, String> {
    let pointer = target.strip_prefix('#');
    pointer
        .filter(|pointer| pointer.starts_with("/$defs/") || pointer.starts_with("/definitions/"))
        .and_then(|pointer| root.pointer(pointer))
        .ok_or_else(|| {
            let target = bounded(target);
            format!("refer to `{target}`: only `#/$defs/NAME` of the same schema can be referred to")
        })
}

fn bounded(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Where a configuration does not fit its schema: places as JSON pointers, `""` for the whole, and what is
/// wrong there. At most 20; none if it fits.
#[must_use]
pub fn check_config(schema: &Value, config: &Value) -> Vec<(String, String)> {
    let whole = |message: String| vec![(String::new(), message)];
    if config.to_string().len() > MAX_CONFIG_BYTES {
        return whole(format!(
            "The configuration has more than {MAX_CONFIG_BYTES} bytes of JSON."
        ));
    }
    let Compiled { validator, cost } = match compile(schema) {
        Ok(compiled) => compiled,
        Err(error) => return whole(format!("The schema's contents {error}.")),
    };
    // The value itself may be a secret, and so is not repeated.
    let told = |error: ValidationError<'_>| {
        (
            bounded(error.instance_path().as_str()),
            bounded(&error.masked().to_string()),
        )
    };
    if cost.nodes.saturating_mul(values(config)) > MAX_PRODUCT {
        return validator.validate(config).err().map(told).into_iter().collect();
    }
    validator.iter_errors(config).take(MAX_MISTAKES).map(told).collect()
}

fn values(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(values).sum(),
        Value::Object(fields) => fields.values().map(values).sum(),
        _ => 0,
    }
}

/// Takes the settings that the schema marks `x-secret` out of a configuration: what is left, and they.
/// Only settings at the top can be secrets, and only texts; [`crate::checks`] refuses marks elsewhere.
#[must_use]
pub fn split_secrets(schema: &Value, config: &Value) -> (Value, Vec<(String, String)>) {
    let mut rest = config.clone();
    let mut secrets = Vec::new();
    if let Some(fields) = rest.as_object_mut() {
        for name in secret_names(schema) {
            // What is no text fits no schema of a secret, and is not shown either.
            if let Some(Value::String(secret)) = fields.remove(name) {
                secrets.push((name.to_owned(), secret));
            }
        }
    }
    (rest, secrets)
}

/// Whether a setting at the top has texts that can be looked for: it is a text, a list of texts, or an object,
/// whose names are. A secret has none.
#[must_use]
pub fn has_texts(schema: &Value, name: &str) -> bool {
    let property = &schema["properties"][name];
    let is = |schema: &Value, kind: &str| schema["type"].as_str() == Some(kind);
    let has =
        is(property, "string") || is(property, "object") || is(property, "array") && is(&property["items"], "string");
    has && !secret_names(schema).any(|secret| secret == name)
}

/// The settings that are marked `x-secret`.
pub fn secret_names(schema: &Value) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let is_secret = |property: &Value| property.get("x-secret") == Some(&Value::Bool(true));
    properties
        .into_iter()
        .flat_map(Map::iter)
        .filter(move |(_, property)| is_secret(property))
        .map(|(name, _)| name.as_str())
}
