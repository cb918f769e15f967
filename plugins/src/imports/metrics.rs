//! Counters, told when the call has ended.

use crate::bindings::tavern::extension::metrics::Host;
use crate::store::State;

impl Host for State {
    async fn count(&mut self, name: String, delta: u32) -> wasmtime::Result<()> {
        self.admit(name.len())?;
        if self.member.manifest.metrics.contains(&name) {
            let counter = self.call.counters.entry(name).or_default();
            *counter = counter.saturating_add(delta);
        } else {
            self.call
                .note("metrics: a counter that the manifest does not name".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
