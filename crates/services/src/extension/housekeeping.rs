//! What is done now and then: what has expired or belongs to nothing goes, what fails too often is switched
//! off, and what operators have stopped on any server is stopped here, and nothing else.

use std::time::Duration;

use tavern_domain::{Result, Timestamp};
use tavern_plugins::breaker::Condemned;

use super::Extensions;
use super::chain::{PACKAGES, package_of};
use super::{events, ports};
use crate::Shared;

/// How soon an installation that fails too often is switched off.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Looks between two sweeps.
const SWEEP_EVERY: u32 = 60;
/// How long it can be seen what was called for a reply: as long as what was sent for it.
const TRACES_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// A package this young may belong to a publication that is still to store its version.
pub(super) const GRACE: Duration = Duration::from_secs(24 * 3600);
/// Rows deleted at once.
const BATCH: u32 = 500;
/// Packages looked at in one sweep.
const PACKAGES_AT_ONCE: usize = 500;

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
                if let Err(error) = extensions.look_who_is_stopped().await {
                    tracing::error!(?error, "what operators have stopped cannot be read; it is tried again");
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

    /// Turns that are under way learn so what was stopped on another server, and hosts what runs again.
    pub(crate) async fn look_who_is_stopped(&self) -> Result<()> {
        let _told = self.0.telling.lock().await;
        let killed = self.0.shared.store.extensions.killed().await?;
        self.0.host.set_killed(killed);
        Ok(())
    }

    /// Forgets what has expired.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let Shared { store, clock, .. } = &*self.0.shared;
        let now = clock.now();
        store.extensions.sweep_values(now).await?;
        store.extensions.delete_logs_before(now.minus(events::KEPT)).await?;
        while store.extensions.delete_budgets_before(ports::day(now), BATCH).await? > 0 {}
        while store
            .extensions
            .delete_traces_before(now.minus(TRACES_KEPT), BATCH)
            .await?
            > 0
        {}
        self.sweep_packages().await
    }

    /// Deletes packages that are no version's: what was refused after it was stored, or a crash left behind.
    /// One pass looks at so many, the next at those behind them, and so round and round.
    async fn sweep_packages(&self) -> Result<()> {
        let Shared { store, clock, .. } = &*self.0.shared;
        let after = self.0.swept.lock().clone();
        let packages = store.objects.list(PACKAGES, after.as_deref(), PACKAGES_AT_ONCE).await?;
        let last = packages.last().filter(|_| packages.len() == PACKAGES_AT_ONCE);
        let last = last.map(|package| package.key.clone());
        let is_old = |stored_at: Timestamp| stored_at.plus(GRACE) < clock.now();
        for package in packages.iter().filter(|package| is_old(package.stored_at)) {
            // Whatever else lies there is not ours.
            let Some(sha256) = package_of(&package.key) else {
                continue;
            };
            if store.extensions.is_published(sha256).await? {
                continue;
            }
            // What is being published just now was stored anew.
            if store.objects.stored_at(&package.key).await?.is_some_and(is_old) {
                store.objects.delete(&package.key).await?;
                tracing::info!(package = sha256, "swept a package that is no version's");
            }
        }
        *self.0.swept.lock() = last;
        Ok(())
    }
}
