//! A manifest: what is read of one holds its rules, is the same from JSON, and what is not says why in bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_plugins::manifest::{Manifest, compile_pattern, widened};
use tavern_plugins::settings::PluginSettings;

fuzz_target!(|text: &str| {
    let manifest = match Manifest::examine(text) {
        Ok(manifest) => manifest,
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                assert!(mistake.message.len() < 2_000, "{}", mistake.message);
                assert!(!mistake.message.contains('\n'), "{}", mistake.message);
            }
            return;
        }
    };
    let capabilities = manifest.capabilities();
    let policy = PluginSettings::default();
    // Whoever grants everything has nothing left to consent to, and gets no more than was asked for.
    assert!(widened(&manifest, &capabilities, &manifest).is_empty());
    for effective in manifest.effective(&capabilities, &policy) {
        assert!(capabilities.iter().any(|asked| asked.covers(&effective)));
    }
    assert!(manifest.effective(&[], &policy).is_empty());
    for settings in manifest.hooks.values() {
        for pattern in &settings.patterns {
            compile_pattern(pattern).expect("it was compiled before");
        }
    }
    let stored = serde_json::to_value(&manifest).expect("it is data");
    assert_eq!(
        serde_json::from_value::<Manifest>(stored).expect("it is a manifest"),
        manifest
    );
});
