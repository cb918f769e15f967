//! What extensions used of an account's tokens, by the day. It is counted for the extension and not for
//! the installation: installing anew gives no new budget.

use sea_orm::{ConnectionTrait, Statement};
use tavern_domain::{InstallationId, Result};

use super::ExtensionStore;
use crate::db::DbResult;

impl ExtensionStore {
    /// Takes so many tokens out of a day's budget. Gives what is left of it; `None`, and nothing is
    /// taken, if that was too little, or the installation is gone.
    pub async fn reserve_tokens(
        &self,
        installation: InstallationId,
        day: i32,
        tokens: u64,
        budget: u64,
    ) -> Result<Option<u64>> {
        let (tokens, budget) = (whole(tokens), whole(budget));
        let tx = self.db.begin().await?;
        let backend = self.db.backend();
        let first = Statement::from_sql_and_values(
            backend,
            "INSERT INTO extension_budgets (owner_id, extension_id, day, tokens) SELECT owner_id, extension_id, $2, 0 FROM installations WHERE id = $1 ON CONFLICT DO NOTHING",
            [installation.uuid().into(), day.into()],
        );
        tx.execute_raw(first).await.db()?;
        let take = Statement::from_sql_and_values(
            backend,
            "UPDATE extension_budgets SET tokens = tokens + $3 WHERE (owner_id, extension_id) IN (SELECT owner_id, extension_id FROM installations WHERE id = $1) AND day = $2 AND tokens <= $4 RETURNING tokens",
            [
                installation.uuid().into(),
                day.into(),
                tokens.into(),
                budget.saturating_sub(tokens).into(),
            ],
        );
        let Some(row) = tx.query_one_raw(take).await.db()? else {
            return Ok(None);
        };
        let used: i64 = row.try_get_by_index(0).db()?;
        tx.commit().await.db()?;
        Ok(Some(u64::try_from(budget - used).unwrap_or(0)))
    }

    /// What was reserved turned out to be this much. Of an installation that is gone it stays as it was.
    pub async fn settle_tokens(&self, installation: InstallationId, day: i32, reserved: u64, used: u64) -> Result<()> {
        let settle = Statement::from_sql_and_values(
            self.db.backend(),
            "UPDATE extension_budgets SET tokens = tokens - $3 + $4 WHERE (owner_id, extension_id) IN (SELECT owner_id, extension_id FROM installations WHERE id = $1) AND day = $2",
            [
                installation.uuid().into(),
                day.into(),
                whole(reserved).into(),
                whole(used).into(),
            ],
        );
        self.db.write.execute_raw(settle).await.db()?;
        Ok(())
    }

    /// Forgets the days before this one, at most `limit` of them. How many.
    pub async fn delete_budgets_before(&self, day: i32, limit: u32) -> Result<u64> {
        let old = Statement::from_sql_and_values(
            self.db.backend(),
            "DELETE FROM extension_budgets WHERE (owner_id, extension_id, day) IN (SELECT owner_id, extension_id, day FROM extension_budgets WHERE day < $1 LIMIT $2)",
            [day.into(), i64::from(limit).into()],
        );
        Ok(self.db.write.execute_raw(old).await.db()?.rows_affected())
    }
}

fn whole(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}
