//! Configuration: defaults, then `tavern.toml`, then `TAVERN__SECTION__KEY`, then flags.
//!
//! Unknown keys are refused, and all mistakes are told at once, each with where it stands.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::{Env, Format as _, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Profile};
use serde::{Deserialize, Serialize};
use tavern_domain::Limits;
use tavern_gateway::Origins;
use tavern_models::{ModelConfig, ModelsConfig, ProviderConfig};
use tavern_plugins::settings::PluginSettings;

/// The file that is read if it is there and no other is named.
pub const FILE: &str = "tavern.toml";
const ENVIRONMENT: &str = "TAVERN__";
/// More mistakes than this are not listed.
const MOST_MISTAKES: usize = 50;

/// Everything that can be set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the embedded database, objects and keys are kept; made at the first start.
    pub data_dir: PathBuf,
    pub server: ServerConfig,
    pub database: DatabaseConfig,
    pub documents: DocumentsConfig,
    pub redis: RedisConfig,
    pub objects: ObjectsConfig,
    pub log: LogConfig,
    pub limits: Limits,
    pub extensions: PluginSettings,
    pub providers: Vec<ProviderConfig>,
    pub models: Vec<ModelConfig>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Origins of other sites whose pages may use the API, such as `https://app.example.org`.
    pub cors_origins: Vec<String>,
    /// Tell browsers to come back over TLS only. Only where TLS ends in front of this server.
    pub hsts: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:///absolute/path.db` or `postgres://user:password@host/name`; a SQLite file in the data directory if empty.
    pub url: String,
    /// Connections that read at once; the number of processors if 0.
    pub readers: u32,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DocumentsConfig {
    /// Empty: documents are kept in the relational database.
    pub url: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Empty: caches, limits and events are kept in this process.
    pub url: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ObjectsConfig {
    /// `file:///absolute/path`; a folder in the data directory if empty.
    pub url: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    pub format: LogFormat,
    /// What is logged, as `tracing`'s filter has it: `info`, `tavern=debug,warn`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            server: ServerConfig::default(),
            database: DatabaseConfig::default(),
            documents: DocumentsConfig::default(),
            redis: RedisConfig::default(),
            objects: ObjectsConfig::default(),
            log: LogConfig::default(),
            limits: Limits::default(),
            extensions: PluginSettings::default(),
            providers: Vec::new(),
            models: Vec::new(),
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4000)),
            cors_origins: Vec::new(),
            hsts: false,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".into(),
        }
    }
}

/// What the command line says over all other sources.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Read this file, which must be there, instead of `tavern.toml`, which may be.
    pub file: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    pub data_dir: Option<PathBuf>,
}

/// All mistakes of a configuration.
#[derive(Debug)]
pub struct Mistakes(pub Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} mistake(s):", self.0.len())?;
        self.0.iter().try_for_each(|mistake| writeln!(f, "  - {mistake}"))
    }
}

impl std::error::Error for Mistakes {}

impl Config {
    /// Reads all sources.
    ///
    /// # Errors
    /// Every mistake there is.
    pub fn load(flags: &Flags) -> Result<Self, Mistakes> {
        let mut sources = Figment::from(Serialized::defaults(Self::default()));
        match &flags.file {
            Some(file) if !file.is_file() => return Err(Mistakes(vec![format!("{} is not a file", file.display())])),
            Some(file) => sources = sources.merge(Toml::file_exact(file)),
            None if Path::new(FILE).is_file() => sources = sources.merge(Toml::file_exact(FILE)),
            None => {}
        }
        sources = sources.merge(Env::prefixed(ENVIRONMENT).split("__"));
        if let Some(listen) = flags.listen {
            sources = sources.merge(("server.listen", listen));
        }
        if let Some(data_dir) = &flags.data_dir {
            sources = sources.merge(("data_dir", data_dir));
        }
        let (config, mut mistakes) = extract(&sources);
        if let Some(config) = config {
            mistakes.extend(config.check());
            if mistakes.is_empty() {
                return Ok(config);
            }
        }
        Err(Mistakes(mistakes))
    }

    /// What is wrong beyond the types.
    fn check(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut wrong = |place: &str, what: String| mistakes.push(format!("{place}: {what}"));
        let url = &self.database.url;
        if !(url.is_empty()
            || ["sqlite://", "postgres://", "postgresql://"]
                .iter()
                .any(|scheme| url.starts_with(scheme)))
        {
            wrong("database.url", "is neither `sqlite://…` nor `postgres://…`".into());
        }
        if !self.documents.url.is_empty() && self.documents.url != *url {
            wrong(
                "documents.url",
                "this version keeps documents in the relational database; leave it empty".into(),
            );
        }
        if !self.redis.url.is_empty() {
            wrong(
                "redis.url",
                "this version keeps caches, limits and events in its own process; leave it empty".into(),
            );
        }
        if !(self.objects.url.is_empty() || self.objects.url.starts_with("file:///")) {
            wrong("objects.url", "is not `file:///absolute/path`".into());
        }
        if let Err(error) = Origins::parse(&self.server.cors_origins) {
            wrong("server.cors_origins", error.to_string());
        }
        if self.log.filter.parse::<tracing_subscriber::EnvFilter>().is_err() {
            wrong(
                "log.filter",
                "is not a filter such as `info` or `tavern=debug,warn`".into(),
            );
        }
        let limits = &self.limits;
        if limits.default_page_size == 0 || limits.default_page_size > limits.max_page_size {
            wrong(
                "limits.default_page_size",
                format!("must be between 1 and limits.max_page_size ({})", limits.max_page_size),
            );
        }
        for (field, what) in self.extensions.check() {
            wrong(&format!("extensions.{field}"), what);
        }
        mistakes.extend(self.models_config().validate());
        mistakes
    }

