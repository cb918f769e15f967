//! Components are compiled in a process of their own, which has little and can do nothing else.
//!
//! A compiler is large, and what it is given comes from strangers: that it takes too long, takes too much, or
//! falls over must cost no more than one process. The parent gives the component on standard input, and gets
//! code on standard output or a message on standard error. One component is compiled at a time. What is the
//! component's fault, and what the compiler's or the machine's, is told apart: an author hears of the first alone.

use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use rlimit::Resource;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::engine;
use crate::program::LoadError;
use crate::settings::{CompileSettings, PluginLimits};

/// What the parent tells the worker: seconds of processor time, bytes of memory, bytes of the component.
const LIMITS: [&str; 3] = ["TAVERN_COMPILE_SECONDS", "TAVERN_COMPILE_BYTES", "TAVERN_COMPILE_INPUT"];

/// Bytes of a message about what is wrong.
const MESSAGE_BYTES: u64 = 4 << 10;

/// Code is three to five times as large as a component; and some, for small ones.
const CODE_FACTOR: u64 = 16;
const CODE_SLACK: u64 = 16 << 20;

/// The exit codes of a worker whose component cannot be compiled, as it found, or as a panic did.
const REFUSED: i32 = 1;
const PANICKED: i32 = 101;
/// Of one that could not do its work.
const UNABLE: i32 = 3;

/// Processor time beyond the limit, in seconds: within it the worker is told by a signal of its own, while any
/// other end by force is the machine's.
const GRACE_SECONDS: u64 = 5;

/// Signals that a worker gets for what it does itself: `SIGILL`, `SIGTRAP`, `SIGABRT` (memory is refused, or the
/// stack is full), `SIGBUS`, `SIGFPE`, `SIGSEGV` and `SIGXCPU`.
const OWN_SIGNALS: [i32; 7] = [4, 5, 6, 7, 8, 11, 24];

/// The main function of the worker: a component on standard input, its code on standard output.
/// Its memory and time are limited before it reads anything. Gives the exit code.
#[must_use]
pub fn worker() -> i32 {
    match compile_standard_input() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            match error {
                LoadError::Component(_) => REFUSED,
                LoadError::House(_) => UNABLE,
            }
        }
    }
}

fn compile_standard_input() -> Result<(), LoadError> {
    let [seconds, bytes, input] = LIMITS.map(|name| {
        let value = std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        value.ok_or_else(|| LoadError::House(format!("{name} is not set to a number")))
    });
    let (seconds, bytes, input) = (seconds?, bytes?, input?);
    let limits = [
        (Resource::AS, bytes, bytes),
        (Resource::CPU, seconds, seconds.saturating_add(GRACE_SECONDS)),
        (Resource::CORE, 0, 0),
    ];
    for (resource, soft, hard) in limits {
        let limited = resource.set(soft, hard);
        limited.map_err(|error| LoadError::House(format!("the process cannot be limited: {error}")))?;
    }
    let mut component = Vec::new();
    std::io::stdin()
        .lock()
        .take(input.saturating_add(1))
        .read_to_end(&mut component)
        .map_err(|error| LoadError::House(format!("the component cannot be read: {error}")))?;
    if component.len() as u64 > input {
        return Err(LoadError::House(format!("the component is larger than {input} bytes")));
    }
    let engine = Engine::new(&engine::config()).map_err(|error| LoadError::House(format!("{error:#}")))?;
    let code = engine
        .precompile_component(&component)
        .map_err(|error| LoadError::Component(format!("{error:#}")))?;
    let mut out = std::io::stdout().lock();
    out.write_all(&code)
        .and_then(|()| out.flush())
        .map_err(|error| LoadError::House(format!("the code cannot be written: {error}")))
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
    /// Why there is none. What takes too long by the clock, and not on the processor, is the machine's fault.
    pub async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        let _turn = self.turn.acquire().await.expect("it is never closed");
        let work = self.run(component);
        tokio::time::timeout(self.settings.patience, work)
            .await
            .unwrap_or_else(|_| {
                let patience = self.settings.patience.as_secs_f32();
                Err(LoadError::House(format!("it took longer than {patience} s to compile")))
            })
    }

    async fn run(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
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
            .map_err(|error| LoadError::House(format!("the compiler cannot be started: {error}")))?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (worker.stdin.take(), worker.stdout.take(), worker.stderr.take())
        else {
            return Err(LoadError::House("the compiler has no standard streams".into()));
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
            .map_err(|error| LoadError::House(format!("the compiler cannot be waited for: {error}")))?;
        let message = String::from_utf8_lossy(&message);
        let message = message.trim();
        match (status.code(), status.signal()) {
            (Some(0), _) if code.is_empty() => Err(LoadError::House("the compiler gives no code".into())),
            (Some(0), _) if code.len() as u64 > most => {
                Err(LoadError::Component(format!("its code is larger than {most} bytes")))
            }
            (Some(0), _) => Ok(code),
            (Some(REFUSED), _) if !message.is_empty() => Err(LoadError::Component(message.to_owned())),
            (Some(PANICKED), _) => Err(self.too_much(&status)),
            (None, Some(signal)) if OWN_SIGNALS.contains(&signal) => Err(self.too_much(&status)),
            _ => Err(LoadError::House(format!("the compiler failed ({status}): {message}"))),
        }
    }

    fn too_much(&self, status: &ExitStatus) -> LoadError {
        let Self { seconds, bytes, .. } = self;
        LoadError::Component(format!(
            "it cannot be compiled within {seconds} seconds and {bytes} bytes of memory ({status})"
        ))
    }
}

/// What comes, one byte more than `most` at the most; the rest is thrown away, so that the writer ends.
async fn bounded(mut from: impl AsyncRead + Unpin, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = (&mut from).take(most + 1).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    bytes
}
