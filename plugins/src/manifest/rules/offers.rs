//! What an extension offers and brings along: macros, tools, secrets, counters.

use tavern_domain::extension::{Capability, Hook};

use super::{Mistakes, is_name, shorten};
use crate::checks::schema;
use crate::manifest::{HostPattern, Manifest, SecretDeclaration};

const MAX_MACROS: usize = 32;
const MAX_TOOLS: usize = 16;
const MAX_TOOL_SCHEMA_BYTES: usize = 16 << 10;
const MAX_SECRETS: usize = 8;
const MAX_SECRET_HOSTS: usize = 8;
const MAX_METRICS: usize = 16;

pub(super) fn macros(manifest: &Manifest, found: &mut Mistakes) {
    pairs_with(
        manifest,
        Hook::MacroProvider,
        "[[macros]]",
        manifest.macros.len(),
        "macros",
        found,
    );
    found.count("macros", "macros", manifest.macros.len(), MAX_MACROS);
    found.distinct(
        "macros",
        "macro",
        manifest.macros.iter().map(|declared| declared.name.as_str()),
    );
    for declared in manifest.macros.iter().take(MAX_MACROS) {
        let shown = shorten(&declared.name, 60);
        // Hyphens as well as underscores, since both are common in macros people know.
        if !is_name(&declared.name.replace('_', "-"), b'-', 2, 40) {
            found.add(
                "macros",
                format!("The macro `{shown}` has to be 2 to 40 of a-z, 0-9, - and _, beginning with a letter."),
            );
        }
        found.line(
            "macros",
            format!("The help of the macro `{shown}`"),
            &declared.help,
            200,
        );
    }
}

pub(super) fn tools(manifest: &Manifest, found: &mut Mistakes) {
    pairs_with(manifest, Hook::Tool, "[[tools]]", manifest.tools.len(), "tools", found);
    found.count("tools", "tools", manifest.tools.len(), MAX_TOOLS);
    found.distinct("tools", "tool", manifest.tools.iter().map(|tool| tool.name.as_str()));
    for tool in manifest.tools.iter().take(MAX_TOOLS) {
        let shown = shorten(&tool.name, 80);
        let signs = tool
            .name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !(1..=64).contains(&tool.name.len()) || !signs {
            found.add(
                "tools",
                format!("The tool `{shown}` has to be 1 to 64 of a-z, A-Z, 0-9, _ and -."),
            );
        }
        if !(1..=1000).contains(&tool.description.trim().chars().count()) {
            found.add(
                "tools",
                format!("The description of the tool `{shown}` needs 1 to 1000 characters."),
            );
        }
        if tool.parameters.to_string().len() > MAX_TOOL_SCHEMA_BYTES {
            found.add(
                "tools",
                format!("The parameters of the tool `{shown}` have more than {MAX_TOOL_SCHEMA_BYTES} bytes of JSON."),
            );
        } else if let Err(error) = schema::examine(&tool.parameters) {
            found.add("tools", format!("The parameters of the tool `{shown}` {error}."));
        }
    }
}

/// A hook without a declaration is never called, and a declaration without its hook has nobody to answer.
fn pairs_with(manifest: &Manifest, hook: Hook, section: &str, count: usize, field: &'static str, found: &mut Mistakes) {
    match (manifest.hooks.contains_key(&hook), count) {
        (true, 0) => found.add(field, format!("hooks.{hook} needs at least one {section}.")),
        (false, 1..) => found.add(field, format!("{section} needs [hooks.{hook}].")),
        _ => {}
    }
}

/// Headers that frame a message or that the host sets.
const FRAMING: [&str; 10] = [
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "accept-encoding",
    "expect",
];

/// Whether a request's header says how the message is carried, which is the host's alone to say.
pub(crate) fn is_framing(header: &str) -> bool {
    FRAMING.contains(&header) || header.starts_with("proxy-")
}

pub(super) fn secrets(manifest: &Manifest, found: &mut Mistakes) {
    found.count("secrets", "secrets", manifest.secrets.len(), MAX_SECRETS);
    found.distinct(
        "secrets",
        "secret",
        manifest.secrets.iter().map(|secret| secret.name.as_str()),
    );
    let permitted: Vec<HostPattern> = manifest
        .permissions
        .keys()
        .filter_map(|capability| match capability {
            Capability::Http(host) => host.parse().ok(),
            _ => None,
        })
        .collect();
    for secret in manifest.secrets.iter().take(MAX_SECRETS) {
        self::secret(secret, manifest, &permitted, found);
    }
}

fn secret(secret: &SecretDeclaration, manifest: &Manifest, permitted: &[HostPattern], found: &mut Mistakes) {
    let shown = shorten(&secret.name, 60);
    if !is_name(&secret.name, b'-', 1, 40) {
        found.add(
            "secrets",
            format!("The secret `{shown}` has to be 1 to 40 of a-z, 0-9 and -, beginning with a letter."),
        );
    }
    if !manifest
        .permissions
        .contains_key(&Capability::Secret(secret.name.clone()))
    {
        found.add(
            "secrets",
            format!("The secret `{shown}` needs the permission `secret:{shown}`."),
        );
    }
    found.line(
        "secrets",
        format!("The title of the secret `{shown}`"),
        &secret.title,
        80,
    );
    if secret.hosts.is_empty() {
        found.add("secrets", format!("The secret `{shown}` has no hosts it may go to."));
    }
    found.count(
        "secrets",
        format!("hosts of the secret `{shown}`"),
        secret.hosts.len(),
        MAX_SECRET_HOSTS,
    );
    for host in secret.hosts.iter().take(MAX_SECRET_HOSTS) {
        let host_shown = shorten(host, 100);
        match host.parse::<HostPattern>() {
            Ok(pattern) if permitted.iter().any(|permitted| permitted.covers(&pattern)) => {}
            Ok(_) => found.add(
                "secrets",
                format!(
                    "The secret `{shown}` may go to `{host_shown}`, which needs the permission `http:{host_shown}`."
                ),
            ),
            Err(error) => found.add(
                "secrets",
                format!("The host `{host_shown}` of the secret `{shown}` {error}."),
            ),
        }
    }
    let header = secret.header.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if header.is_empty()
        || header.len() > 64
        || !header.bytes().all(is_token)
        || is_framing(&header)
        || header == "cookie"
    {
        found.add(
            "secrets",
            format!(
                "The header `{}` of the secret `{shown}` is none that a secret may stand in, such as `Authorization`.",
                shorten(&secret.header, 80)
            ),
        );
    }
    let plain = secret
        .format
        .bytes()
        .all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if secret.format.len() > 100 || secret.format.matches("{}").count() != 1 || !plain {
        found.add(
            "secrets",
            format!("The format of the secret `{shown}` has to be at most 100 bytes of ASCII with `{{}}` once, such as `Bearer {{}}`."),
        );
    }
}

pub(super) fn metrics(manifest: &Manifest, found: &mut Mistakes) {
    found.count("metrics", "metrics", manifest.metrics.len(), MAX_METRICS);
    found.distinct("metrics", "metric", manifest.metrics.iter().map(String::as_str));
    for name in manifest.metrics.iter().take(MAX_METRICS) {
        if !is_name(name, b'_', 1, 40) {
            found.add(
                "metrics",
                format!(
                    "The metric `{}` has to be 1 to 40 of a-z, 0-9 and _, beginning with a letter.",
                    shorten(name, 60)
                ),
            );
        }
    }
}