    #[must_use]
    pub fn models_config(&self) -> ModelsConfig {
        ModelsConfig {
            providers: self.providers.clone(),
            models: self.models.clone(),
        }
    }

    /// The database's URL, the embedded one's spelled out.
    #[must_use]
    pub fn database_url(&self) -> String {
        if self.database.url.is_empty() {
            format!("sqlite://{}", absolute(&self.data_dir).join("tavern.db").display())
        } else {
            self.database.url.clone()
        }
    }

    /// Where objects are kept.
    #[must_use]
    pub fn objects_dir(&self) -> PathBuf {
        match self.objects.url.strip_prefix("file://") {
            Some(path) => PathBuf::from(path),
            None => absolute(&self.data_dir).join("objects"),
        }
    }

    /// As TOML, without secrets.
    ///
    /// # Errors
    /// If a value cannot be written as TOML.
    pub fn redacted(&self) -> Result<String, toml::ser::Error> {
        let mut shown = self.clone();
        for url in [
            &mut shown.database.url,
            &mut shown.documents.url,
            &mut shown.redis.url,
            &mut shown.objects.url,
        ] {
            *url = without_password(url);
        }
        toml::to_string(&shown)
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// A URL whose password is hidden; anything that has an `@` but no scheme is hidden whole.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return if url.contains('@') {
            "[redacted]".into()
        } else {
            url.to_owned()
        };
    };
    match rest.rsplit_once('@') {
        None => url.to_owned(),
        Some((login, place)) => {
            let user = login.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:[redacted]@{place}")
        }
    }
}

/// Reads the sources as far as they can be read, and gathers what is wrong with the rest: a value
/// that is refused is noted, taken out, and the next try goes on without it.
fn extract(sources: &Figment) -> (Option<Config>, Vec<String>) {
    let mut mistakes = Vec::new();
    let mut values = match sources.extract::<Dict>() {
        Ok(values) => values,
        Err(errors) => return (None, errors.into_iter().map(|error| error.to_string()).collect()),
    };
    while mistakes.len() < MOST_MISTAKES {
        let tried = Figment::from(Serialized::from(&values, Profile::Default)).extract::<Config>();
        let Err(errors) = tried else {
            return (tried.ok(), mistakes);
        };
        for error in errors {
            let place = error.path.join(".");
            let source = sources
                .find_metadata(&place)
                .map(|found| format!(" ({})", found.name))
                .unwrap_or_default();
            let what = match &error.kind {
                Kind::UnknownField(_, known) => format!("unknown key; known are {}", known.join(", ")),
                kind => kind.to_string(),
            };
            mistakes.push(format!("{place}: {what}{source}"));
            if !take_out(&mut values, &error.path) {
                return (None, mistakes);
            }
        }
    }
    (None, mistakes)
}

/// Removes what stands at `path`; from inside a list, the whole item.
fn take_out(values: &mut Dict, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return false;
    };
    if rest.is_empty() {
        return values.remove(first).is_some();
    }
    match values.get_mut(first) {
        Some(Value::Dict(_, inner)) => take_out(inner, rest),
        Some(Value::Array(_, items)) => match rest[0].parse::<usize>() {
            Ok(index) if index < items.len() => match &mut items[index] {
                Value::Dict(_, inner) if rest.len() > 1 && !is_required(&rest[1]) => take_out(inner, &rest[1..]),
                _ => {
                    items.remove(index);
                    true
                }
            },
            _ => values.remove(first).is_some(),
        },
        Some(_) => values.remove(first).is_some(),
        None => false,
    }
}

/// Without these keys an item of a list would be refused again, for lacking them.
fn is_required(key: &str) -> bool {
    matches!(key, "name" | "kind" | "deployments")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn load(toml: &str) -> Result<Config, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tavern.toml");
        std::fs::write(&file, toml).unwrap();
        Config::load(&Flags {
            file: Some(file),
            ..Flags::default()
        })
        .map_err(|mistakes| mistakes.0)
    }

    #[test]
    fn all_mistakes_are_told_at_once_each_with_its_place() {
        let mistakes = load(
            r#"
            colour = "red"
            [server]
            listen = "nowhere"
            lisen = "127.0.0.1:1"
            [limits]
            tags = "many"
            [database]
            url = "mysql://x"
            [extensions]
            fail_closed = ["lantern"]
            "#,
        )
        .unwrap_err();
        let all = mistakes.join("\n");
        for place in [
            "colour",
            "server.listen",
            "server.lisen",
            "limits.tags",
            "database.url",
            "extensions.fail_closed",
        ] {
            assert!(all.contains(&format!("{place}:")), "{place} is not told in:\n{all}");
        }
        assert_eq!(mistakes.len(), 6, "{all}");
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let config = load("").unwrap();
        assert_eq!(config.server.listen.port(), 4000);
        assert!(config.database_url().starts_with("sqlite:///"));
    }

    #[test]
    fn printing_hides_secrets() {
        let config = load(
            r#"
            [database]
            url = "postgres://tavern:hunter2@localhost/tavern"
            [[providers]]
            name = "home"
            kind = "openai"
            base_url = "http://127.0.0.1:8080/v1"
            api_key = "sk-very-secret"
            "#,
        )
        .unwrap();
        let shown = config.redacted().unwrap();
        assert!(
            !shown.contains("hunter2") && !shown.contains("sk-very-secret"),
            "{shown}"
        );
        assert!(
            shown.contains("postgres://tavern:[redacted]@localhost/tavern"),
            "{shown}"
        );
    }
}
