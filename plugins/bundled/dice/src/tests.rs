use super::*;
use tavern_extension::testing::{self, turn};

fn dice(config: Value) -> Dice {
    Dice::from_config(&config.to_string()).expect("it fits")
}

fn expand(dice: &Dice, turn: &Turn, name: &str, arguments: &[&str]) -> Option<String> {
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    dice.expand(turn, name, &arguments)
}

#[test]
fn the_same_macro_in_the_same_turn_is_the_same_roll_and_an_index_is_another() {
    let dice = dice(json!({}));
    let rolls = |seed| -> Vec<_> {
        let turn = Turn { seed, ..turn() };
        (1..30)
            .map(|index| expand(&dice, &turn, "dice", &["1d1000", &index.to_string()]))
            .collect()
    };
    assert_eq!(rolls(1), rolls(1));
    assert_ne!(rolls(1), rolls(2));
    let first = rolls(1);
    assert!(first.iter().any(|roll| *roll != first[0]));
}

#[test]
fn a_macro_that_cannot_be_rolled_stays_and_the_log_says_why() {
    let dice = dice(json!({}));
    assert_eq!(expand(&dice, &turn(), "dice", &["2d"]), None);
    assert_eq!(expand(&dice, &turn(), "table", &["weather"]), None);
    assert_eq!(expand(&dice, &turn(), "dice", &[]), None);
    let log = testing::host(|host| host.log.join("\n"));
    assert!(log.contains("{{dice}}: `2d`: how many faces"), "{log}");
    assert!(log.contains("there is no table `weather`"), "{log}");
}

#[test]
fn a_detailed_roll_shows_its_dice() {
    let dice = dice(json!({ "detailed": true }));
    assert_eq!(
        expand(&dice, &turn(), "dice", &["2d1+1"]).as_deref(),
        Some("2d1+1: [1, 1] + 1 = 3")
    );
}

#[test]
fn weights_decide_what_is_drawn() {
    let dice = dice(json!({ "tables": { "weather": ["rain", { "text": "sun", "weight": 9 }] } }));
    let suns = (0..1000)
        .filter(|seed| {
            let turn = Turn { seed: *seed, ..turn() };
            expand(&dice, &turn, "table", &["weather"]).as_deref() == Some("sun")
        })
        .count();
    assert!((850..950).contains(&suns), "{suns}");
}

#[test]
fn dice_in_an_entry_are_rolled() {
    let dice = dice(json!({ "tables": { "road": ["[[2d1]] wolves and [[1d1+2]] crows [[", ] } }));
    assert_eq!(
        expand(&dice, &turn(), "table", &["road"]).as_deref(),
        Some("2 wolves and 3 crows [[")
    );
}

#[test]
fn a_table_that_cannot_be_drawn_from_is_no_configuration() {
    assert!(
        dice(json!({ "tables": { "road": ["[[2d6]] wolves"] } }))
            .validate()
            .is_ok()
    );
    for (tables, reason) in [
        (json!({ "empty": [] }), "`empty`: it needs an entry"),
        (
            json!({ "light": [{ "text": "air", "weight": 0 }] }),
            "`light`: it needs an entry",
        ),
        (json!({ "road": ["[[2x6]] wolves"] }), "`road`: `2x6`"),
    ] {
        let error = dice(json!({ "tables": tables })).validate().expect_err(reason);
        assert!(
            matches!(&error, HookError::InvalidConfig(why) if why.contains(reason)),
            "{error:?}"
        );
    }
}

#[test]
fn the_model_rolls_and_draws() {
    let dice = dice(json!({ "tables": { "weather": ["rain"] } }));
    let rolled = dice.call(&turn(), "roll_dice", json!({ "dice": "2d1+3", "reason": "to climb" }));
    assert_eq!(
        rolled,
        Ok(json!({ "total": 5, "dice": [1, 1], "detail": "[1, 1] + 3 = 5" }))
    );
    let drawn = dice.call(&turn(), "draw_from_table", json!({ "table": "weather" }));
    assert_eq!(drawn, Ok(json!({ "text": "rain" })));
    let again = json!({ "dice": "1d10000", "index": 2 });
    assert_eq!(
        dice.call(&turn(), "roll_dice", again.clone()),
        dice.call(&turn(), "roll_dice", again)
    );
}

#[test]
fn the_model_is_told_what_it_did_wrong() {
    let dice = dice(json!({ "tables": { "weather": ["rain"] } }));
    for (name, arguments, reason) in [
        ("roll_dice", json!({}), "dice such as 2d6 are missing"),
        ("roll_dice", json!({ "dice": 6 }), "invalid type"),
        ("draw_from_table", json!({ "table": "food" }), "there are: weather"),
        ("fly", json!({}), "no function `fly`"),
    ] {
        let error = dice.call(&turn(), name, arguments).expect_err(reason);
        assert!(
            matches!(&error, HookError::Failed(why) if why.contains(reason)),
            "{error:?}"
        );
    }
}
