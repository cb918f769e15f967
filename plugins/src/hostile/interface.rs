//! Guests that do not keep to the interface: in what they give back, in what they give the host, and in what
//! they say they are.

use tavern_domain::extension::{Hook, Outcome};
use wit_component::StringEncoding;

use super::{Trial, all_end};
use crate::testing::House;
use crate::testing::guest::Guest;

/// A result of `before-prompt` with these words at the place it is expected at.
fn result(words: &[i64]) -> Guest {
    let stores: String = words
        .iter()
        .enumerate()
        .map(|(index, word)| format!("(i32.store (i32.const {}) (i32.const {word}))", 16 + 4 * index))
        .collect();
    Guest::before_prompt(&format!("{stores} (i32.const 16)"))
}

#[tokio::test]
async fn a_result_that_is_none_is_refused() {
    all_end(
        Outcome::OutputInvalid,
        [
            ("a pointer that is not aligned", Guest::before_prompt("(i32.const 17)")),
            ("a pointer out of memory", Guest::before_prompt("(i32.const -4)")),
            ("neither ok nor error", result(&[2])),
            ("an error of no kind", result(&[1, 9])),
            ("a list out of memory", result(&[0, 65_532, 10])),
            ("a list whose end overflows", result(&[0, 65_532, -1])),
            (
                "an edit of no kind",
                result(&[0, 1024, 1]).items("(data (i32.const 1024) \"\\09\")"),
            ),
            ("a string that ends out of memory", result(&[1, 3, 65_530, 100])),
            ("a string of half a gigabyte", result(&[1, 3, 0, 512 << 20])),
            (
                "a string that is not UTF-8",
                result(&[1, 3, 1024, 2]).items("(data (i32.const 1024) \"\\ff\\fe\")"),
            ),
            (
                "half a surrogate pair",
                result(&[1, 3, 1024, 1])
                    .items("(data (i32.const 1024) \"\\00\\d8\")")
                    .encoding(StringEncoding::UTF16),
            ),
            (
                "memory for the arguments that there is not",
                Guest::before_prompt("(call $ok)")
                    .realloc("(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (i32.const -16))"),
            ),
            (
                "memory for the arguments that is not aligned",
                Guest::before_prompt("(call $ok)")
                    .realloc("(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 1025))"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn arguments_that_are_none_are_a_trap() {
    let write = |arguments: &str| {
        Guest::before_prompt(&format!("(call $write {arguments}) (call $ok)")).import(
            "log",
            "write",
            "(param i32 i32 i32 i32 i32)",
        )
    };
    all_end(
        Outcome::Trap,
        [
            (
                "a level there is not",
                write("(i32.const 9) (i32.const 1024) (i32.const 0) (i32.const 0) (i32.const 0)"),
            ),
            (
                "a message out of memory",
                write("(i32.const 1) (i32.const 65530) (i32.const 100) (i32.const 0) (i32.const 0)"),
            ),
            (
                "fields out of memory",
                write("(i32.const 1) (i32.const 1024) (i32.const 0) (i32.const 65532) (i32.const 2)"),
            ),
        ],
    )
    .await;
}

const LOG: &str = "(call $write (i32.const 1) (i32.const 1024) (i32.const 0) (i32.const 0) (i32.const 0))";

fn logging(body: &str) -> Guest {
    Guest::before_prompt(body).import("log", "write", "(param i32 i32 i32 i32 i32)")
}

/// Gives memory out, upwards, after this.
fn giving(first: &str) -> String {
    format!(
        "(func (export \"cabi_realloc\") (param i32 i32 i32) (param $bytes i32) (result i32) (local $at i32) {first}
           (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
           (global.set $heap (i32.add (local.get $at) (local.get $bytes)))
           (local.get $at))"
    )
}

#[tokio::test]
async fn unreachable_is_a_trap_before_while_and_after_the_host_was_called() {
    all_end(
        Outcome::Trap,
        [
            ("before", logging(&format!("unreachable {LOG}"))),
            (
                "while the host gives its answer",
                Guest::before_prompt("(global.set $called (i32.const 1)) (call $all (i32.const 512)) (call $ok)")
                    .import("config", "all", "(param i32)")
                    .items("(global $called (mut i32) (i32.const 0))")
                    .realloc(&giving("(if (global.get $called) (then unreachable))")),
            ),
            ("after", logging(&format!("{LOG} unreachable"))),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_host_cannot_be_called_while_it_calls() {
    all_end(
        Outcome::Trap,
        [
            ("where memory is given out", logging("(call $ok)").realloc(&giving(LOG))),
            (
                "after the result was given",
                logging("(call $ok)").items(&format!(
                    "(func (export \"cabi_post_tavern:extension/before-prompt@0.1.0#before-prompt\") (param i32) {LOG})"
                )),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_component_for_another_interface_is_refused_with_a_reason() {
    let house = House::new();
    for (name, guest, reason) in [
        (
            "another version",
            Guest::new(
                "with-before-prompt",
                "(func (export \"tavern:extension/before-prompt@9.0.0#before-prompt\") (param i32) (result i32)
                   (call $ok))",
            )
            .changed("tavern:extension@0.1.0", "tavern:extension@9.0.0"),
            "before-prompt",
        ),
        (
            "another type",
            Guest::new(
                "with-before-prompt",
                "(func (export \"tavern:extension/before-prompt@0.1.0#before-prompt\") (param i32) (result i32)
                   (call $ok))",
            )
            .changed(
                "before-prompt: func(turn: turn, history: list<message>)",
                "before-prompt: func(turn: u32)",
            ),
            "before-prompt",
        ),
        (
            "a function that the host has not",
            Guest::before_prompt("(call $shout) (call $ok)")
                .import("log", "shout", "")
                .changed("interface log {", "interface log { shout: func();"),
            "shout",
        ),
        (
            "a function of another type",
            Guest::before_prompt("(drop (call $count-tokens (i32.const 0))) (call $ok)")
                .import("text", "count-tokens", "(param i32) (result i32)")
                .changed("count-tokens: func(text: string)", "count-tokens: func(text: u32)"),
            "count-tokens",
        ),
        (
            "sockets",
            Guest::before_prompt("(drop (call $listen)) (call $ok)").wasi(
                "sockets/tcp",
                "listen",
                "listen",
                "(result i32)",
            ),
            "--stub-wasi",
        ),
    ] {
        let component = guest.build();
        house.member(Hook::BeforePrompt, &component, &[]);
        let refused = house.host.check_component(component.into(), false).await;
        let error = refused.expect_err(name);
        assert!(error.to_string().contains(reason), "{name}: {error}");
    }
    house.assert_all_free();
}

#[tokio::test]
async fn a_hook_that_is_declared_and_not_there_is_a_failure_to_load() {
    let trial = Trial::new();
    let component = wat::parse_str("(component)").expect("a component");
    let failure = trial.component_fails(&component).await;
    assert_eq!(failure.outcome, Outcome::LoadFailed);
}

#[tokio::test]
async fn what_a_component_is_can_be_told_before_it_runs() {
    let house = House::new();
    let component = Guest::before_prompt("(drop (call $count-tokens (i32.const 0) (i32.const 0))) (call $ok)")
        .import("text", "count-tokens", "(param i32 i32) (result i32)")
        .build();
    house.member(Hook::BeforePrompt, &component, &[]);
    let inspection = house
        .host
        .check_component(component.into(), false)
        .await
        .expect("a component");
    assert_eq!(inspection.hooks.into_iter().collect::<Vec<_>>(), [Hook::BeforePrompt]);
    assert!(inspection.imports.contains(&"tavern:extension/text@0.1.0".to_owned()));
    assert_eq!((inspection.memories, inspection.initial_memory), (1, 65_536));
    house.assert_all_free();
}
