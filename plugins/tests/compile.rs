//! The process that compiles: what it is given, what it may take, and what becomes of it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tavern_domain::SystemClock;
use tavern_plugins::Host;
use tavern_plugins::ports::MemoryPorts;
use tavern_plugins::program::LoadError;
use tavern_plugins::settings::{CompileSettings, PluginSettings};
use tempfile::TempDir;

struct House {
    host: Host,
    folder: TempDir,
}

impl House {
    fn new() -> Self {
        Self::with(env!("CARGO_BIN_EXE_tavern-compile"), &[], |_| {})
    }

    fn with(worker: &str, arguments: &[&str], change: impl FnOnce(&mut PluginSettings)) -> Self {
        let folder = TempDir::new().expect("a directory");
        let host = Self::host(folder.path(), worker, arguments, change);
        Self { host, folder }
    }

    fn host(folder: &Path, worker: &str, arguments: &[&str], change: impl FnOnce(&mut PluginSettings)) -> Host {
        let mut settings = PluginSettings::default();
        change(&mut settings);
        let compile = CompileSettings {
            cache: folder.join("code"),
            worker: worker.into(),
            worker_arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            patience: Duration::from_secs(120),
        };
        let ports = Arc::new(MemoryPorts::default());
        Host::new(settings, compile, [3; 32], ports, Arc::new(SystemClock)).expect("a host")
    }

    async fn check(&self, component: Vec<u8>) -> Result<(), LoadError> {
        self.host.check_component(component.into(), false).await.map(|_| ())
    }

    fn compiled(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("code"))
            .expect("the cache")
            .count()
    }
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("a component")
}

