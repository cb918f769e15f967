//! Components are compiled in a process of their own, which has little and can do nothing else.
//!
//! A compiler is large, and what it is given comes from strangers: that it takes too long, takes too much, or
//! falls over must cost no more than one process. The parent gives the component on standard input, and gets
//! code on standard output or a message on standard error. One component is compiled at a time.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::time::Duration;

use rlimit::Resource;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::engine;
use crate::settings::{CompileSettings, PluginLimits};

/// What the parent tells the worker: seconds of processor time, bytes of memory, bytes of the component.
const LIMITS: [&str; 3] = ["TAVERN_COMPILE_SECONDS", "TAVERN_COMPILE_BYTES", "TAVERN_COMPILE_INPUT"];

/// Bytes of a message about what is wrong.
const MESSAGE_BYTES: u64 = 4 << 10;

/// Code is three to five times as large as a component; and some, for small ones.
const CODE_FACTOR: u64 = 16;
const CODE_SLACK: u64 = 16 << 20;

/// The main function of the worker: a component on standard input, its code on standard output.
/// Its memory and time are limited before it reads anything. Gives the exit code.
#[must_use]
pub fn worker() -> i32 {
    match compile_standard_input() {
        Ok(()) => 0,
        Err(message) => {
            eprintln!("{message}");
            1
        }
    }
}

fn compile_standard_input() -> Result<(), String> {
    let [seconds, bytes, input] = LIMITS.map(|name| {
        let value = std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        value.ok_or_else(|| format!("{name} is not set to a number"))
    });
    let (seconds, bytes, input) = (seconds?, bytes?, input?);
    for (resource, limit) in [(Resource::AS, bytes), (Resource::CPU, seconds), (Resource::CORE, 0)] {
        resource
            .set(limit, limit)
            .map_err(|error| format!("the process cannot be limited: {error}"))?;
    }
    let mut component = Vec::new();
    std::io::stdin()
        .lock()
        .take(input.saturating_add(1))
        .read_to_end(&mut component)
        .map_err(|error| format!("the component cannot be read: {error}"))?;
    if component.len() as u64 > input {
        return Err(format!("the component is larger than {input} bytes"));
    }
    let code = Engine::new(&engine::config())
        .and_then(|engine| engine.precompile_component(&component))
        .map_err(|error| format!("{error:#}"))?;
    let mut out = std::io::stdout().lock();
    out.write_all(&code)
        .and_then(|()| out.flush())
        .map_err(|error| format!("the code cannot be written: {error}"))
}

/// Runs the worker.
pub(crate) struct Compiler {
    settings: CompileSettings,
    seconds: u64,
    bytes: u64,
    turn: Semaphore,
}

impl Compiler {
    pub fn new(settings: CompileSettings, limits: &PluginLimits) -> Self {
        Self {
            settings,
            seconds: limits.compile_seconds,
            bytes: limits.compile_bytes,
            turn: Semaphore::new(1),
        }
    }

    /// The code of a component. Whoever asked may stop waiting: the process ends then.
    ///
    /// # Errors
    /// Why there is none, for the author.
    pub async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, String> {
        let _turn = self.turn.acquire().await.expect("it is never closed");
        let work = self.run(component);
        tokio::time::timeout(self.settings.patience, work)
            .await
            .unwrap_or_else(|_| {
                Err(format!(
                    "it took longer than {} to compile",
                    told(self.settings.patience)
                ))
            })
    }

    async fn run(&self, component: &[u8]) -> Result<Vec<u8>, String> {
        let limits = [self.seconds, self.bytes, component.len() as u64];
        let mut worker = Command::new(&self.settings.worker)
            .args(&self.settings.worker_arguments)
            .env_clear()
            .envs(LIMITS.into_iter().zip(limits.map(|limit| limit.to_string())))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("the compiler cannot be started: {error}"))?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (worker.stdin.take(), worker.stdout.take(), worker.stderr.take())
        else {
            return Err("the compiler has no standard streams".into());
        };
        let give = async move {
            // A worker that gives up early says why on its standard error.
            let _ = stdin.write_all(component).await;
            drop(stdin);
        };
        let most = CODE_FACTOR * component.len() as u64 + CODE_SLACK;
        let ((), code, message) = tokio::join!(give, bounded(stdout, most), bounded(stderr, MESSAGE_BYTES));
        let status = worker
            .wait()
            .await
            .map_err(|error| format!("the compiler cannot be waited for: {error}"))?;
        let message = String::from_utf8_lossy(&message);
        let message = message.trim();
        if !status.success() {
            return Err(match message {
                "" => format!(
                    "it cannot be compiled within {} seconds and {} bytes of memory ({status})",
                    self.seconds, self.bytes
                ),
                message => message.to_owned(),
            });
        }
        if code.is_empty() || code.len() as u64 > most {
            return Err(format!("its code is empty or larger than {most} bytes"));
        }
        Ok(code)
    }
}

fn told(time: Duration) -> String {
    format!("{} s", time.as_secs_f32())
}

/// What comes, one byte more than `most` at the most; the rest is thrown away, so that the writer ends.
async fn bounded(mut from: impl AsyncRead + Unpin, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = (&mut from).take(most + 1).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    bytes
}
