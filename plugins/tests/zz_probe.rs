use std::sync::Arc;
use std::time::{Duration, Instant};
use tavern_domain::SystemClock;
use tavern_plugins::Host;
use tavern_plugins::ports::MemoryPorts;
use tavern_plugins::settings::{CompileSettings, PluginSettings};

#[tokio::test]
async fn probe() {
    for path in [
        "/tmp/bw/js/proj/out.wasm",
        "/tmp/bw/try/js-all/target/extension.wasm",
        "/tmp/bw/try/py-all/target/extension.wasm",
    ] {
        let bytes = std::fs::read(path).unwrap();
        let folder = tempfile::TempDir::new().unwrap();
        let host = || {
            let compile = CompileSettings {
                cache: folder.path().join("code"),
                worker: env!("CARGO_BIN_EXE_tavern-compile").into(),
                worker_arguments: vec![],
                patience: Duration::from_secs(120),
            };
            let mut settings = PluginSettings::default();
            settings.limits.wall_ms = 10_000;
            Host::new(
                settings,
                compile,
                [3; 32],
                Arc::new(MemoryPorts::default()),
                Arc::new(SystemClock),
            )
            .unwrap()
        };
        for _ in 0..2 {
            let started = Instant::now();
            let host = host();
            let made = started.elapsed();
            let checked = host.check_component(bytes.clone().into(), true).await;
            println!(
                "{path} {} host {made:?} all {:?}: {:?}",
                bytes.len(),
                started.elapsed(),
                checked.map(|i| (i.hooks, i.memories, i.initial_memory, i.tables, i.initial_table))
            );
            let started = Instant::now();
            let checked = host.check_component(bytes.clone().into(), true).await;
            println!("  again {:?} {}", started.elapsed(), checked.is_ok());
        }
    }
    let bytes = wat::parse_str("(component)").unwrap();
    let _ = bytes;
}
