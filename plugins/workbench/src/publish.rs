//! A package to a server, and what it has to say about it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use reqwest::Url;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const MUTATION: &str = "mutation Publish($input: PublishExtensionInput!) {
  publishExtension(input: $input) {
    version { version }
    report { checks { name passed message } warnings }
    userErrors { field message }
  }
}";

const ROTATE: &str = "mutation Rotate($input: RotatePublisherKeyInput!) {
  rotatePublisherKey(input: $input) { publisher { keys { keyId } } userErrors { field message } }
}";

/// Uploads of eight megabytes over slow lines, and the checks on the other side.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the server's checks found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub accepted: bool,
    /// For people, line by line.
    pub lines: Vec<String>,
}

/// Sends a package. `public_key` makes it the publisher's key, if that has none yet.
///
/// # Errors
/// When the server cannot be reached, or its answer is none of a TavernAI Plus.
pub async fn publish(server: &str, token: &str, package: Bytes, public_key: Option<&str>) -> Result<Published> {
    let operations = json!({
        "query": MUTATION,
        "variables": { "input": { "package": null, "publicKey": public_key } },
    });
    let form = Form::new()
        .text("operations", operations.to_string())
        .text("map", json!({ "0": ["variables.input.package"] }).to_string())
        .part("0", Part::stream(package).file_name("extension.tavext"));
    read(&ask(server, token, |request| request.multipart(form)).await?)
}

/// Adds a key to a publisher's. `signature` is what [`Key::vouch`](crate::keys::Key::vouch) says of it.
///
/// # Errors
/// When the server cannot be reached, or does not take it: why, in its words.
pub async fn rotate(server: &str, token: &str, publisher: &str, public_key: &str, signature: &str) -> Result<()> {
    let input = json!({ "publisher": publisher, "publicKey": public_key, "signature": signature });
    let operation = json!({ "query": ROTATE, "variables": { "input": input } });
    let answer = ask(server, token, |request| request.json(&operation)).await?;
    let payload = payload(&answer, "rotatePublisherKey")?;
    let errors = list(&payload["userErrors"]);
    if !errors.is_empty() {
        let messages: Vec<_> = errors.iter().map(|error| text(&error["message"])).collect();
        bail!("{}", messages.join("; "));
    }
    Ok(())
}

/// What a server answers.
async fn ask(
    server: &str,
    token: &str,
    with: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> Result<Value> {
    let url = address(server)?;
    // Another part of the program may have chosen already, and then it stays with that.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let request = client
        .post(url.clone())
        .bearer_auth(token)
        // Without a header of this kind the server takes uploads for a trick of some web page.
        .header("apollo-require-preflight", "1");
    let answer = with(request)
        .send()
        .await
        .with_context(|| format!("{url} cannot be reached"))?;
    let status = answer.status();
    let body = answer.text().await?;
    serde_json::from_str(&body)
        .with_context(|| format!("{url} answered {status}, and not in JSON: is it the address of a TavernAI Plus?"))
}

/// Where a server's API is.
fn address(server: &str) -> Result<Url> {
    let url = Url::parse(&format!("{}/graphql", server.trim_end_matches('/'))).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .with_context(|| format!("{server} is no server's address: they begin with http:// or https://"))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a server gave back for an operation.
fn payload<'a>(answer: &'a Value, operation: &str) -> Result<&'a Value> {
    let errors: Vec<String> = list(&answer["errors"])
        .iter()
        .map(|error| match error["extensions"]["code"].as_str() {
            Some("REQUEST_TIMEOUT") => {
                "it is still compiling the extension; publish it once more in a minute".to_owned()
            }
            Some("UNAUTHENTICATED") => format!(
                "{} It is good for a quarter of an hour: log in again, and put the new one in TAVERN_TOKEN",
                text(&error["message"])
            ),
            _ => text(&error["message"]),
        })
        .collect();
    if !errors.is_empty() {
        bail!("the server refused: {}", errors.join("; "));
    }
    let payload = &answer["data"][operation];
    if payload.is_null() {
        bail!("the server has not answered what was asked");
    }
    Ok(payload)
}

/// The server's answer to a publication, for people.
fn read(answer: &Value) -> Result<Published> {
    let payload = payload(answer, "publishExtension")?;
    let mut lines = Vec::new();
    let checks = list(&payload["report"]["checks"]);
    for check in &checks {
        let mark = if check["passed"] == true { "ok  " } else { "FAIL" };
        lines.push(format!("{mark}  {}: {}", text(&check["name"]), text(&check["message"])));
        if check["name"] == "signature.key" && check["passed"] == false {
            lines.push(
                "      `--public-key FILE.pub` sends it: the second of the files that `keygen` has written.".into(),
            );
        }
    }
    let warnings = list(&payload["report"]["warnings"]);
    lines.extend(warnings.iter().map(|warning| format!("note  {}", text(warning))));
    let errors = list(&payload["userErrors"]);
    // What a check has found is an error, too, and was told.
    let told = |error: &&Value| checks.iter().all(|check| check["message"] != error["message"]);
    let others = errors.iter().filter(told);
    lines.extend(others.map(|error| format!("FAIL  {}", text(&error["message"]))));
    Ok(Published {
        accepted: !payload["version"].is_null() && errors.is_empty(),
        lines,
    })
}

#[cfg(test)]
mod tests;
