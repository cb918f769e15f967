use super::*;

const OLD: &str = "
package tavern:extension@0.1.0;
interface types {
  enum role { user, assistant }
  record pair { key: string, value: string }
}
interface log {
  use types.{pair};
  enum level { low, high }
  write: func(level: level, fields: list<pair>);
}
interface hook {
  use types.{pair};
  variant edit { add(pair), stop }
  resource filter { constructor(); push: func(chunk: string) -> option<edit>; }
  run: func(turn: u64) -> result<list<edit>, string>;
}
world imports { import log; }
world with-hook { include imports; export hook; }
world all-hooks { include imports; export hook; }
";

fn package(source: &str) -> Package {
    let mut resolve = Resolve::new();
    let id = resolve.push_source("test.wit", source).expect("it is an interface");
    Package::of(&resolve, id).expect("it has a version")
}

/// What is replaced by what.
type Changes = [(&'static str, &'static str)];

#[test]
fn only_what_old_components_do_not_notice_is_legal() {
    let next = ("@0.1.0", "@0.1.1");
    let rows: &[(&str, &Changes, Option<&str>)] = &[
        ("nothing", &[], None),
        (
            "a note",
            &[("interface log {", "/// For authors.\ninterface log {")],
            None,
        ),
        (
            "another order",
            &[("key: string, value: string", "value: string, key: string")],
            Some("was record"),
        ),
        (
            "a function to import",
            &[next, ("enum level", "flush: func();\nenum level")],
            None,
        ),
        (
            "the same without a version",
            &[("enum level", "flush: func();\nenum level")],
            Some("the version is still 0.1.0"),
        ),
        (
            "a type to import",
            &[next, ("enum role", "record more { a: u8 }\nenum role")],
            None,
        ),
        (
            "an interface",
            &[
                next,
                (
                    "world imports {",
                    "interface text { count: func() -> u32; }\nworld imports { import text;",
                ),
            ],
            None,
        ),
        (
            "a hook beside",
            &[
                next,
                (
                    "world imports",
                    "interface hook-two { run: func(); }\nworld with-two { export hook-two; }\nworld imports",
                ),
                (
                    "world all-hooks { include imports;",
                    "world all-hooks { include imports; export hook-two;",
                ),
            ],
            None,
        ),
        ("a version before", &[("@0.1.0", "@0.0.9")], Some("comes before")),
        (
            "a field",
            &[next, ("value: string", "value: string, more: u8")],
            Some("type pair of types was record"),
        ),
        (
            "a field less",
            &[next, ("key: string, ", "")],
            Some("type pair of types"),
        ),
        (
            "a field's type",
            &[next, ("value: string", "value: list<u8>")],
            Some("list<u8>"),
        ),
        (
            "a case of an enum",
            &[next, ("user, assistant", "user, assistant, tool")],
            Some("type role of types"),
        ),
        (
            "a case of a variant",
            &[next, ("add(pair), stop", "add(pair), stop, go")],
            Some("type edit of hook"),
        ),
        (
            "what a case has",
            &[next, ("add(pair)", "add(string)")],
            Some("type edit of hook"),
        ),
        (
            "a parameter",
            &[
                next,
                ("write: func(level: level,", "write: func(level: level, at: u64,"),
            ],
            Some("function write of log was"),
        ),
        (
            "a parameter's name",
            &[next, ("turn: u64", "time: u64")],
            Some("function run of hook"),
        ),
        (
            "a result",
            &[next, ("result<list<edit>, string>", "list<edit>")],
            Some("function run of hook"),
        ),
        (
            "a method's result",
            &[next, ("option<edit>", "edit")],
            Some("push of hook was"),
        ),
        (
            "a function less",
            &[next, ("write: func(level: level, fields: list<pair>);", "")],
            Some("function write of log is gone"),
        ),
        (
            "a type less",
            &[next, ("enum role { user, assistant }", "")],
            Some("type role of types is gone"),
        ),
        (
            "a function of a hook",
            &[next, ("run: func", "stop: func();\nrun: func")],
            Some("extensions export hook"),
        ),
        (
            "a method of a hook",
            &[next, ("constructor();", "constructor(); pop: func();")],
            Some("extensions export hook"),
        ),
        (
            "a type of a hook",
            &[next, ("variant edit", "record more { a: u8 }\nvariant edit")],
            Some("extensions export hook"),
        ),
        (
            "an import less",
            &[next, ("world imports { import log; }", "world imports {}")],
            Some("of the world imports is gone"),
        ),
        (
            "an export of an author's world",
            &[
                next,
                (
                    "world with-hook {",
                    "interface two { run: func(); }\nworld with-hook { export two;",
                ),
            ],
            Some("the world with-hook exports"),
        ),
        (
            "a world less",
            &[next, ("world with-hook { include imports; export hook; }", "")],
            Some("the world with-hook is gone"),
        ),
    ];
    let old = package(OLD);
    for (what, changes, expected) in rows {
        let mut source = OLD.to_owned();
        for (from, to) in *changes {
            assert!(source.contains(from), "{what}: {from}");
            source = source.replacen(from, to, 1);
        }
        let mistakes = evolution(&old, &package(&source));
        match expected {
            None => assert!(mistakes.is_empty(), "{what}: {mistakes:?}"),
            Some(expected) => assert!(
                mistakes.iter().any(|mistake| mistake.contains(expected)),
                "{what}: {mistakes:?}"
            ),
        }
    }
}

