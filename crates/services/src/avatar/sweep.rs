//! Files whose character never came to be, or is gone: what a crash leaves in the middle of an import
//! or of a deletion.

use std::collections::HashSet;
use std::time::Duration;

use parking_lot::Mutex;
use tavern_domain::{CharacterId, Result, Timestamp};
use tavern_storage::Store;

use super::{Avatars, FOLDER};

/// A file this young may belong to an import that is still to store its character.
pub(crate) const GRACE: Duration = Duration::from_secs(3600);
/// Files looked at in one pass.
const BATCH: usize = 2_000;

/// The last key of the pass before; `None` to begin at the first.
pub(super) type Progress = Mutex<Option<String>>;

impl Avatars {
    /// Deletes the files, and the cards, of characters that are not there. One pass looks at so many
    /// files, the next at those behind them, and so round and round.
    pub(crate) async fn sweep(&self, store: &Store, now: Timestamp) -> Result<()> {
        let after = self.swept.lock().clone();
        let files = self.objects.list(FOLDER, after.as_deref(), BATCH).await?;
        let last = files
            .last()
            .filter(|_| files.len() == BATCH)
            .map(|file| file.key.clone());
        // Whatever else lies there is not ours.
        let old: Vec<_> = files
            .into_iter()
            .filter(|file| file.stored_at.plus(GRACE) < now)
            .filter_map(|file| Some((owner(&file.key)?, file.key)))
            .collect();
        let mut owners: Vec<_> = old.iter().map(|(owner, _)| *owner).collect();
        owners.dedup();
        let existing: HashSet<_> = store.characters.existing(&owners).await?.into_iter().collect();
        let mut count = 0;
        for (owner, key) in old.iter().filter(|(owner, _)| !existing.contains(owner)) {
            store.documents.delete_card(*owner).await?;
            self.objects.delete(key).await?;
            count += 1;
        }
        if count > 0 {
            tracing::info!(count, "swept files of characters that are not there");
        }
        *self.swept.lock() = last;
        Ok(())
    }
}

/// The character whose file this is.
fn owner(key: &str) -> Option<CharacterId> {
    let (id, _) = key.strip_prefix(FOLDER)?.strip_prefix('/')?.split_once('/')?;
    let (kind, number) = id.split_once('_')?;
    format!("{kind}_{}", number.to_ascii_uppercase()).parse().ok()
}
