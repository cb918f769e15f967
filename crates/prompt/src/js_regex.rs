//! Patterns as JavaScript writes them (`/pattern/flags`), in bounded time.

use std::borrow::Cow;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct JsRegex {
    regex: regex::Regex,
    global: bool,
}

impl JsRegex {
    /// `/pattern/flags`; `None` if it is not written so, or does not compile.
    #[must_use]
    pub fn parse(literal: &str) -> Option<Self> {
        let rest = literal.strip_prefix('/')?;
        let (pattern, flags) = rest.rsplit_once('/')?;
        Self::new(pattern, flags)
    }

    /// A bare pattern.
    #[must_use]
    pub fn new(pattern: &str, flags: &str) -> Option<Self> {
        let regex = regex::Regex::new(pattern).ok()?;
        Some(Self {
            regex,
            global: flags.contains('g'),
        })
    }

    /// False as well if the pattern gave up.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Replaces the first match, or all with the flag `g`; `replace` gets the groups, the whole match first.
    /// `None` if the pattern gave up.
    pub fn replace<'t>(
        &self,
        text: &'t str,
        mut replace: impl FnMut(&[Option<&str>]) -> String,
    ) -> Option<Cow<'t, str>> {
        let limit = usize::from(!self.global);
        Some(self.regex.replacen(text, limit, |found: &regex::Captures<'_>| {
            let groups: Vec<_> = found.iter().map(|group| group.map(|group| group.as_str())).collect();
            replace(&groups)
        }))
    }
}
