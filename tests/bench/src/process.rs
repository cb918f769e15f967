//! Processes under measurement: pinned to a core, read through /proc, ended when dropped.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Where servers run.
pub const SERVER_CORE: usize = 0;
/// Where load is made and databases run.
pub const LOAD_CORE: usize = 1;
/// What /proc counts processor time in; the kernel shows 100 a second on every architecture that Rust's std knows.
const TICKS_PER_SECOND: u64 = 100;

/// A running process that listens on an address.
pub struct Process {
    child: Child,
    pub addr: SocketAddr,
}

impl Process {
    /// Starts `command` on [`SERVER_CORE`], waits until it listens on `addr`. Its output goes to `log`.
    ///
    /// # Errors
    /// When it ends, or does not listen in time: with its output.
    pub fn start(command: &Command, addr: SocketAddr, log: &Path) -> Result<Self> {
        let output = File::create(log)?;
        let mut command = pinned(command, SERVER_CORE);
        let child = command
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let mut process = Self { child, addr };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(addr).is_err() {
            if process.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!(
                    "{:?} does not listen on {addr}:\n{}",
                    command.get_program(),
                    fs::read_to_string(log)?
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// Processor time used so far, by all threads, in user and kernel mode.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(self.proc("stat"))?;
        // The second field, the program's name, may itself hold spaces and parentheses.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .context("an unknown form of /proc/PID/stat")?
            .1
            .split_whitespace()
            .collect();
        let ticks = |index: usize| -> Result<u64> {
            Ok(fields
                .get(index)
                .context("an unknown form of /proc/PID/stat")?
                .parse()?)
        };
        Ok(Duration::from_millis(
            (ticks(11)? + ticks(12)?) * 1000 / TICKS_PER_SECOND,
        ))
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn rss(&self) -> Result<u64> {
        let status = fs::read_to_string(self.proc("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS in /proc/PID/status")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Errors mean that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `command`, kept to one core where the machine has several and `taskset` exists. The process keeps its id.
pub fn pinned(command: &Command, core: usize) -> Command {
    if !can_pin() {
        let mut same = Command::new(command.get_program());
        copy(command, &mut same);
        return same;
    }
    let mut taskset = Command::new("taskset");
    taskset.args(["-c", &core.to_string()]).arg(command.get_program());
    copy(command, &mut taskset);
    taskset
}

fn copy(from: &Command, to: &mut Command) {
    to.args(from.get_args());
    for (name, value) in from.get_envs() {
        if let Some(value) = value {
            to.env(name, value);
        }
    }
}

/// Keeps this process, and the threads it will start, to one core.
pub fn pin_self(core: usize) {
    if can_pin() {
        // A machine that refuses is reported by `pinning`, which asks the same question.
        let _ = Command::new("taskset")
            .args(["-cp", &core.to_string(), &std::process::id().to_string()])
            .output();
    }
}

/// Which part runs where, for the report.
pub fn pinning() -> String {
    if can_pin() {
        format!("servers on core {SERVER_CORE}, load on core {LOAD_CORE}")
    } else {
        "not pinned: one core, or no taskset; figures of servers and load mix".into()
    }
}

fn can_pin() -> bool {
    // Asked of a child's affinity, since this process may be pinned already.
    Command::new("taskset")
        .args(["-c", &format!("{SERVER_CORE},{LOAD_CORE}"), "nproc"])
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout.starts_with(b"2"))
}

/// An address of this machine nobody listens on at this moment.
///
/// # Errors
/// When there is no port left.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
