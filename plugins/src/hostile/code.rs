//! Bytes that are no component, and code that is not ours.

use tavern_domain::extension::{Hook, Outcome};

use crate::testing::House;
use crate::testing::guest::Guest;

#[tokio::test]
async fn what_is_no_component_is_refused_before_anything_is_compiled() {
    let house = House::new();
    let component = Guest::before_prompt("(call $ok)").build();
    let code = house
        .host
        .inner()
        .engine
        .precompile_component(&component)
        .expect("code");
    for (name, bytes, reason) in [
        ("nothing", Vec::new(), "not a WebAssembly component"),
        ("half a header", component[..6].to_vec(), "not a WebAssembly component"),
        (
            "a core module",
            wat::parse_str("(module)").expect("a module"),
            "core module",
        ),
        ("compiled code", code, "compiled code"),
        ("text", b"(component)".to_vec(), "not a WebAssembly component"),
        ("too much", vec![0; (24 << 20) + 1], "bytes"),
    ] {
        let error = house.host.check_component(bytes.into(), false).await.expect_err(name);
        assert!(error.to_string().contains(reason), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_component_that_cannot_be_compiled_is_not_tried_again_at_once() {
    let house = House::new();
    let component = Guest::before_prompt("(call $ok)").build();
    let member = house.member(Hook::BeforePrompt, &component, &[]);
    house.host.inner().programs.disk().forget(&member.program.sha256);
    let first = house.start(&member).await.err().expect("there is nobody to compile");
    assert_eq!(first.outcome, Outcome::HostError, "{first:?}");
    // Code that is there now is not looked for.
    house.member(Hook::BeforePrompt, &component, &[]);
    let second = house.start(&member).await.err().expect("it is remembered");
    assert_eq!(first, second);
    // Whoever asks on purpose is not held up by it.
    assert!(house.host.prepare(&member.program).await.is_ok());
    assert!(house.start(&member).await.is_ok());
}
