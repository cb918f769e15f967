//! What is served besides the API: pictures of characters, exported files, and the public keys of access tokens.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use tavern_domain::Code;
use tavern_services::Services;
use tavern_services::export::ExportFile;

/// A picture's name contains the hash of its file: what is under it never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// `/objects/avatars/{character}/{hash}-{size}`, `/objects/exports/{token}/{file name}` and
/// `/.well-known/jwks.json`.
pub fn routes(services: Services) -> Router {
    Router::new()
        .route("/objects/avatars/{character}/{picture}", get(avatar))
        .route("/objects/exports/{token}/{file_name}", get(export))
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

/// The name in the path is for those who save what they were linked to; the token alone counts.
async fn export(State(services): State<Services>, Path((token, _)): Path<(String, String)>) -> Response {
    let file = match services.exports.fetch(&token).await {
        Ok(file) => file,
        Err(error) if error.code() == Code::NotFound => return missing(),
        Err(error) if matches!(error.code(), Code::Overloaded | Code::Unavailable) => {
            let headers = [(header::CACHE_CONTROL, "no-store"), (header::RETRY_AFTER, "10")];
            return (StatusCode::SERVICE_UNAVAILABLE, headers, format!("{error}\n")).into_response();
        }
        Err(error) => {
            tracing::error!(?error, "a file could not be exported");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_DISPOSITION, disposition(&file)),
    ];
    (headers, file.bytes).into_response()
}

/// RFC 6266: the name in UTF-8, and one in ASCII for those who do not read that.
fn disposition(file: &ExportFile) -> HeaderValue {
    let plain = |letter: char| match letter {
        ' ' | '.' | '-' | '_' | '(' | ')' => letter,
        _ if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    };
    let ascii: String = file.file_name.chars().map(plain).collect();
    let text = format!(
        "attachment; filename=\"{ascii}\"; filename*=UTF-8''{}",
        file.encoded_name()
    );
    HeaderValue::from_str(&text).expect("letters, digits and a few marks of ASCII")
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
