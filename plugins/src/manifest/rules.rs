//! The rules of a manifest. All that do not hold are told at once, each in a sentence that names the field
//! and the limit.

mod offers;

use std::collections::BTreeSet;
use std::fmt::Display;

use semver::{Version, VersionReq};
use tavern_domain::extension::{Capability, Hook};

use super::{API_VERSION, About, Flush, HookSettings, HostPattern, Manifest};

pub(crate) use offers::is_framing;

/// Bytes of a manifest.
pub(crate) const MAX_BYTES: usize = 64 << 10;
const MAX_PERMISSIONS: usize = 64;
const MAX_HISTORY: u32 = 200;
const MAX_MODEL_TOKENS: u64 = 1_000_000;
const MAX_HINTS: usize = 16;
const MAX_TRIGGERS: usize = 64;
const MAX_TRIGGER_BYTES: usize = 64;
const MAX_TRIGGER_SETTINGS: usize = 16;
const MAX_PATTERNS: usize = 16;
const MAX_PATTERN_BYTES: usize = 256;
const MAX_FLUSH_BYTES: u32 = 4096;
const MAX_KEYWORDS: usize = 10;
/// Mistakes that are told at once.
const MAX_MISTAKES: usize = 50;
/// Bytes of the automaton of one pattern; it is built for every reply.
const PATTERN_SIZE: usize = 1 << 18;

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// `syntax`, `id`, `version`, `hooks`, …
    pub field: &'static str,
    /// A sentence for the author.
    pub message: String,
}

/// A pattern of a stream filter, in a size that can be built for every reply.
///
/// # Errors
/// What is wrong with it, for the author.
pub fn compile_pattern(pattern: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(PATTERN_SIZE)
        .dfa_size_limit(PATTERN_SIZE)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "it grows too large".to_owned(),
            // The first lines draw the pattern with a mark under it, which a sentence cannot hold.
            error => error.to_string().lines().last().unwrap_or_default().trim().to_owned(),
        })
}

pub(super) fn examine(text: &str) -> Result<Manifest, Vec<Mistake>> {
    let syntax = |message| {
        vec![Mistake {
            field: "syntax",
            message,
        }]
    };
    if text.len() > MAX_BYTES {
        return Err(syntax(format!("extension.toml is larger than {MAX_BYTES} bytes.")));
    }
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        syntax(format!(
            "Line {line} of extension.toml: {}.",
            shorten(error.message().trim_end_matches('.'), 500)
        ))
    })?;
    let mut found = Mistakes::default();
    about(&manifest.extension, &mut found);
    permissions(&manifest, &mut found);
    hooks(&manifest, &mut found);
    offers::macros(&manifest, &mut found);
    offers::tools(&manifest, &mut found);
    offers::secrets(&manifest, &mut found);
    offers::metrics(&manifest, &mut found);
    if found.0.is_empty() { Ok(manifest) } else { Err(found.0) }
}

#[derive(Default)]
struct Mistakes(Vec<Mistake>);

impl Mistakes {
    fn add(&mut self, field: &'static str, message: impl Into<String>) {
        if self.0.len() < MAX_MISTAKES {
            self.0.push(Mistake {
                field,
                message: message.into(),
            });
        }
    }

    /// A text of a length, in characters, that can be shown on one line.
    fn line(&mut self, field: &'static str, what: impl Display, text: &str, most: usize) {
        let length = text.chars().count();
        if text.trim().is_empty() || length > most {
            self.add(
                field,
                format!("{what} has {length} characters: it needs 1 to {most}, not only spaces."),
            );
        } else if text.chars().any(char::is_control) {
            self.add(field, format!("{what} has control characters or line breaks."));
        }
    }

    fn count(&mut self, field: &'static str, what: impl Display, count: usize, most: usize) {
        if count > most {
            self.add(field, format!("There are {count} {what}, and {most} are the most."));
        }
    }

    fn distinct<'a>(&mut self, field: &'static str, what: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                self.add(
                    field,
                    format!("The {what} `{}` stands there more than once.", shorten(name, 80)),
                );
            }
        }
    }
}

fn shorten(text: &str, most: usize) -> String {
    let mut short: String = text.chars().filter(|char| !char.is_control()).take(most).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Lower-case letters, digits and one more sign; a letter first.
fn is_name(text: &str, sign: u8, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == sign)
}

/// `publisher/name`.
pub(crate) fn is_id(text: &str) -> bool {
    text.split_once('/').is_some_and(|(publisher, name)| {
        [publisher, name]
            .iter()
            .all(|part| is_name(part, b'-', 2, 40) && !part.ends_with('-'))
    })
}

