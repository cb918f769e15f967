//! Tokens as the turn's model counts them.

use std::sync::Arc;

use crate::bindings::tavern::extension::text::Host;
use crate::store::{State, Stop};

/// Above this, counting goes to a thread that may be kept busy.
const SHORT: usize = 4 << 10;

/// What cutting costs, in texts that are counted.
const CUT_COST: usize = 4;

type Count = Arc<dyn Fn(&str) -> u32 + Send + Sync>;

impl Host for State {
    async fn count_tokens(&mut self, text: String) -> wasmtime::Result<u32> {
        self.admit(text.len())?;
        let count = Arc::clone(&self.facts.count);
        aside(text.len(), move || count(&text)).await
    }

    async fn truncate_tokens(&mut self, text: String, max: u32) -> wasmtime::Result<String> {
        self.admit(text.len().saturating_mul(CUT_COST))?;
        let count = Arc::clone(&self.facts.count);
        aside(text.len(), move || truncate(&count, text, max)).await
    }
}

async fn aside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> wasmtime::Result<T> {
    if bytes <= SHORT {
        return Ok(work());
    }
    let worked = tokio::task::spawn_blocking(work).await;
    Ok(worked.map_err(|error| Stop::Host(error.to_string()))?)
}

/// The longest beginning with at most `max` tokens.
fn truncate(count: &Count, mut text: String, max: u32) -> String {
    // Doubling first: what is cut to little is not counted in whole.
    let mut fits = 0;
    let mut over = text.len();
    let mut tried = (max as usize).saturating_mul(2).max(16);
    while tried < text.len() {
        let end = text.floor_char_boundary(tried);
        if count(&text[..end]) > max {
            over = end;
            break;
        }
        fits = end;
        tried = tried.saturating_mul(2);
    }
    if over == text.len() && count(&text) <= max {
        return text;
    }
    while over - fits > 1 {
        let middle = text.ceil_char_boundary(fits + (over - fits) / 2);
        let middle = if middle < over {
            middle
        } else {
            text.floor_char_boundary(over - 1)
        };
        // One character is left between the two.
        if middle <= fits {
            break;
        }
        if count(&text[..middle]) <= max {
            fits = middle;
        } else {
            over = middle;
        }
    }
    text.truncate(fits);
    text
}

#[cfg(test)]
mod tests;
