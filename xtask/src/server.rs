//! The `tavern` binary as the lanes use it: built, started on a port of its own with an empty data directory, stopped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::shell;

/// How long a start may take; it is a matter of milliseconds on an idle machine.
const START: Duration = Duration::from_secs(60);
/// How long a stop may take before it counts as a failure.
const STOP: Duration = Duration::from_secs(30);

/// Builds the binary as the tests use it, and says where it is.
///
/// # Errors
/// When it does not build.
pub fn build() -> Result<PathBuf> {
    shell::run(&mut shell::cargo(&[
        "build",
        "--locked",
        "--package",
        "tavern",
        "--bin",
        "tavern",
    ]))?;
    Ok(shell::target()
        .join("debug")
        .join(format!("tavern{}", std::env::consts::EXE_SUFFIX)))
}

/// `cargo xtask schema`
///
/// # Errors
/// When the binary does not build, or the file cannot be written.
pub fn write_schema() -> Result<()> {
    let sdl = shell::read(Command::new(build()?).arg("schema"))?;
    fs::write("schema/schema.graphql", sdl)?;
    println!("wrote schema/schema.graphql");
    Ok(())
}

/// A running server. Dropping it kills it; [`Server::stop`] asks it to end well.
pub struct Server {
    child: Child,
    url: String,
    log: PathBuf,
    _data: TempDir,
}

impl Server {
    /// Starts `binary` on a free port with an empty data directory. Its output goes to `target/NAME.log`.
    ///
    /// # Errors
    /// When it ends, or does not listen in time: with the end of its output.
    pub fn start(binary: &Path, name: &str) -> Result<Self> {
        let data = TempDir::new()?;
        let log = shell::target().join(format!("{name}.log"));
        let output = File::create(&log)?;
        let child = Command::new(binary)
            .env("TAVERN__SERVER__LISTEN", "127.0.0.1:0")
            .env("TAVERN__DATA_DIR", data.path())
            // The clients share one address, and make more accounts in a minute than people do in a day.
            .env("TAVERN__LIMITS__REGISTRATIONS_PER_HOUR", "10000")
            .current_dir(data.path())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut server = Self {
            child,
            url: String::new(),
            log,
            _data: data,
        };
        server.url = server.wait_until_it_listens()?;
        println!("tavern listens on {} (log: {})", server.url, server.log.display());
        Ok(server)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    fn wait_until_it_listens(&mut self) -> Result<String> {
        let deadline = Instant::now() + START;
        loop {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(url) = address(&log) {
                return Ok(url);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("tavern ended with {status} instead of starting:\n{log}");
            }
            if Instant::now() > deadline {
                bail!("tavern does not listen after {} s:\n{log}", START.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks the server to end, as a supervisor would.
    ///
    /// # Errors
    /// When it had crashed before, or does not end in time, or ends badly.
    pub fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "tavern ended with {status} while it was used; see {}",
                self.log.display()
            );
        }
        shell::read(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() {
                    Ok(())
                } else {
                    bail!(
                        "tavern ended with {status} when asked to stop; see {}",
                        self.log.display()
                    )
                };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "tavern did not stop within {} s; see {}",
            STOP.as_secs(),
            self.log.display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in a line "… listening on http://HOST:PORT…".
fn address(log: &str) -> Option<String> {
    let rest = log.split("listening on http://").nth(1)?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '[' | ']' | '-')))?;
    Some(format!("http://{}", &rest[..end]))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn the_address_is_read_from_a_complete_line_only() {
        assert_eq!(address("INFO listening on http://127.0.0.1:40"), None);
        assert_eq!(
            address("INFO listening on http://127.0.0.1:4000\n"),
            Some("http://127.0.0.1:4000".into())
        );
        assert_eq!(
            address("listening on http://127.0.0.1:4000/ (playground)\n"),
            Some("http://127.0.0.1:4000".into())
        );
        assert_eq!(address("starting\n"), None);
    }
}
