use serde_json::json;

use super::*;
use crate::testing::House;
use crate::testing::guest::Guest;

fn chain(members: &[Arc<Member>]) -> Chain {
    Chain::new(members.iter().map(|member| Member::clone(member)).collect())
}

/// Quotes an amount and no reason, out of what is on the stack.
fn pricing(amount: &str) -> Guest {
    Guest::new(
        "with-listing-price",
        &format!(
            "(func (export \"tavern:extension/listing-price@0.1.0#price\")
               (param i32 i32 i32 i32) (param $base i64) (param i32 i32) (result i32)
               (drop (call $ok)) (i64.store (i32.const 32) (i64.const 0))
               (i64.store (i32.const 24) {amount}) (i32.const 16))"
        ),
    )
}

#[tokio::test]
async fn a_price_goes_from_one_extension_to_the_next_and_stays_where_one_fails() {
    let house = House::new();
    let double = "(i64.mul (local.get $base) (i64.const 2))";
    let member = |amount| house.member(Hook::ListingPrice, &pricing(amount).build(), &["marketplace"]);
    let chain = chain(&[
        member(double),
        member("(unreachable)"),
        member(double),
        member("(i64.const -1)"),
    ]);
    let price = house.host.price(&chain, "{}", &[], 25).await;
    assert_eq!(price.amount, 100);
    let outcomes: Vec<_> = price.failures.iter().map(|(_, failure)| failure.outcome).collect();
    // The last one's amount is more than the ledger can hold.
    assert_eq!(outcomes, [Outcome::Trap, Outcome::OutputInvalid]);
    house.assert_all_free();
}

/// Moves the result `b` by so much.
fn ranking(delta: &str) -> Guest {
    Guest::new(
        "with-search-rank",
        &format!(
            "(func (export \"tavern:extension/search-rank@0.1.0#rank\") (param i32 i32 i32 i32) (result i32)
               (i32.store (i32.const 1024) (i32.const 1100)) (i32.store (i32.const 1028) (i32.const 1))
               (f64.store (i32.const 1032) (f64.const {delta}))
               (call $text (i32.const 1024) (i32.const 1)))
             (data (i32.const 1100) \"b\")"
        ),
    )
}

#[tokio::test]
async fn scores_move_results_and_anything_but_a_number_moves_nothing() {
    let house = House::new();
    let item = |id: &str, score| Item {
        id: id.into(),
        score,
        features: Vec::new(),
    };
    let items = [item("a", 2.0), item("b", 1.0), item("c", 0.5)];
    for (delta, order, failures) in [
        ("2", [1, 0, 2], 0),
        ("-2", [0, 2, 1], 0),
        ("nan", [0, 1, 2], 1),
        ("inf", [0, 1, 2], 1),
        ("1e300", [0, 1, 2], 1),
    ] {
        let member = house.member(Hook::SearchRank, &ranking(delta).build(), &["marketplace"]);
        let ranked = house.host.rank(&chain(&[member]), "dice", &items).await;
        assert_eq!(ranked.order, order, "{delta}");
        assert_eq!(ranked.failures.len(), failures, "{delta}");
    }
    // The result it moves is not among these.
    let member = house.member(Hook::SearchRank, &ranking("2").build(), &["marketplace"]);
    let ranked = house.host.rank(&chain(&[member]), "dice", &items[..1]).await;
    assert_eq!((ranked.order, ranked.failures.len()), (vec![0], 1));
}

#[tokio::test]
async fn a_validator_that_fails_sends_the_listing_to_a_person() {
    let house = House::new();
    let validating = |body: &str| {
        let guest = Guest::new(
            "with-listing-validate",
            &format!(
                "(func (export \"tavern:extension/listing-validate@0.1.0#validate\") (param i32 i32) (result i32) {body})
                 (data (i32.const 1024) \"\\02\\00\\00\\00\\00\\05\\00\\00\\04\\00\\00\\00\")
                 (data (i32.const 1280) \"spam\")"
            ),
        );
        house.member(Hook::ListingValidate, &guest.build(), &["marketplace"])
    };
    let chain = chain(&[
        validating("(call $text (i32.const 1024) (i32.const 1))"),
        validating("unreachable"),
    ]);
    let review = house.host.validate_listing(&chain, "{}").await;
    let findings: Vec<_> = review.findings.into_iter().map(|(_, finding)| finding).collect();
    assert_eq!(findings, [Finding::Reject("spam".into())]);
    assert_eq!(review.failures.len(), 1);
}

/// Writes a value and then does as it is told.
fn living(validate: &str, migrate: &str) -> Guest {
    let set = "(call $set (i32.const 0) (i32.const 1024) (i32.const 3) (i32.const 1024) (i32.const 3) \
               (i32.const 0) (i64.const 0) (i32.const 0) (i64.const 0) (i32.const 2048))";
    Guest::new(
        "with-lifecycle",
        &format!(
            "(func (export \"tavern:extension/lifecycle@0.1.0#validate-config\") (param i32 i32) (result i32)
               {set} {validate})
             (func (export \"tavern:extension/lifecycle@0.1.0#migrate\") (param i32 i32) (result i32) {set} {migrate})
             (data (i32.const 1024) \"key\")"
        ),
    )
    .import("key-value", "set", "(param i32 i32 i32 i32 i32 i32 i64 i32 i64 i32)")
}

#[tokio::test]
async fn what_a_migration_would_write_is_told_if_it_succeeds_and_not_written() {
    let house = House::new();
    let no = "(call $fail (i32.const 3) (i32.const 1024) (i32.const 3))";
    let values = || house.ports.values.lock().len();

    let failing = house.member(Hook::Lifecycle, &living("(call $ok)", no).build(), &["kv:installation"]);
    let failure = house.host.migrate(&failing, "1.0.0").await.expect_err("it says no");
    assert_eq!((failure.outcome, values()), (Outcome::GuestError, 0));
    assert_eq!(house.host.validate_config(&failing, &json!({})).await, Ok(()));
    assert_eq!(values(), 0, "looking at a configuration stores nothing");

    let working = house.member(Hook::Lifecycle, &living(no, "(call $ok)").build(), &["kv:installation"]);
    let writes = house.host.migrate(&working, "1.0.0").await.expect("it moves them");
    assert_eq!((writes.len(), writes[0].value.as_deref()), (1, Some(&b"key"[..])));
    assert_eq!(values(), 0);
    let failure = house
        .host
        .validate_config(&working, &json!({}))
        .await
        .expect_err("it says no");
    assert_eq!(failure.message, "key");
}

#[tokio::test]
async fn an_extension_without_the_hook_has_nothing_against_it() {
    let house = House::new();
    let member = house.member(Hook::BeforePrompt, &Guest::before_prompt("unreachable").build(), &[]);
    assert_eq!(house.host.validate_config(&member, &json!({})).await, Ok(()));
    assert_eq!(house.host.migrate(&member, "1.0.0").await, Ok(Vec::new()));
}