fn about(about: &About, found: &mut Mistakes) {
    if !is_id(&about.id) {
        found.add(
            "id",
            format!(
                "extension.id is `{}`: it has to be `publisher/name`, each 2 to 40 of a-z, 0-9 and -, beginning with a \
                 letter and not ending with -.",
                shorten(&about.id, 100)
            ),
        );
    }
    match Version::parse(&about.version) {
        Ok(version) if about.version.len() <= 64 && version.build.is_empty() => {}
        Ok(_) => found.add(
            "version",
            "extension.version is longer than 64 bytes, or has build metadata (`+…`).",
        ),
        Err(error) => found.add(
            "version",
            format!(
                "extension.version is `{}`, no semantic version: {error}.",
                shorten(&about.version, 64)
            ),
        ),
    }
    match VersionReq::parse(&about.api) {
        Ok(range) if range.matches(&API_VERSION) => {}
        Ok(range) => found.add(
            "api",
            format!("extension.api is `{range}`, and this server has version {API_VERSION} of the interface."),
        ),
        Err(error) => found.add(
            "api",
            format!(
                "extension.api is `{}`, no range of versions: {error}.",
                shorten(&about.api, 64)
            ),
        ),
    }
    found.line("title", "extension.title", &about.title, 80);
    found.line("summary", "extension.summary", &about.summary, 200);
    if !is_license(&about.license) {
        found.add(
            "license",
            format!(
                "extension.license is `{}`: it has to be an SPDX expression of at most 100 bytes, such as `MIT OR Apache-2.0`.",
                shorten(&about.license, 100)
            ),
        );
    }
    if let Some(repository) = &about.repository {
        let is_address = |text: &str| {
            url::Url::parse(text)
                .is_ok_and(|url| url.scheme() == "https" && url.username().is_empty() && url.has_host())
        };
        if repository.len() > 200 || !is_address(repository) {
            found.add(
                "repository",
                "extension.repository has to be an address that begins with `https://`, of at most 200 bytes.",
            );
        }
    }
    found.count("keywords", "extension.keywords", about.keywords.len(), MAX_KEYWORDS);
    found.distinct("keywords", "keyword", about.keywords.iter().map(String::as_str));
    for keyword in about.keywords.iter().take(MAX_KEYWORDS) {
        if !is_name(keyword, b'-', 1, 30) {
            found.add(
                "keywords",
                format!(
                    "The keyword `{}` has to be 1 to 30 of a-z, 0-9 and -.",
                    shorten(keyword, 60)
                ),
            );
        }
    }
}

/// The shape of an SPDX expression: identifiers, joined by `AND`, `OR` and `WITH`, in balanced parentheses.
/// The list of identifiers grows without us, so they are not looked up.
fn is_license(text: &str) -> bool {
    if text.is_empty() || text.len() > 100 {
        return false;
    }
    let spaced = text.replace('(', " ( ").replace(')', " ) ");
    let (mut depth, mut wants_name) = (0_u32, true);
    for word in spaced.split_whitespace() {
        match word {
            "(" if wants_name => depth += 1,
            ")" if !wants_name && depth > 0 => depth -= 1,
            "AND" | "OR" | "WITH" if !wants_name => wants_name = true,
            "AND" | "OR" | "WITH" => return false,
            name if wants_name
                && name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-+:".contains(&byte)) =>
            {
                wants_name = false;
            }
            _ => return false,
        }
    }
    depth == 0 && !wants_name
}

fn permissions(manifest: &Manifest, found: &mut Mistakes) {
    found.count(
        "permissions",
        "permissions",
        manifest.permissions.len(),
        MAX_PERMISSIONS,
    );
    let (mut histories, mut models) = (0, 0);
    for (capability, reason) in manifest.permissions.iter().take(MAX_PERMISSIONS) {
        let shown = shorten(&capability.to_string(), 100);
        found.line("permissions", format!("The reason for `{shown}`"), reason, 200);
        match capability {
            Capability::History(messages) => {
                histories += 1;
                if !(1..=MAX_HISTORY).contains(messages) {
                    found.add(
                        "permissions",
                        format!("`{shown}` has to be `history:1` to `history:{MAX_HISTORY}`."),
                    );
                }
            }
            Capability::Model(tokens) => {
                models += 1;
                if !(1..=MAX_MODEL_TOKENS).contains(tokens) {
                    found.add(
                        "permissions",
                        format!("`{shown}` has to be `model:1` to `model:{MAX_MODEL_TOKENS}` tokens a day."),
                    );
                }
            }
            Capability::Http(host) => {
                if let Err(error) = host.parse::<HostPattern>() {
                    found.add("permissions", format!("The host of `{shown}` {error}."));
                }
            }
            Capability::Secret(name) if !manifest.secrets.iter().any(|secret| secret.name == *name) => {
                found.add("permissions", format!("`{shown}` needs a [[secrets]] of that name."));
            }
            _ => {}
        }
    }
    for (kind, count) in [("history", histories), ("model", models)] {
        if count > 1 {
            found.add(
                "permissions",
                format!("`{kind}:…` stands there {count} times: one of them has to go."),
            );
        }
    }
}

