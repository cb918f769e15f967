//! Code is made ready before a turn needs it: when an extension is installed or changed, and when the server
//! starts. A turn waits for code for a moment only, and then goes on without the extension.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tavern_domain::{ExtensionVersionId, Result};

use super::Extensions;
use super::chain::Loaded;

/// How long somebody who installs an extension waits for its code. After that it goes on by itself.
const AWAITED: Duration = Duration::from_secs(15);
/// Versions looked at when the server starts, and how many of them at once. There are never more in memory
/// than have room there.
const AT_START: u32 = 1_000;
const AT_ONCE: usize = 2;

impl Extensions {
    /// Waits until code is at hand, within bounds. That there is none changes nothing here: turns tell.
    pub(super) async fn ready(&self, loaded: &Loaded) {
        if !self.0.host.settings().enabled {
            return;
        }
        let prepared = tokio::time::timeout(AWAITED, self.0.host.prepare(&loaded.program)).await;
        let problem = match prepared {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it is still being compiled".into(),
        };
        tracing::warn!(
            extension = loaded.name,
            version = loaded.version,
            problem,
            "an extension is not ready"
        );
    }

    /// Makes ready in the background what accounts have switched on, the most lately used first.
    pub fn warm_up(&self) {
        if !self.0.host.settings().enabled {
            return;
        }
        let extensions = self.clone();
        self.0.events.tasks().spawn(async move {
            let made = tokio::select! {
                made = extensions.make_recent_ready() => made,
                () = extensions.0.stop.cancelled() => return,
            };
            match made {
                Ok(count) => tracing::info!(count, "extensions are ready"),
                Err(error) => tracing::error!(?error, "extensions could not be made ready"),
            }
        });
    }

    /// Gives how many are.
    async fn make_recent_ready(&self) -> Result<usize> {
        let recent = self.0.shared.store.extensions.recently_run(AT_START).await?;
        let made = futures::stream::iter(recent).map(|(version, name)| self.bytes_of(version, name));
        let mut made = std::pin::pin!(made.buffered(AT_ONCE));
        let (mut count, mut room) = (0, self.limits().programs_bytes);
        while let Some(bytes) = made.next().await {
            let Some(bytes) = bytes else { continue };
            count += 1;
            // What is made beyond would push out what was used more lately.
            room = room.saturating_sub(bytes);
            if room == 0 {
                break;
            }
        }
        Ok(count)
    }

    /// Bytes of a version's code, which is at hand then.
    async fn bytes_of(&self, version: ExtensionVersionId, name: String) -> Option<u64> {
        let loaded: Arc<Loaded> = match self.loaded(&name, version).await {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(name, ?error, "an extension cannot be loaded");
                return None;
            }
        };
        let prepared = self.0.host.prepare(&loaded.program).await;
        prepared
            .inspect_err(|error| tracing::warn!(name, %error, "an extension is not ready"))
            .ok()
    }
}
