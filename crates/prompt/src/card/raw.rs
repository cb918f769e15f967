//! A JSON object whose values are kept as they are written: numbers with all their digits, nested
//! objects with their order, repeated keys and white space.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

#[derive(Debug, Clone, Default)]
pub(super) struct RawObject<'a>(Vec<(String, Cow<'a, RawValue>)>);

impl<'a> RawObject<'a> {
    /// `None` if `text` is no object.
    pub fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Of fields with one name, the last counts, as everywhere in JSON.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.place(field)
            .and_then(|at| self.0.get(at))
            .map(|(_, value)| value.get())
    }

    pub fn contains(&self, field: &str) -> bool {
        self.place(field).is_some()
    }

    fn place(&self, field: &str) -> Option<usize> {
        self.0.iter().rposition(|(name, _)| name == field)
    }

    /// Replaces a field where it stands, or adds it at the end.
    pub fn set(&mut self, field: &str, value: &(impl Serialize + ?Sized)) {
        // Fails only for maps whose keys are no texts, and for values that refuse to be written.
        let Ok(value) = to_raw_value(value) else {
            return;
        };
        match self.place(field).and_then(|at| self.0.get_mut(at)) {
            Some((_, old)) => *old = Cow::Owned(value),
            None => self.0.push((field.to_owned(), Cow::Owned(value))),
        }
    }

    pub fn set_if_missing(&mut self, field: &str, value: &(impl Serialize + ?Sized)) {
        if !self.contains(field) {
            self.set(field, value);
        }
    }

    pub fn remove(&mut self, field: &str) {
        self.0.retain(|(name, _)| name != field);
    }

    /// Takes the fields named out, with their order.
    pub fn split_off(&mut self, names: &[&str]) -> Self {
        let (taken, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|(name, _)| names.contains(&name.as_str()));
        self.0 = left;
        Self(taken)
    }
}

impl RawObject<'_> {
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Serialize for RawObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value.as_ref())?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for RawObject<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = RawObject<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    fields.push((name, Cow::Borrowed(value)));
                }
                Ok(RawObject(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
