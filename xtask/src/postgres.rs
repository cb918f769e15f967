//! A throw-away PostgreSQL: own data directory, private port on 127.0.0.1, gone when it is no longer needed.
//!
//! The server refuses to run as root; then it runs as `postgres` (Debian's package makes that user) in a folder that
//! user can reach, which a checkout in root's home is not.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::machine::{self, POSTGRES};
use crate::shell;

const SUPERUSER: &str = "tavern";

/// A running server; it is stopped when this is dropped.
pub struct Postgres {
    cluster: Cluster,
    port: u16,
}

impl Postgres {
    /// Starts an empty server under a name of its own; what an interrupted run left under that name is cleared away.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start.
    pub fn start(name: &str) -> Result<Self> {
        let cluster = Cluster::named(name)?;
        cluster.clear()?;
        let port = free_port()?;
        cluster.create()?;
        cluster.start(port)?;
        Ok(Self { cluster, port })
    }

    /// For the maintenance database, as superuser.
    pub fn url(&self) -> String {
        url(self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.clear() {
            eprintln!("xtask: PostgreSQL was not stopped: {error:#}");
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Action {
    /// Start it, if it does not run, and print its address.
    Start,
    /// Stop it and remove its data.
    Stop,
    /// Say whether it runs, and where.
    Status,
}

/// `cargo xtask services …`
///
/// # Errors
/// When PostgreSQL is missing, or does not do what is asked of it.
pub fn services(action: Action) -> Result<()> {
    let cluster = Cluster::named("developer")?;
    match (action, cluster.port()) {
        (Action::Start, None) => {
            let port = free_port()?;
            cluster.clear()?;
            cluster.create()?;
            cluster.start(port)?;
            println!("PostgreSQL runs: {}", url(port));
            println!(
                "Run the tests with TAVERN_TEST_POSTGRES_URL, or the server with TAVERN__DATABASE__URL, set to that."
            );
        }
        (Action::Start | Action::Status, Some(port)) => println!("PostgreSQL runs: {}", url(port)),
        (Action::Status, None) => println!("PostgreSQL does not run."),
        (Action::Stop, _) => {
            cluster.clear()?;
            println!("PostgreSQL is stopped and its data is gone.");
        }
    }
    Ok(())
}

fn url(port: u16) -> String {
    format!("postgres://{SUPERUSER}@127.0.0.1:{port}/postgres")
}

/// A data directory and the programs that work on it.
struct Cluster {
    binaries: PathBuf,
    directory: PathBuf,
    /// The user the server runs as, where the caller's own will not do.
    user: Option<&'static str>,
}

impl Cluster {
    fn named(name: &str) -> Result<Self> {
        let binaries = machine::ensure(&POSTGRES)?;
        let folder = format!("postgres-{name}");
        let (directory, user) = if machine::is_root() {
            // One folder a checkout, since `target` may be out of the other user's reach.
            let checkout = shell::root()
                .to_string_lossy()
                .replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            (
                std::env::temp_dir().join(format!("tavern{checkout}-{folder}")),
                Some("postgres"),
            )
        } else {
            (shell::target().join(folder), None)
        };
        Ok(Self {
            binaries,
            directory,
            user,
        })
    }

    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid", user, "--regid", user, "--clear-groups", "--"])
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        // The caller's directory may be closed to the other user.
        command.current_dir("/");
        command
    }

    fn create(&self) -> Result<()> {
        fs::create_dir_all(&self.directory)?;
        if let Some(user) = self.user {
            shell::run(Command::new("chown").arg(user).arg(&self.directory))?;
        }
        let mut initdb = self.command("initdb");
        initdb
            .args([
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
                "-U",
                SUPERUSER,
                "-D",
            ])
            .arg(self.data());
        shell::read(&mut initdb).context("PostgreSQL cannot create its data directory")?;
        Ok(())
    }

    fn start(&self, port: u16) -> Result<()> {
        println!("PostgreSQL starts on 127.0.0.1:{port}");
        // The data is thrown away, so nothing needs to reach the disk. Unix sockets stay inside the folder.
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c fsync=off -c max_connections=300",
            self.directory.display()
        );
        let log = self.directory.join("server.log");
        let mut pg_ctl = self.command("pg_ctl");
        pg_ctl
            .args(["start", "--silent", "--wait", "-D"])
            .arg(self.data())
            .arg("-l")
            .arg(&log)
            .arg("-o")
            .arg(options);
        shell::run(&mut pg_ctl).with_context(|| format!("PostgreSQL does not start; see {}", log.display()))
    }

    /// The port of the running server.
    fn port(&self) -> Option<u16> {
        let running = self
            .command("pg_ctl")
            .args(["status", "-D"])
            .arg(self.data())
            .output()
            .is_ok_and(|output| output.status.success());
        // The fourth line of this file is the port.
        running
            .then(|| {
                fs::read_to_string(self.data().join("postmaster.pid"))
                    .ok()?
                    .lines()
                    .nth(3)?
                    .trim()
                    .parse()
                    .ok()
            })
            .flatten()
    }

    /// Stops the server if it runs, and removes the data.
    fn clear(&self) -> Result<()> {
        if self.port().is_some() {
            shell::run(
                self.command("pg_ctl")
                    .args(["stop", "--silent", "--mode=immediate", "-D"])
                    .arg(self.data()),
            )?;
        }
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                bail!("{} cannot be removed: {error}", self.directory.display())
            }
            _ => Ok(()),
        }
    }

    fn data(&self) -> PathBuf {
        Path::new(&self.directory).join("data")
    }
}

/// A port nobody listens on at this moment.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
