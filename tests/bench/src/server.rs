//! The release binary under measurement, and the calls that get it ready.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use crate::http::Connection;
use crate::process::{Process, free_address};

/// Starts `tavern` with its data in `folder`. `settings` are `TAVERN__…` variables beyond address and folder.
///
/// # Errors
/// When the binary is not where `TAVERN_BINARY` says, or does not start.
pub fn start(folder: &Path, config: Option<&Path>, settings: &[(&str, String)]) -> Result<Process> {
    let binary = std::env::var_os("TAVERN_BINARY").map_or_else(beside_this_one, |path| Ok(PathBuf::from(path)))?;
    let addr = free_address()?;
    let mut command = Command::new(&binary);
    command.arg("serve");
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command
        .env("TAVERN__SERVER__LISTEN", addr.to_string())
        .env("TAVERN__DATA_DIR", folder.join("data"));
    for (name, value) in settings {
        command.env(name, value);
    }
    Process::start(&command, addr, &folder.join("tavern.log"))
        .with_context(|| format!("{} did not start", binary.display()))
}

fn beside_this_one() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("tavern"))
}

/// A new account's access token.
///
/// # Errors
/// When the server refuses.
pub async fn register(connection: &mut Connection, username: &str) -> Result<String> {
    let data = connection
        .graphql(
            None,
            "mutation Register($input: RegisterInput!) { register(input: $input) { tokens { accessToken } userErrors { message } } }",
            json!({ "input": { "username": username, "email": format!("{username}@example.org"), "password": "correct horse battery staple 7" } }),
        )
        .await?;
    Ok(data["register"]["tokens"]["accessToken"]
        .as_str()
        .context("no access token")?
        .to_owned())
}
