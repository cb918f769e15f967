//! What is done now and then: what has expired goes, and what fails too often is switched off.

use std::time::Duration;

use tavern_domain::Result;
use tavern_plugins::breaker::Condemned;

use super::Extensions;
use super::{events, ports};
use crate::Shared;

/// How soon an installation that fails too often is switched off.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Looks between two sweeps.
const SWEEP_EVERY: u32 = 60;
/// How long it can be seen what was called for a reply: as long as what was sent for it.
const TRACES_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Rows deleted at once.
const BATCH: u32 = 500;

impl Extensions {
    pub(super) fn start_housekeeping(&self) {
        let extensions = self.clone();
        self.0.events.tasks().spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            for look in 0_u32.. {
                tokio::select! {
                    () = extensions.0.stop.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                if let Err(error) = extensions.disable_condemned().await {
                    tracing::error!(
                        ?error,
                        "installations that fail could not be switched off; it is tried again"
                    );
                }
                if look.is_multiple_of(SWEEP_EVERY)
                    && let Err(error) = extensions.sweep().await
                {
                    tracing::error!(?error, "extensions could not be tidied up; it is tried again");
                }
            }
        });
    }

    /// Switches off what the host has given up on.
    pub(crate) async fn disable_condemned(&self) -> Result<()> {
        let Shared { store, clock, .. } = &*self.0.shared;
        for Condemned {
            installation: id,
            reason,
        } in self.0.host.take_condemned()
        {
            if let Some(installation) = store.extensions.disable(id, &reason, clock.now()).await? {
                tracing::warn!(installation = %id, extension = installation.name, reason, "an extension was switched off");
                self.0.events.changed(id, "stopped", &installation.version);
            }
        }
        Ok(())
    }

    /// Forgets what has expired.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let Shared { store, clock, .. } = &*self.0.shared;
        let now = clock.now();
        store.extensions.sweep_values(now).await?;
        store.extensions.delete_logs_before(now.minus(events::KEPT)).await?;
        store.extensions.delete_budgets_before(ports::day(now)).await?;
        while store
            .extensions
            .delete_traces_before(now.minus(TRACES_KEPT), BATCH)
            .await?
            > 0
        {}
        Ok(())
    }
}
