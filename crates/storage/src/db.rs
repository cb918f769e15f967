//! The connections: one writer and a pool of readers over SQLite, one pool over PostgreSQL.

use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sea_orm::sqlx::{self, ConnectOptions};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait, QueryResult, RuntimeErr,
    Select, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use tavern_domain::{Code, Error, Result};

/// How long a caller waits for a connection, and SQLite for a lock, before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections to the relational database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Db {
    /// Never writes: over SQLite its connections are read-only.
    pub read: DatabaseConnection,
    /// Over SQLite a single connection, which makes writers queue here and not in the file.
    pub write: DatabaseConnection,
}

impl Db {
    /// # Errors
    /// BAD_USER_INPUT on `database.url` for a URL that is neither SQLite nor PostgreSQL; UNAVAILABLE
    /// if the database does not answer.
    pub async fn connect(url: &str, readers: u32) -> Result<Self> {
        if url.starts_with("sqlite:") {
            Self::sqlite(url, readers).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::postgres(url, readers).await
        } else {
            Err(Error::bad_input(
                "database.url",
                "A database's URL starts with `sqlite:` or `postgres:`.",
            ))
        }
    }

    async fn sqlite(url: &str, readers: u32) -> Result<Self> {
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(Error::bad_input(
                "database.url",
                "SQLite is used with a file: in memory, each connection would have a database of its own.",
            ));
        }
        let options = SqliteConnectOptions::from_str(url).map_err(|error| {
            Error::bad_input(
                "database.url",
                format!("This is not the URL of an SQLite file: {error}."),
            )
        })?;
        create_private(options.get_filename())?;
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            // NORMAL would save the sync of each commit (0.4 ms against 0.04 ms on a virtual disk)
            // and lose the newest ones when the power fails. What was acknowledged must stay.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .pragma("cache_size", "-16384")
            .pragma("mmap_size", "268435456")
            .pragma("temp_store", "memory")
            .pragma("journal_size_limit", "67108864")
            .statement_cache_capacity(256)
            // A page of rows, and the one that tells whether there are more, without a pause between.
            .row_buffer_size(128)
            .disable_statement_logging();
        let pool = |connections: u32| {
            SqlitePoolOptions::new()
                .min_connections(connections)
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        // The writer first: it creates the file's log, without which nobody can open it to read.
        let write = connect_sqlite(&pool(1), &options).await?;
        let read = connect_sqlite(&pool(readers.max(1)), &options.read_only(true)).await?;
        Ok(Self {
            read: read.into(),
            write: write.into(),
        })
    }

    async fn postgres(url: &str, readers: u32) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| Error::bad_input("database.url", "This is not the URL of a PostgreSQL database."))?;
        let pool = PgPoolOptions::new()
            .max_connections(readers + 4)
            .acquire_timeout(PATIENCE)
            .connect_with(
                options
                    .application_name("tavern")
                    .statement_cache_capacity(256)
                    .disable_statement_logging(),
            )
            .await
            .map_err(unavailable)?;
        let pool = DatabaseConnection::from(pool);
        Ok(Self {
            read: pool.clone(),
            write: pool,
        })
    }

    pub fn backend(&self) -> DbBackend {
        self.read.get_database_backend()
    }

    /// Starts a transaction that may write. Over SQLite it takes the write lock at once: one that
    /// first reads and then wants to write fails whenever another was faster.
    pub async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = TransactionOptions {
            sqlite_transaction_mode: (self.backend() == DbBackend::Sqlite).then_some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        self.write.begin_with_options(options).await.db()
    }

    pub async fn close(&self) {
        // Closing a pool cannot fail; the readers go first, so that the writer can fold its log into the file.
        let _ = self.read.close_by_ref().await;
        let _ = self.write.close_by_ref().await;
    }

    /// Runs hand-written SQL with `$1`, `$2`, … on the readers.
    pub async fn rows(&self, sql: String, values: Vec<Value>) -> Result<Vec<QueryResult>> {
        self.read
            .query_all_raw(Statement::from_sql_and_values(self.backend(), sql, values))
            .await
            .db()
    }
}

