//! The playground: a built single-page application, carried inside the binary.

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{StatusCode, header};
use include_dir::{Dir, include_dir};

static BUNDLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../playground/dist");

/// Names under `assets/` contain a hash of what is in them.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `/playground/` and what belongs to it; `/` leads there.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/playground/") }))
        .route("/playground", get(|| async { Redirect::permanent("/playground/") }))
        .route("/playground/", get(|| async { file("index.html") }))
        .route(
            "/playground/{*path}",
            get(|Path(path): Path<String>| async move { file(&path) }),
        )
}

fn file(path: &str) -> Response {
    let Some(found) = BUNDLE.get_file(path) else {
        return (StatusCode::NOT_FOUND, "There is no such page.\n").into_response();
    };
    let kind = match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" | "webmanifest" => "application/json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    let cache = if path.starts_with("assets/") {
        FOR_EVER
    } else {
        "no-cache"
    };
    (
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)],
        found.contents(),
    )
        .into_response()
}
