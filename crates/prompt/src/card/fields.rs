//! Takes typed fields out of a card's data, as patiently as the wild demands.

use std::collections::HashSet;

use serde_json::Value;
use tavern_domain::Limits;
use tavern_domain::character::tag_key;

use super::warnings::Warnings;
use super::{CardError, Object};

/// The fields that have not been taken yet.
pub(super) struct Fields<'a> {
    data: Object,
    limits: &'a Limits,
    warnings: &'a mut Warnings,
}

impl<'a> Fields<'a> {
    pub fn new(data: Object, limits: &'a Limits, warnings: &'a mut Warnings) -> Self {
        Self { data, limits, warnings }
    }

    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// What was not taken.
    pub fn rest(self) -> Object {
        self.data
    }

    /// Of the trimmed name; may be blank.
    pub fn name(&mut self) -> Result<String, CardError> {
        Ok(self.text("name")?.trim().to_owned())
    }

    pub fn check_name(&self, name: &str) -> Result<(), CardError> {
        let (count, most) = (name.chars().count(), self.limits.character_name_chars);
        match count {
            0 => Err(wrong("name", "is missing or blank")),
            _ if count > most => Err(wrong("name", format!("has {count} characters; the limit is {most}"))),
            _ => Ok(()),
        }
    }

    /// A text; what is missing or null is empty.
    pub fn text(&mut self, field: &str) -> Result<String, CardError> {
        let value = self.data.shift_remove(field);
        let text = self.coerce(field, value)?;
        self.check_text(field, &text)?;
        Ok(text)
    }

    pub fn greetings(&mut self, field: &str) -> Result<Vec<String>, CardError> {
        let greetings = match self.data.shift_remove(field) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => {
                let (count, most) = (
                    items.iter().filter(|item| !item.is_null()).count(),
                    self.limits.greetings,
                );
                if count > most {
                    return Err(wrong(field, format!("has {count} items; the limit is {most}")));
                }
                self.texts(field, items)?
            }
            Some(text @ Value::String(_)) => {
                self.warn(format!(
                    "`{field}` was a text, not a list; it was taken as the only item."
                ));
                vec![self.coerce(field, Some(text))?]
                    .into_iter()
                    .filter(|text| !text.is_empty())
                    .collect()
            }
            Some(other) => {
                return Err(wrong(
                    field,
                    format!("must be a list of texts, not {}", kind_of(&other)),
                ));
            }
        };
        Ok(greetings)
    }

    pub fn tags(&mut self) -> Result<Vec<String>, CardError> {
        let given = match self.data.shift_remove("tags") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => self.texts("tags", items)?,
            Some(Value::String(text)) => {
                if !text.trim().is_empty() {
                    self.warn("`tags` was a text, not a list; it was split at its commas.");
                }
                text.split(',').map(str::to_owned).collect()
            }
            Some(other) => {
                return Err(wrong(
                    "tags",
                    format!("must be a list of texts, not {}", kind_of(&other)),
                ));
            }
        };
        let Limits {
            tags: most, tag_chars, ..
        } = *self.limits;
        let mut seen = HashSet::new();
        let mut tags = Vec::new();
        let (mut too_long, mut too_many) = (0, 0);
        for tag in given {
            let tag = tag.trim();
            if tag.chars().count() > tag_chars {
                too_long += 1;
            } else if !tag.is_empty() && seen.insert(tag_key(tag)) {
                if tags.len() < most {
                    tags.push(tag.to_owned());
                } else {
                    too_many += 1;
                }
            }
        }
        if too_long > 0 {
            self.warn(format!(
                "{too_long} tags of more than {tag_chars} characters were left out."
            ));
        }
        if too_many > 0 {
            self.warn(format!(
                "The card has more than {most} tags; the last {too_many} were left out."
            ));
        }
        Ok(tags)
    }

    /// Texts by language code, in the card's order.
    pub fn by_language(&mut self, field: &str) -> Result<Vec<(String, String)>, CardError> {
        match self.data.shift_remove(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(texts)) => {
                // As many as there are two-letter codes.
                if texts.len() > 676 {
                    return Err(wrong(field, "has more languages than there are codes for"));
                }
                let read = |(language, value): (String, Value)| {
                    let place = format!("{field}.{language}");
                    let text = self.coerce(&place, Some(value))?;
                    self.check_text(&place, &text)?;
                    Ok((language, text))
                };
                texts.into_iter().map(read).collect()
            }
            Some(other) => Err(wrong(
                field,
                format!("must be an object of texts, not {}", kind_of(&other)),
            )),
        }
    }

    fn texts(&mut self, field: &str, items: Vec<Value>) -> Result<Vec<String>, CardError> {
        let mut texts = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let place = format!("{field}[{index}]");
            if item.is_null() {
                self.warnings
                    .push_with(|| format!("`{place}` was null; it was left out."));
                continue;
            }
            let text = self.coerce(&place, Some(item))?;
            self.check_text(&place, &text)?;
            texts.push(text);
        }
        Ok(texts)
    }

    fn coerce(&mut self, field: &str, value: Option<Value>) -> Result<String, CardError> {
        match value {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => {
                self.warnings.push_with(|| {
                    format!(
                        "`{}` was {}, not a text; it was taken as one.",
                        shortened(field),
                        kind_of(&value)
                    )
                });
                Ok(value.to_string())
            }
            Some(other) => Err(wrong(field, format!("must be a text, not {}", kind_of(&other)))),
        }
    }

    fn check_text(&self, field: &str, text: &str) -> Result<(), CardError> {
        let most = self.limits.character_text_bytes;
        if text.len() > most {
            return Err(wrong(field, format!("has {} bytes; the limit is {most}", text.len())));
        }
        Ok(())
    }
}

fn wrong(field: &str, problem: impl Into<String>) -> CardError {
    CardError::Field {
        field: shortened(field),
        problem: problem.into(),
    }
}

/// A field's name can come from the card.
fn shortened(field: &str) -> String {
    field.chars().take(80).collect()
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
