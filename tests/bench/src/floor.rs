//! The floor: what the hardware, axum and sqlx need for the same bytes, with no GraphQL, no accounts and no checks.
//!
//! One hand-written statement, one plain struct serialised by serde, and a constant for `{ __typename }`.

use std::net::SocketAddr;
use std::str::FromStr;

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::types::Uuid;
use tavern_domain::clock::Timestamp;
use tavern_domain::id::CharacterId;
use tokio::net::TcpListener;

#[derive(clap::Args)]
pub struct Options {
    #[arg(long)]
    listen: SocketAddr,
    /// sqlite:… or postgres:…
    #[arg(long)]
    database: String,
}

/// One row more than a page tells whether there is a next one.
const PAGE: usize = 20;

/// The page, most popular first; runs on the same index as the server's own statement.
const SQL: &str = "\
    SELECT c.id, c.name, c.tags, c.is_nsfw, c.rating, c.rating_count, c.chat_count, c.favorite_count, \
           c.created_at, u.username, u.display_name \
    FROM characters c LEFT JOIN users u ON u.id = c.creator_id \
    WHERE c.visibility = 2 AND c.is_nsfw = FALSE \
    ORDER BY c.chat_count DESC, c.id DESC \
    LIMIT 21";

/// Columns in the order of [`SQL`].
type Row = (
    Uuid,
    String,
    String,
    bool,
    f64,
    i32,
    i32,
    i32,
    i64,
    Option<String>,
    Option<String>,
);

#[derive(Clone)]
enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Database {
    async fn connect(url: &str) -> Result<Self> {
        Ok(if url.starts_with("sqlite:") {
            // The server's own settings, so that SQLite itself is not what is compared.
            let options = SqliteConnectOptions::from_str(url)?
                .read_only(true)
                .pragma("cache_size", "-16384")
                .pragma("mmap_size", "268435456")
                .row_buffer_size(128);
            Self::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(4)
                    .test_before_acquire(false)
                    .connect_with(options)
                    .await?,
            )
        } else {
            Self::Postgres(
                PgPoolOptions::new()
                    .max_connections(8)
                    .test_before_acquire(false)
                    .connect_with(PgConnectOptions::from_str(url)?)
                    .await?,
            )
        })
    }

    async fn page(&self) -> sqlx::Result<Vec<Row>> {
        match self {
            Self::Sqlite(pool) => sqlx::query_as(SQL).fetch_all(pool).await,
            Self::Postgres(pool) => sqlx::query_as(SQL).fetch_all(pool).await,
        }
    }
}

/// # Errors
/// When the address or the database is not to be had.
pub async fn serve(options: Options) -> Result<()> {
    let app = Router::new()
        .route("/graphql", post(characters))
        .route("/typename", post(typename))
        .with_state(Database::connect(&options.database).await?);
    axum::serve(TcpListener::bind(options.listen).await?, app).await?;
    Ok(())
}

async fn characters(State(database): State<Database>, _body: axum::body::Bytes) -> Result<Response, StatusCode> {
    let failed = |_| StatusCode::INTERNAL_SERVER_ERROR;
    let mut rows = database.page().await.map_err(failed)?;
    let has_next_page = rows.len() > PAGE;
    rows.truncate(PAGE);
    let edges = rows
        .into_iter()
        .map(edge)
        .collect::<Result<_, _>>()
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let answer = Answer {
        data: Data {
            characters: Connection {
                edges,
                page_info: PageInfo { has_next_page },
            },
        },
    };
    let body = serde_json::to_vec(&answer).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(([(CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response())
}

async fn typename(_body: axum::body::Bytes) -> Response {
    (
        [(CONTENT_TYPE, "application/json; charset=utf-8")],
        r#"{"data":{"__typename":"Query"}}"#,
    )
        .into_response()
}

fn edge(
    (
        id,
        name,
        tags,
        is_nsfw,
        rating,
        rating_count,
        chat_count,
        favorite_count,
        created_at,
        username,
        display_name,
    ): Row,
) -> serde_json::Result<Edge> {
    Ok(Edge {
        node: Character {
            id: CharacterId::from_uuid(id),
            name,
            tags: RawValue::from_string(tags)?,
            is_nsfw,
            rating,
            rating_count,
            chat_count,
            favorite_count,
            created_at: Timestamp(created_at).to_rfc3339(),
            creator: username
                .zip(display_name)
                .map(|(username, display_name)| Creator { username, display_name }),
        },
    })
}

#[derive(Serialize)]
struct Answer {
    data: Data,
}

#[derive(Serialize)]
struct Data {
    characters: Connection,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connection {
    edges: Vec<Edge>,
    page_info: PageInfo,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
}

#[derive(Serialize)]
struct Edge {
    node: Character,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Character {
    id: CharacterId,
    name: String,
    tags: Box<RawValue>,
    is_nsfw: bool,
    rating: f64,
    rating_count: i32,
    chat_count: i32,
    favorite_count: i32,
    created_at: String,
    creator: Option<Creator>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Creator {
    username: String,
    display_name: String,
}
