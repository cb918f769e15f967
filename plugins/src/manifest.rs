//! `extension.toml`: who an extension is, where it is called, and what it asks for.
//!
//! [`Manifest::parse`] is strict: what it returns holds every rule on its own. Whether the component keeps
//! its word is for [`crate::checks`].

mod hosts;
pub(crate) mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tavern_domain::extension::{Capability, Hook};

use crate::settings::PluginSettings;

pub use hosts::HostPattern;
pub(crate) use hosts::is_below;
pub(crate) use rules::MAX_BYTES;
pub(crate) use rules::is_framing;
pub use rules::{Mistake, compile_pattern};

/// The version of `tavern:extension` that this host speaks.
pub const API_VERSION: semver::Version = semver::Version::new(0, 1, 0);

/// What an author writes. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    pub extension: About,
    /// Where it is called, by hook; each is exported by the component, and each export stands here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<Hook, HookSettings>,
    /// What it asks for, and why, for whoever installs it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: BTreeMap<Capability, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub macros: Vec<MacroDeclaration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDeclaration>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretDeclaration>,
    /// Names of counters; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct About {
    /// `publisher/name`, each 2 to 40 of `a-z 0-9 -`, beginning with a letter.
    pub id: String,
    /// Semantic version.
    pub version: String,
    pub title: String,
    pub summary: String,
    /// Which versions of `tavern:extension` it works with, such as `^0.1`.
    pub api: String,
    /// SPDX.
    pub license: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// It brings an interpreter along, and gets more room for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub large_runtime: bool,
}

/// In which order hooks of one kind are called: phases first, then priority, higher first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Sanitize,
    Enrich,
    #[default]
    Transform,
    Budget,
    Observe,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct HookSettings {
    pub phase: Phase,
    /// -1000 to 1000.
    pub priority: i32,
    /// Ids of extensions that come after this one.
    pub before: Vec<String>,
    /// Ids of extensions that come before this one.
    pub after: Vec<String>,
    /// For `stream-filter`: when it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flush: Option<Flush>,
    /// For `stream-filter`: it is called only where one of these is seen, letters of either case, any white
    /// space and both apostrophes alike.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
    /// For `stream-filter`: or one of the texts in these settings, those of a list and the names in an object.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trigger_settings: Vec<String>,
    /// For `stream-filter`: or where one of these regular expressions matches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<String>,
}

/// When a stream filter gets what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flush {
    /// At the end of a sentence or a line, after 128 bytes, or after 40 ms.
    Sentence,
    /// After so many bytes, or after 40 ms.
    Bytes(u32),
    /// As the model gives it.
    Token,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MacroDeclaration {
    /// As in `{{name}}`, in lower case.
    pub name: String,
    pub help: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ToolDeclaration {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON schema of an object.
    pub parameters: Value,
}

/// A secret that its owner sets, and that goes into requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretDeclaration {
    pub name: String,
    pub title: String,
    /// The hosts it may go to: each is permitted by an `http:HOST`.
    pub hosts: Vec<String>,
    /// The header it stands in.
    pub header: String,
    /// What the header says; `{}` is the secret.
    #[serde(default = "plain_secret")]
    pub format: String,
}

fn plain_secret() -> String {
    "{}".into()
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it, in sentences: what cannot be read alone, or every rule that does not hold.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        Self::examine(text).map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.message).collect())
    }

    /// As [`Self::parse`], with the part of the manifest that each mistake is in.
    ///
    /// # Errors
    /// At least one mistake.
    pub fn examine(text: &str) -> Result<Self, Vec<Mistake>> {
        rules::examine(text)
    }

    /// What it asks for, in order.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        self.permissions.keys().cloned().collect()
    }

    /// What an installation may do: asked for, granted, and allowed by the operator. Of numbers the smaller
    /// one holds, of hosts the narrower one.
    #[must_use]
    pub fn effective(&self, grants: &[Capability], policy: &PluginSettings) -> Vec<Capability> {
        let mut effective: Vec<Capability> = Vec::new();
        for asked in self.permissions.keys() {
            for granted in grants {
                let both = match (asked.covers(granted), granted.covers(asked)) {
                    (_, true) => asked,
                    (true, false) => granted,
                    (false, false) => continue,
                };
                if policy.allows(both) && !effective.iter().any(|had| had.covers(both)) {
                    effective.retain(|had| !both.covers(had));
                    effective.push(both.clone());
                }
            }
        }
        effective.sort();
        effective
    }
}

impl SecretDeclaration {
    /// Whether the secret goes nowhere that it did not go by `old`, and in the same form.
    fn stays_within(&self, old: &Self) -> bool {
        let pattern = |host: &String| host.parse::<HostPattern>().ok();
        let known: Vec<_> = old.hosts.iter().filter_map(pattern).collect();
        let was_known = |host| pattern(host).is_some_and(|host| known.iter().any(|known| known.covers(&host)));
        self.hosts.iter().all(was_known) && self.header.eq_ignore_ascii_case(&old.header) && self.format == old.format
    }
}

impl std::fmt::Display for SecretDeclaration {
    /// Where it goes, for its owner.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts = self.hosts.join(", ");
        write!(
            f,
            "It goes to {hosts}, in the header `{}`, as `{}`.",
            self.header, self.format
        )
    }
}

/// Secrets that two versions declare, and that would go elsewhere with `new` than they do with `old`.
#[must_use]
pub fn strays(old: &Manifest, new: &Manifest) -> Vec<Capability> {
    let goes_elsewhere = |declared: &&SecretDeclaration| {
        let known = old.secrets.iter().find(|known| known.name == declared.name);
        known.is_some_and(|known| !declared.stays_within(known))
    };
    let strays = new.secrets.iter().filter(goes_elsewhere);
    strays.map(|secret| Capability::Secret(secret.name.clone())).collect()
}

/// What `new` asks for that goes beyond what `old` asked for and what was granted, and so needs consent. A
/// secret that was granted, and would go to other hosts or in another form, is among it.
#[must_use]
pub fn widened(old: &Manifest, grants: &[Capability], new: &Manifest) -> Vec<Capability> {
    let goes_elsewhere = |name: &String| {
        let of = |manifest: &'_ Manifest| manifest.secrets.iter().find(|secret| secret.name == *name).cloned();
        match (of(old), of(new)) {
            (Some(old), Some(new)) => !new.stays_within(&old),
            _ => true,
        }
    };
    let beyond = |asked: &&Capability| match asked {
        Capability::Secret(name) if grants.contains(asked) => goes_elsewhere(name),
        _ => {
            let mut known = old.permissions.keys().chain(grants);
            !known.any(|had| had.covers(asked))
        }
    };
    new.permissions.keys().filter(beyond).cloned().collect()
}
