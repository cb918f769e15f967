//! Whose entries are considered, in which order, and in which they come out.

use tavern_domain::lore::LoreStrategy;

use super::*;

fn ordered(order: i32) -> LoreEntry {
    changed(constant("…"), |entry| entry.order = order)
}

fn considered(world: &World) -> Vec<String> {
    world
        .run()
        .decisions
        .iter()
        .map(|decision| decision.key.to_string())
        .collect()
}

#[test]
fn sources_come_in_their_order_and_higher_orders_first() {
    use BookKind::{Character, Chat, Global, Persona};
    let books = vec![
        Book::new(Global, "g", &[("g1", ordered(1)), ("g9", ordered(9))]),
        Book::new(Character, "c", &[("c5", ordered(5))]),
        Book::new(Persona, "p", &[("p", ordered(0))]),
        Book::new(Chat, "h", &[("h", ordered(-7))]),
    ];
    for (strategy, expected) in [
        (LoreStrategy::Evenly, ["h", "p", "g9", "c5", "g1"]),
        (LoreStrategy::CharacterFirst, ["h", "p", "c5", "g9", "g1"]),
        (LoreStrategy::GlobalFirst, ["h", "p", "g9", "g1", "c5"]),
    ] {
        let world = World::of_books(books.clone()).set(|it| it.strategy = strategy);
        assert_eq!(considered(&world), expected, "{strategy:?}");
        let mut reversed = world.clone();
        reversed.books.reverse();
        assert_eq!(
            considered(&reversed),
            expected,
            "{strategy:?}, books given the other way round"
        );
    }
}

#[test]
fn a_book_of_the_same_name_is_there_once() {
    use BookKind::{Character, Chat, Global, Persona};
    for (kinds, kept) in [
        ([Character, Global], Global),
        ([Character, Chat], Chat),
        ([Character, Persona], Persona),
        ([Chat, Global], Global),
        ([Persona, Chat], Chat),
        ([Persona, Global], Global),
    ] {
        let books = kinds.map(|kind| {
            let key = if kind == kept { "kept" } else { "left" };
            Book::new(kind, "same", &[(key, ordered(1))])
        });
        assert_eq!(World::of_books(books.to_vec()).active(), ["kept"], "{kinds:?}");
    }
}

#[test]
fn within_a_kind_an_entry_is_there_once() {
    let one = Book::new(BookKind::Character, "one", &[("e", ordered(1)), ("f", ordered(1))]);
    let two = Book::new(BookKind::Character, "one", &[("e", ordered(1)), ("g", ordered(1))]);
    assert_eq!(World::of_books(vec![one, two]).active(), ["e", "f", "g"]);
}

#[test]
fn they_come_out_ascending_and_of_equals_the_later_one_first() {
    let world = World::of(&[
        ("a", ordered(5)),
        ("b", ordered(5)),
        ("c", ordered(9)),
        ("d", ordered(-1)),
        ("later", changed(entry(&["start"]), |entry| entry.order = 5)),
        ("start", changed(constant("start"), |entry| entry.order = 6)),
    ]);
    assert_eq!(in_order(&world.run()), ["d", "later", "b", "a", "start", "c"]);
}

#[test]
fn places_are_as_the_entries_have_them() {
    let at_depth = changed(constant("…"), |entry| {
        entry.position = LorePosition::AtDepth;
        entry.depth = 7;
        entry.role = ChatRole::Assistant;
    });
    let outlet = changed(constant("…"), |entry| {
        entry.position = LorePosition::Outlet;
        entry.outlet = " map ".into();
    });
    let activation = World::of(&[("depth", at_depth), ("outlet", outlet)]).run();
    let place = |key: &str| {
        activation
            .entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| &entry.place)
    };
    let depth = place("depth").expect("it is constant");
    assert_eq!(
        (depth.position, depth.depth, depth.role),
        (LorePosition::AtDepth, 7, ChatRole::Assistant)
    );
    let outlet = place("outlet").expect("it is constant");
    assert_eq!((outlet.position, outlet.outlet.as_str()), (LorePosition::Outlet, "map"));
}

#[test]
fn an_outlet_without_a_name_and_a_blank_content_add_nothing() {
    let unnamed = changed(constant("…"), |entry| entry.position = LorePosition::Outlet);
    let activation = World::of(&[("blank", constant(" \n")), ("unnamed", unnamed)]).run();
    assert!(activation.entries.is_empty());
    assert_eq!(reason(&activation, "blank"), "nothing to add");
    assert_eq!(reason(&activation, "unnamed"), "outlet without a name");
}

#[test]
fn contents_have_their_macros_expanded() {
    let activation = World::of(&[("e", constant("{{char}} and {{user}}"))]).run();
    assert_eq!(activation.entries[0].content, "Mira and Tom");
}
