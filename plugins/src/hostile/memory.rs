//! Guests that want all memory there is.

use tavern_domain::extension::{Hook, Outcome};

use super::{Trial, all_end};
use crate::testing::guest::Guest;
use crate::testing::{House, limits, turn};

#[tokio::test]
async fn memory_and_tables_grow_to_the_limit_and_no_further() {
    let bomb = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable";
    let table = "(loop $more (br_if $more (i32.ne (table.grow $wide (ref.null func) (i32.const 1000)) (i32.const -1))))
                 unreachable";
    all_end(
        Outcome::OutOfMemory,
        [
            ("memory", Guest::before_prompt(bomb)),
            ("a table", Guest::before_prompt(table).items("(table $wide 0 funcref)")),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_guest_may_have_all_of_its_memory() {
    let house = House::new();
    // 1024 pages are the limit: one more is refused, and the guest that lives with it goes on.
    let guest = Guest::before_prompt(
        "(if (i32.eq (memory.grow (i32.const 1023)) (i32.const -1)) (then unreachable))
         (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
         (call $ok)",
    );
    let member = house.member(Hook::BeforePrompt, &guest.build(), &[]);
    let mut instance = house.start(&member).await.expect("an instance");
    let called = instance.before_prompt(limits(), &turn(), &[]).await;
    assert_eq!(called.result, Ok(Vec::new()));
    assert_eq!(called.memory, 64 << 20);
}

#[tokio::test]
async fn more_than_a_sandbox_has_at_the_start_is_refused_with_a_reason() {
    let trial = Trial::new();
    for (guest, reason) in [
        (
            Guest::before_prompt("(call $ok)").memory("(memory (export \"memory\") 1025)"),
            "bytes of memory",
        ),
        (
            Guest::before_prompt("(call $ok)").items("(table 50001 funcref)"),
            "table",
        ),
    ] {
        let failure = trial.fails(&guest).await;
        assert_eq!(failure.outcome, Outcome::LoadFailed);
        assert!(failure.message.contains(reason), "{failure:?}");
    }
}

/// So many modules in one component, each with a memory of so many pages.
fn memories(count: usize, pages: usize) -> Vec<u8> {
    let instances = "(core instance (instantiate $module))".repeat(count);
    wat::parse_str(format!(
        "(component (core module $module (memory {pages})) {instances})"
    ))
    .expect("a component")
}

#[tokio::test]
async fn memories_count_together() {
    let trial = Trial::new();
    let failure = trial.component_fails(&memories(3, 400)).await;
    assert_eq!(failure.outcome, Outcome::OutOfMemory, "{failure:?}");
    let failure = trial.component_fails(&memories(5, 1)).await;
    assert_eq!(failure.outcome, Outcome::LoadFailed);
    assert!(failure.message.contains("memories"), "{failure:?}");
}
