//! The installation's configuration.

use crate::bindings::tavern::extension::config::Host;
use crate::store::State;

impl Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.admit(key.len())?;
        Ok(self.member.config.get(&key).map(ToString::to_string))
    }

    async fn all(&mut self) -> wasmtime::Result<String> {
        self.admit(0)?;
        Ok(match &*self.member.config {
            serde_json::Value::Null => "{}".into(),
            config => config.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