#[test]
fn the_interface_of_extensions_evolves_legally() {
    check(&shell::root().join(DRAFT)).expect("old components go on");
}

fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("there is room");
    fs::write(dir.path().join("all.wit"), OLD).expect("it is ours");
    dir
}

#[test]
fn what_is_frozen_stays_as_it_was() {
    let dir = copy();
    let draft = dir.path().join("all.wit");
    assert!(
        check(dir.path())
            .expect("it is the first")
            .contains("first of its line")
    );
    let frozen = freeze(dir.path()).expect("it is legal");
    assert_eq!(frozen, dir.path().join("v0_1"));
    check(dir.path()).expect("it is the same");
    assert!(
        freeze(dir.path())
            .expect_err("it is frozen")
            .to_string()
            .contains("another version")
    );

    // Onwards: a version that grows, frozen in turn, and compared with from then on.
    let grown = OLD
        .replace("@0.1.0", "@0.1.1")
        .replace("enum level", "flush: func();\nenum level");
    fs::write(&draft, &grown).expect("it is ours");
    assert_eq!(freeze(dir.path()).expect("it is legal"), dir.path().join("v0_1_1"));
    fs::write(&draft, OLD.replace("@0.1.0", "@0.1.2")).expect("it is ours");
    assert!(
        check(dir.path())
            .expect_err("a function is gone")
            .to_string()
            .contains("function flush of log is gone")
    );
    // Another line owes this one nothing.
    fs::write(&draft, "package tavern:extension@0.2.0;").expect("it is ours");
    check(dir.path()).expect("it is the first");

    fs::write(&draft, &grown).expect("it is ours");
    fs::write(frozen.join("all.wit"), grown.replace("@0.1.1", "@0.1.0")).expect("it is ours");
    assert!(
        check(dir.path())
            .expect_err("it was changed")
            .to_string()
            .contains("after it was frozen")
    );
}

#[test]
fn nothing_is_added_to_what_is_frozen() {
    let dir = copy();
    let frozen = freeze(dir.path()).expect("it is legal");
    fs::write(frozen.join("more.wit"), "interface more {}").expect("it is ours");
    assert!(check(dir.path()).is_err());
    fs::remove_file(frozen.join("more.wit")).expect("it is ours");
    check(dir.path()).expect("it is as it was");
    fs::remove_file(frozen.join(SUMS)).expect("it is ours");
    assert!(check(dir.path()).is_err());
}
