//! What is served besides the API: pictures of characters, and the public keys of access tokens.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use tavern_services::Services;

/// A picture's name contains the hash of its file: what is under it never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `/objects/avatars/{character}/{hash}-{size}` and `/.well-known/jwks.json`.
pub fn routes(services: Services) -> Router {
    Router::new()
        .route("/objects/avatars/{character}/{picture}", get(avatar))
        .route("/.well-known/jwks.json", get(jwks))
        .with_state(services)
}

async fn avatar(State(services): State<Services>, Path((character, picture)): Path<(String, String)>) -> Response {
    let named = character.parse().ok().zip(
        picture
            .rsplit_once('-')
            .and_then(|(hash, size)| Some((hash, size.parse().ok()?))),
    );
    let Some((character, (hash, size))) = named else {
        return missing();
    };
    match services.characters.avatars().get(character, hash, size).await {
        Ok(Some(picture)) => {
            let headers = [
                (header::CONTENT_TYPE, picture.content_type),
                (header::CACHE_CONTROL, FOR_EVER),
                (header::CONTENT_DISPOSITION, "inline"),
            ];
            (headers, picture.bytes).into_response()
        }
        Ok(None) => missing(),
        Err(error) => {
            tracing::error!(?error, "a picture could not be served");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn missing() -> Response {
    (
        StatusCode::NOT_FOUND,
        [(header::CACHE_CONTROL, "no-store")],
        "There is no such object.\n",
    )
        .into_response()
}

async fn jwks(State(services): State<Services>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/jwk-set+json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, services.accounts.jwks().to_string()).into_response()
}