fn hooks(manifest: &Manifest, found: &mut Mistakes) {
    let called = |hook: &&Hook| **hook != Hook::Lifecycle;
    if !manifest.hooks.keys().any(|hook| called(&hook)) {
        found.add(
            "hooks",
            "There is no [hooks.…] besides `lifecycle`: nothing would ever be called.",
        );
    }
    for (hook, settings) in &manifest.hooks {
        needed_permission(*hook, manifest, found);
        order(*hook, settings, &manifest.extension.id, found);
        filter(*hook, settings, found);
    }
}

fn needed_permission(hook: Hook, manifest: &Manifest, found: &mut Mistakes) {
    let (needed, shown): (&[Capability], _) = match hook {
        Hook::WorldInfo => (&[Capability::LoreRead], "`lore.read`"),
        Hook::StreamFilter => (
            &[Capability::StreamObserve, Capability::StreamModify],
            "`stream.modify` or `stream.observe`",
        ),
        Hook::MacroProvider => (&[Capability::Macros], "`macros`"),
        Hook::Tool => (&[Capability::Tools], "`tools`"),
        Hook::ListingValidate | Hook::ListingPrice | Hook::SearchRank => (&[Capability::Marketplace], "`marketplace`"),
        Hook::Lifecycle | Hook::BeforePrompt | Hook::PromptTransform | Hook::AfterReply => return,
    };
    if !needed
        .iter()
        .any(|capability| manifest.permissions.contains_key(capability))
    {
        found.add("hooks", format!("hooks.{hook} needs the permission {shown}."));
    }
}

fn order(hook: Hook, settings: &HookSettings, own: &str, found: &mut Mistakes) {
    if !(-1000..=1000).contains(&settings.priority) {
        found.add(
            "hooks",
            format!(
                "hooks.{hook}.priority is {}: it has to be -1000 to 1000.",
                settings.priority
            ),
        );
    }
    for (direction, ids) in [("before", &settings.before), ("after", &settings.after)] {
        found.count("hooks", format!("hooks.{hook}.{direction}"), ids.len(), MAX_HINTS);
        for id in ids.iter().take(MAX_HINTS) {
            if !is_id(id) || id == own {
                found.add(
                    "hooks",
                    format!(
                        "hooks.{hook}.{direction} has `{}`, which is no other extension's id.",
                        shorten(id, 100)
                    ),
                );
            }
        }
    }
    if let Some(id) = settings
        .before
        .iter()
        .take(MAX_HINTS)
        .find(|id| settings.after.contains(id))
    {
        found.add(
            "hooks",
            format!("hooks.{hook} wants to be both before and after `{}`.", shorten(id, 100)),
        );
    }
}

fn filter(hook: Hook, settings: &HookSettings, found: &mut Mistakes) {
    let HookSettings {
        flush,
        triggers,
        trigger_settings,
        patterns,
        ..
    } = settings;
    if hook != Hook::StreamFilter {
        let looks = [triggers, trigger_settings, patterns]
            .iter()
            .any(|texts| !texts.is_empty());
        if flush.is_some() || looks {
            found.add(
                "hooks",
                format!(
                    "hooks.{hook} has `flush`, `triggers`, `trigger-settings` or `patterns`, which are for \
                     stream-filter alone."
                ),
            );
        }
        return;
    }
    if let Some(Flush::Bytes(bytes)) = flush
        && !(1..=MAX_FLUSH_BYTES).contains(bytes)
    {
        found.add(
            "hooks",
            format!("hooks.{hook}.flush is {bytes} bytes: it has to be 1 to {MAX_FLUSH_BYTES}."),
        );
    }
    found.count("hooks", format!("hooks.{hook}.triggers"), triggers.len(), MAX_TRIGGERS);
    for trigger in triggers.iter().take(MAX_TRIGGERS) {
        if trigger.is_empty() || trigger.len() > MAX_TRIGGER_BYTES {
            found.add(
                "hooks",
                format!(
                    "The trigger `{}` has {} bytes: it needs 1 to {MAX_TRIGGER_BYTES}.",
                    shorten(trigger, 80),
                    trigger.len()
                ),
            );
        }
    }
    let name = format!("hooks.{hook}.trigger-settings");
    found.count("hooks", name, trigger_settings.len(), MAX_TRIGGER_SETTINGS);
    let names = trigger_settings.iter().map(String::as_str);
    found.distinct("hooks", "setting in trigger-settings", names);
    found.count("hooks", format!("hooks.{hook}.patterns"), patterns.len(), MAX_PATTERNS);
    for pattern in patterns.iter().take(MAX_PATTERNS) {
        let shown = shorten(pattern, 80);
        if pattern.len() > MAX_PATTERN_BYTES {
            found.add(
                "hooks",
                format!(
                    "The pattern `{shown}` has {} bytes: {MAX_PATTERN_BYTES} are the most.",
                    pattern.len()
                ),
            );
            continue;
        }
        match compile_pattern(pattern) {
            Ok(regex) if regex.is_match("") => {
                found.add("hooks", format!("The pattern `{shown}` matches where nothing is."))
            }
            Ok(_) => {}
            Err(error) => found.add("hooks", format!("The pattern `{shown}` cannot be used: {error}.")),
        }
    }
}