/// Components in components, so deep.
fn nested(depth: usize) -> Vec<u8> {
    let header = component("(component)");
    let mut bytes = header.clone();
    for _ in 0..depth {
        let mut outer = header.clone();
        outer.push(4);
        let mut length = bytes.len();
        while length > 127 {
            outer.push((length & 127) as u8 | 128);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.append(&mut bytes);
        bytes = outer;
    }
    bytes
}

fn small() -> Vec<u8> {
    component("(component (core module $module (func)) (core instance (instantiate $module)))")
}

#[tokio::test]
async fn a_component_is_compiled_once_and_then_read_by_the_next_server() {
    let house = House::new();
    assert_eq!(house.check(small()).await, Ok(()));
    assert_eq!(house.compiled(), 1);
    // The same directory and key, and nobody to compile.
    let next = House::host(house.folder.path(), "/nonexistent", &[], |_| {});
    assert!(next.check_component(small().into(), false).await.is_ok());
}

#[tokio::test]
async fn code_that_was_changed_is_compiled_anew() {
    let house = House::new();
    assert_eq!(house.check(small()).await, Ok(()));
    let file = std::fs::read_dir(house.folder.path().join("code"))
        .expect("the cache")
        .next()
        .expect("a file")
        .expect("a file")
        .path();
    let whole = std::fs::read(&file).expect("the code");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 0x10;
    std::fs::write(&file, changed).expect("written");
    let next = House::host(house.folder.path(), env!("CARGO_BIN_EXE_tavern-compile"), &[], |_| {});
    assert!(next.check_component(small().into(), false).await.is_ok());
    assert_eq!(std::fs::read(&file).expect("the code").len(), whole.len());
}

#[tokio::test]
async fn bytes_that_cannot_be_compiled_are_refused_with_a_reason() {
    let house = House::new();
    let whole = small();
    let imports: String = (0..5_000)
        .map(|index| format!("(import \"f{index}\" (func))"))
        .collect();
    // Valid as a header, and nothing else.
    let mut rubbish = whole[..8].to_vec();
    rubbish.extend((0..4096_u32).map(|index| (index * 31 % 251) as u8));
    let mut twice = wat::parse_str("(component (core module (func)))").expect("a component");
    // Two exports of one name, which the text format would not let through.
    let export = [11, 9, 2, 0, 1, b'a', 1, 0, 0, 0, 1];
    twice.extend_from_slice(&export);
    for (name, bytes) in [
        ("cut in the middle", whole[..whole.len() - 3].to_vec()),
        ("rubbish", rubbish),
        ("a duplicate or malformed export", twice),
        (
            "imports that there are not",
            component(&format!("(component {imports})")),
        ),
    ] {
        let error = house.check(bytes).await.expect_err(name);
        let LoadError::Component(why) = &error else {
            panic!("{name}: {error:?}");
        };
        assert!(!why.is_empty() && why.len() < 8192, "{name}: {why}");
    }
    assert_eq!(house.check(small()).await, Ok(()), "and the next one is served");
}

#[tokio::test]
async fn what_is_large_or_deep_is_compiled_within_the_limits() {
    let house = House::new();
    let functions = "(func (result i32) (i32.const 1))".repeat(20_000);
    let many = component(&format!("(component (core module {functions}))"));
    assert_eq!(house.check(many).await, Ok(()));
    let mut padded = small();
    // A custom section of a megabyte with an empty name.
    padded.extend_from_slice(&[0, 0x81, 0x80, 0x40, 0]);
    padded.resize(padded.len() + (1 << 20), 7);
    assert_eq!(house.check(padded).await, Ok(()));
    assert_eq!(house.check(nested(2_000)).await, Ok(()));
}

#[tokio::test]
async fn a_compiler_without_enough_memory_or_time_says_so() {
    let functions = "(func (result i32) (i32.const 1))".repeat(20_000);
    let many = component(&format!("(component (core module {functions}))"));
    let house = House::with(env!("CARGO_BIN_EXE_tavern-compile"), &[], |settings| {
        settings.limits.compile_bytes = 48 << 20;
    });
    let refused = house.check(many).await;
    assert!(matches!(refused, Err(LoadError::Component(_))), "{refused:?}");
    assert_eq!(house.compiled(), 0);
}

#[tokio::test]
async fn a_compiler_that_hangs_is_killed() {
    let folder = TempDir::new().expect("a directory");
    let compile = CompileSettings {
        cache: folder.path().join("code"),
        worker: "/bin/sleep".into(),
        worker_arguments: vec!["600".into()],
        patience: Duration::from_millis(200),
    };
    let ports = Arc::new(MemoryPorts::default());
    let host = Host::new(
        PluginSettings::default(),
        compile,
        [3; 32],
        ports,
        Arc::new(SystemClock),
    )
    .expect("a host");
    let started = Instant::now();
    let error = host
        .check_component(small().into(), false)
        .await
        .expect_err("nobody answers");
    assert!(
        matches!(&error, LoadError::House(why) if why.contains("longer than")),
        "{error:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn what_the_compiler_says_is_what_the_author_reads() {
    let house = House::with("/bin/sh", &["-c", "echo 'function 7 is too odd' >&2; exit 1"], |_| {});
    let said = LoadError::Component("function 7 is too odd".into());
    assert_eq!(house.check(small()).await, Err(said));
    for signal in ["XCPU", "ABRT", "SEGV"] {
        let house = House::with(
            "/bin/sh",
            &["-c", &format!("cat > /dev/null; kill -{signal} $$")],
            |_| {},
        );
        let error = house.check(small()).await.expect_err(signal);
        assert!(
            matches!(&error, LoadError::Component(why) if why.contains("cannot be compiled within")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_compiler_that_cannot_do_its_work_is_not_the_components_fault() {
    for (what, script) in [
        ("killed by the machine", "cat > /dev/null; kill -KILL $$"),
        ("stopped by somebody", "cat > /dev/null; kill -TERM $$"),
        ("not a program", "exec /nonexistent"),
        ("another program", "cat > /dev/null"),
        ("a failure without a word", "exit 1"),
        (
            "not limited",
            &format!("exec env -i {}", env!("CARGO_BIN_EXE_tavern-compile")),
        ),
    ] {
        let house = House::with("/bin/sh", &["-c", script], |_| {});
        let error = house.check(small()).await.expect_err(what);
        assert!(matches!(&error, LoadError::House(_)), "{what}: {error:?}");
    }
    let house = House::with("/nonexistent", &[], |_| {});
    let error = house.check(small()).await.expect_err("it cannot be started");
    assert!(
        matches!(&error, LoadError::House(why) if why.contains("cannot be started")),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_failed_by_the_machine_is_compiled_when_it_is_asked_for_again() {
    let folder = TempDir::new().expect("a directory");
    let been = folder.path().join("been");
    let script = format!(
        "if [ -e {been} ]; then exec {compiler}; fi; : > {been}; kill -KILL $$",
        been = been.display(),
        compiler = env!("CARGO_BIN_EXE_tavern-compile")
    );
    let house = House::with("/bin/sh", &["-c", &script], |_| {});
    assert!(matches!(house.check(small()).await, Err(LoadError::House(_))));
    assert_eq!(house.check(small()).await, Ok(()));
}

#[tokio::test]
async fn many_who_ask_at_once_wait_for_one_compilation() {
    let folder = TempDir::new().expect("a directory");
    let count = folder.path().join("count");
    let script = format!(
        "echo x >> {}; exec {}",
        count.display(),
        env!("CARGO_BIN_EXE_tavern-compile")
    );
    let house = House::with("/bin/sh", &["-c", &script], |_| {});
    let checks = (0..16).map(|_| house.check(small()));
    for checked in futures::future::join_all(checks).await {
        assert_eq!(checked, Ok(()));
    }
    assert_eq!(std::fs::read_to_string(count).expect("the count"), "x\n");
}
