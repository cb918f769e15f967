//! The `[[providers]]` and `[[models]]` of `tavern.toml`.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use tavern_domain::model::PromptForm;

/// The name of the built-in model and of the provider behind it.
pub const DEMO: &str = "demo";

/// What tokens can be counted with.
const TOKENIZERS: [&str; 3] = ["cl100k_base", "o200k_base", "estimate"];
const MAX_NAME: usize = 64;
const MAX_DEPLOYMENTS: usize = 16;
const MAX_CONTEXT: i32 = 10_000_000;
/// A credit is a million micro-credits; nobody sells 1,000 tokens for more than a million credits.
const MAX_PRICE: i64 = 1_000_000_000_000;
const MAX_TIMEOUT_MS: u64 = 600_000;

/// Which models there are and who serves them. Without any, and besides others, there is `demo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsConfig {
    pub providers: Vec<ProviderConfig>,
    /// The first one is the default.
    pub models: Vec<ModelConfig>,
}

/// A server that runs models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// What deployments call it; shown to users.
    pub name: String,
    pub kind: ProviderKind,
    /// Up to and without `/chat/completions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// A file that holds the key and nothing else but white space around it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// The wire format a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    Demo,
    Openai,
    Anthropic,
    Gemini,
    Deepseek,
    Ollama,
    Llamacpp,
    Koboldcpp,
}

impl ProviderKind {
    const SPOKEN: &str = "`demo` and `openai`";

    const fn is_spoken(self) -> bool {
        matches!(self, Self::Demo | Self::Openai)
    }
}

/// Milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS.
    pub connect: u64,
    /// Silence from the request to the first content.
    pub first_token: u64,
    /// Silence afterwards.
    pub idle: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: 5_000,
            first_token: 30_000,
            idle: 30_000,
        }
    }
}

/// A name that clients can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    pub name: String,
    #[serde(default = "default_context")]
    pub context_tokens: i32,
    #[serde(default = "default_output")]
    pub max_output_tokens: i32,
    /// Micro-credits per 1,000 tokens.
    #[serde(default)]
    pub prompt_price: i64,
    /// Micro-credits per 1,000 tokens.
    #[serde(default)]
    pub completion_price: i64,
    /// Whether it answers messages or completes a text.
    #[serde(default)]
    pub prompt: PromptForm,
    /// `cl100k_base`, `o200k_base` or `estimate`; by the name of the first deployment's model if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Tried in order.
    pub deployments: Vec<DeploymentConfig>,
}

const fn default_context() -> i32 {
    8_192
}

const fn default_output() -> i32 {
    1_024
}

/// A model of a provider, by the provider's name for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentConfig {
    pub provider: String,
    pub model: String,
    /// Whether it can call functions. One that cannot is not told of any.
    #[serde(default = "can_call")]
    pub tools: bool,
}

const fn can_call() -> bool {
    true
}

/// A key that shows itself to nobody by accident.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}

impl Timeouts {
    pub(crate) const fn connect(&self) -> Duration {
        Duration::from_millis(self.connect)
    }
    pub(crate) const fn first_token(&self) -> Duration {
        Duration::from_millis(self.first_token)
    }
    pub(crate) const fn idle(&self) -> Duration {
        Duration::from_millis(self.idle)
    }
}

impl ProviderConfig {
    pub(crate) fn demo() -> Self {
        Self {
            name: DEMO.to_owned(),
            kind: ProviderKind::Demo,
            base_url: None,
            api_key: None,
            api_key_file: None,
            timeouts: Timeouts::default(),
        }
    }
}

impl ModelConfig {
    pub(crate) fn demo() -> Self {
        Self {
            name: DEMO.to_owned(),
            context_tokens: 32_768,
            max_output_tokens: 8_192,
            prompt_price: 0,
            completion_price: 0,
            prompt: PromptForm::Chat,
            tokenizer: None,
            deployments: vec![DeploymentConfig {
                provider: DEMO.to_owned(),
                model: DEMO.to_owned(),
                tools: true,
            }],
        }
    }
}

impl ModelsConfig {
    /// Everything that is wrong, each with its place, as in `models[0].deployments[1].provider: …`.
    /// Empty if nothing is. Key files are not opened here.
    #[must_use]
    pub fn validate(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut providers = HashSet::from([DEMO]);
        for (index, provider) in self.providers.iter().enumerate() {
            let mut place = Place {
                at: format!("providers[{index}]"),
                mistakes: &mut mistakes,
            };
            provider.check(&mut place);
            if provider.name == DEMO && provider.kind != ProviderKind::Demo {
                place.wrong("name", "`demo` is the name of the built-in provider".into());
            } else if !providers.insert(&provider.name) && provider.name != DEMO {
                place.wrong("name", format!("`{}` is taken by another provider", provider.name));
            }
        }
        let mut models = HashSet::new();
        for (index, model) in self.models.iter().enumerate() {
            let mut place = Place {
                at: format!("models[{index}]"),
                mistakes: &mut mistakes,
            };
            model.check(&mut place, &providers);
            if !models.insert(&model.name) {
                place.wrong("name", format!("`{}` is taken by another model", model.name));
            }
        }
        mistakes
    }
}

