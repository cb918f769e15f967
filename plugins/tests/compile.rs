//! The process that compiles: what it is given, what it may take, and what becomes of it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary as _, Unstructured};
use proptest::collection::vec;
use proptest::prelude::*;
use tavern_domain::SystemClock;
use tavern_plugins::Host;
use tavern_plugins::ports::MemoryPorts;
use tavern_plugins::program::LoadError;
use tavern_plugins::settings::{CompileSettings, PluginSettings};
use tempfile::TempDir;
use wasm_smith::Config;

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

fn number(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push((value & 127) as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &number(content.len())[..], content].concat()
}

/// A component of these sections.
fn sections(sections: &[Vec<u8>]) -> Vec<u8> {
    [component("(component)"), sections.concat()].concat()
}

/// Components in components, so deep.
fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(sections(&[]), |inner, _| sections(&[section(4, &inner)]))
}

/// A module of functions that do nothing.
fn functions(count: usize) -> Vec<u8> {
    let mut module = wat::parse_str("(module)").expect("a module");
    module.extend(section(1, &[1, 0x60, 0, 0]));
    module.extend(section(3, &[number(count), vec![0; count]].concat()));
    module.extend(section(10, &[number(count), [2, 0, 0x0b].repeat(count)].concat()));
    sections(&[section(1, &module)])
}

/// Imports of functions, each with a name of its own.
fn imports(count: usize) -> Vec<u8> {
    let import = |index: usize| {
        let name = format!("f{index}");
        [&[0], &number(name.len())[..], name.as_bytes(), &[1, 0]].concat()
    };
    let imports: Vec<u8> = (0..count).flat_map(import).collect();
    let a_function = section(7, &[1, 0x40, 0, 1, 0]);
    sections(&[a_function, section(10, &[number(count), imports].concat())])
}

/// The type of lists of lists, so deep; an index has two bytes from 64 on.
fn lists(depth: u8) -> Vec<u8> {
    let index = |index: u8| match index {
        0..64 => vec![index],
        index => vec![index | 128, 0],
    };
    let list = |of: u8| [vec![0x70], index(of)].concat();
    let types: Vec<u8> = [0x70, 0x7d].into_iter().chain((0..depth - 1).flat_map(list)).collect();
    sections(&[section(7, &[number(depth.into()), types].concat())])
}

/// A module that is exported under each of these names.
fn exported(names: &[u8]) -> Vec<u8> {
    let module = wat::parse_str("(module)").expect("a module");
    let exports = names.iter().flat_map(|name| [0, 1, *name, 0, 0x11, 0, 0]);
    let exports: Vec<u8> = number(names.len()).into_iter().chain(exports).collect();
    sections(&[section(1, &module), section(11, &exports)])
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
    // Valid as a header, and nothing else.
    let mut rubbish = whole[..8].to_vec();
    rubbish.extend((0..4096_u32).map(|index| (index * 31 % 251) as u8));
    for (name, bytes, reason) in [
        ("cut in the middle", whole[..whole.len() - 3].to_vec(), ""),
        ("rubbish", rubbish, ""),
        ("two exports of one name", exported(b"aa"), "conflicts"),
        ("types too deep", lists(100), "too deep"),
        ("fifty thousand imports", imports(50_000), "f0"),
    ] {
        let error = house.check(bytes).await.expect_err(name);
        let LoadError::Component(why) = &error else {
            panic!("{name}: {error:?}");
        };
        assert!(!why.is_empty() && why.len() < 8192, "{name}: {why}");
        assert!(why.contains(reason), "{name}: {why}");
    }
    assert_eq!(house.check(small()).await, Ok(()), "and the next one is served");
}

#[tokio::test]
async fn what_is_large_or_deep_is_compiled_within_the_limits() {
    let house = House::new();
    // A custom section with an empty name.
    let padding = section(0, &vec![0; 10 << 20]);
    for (name, bytes) in [
        ("twenty thousand functions", functions(20_000)),
        ("ten megabytes of padding", [small(), padding].concat()),
        ("two thousand components", nested(2_000)),
        ("types as deep as they may be", lists(99)),
        ("two exports", exported(b"ab")),
    ] {
        assert_eq!(house.check(bytes).await, Ok(()), "{name}");
    }
}

/// The module of a component, and an instance of it.
fn instantiated(module: &[u8]) -> Vec<u8> {
    sections(&[section(1, module), section(2, &[1, 0, 0, 0])])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_valid_is_compiled_or_refused_and_the_house_is_never_to_blame(
        seed in vec(any::<u8>(), 64..4096),
        is_component in any::<bool>(),
    ) {
        let mut seed = Unstructured::new(&seed);
        let config = Config { max_imports: 0, ..Config::arbitrary(&mut seed).expect("there is enough") };
        let bytes = match is_component {
            true => wasm_smith::Component::new(config, &mut seed).expect("a component").to_bytes(),
            false => instantiated(&wasm_smith::Module::new(config, &mut seed).expect("a module").to_bytes()),
        };
        let house = House::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (checked, next) = runtime.block_on(async { (house.check(bytes).await, house.check(small()).await) });
        match checked {
            Ok(()) => {}
            Err(LoadError::Component(why)) => prop_assert!(!why.is_empty() && why.len() < 8192, "{why}"),
            Err(LoadError::House(why)) => prop_assert!(false, "{why}"),
        }
        prop_assert_eq!(next, Ok(()));
    }
}

#[tokio::test]
async fn a_compiler_without_enough_time_says_so_and_the_next_one_is_served() {
    let house = House::with(env!("CARGO_BIN_EXE_tavern-compile"), &[], |settings| {
        settings.limits.compile_seconds = 1;
    });
    let error = house
        .check(functions(200_000))
        .await
        .expect_err("it takes many seconds");
    assert!(
        matches!(&error, LoadError::Component(why) if why.contains("cannot be compiled within")),
        "{error:?}"
    );
    assert_eq!(house.compiled(), 0);
    assert_eq!(house.check(small()).await, Ok(()));
}

#[tokio::test]
async fn a_compiler_without_enough_memory_says_so() {
    let house = House::with(env!("CARGO_BIN_EXE_tavern-compile"), &[], |settings| {
        settings.limits.compile_bytes = 48 << 20;
    });
    let refused = house.check(functions(20_000)).await;
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