/// Makes the file, and the directory it is in, its owner's alone: it holds password hashes and chats.
/// What exists already keeps its mode. SQLite gives its log the mode of the file.
fn create_private(file: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    let failed = |error: std::io::Error| {
        Error::new(
            Code::Unavailable,
            format!("The database file {} cannot be made: {error}.", file.display()),
        )
    };
    if let Some(directory) = file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
    }
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    Ok(())
}

/// Whoever opens a file while another process makes its log is locked out at once, whatever its
/// busy timeout says, and has to try again.
async fn connect_sqlite(pool: &SqlitePoolOptions, options: &SqliteConnectOptions) -> Result<SqlitePool> {
    const PAUSE: Duration = Duration::from_millis(25);
    let started = Instant::now();
    loop {
        match pool.clone().connect_with(options.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(error) if is_locked(&error) && started.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(unavailable(error)),
        }
    }
}

/// SQLITE_BUSY, in any of its shades.
fn is_locked(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}

#[track_caller]
fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(
        Code::Unavailable,
        "The database is not available at the moment. Try again.",
    )
    .with_source(source)
}

/// Turns the errors of SeaORM into the house's.
pub(crate) trait DbResult<T> {
    /// # Errors
    /// UNAVAILABLE if the database was busy or away, BAD_USER_INPUT for text it cannot hold, and
    /// INTERNAL_SERVER_ERROR otherwise.
    fn db(self) -> Result<T>;
}

impl<T> DbResult<T> for Result<T, DbErr> {
    #[track_caller]
    fn db(self) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(match failure(&error) {
                Failure::Passing => unavailable(error),
                Failure::Text => Error::bad_input("", "Text cannot hold the character U+0000.").with_source(error),
                Failure::Ours => Error::internal(error),
            }),
        }
    }
}

enum Failure {
    /// Gone when tried again.
    Passing,
    /// PostgreSQL's text has no U+0000.
    Text,
    Ours,
}

fn failure(error: &DbErr) -> Failure {
    let (DbErr::Exec(RuntimeErr::SqlxError(source))
    | DbErr::Query(RuntimeErr::SqlxError(source))
    | DbErr::Conn(RuntimeErr::SqlxError(source))) = error
    else {
        return if matches!(error, DbErr::ConnectionAcquire(_)) {
            Failure::Passing
        } else {
            Failure::Ours
        };
    };
    match source.as_ref() {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => Failure::Passing,
        sqlx::Error::Database(source) => match source.code().as_deref() {
            // SQLite: BUSY and LOCKED with their extended codes. PostgreSQL: serialisation failure,
            // deadlock, too many connections, shutdown.
            Some("5" | "6" | "261" | "517" | "262" | "40001" | "40P01" | "53300" | "57P01" | "57P02" | "57P03") => {
                Failure::Passing
            }
            Some("22021") => Failure::Text,
            _ => Failure::Ours,
        },
        _ => Failure::Ours,
    }
}

/// The row that a unique key selects. `Select::one` would bind a LIMIT, and SQLite plans a statement
/// anew whenever a bound limit is bound.
pub(crate) async fn only<E: EntityTrait>(select: Select<E>, db: &impl ConnectionTrait) -> Result<Option<E::Model>> {
    Ok(select.all(db).await.db()?.pop())
}

pub(crate) fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(Error::internal)
}

/// The longest list of ids in one statement.
const LIST: usize = 128;

/// Cuts a list of keys into lists whose lengths are powers of two, filled up with their last key,
/// so that few shapes of a statement have to be prepared.
pub(crate) fn lists<T: Copy>(keys: impl IntoIterator<Item = T>) -> Vec<Vec<T>> {
    let keys: Vec<T> = keys.into_iter().collect();
    keys.chunks(LIST)
        .map(|chunk| {
            let mut list = chunk.to_vec();
            if let Some(last) = chunk.last() {
                list.resize(chunk.len().next_power_of_two(), *last);
            }
            list
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::lists;

    #[test]
    fn lists_have_few_lengths_and_all_keys() {
        assert!(lists(Vec::<u8>::new()).is_empty());
        assert_eq!(lists([1, 2, 3]), [[1, 2, 3, 3]]);
        let lengths: Vec<usize> = lists(0..300).iter().map(Vec::len).collect();
        assert_eq!(lengths, [128, 128, 64]);
        let mut seen: Vec<i32> = lists(0..300).concat();
        seen.dedup();
        assert_eq!(seen, (0..300).collect::<Vec<_>>());
    }
}