struct Place<'a> {
    at: String,
    mistakes: &'a mut Vec<String>,
}

impl Place<'_> {
    fn wrong(&mut self, field: &str, what: String) {
        self.mistakes.push(format!("{}.{field}: {what}", self.at));
    }

    fn check_name(&mut self, name: &str) {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(good) {
            self.wrong(
                "name",
                format!("a name has 1 to {MAX_NAME} letters, digits or any of `._-/:`, not {name:?}"),
            );
        }
    }

    fn check_range<T: PartialOrd + fmt::Display>(&mut self, field: &str, value: T, least: T, most: T) {
        if value < least || value > most {
            self.wrong(field, format!("must be {least} to {most}, not {value}"));
        }
    }
}

impl ProviderConfig {
    fn check(&self, place: &mut Place<'_>) {
        place.check_name(&self.name);
        if !self.kind.is_spoken() {
            let kind = format!("{:?}", self.kind).to_lowercase();
            place.wrong(
                "kind",
                format!("this version speaks {}, not `{kind}`", ProviderKind::SPOKEN),
            );
        }
        match (&self.base_url, self.kind) {
            (None, ProviderKind::Openai) => place.wrong("base_url", "is missing".into()),
            (Some(_), ProviderKind::Demo) => place.wrong("base_url", "the demo provider has none".into()),
            (Some(url), _) => {
                if let Some(what) = wrong_url(url) {
                    place.wrong("base_url", what);
                }
            }
            (None, _) => {}
        }
        if self.api_key.is_some() && self.api_key_file.is_some() {
            place.wrong(
                "api_key_file",
                "give either `api_key` or `api_key_file`, not both".into(),
            );
        }
        if let Some(key) = &self.api_key
            && !is_good_key(key.expose())
        {
            place.wrong(
                "api_key",
                "a key is visible ASCII without blanks, 1 to 4096 characters".into(),
            );
        }
        let Timeouts {
            connect,
            first_token,
            idle,
        } = self.timeouts;
        for (field, value) in [("connect", connect), ("first_token", first_token), ("idle", idle)] {
            place.check_range(&format!("timeouts.{field}"), value, 1, MAX_TIMEOUT_MS);
        }
    }
}

impl ModelConfig {
    fn check(&self, place: &mut Place<'_>, providers: &HashSet<&str>) {
        place.check_name(&self.name);
        place.check_range("context_tokens", self.context_tokens, 256, MAX_CONTEXT);
        place.check_range(
            "max_output_tokens",
            self.max_output_tokens,
            1,
            self.context_tokens.saturating_sub(1).max(1),
        );
        place.check_range("prompt_price", self.prompt_price, 0, MAX_PRICE);
        place.check_range("completion_price", self.completion_price, 0, MAX_PRICE);
        if let Some(tokenizer) = &self.tokenizer
            && !TOKENIZERS.contains(&tokenizer.as_str())
        {
            place.wrong(
                "tokenizer",
                format!("is one of {}, not {tokenizer:?}", TOKENIZERS.join(", ")),
            );
        }
        if self.deployments.is_empty() || self.deployments.len() > MAX_DEPLOYMENTS {
            place.wrong(
                "deployments",
                format!(
                    "a model has 1 to {MAX_DEPLOYMENTS} deployments, not {}",
                    self.deployments.len()
                ),
            );
        }
        for (index, deployment) in self.deployments.iter().enumerate() {
            if !providers.contains(deployment.provider.as_str()) {
                place.wrong(
                    &format!("deployments[{index}].provider"),
                    format!("there is no provider `{}`", deployment.provider),
                );
            }
            if deployment.model.is_empty() {
                place.wrong(&format!("deployments[{index}].model"), "is empty".into());
            }
        }
    }
}

pub(crate) fn is_good_key(key: &str) -> bool {
    (1..=4096).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn wrong_url(text: &str) -> Option<String> {
    let url = match reqwest::Url::parse(text) {
        Ok(url) => url,
        Err(error) => return Some(format!("is not a URL: {error}")),
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("is an http or https URL, not `{}`", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("holds a user or password; keys go into `api_key`".into());
    }
    (url.query().is_some() || url.fragment().is_some()).then(|| "has no query and no fragment".into())
}

#[cfg(test)]
mod tests;
