//! Lines for the author and the owner. They are a stranger's text: nothing in them moves a terminal's cursor or
//! looks like two lines.

use tavern_domain::extension::ExtensionEvent;

use crate::bindings::tavern::extension::log::{Host, Level};
use crate::bindings::tavern::extension::types::Pair;
use crate::settings::PluginLimits;
use crate::store::State;

/// What one call has logged.
#[derive(Default)]
pub(crate) struct Log {
    /// For traces.
    pub lines: Vec<String>,
    pub events: Vec<ExtensionEvent>,
    bytes: usize,
    /// Lines that were over the limit.
    left_out: u32,
    cut: u32,
}

impl Log {
    fn write(&mut self, limits: &PluginLimits, level: &str, message: &str, fields: &[Pair]) {
        let message = clean(message);
        let fields: Vec<_> = fields
            .iter()
            .map(|pair| (clean(&pair.key), clean(&pair.value)))
            .collect();
        let mut line = format!("{level} {message}");
        for (key, value) in &fields {
            line.push_str(&format!(" {key}={value}"));
        }
        let room = limits.log_bytes.saturating_sub(self.bytes);
        if self.lines.len() >= limits.log_lines || room == 0 {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let most = limits.log_line_bytes.min(room);
        let event = if line.len() > most {
            self.cut = self.cut.saturating_add(1);
            line.truncate(line.floor_char_boundary(most));
            // The line has all of it that fits; what is left of its parts is no longer told apart.
            let message = line.get(level.len() + 1..).unwrap_or_default().to_owned();
            (message, Vec::new())
        } else {
            (message, fields)
        };
        self.bytes += line.len();
        self.lines.push(line);
        self.events.push(ExtensionEvent::Log {
            level: level.to_owned(),
            message: event.0,
            fields: event.1,
        });
    }

    /// What a guest wrote to its standard output and error.
    pub fn printed(&mut self, limits: &PluginLimits, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            self.write(limits, "print", line, &[]);
        }
    }

    /// What did not fit.
    pub fn note(&self) -> Option<String> {
        (self.left_out + self.cut > 0).then(|| format!("log: {} lines left out, {} lines cut", self.left_out, self.cut))
    }
}

/// Without terminal escapes, control characters, and marks that turn the direction of writing around.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // The rest of a control sequence, up to its final letter.
            '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                while characters.next_if(|next| matches!(next, ' '..='?')).is_some() {}
                characters.next_if(|next| matches!(next, '@'..='~'));
            }
            '\n' | '\t' | '\u{2028}' | '\u{2029}' => cleaned.push(' '),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            character if character.is_control() => {}
            character => cleaned.push(character),
        }
    }
    cleaned
}

impl Host for State {
    async fn write(&mut self, level: Level, message: String, fields: Vec<Pair>) -> wasmtime::Result<()> {
        let bytes = fields
            .iter()
            .map(|pair| pair.key.len() + pair.value.len())
            .sum::<usize>();
        self.admit(message.len() + bytes)?;
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let limits = &self.host.settings().limits;
        self.call.log.write(limits, level, &message, &fields);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
