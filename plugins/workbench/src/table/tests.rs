use tavern_domain::extension::{Hook, Outcome, PluginTrace};

use super::{Most, Row, table};

fn row(name: &str, fuel: u64) -> Row {
    Row {
        passed: true,
        name: name.into(),
        hook: Hook::Tool,
        outcome: Some(Outcome::Ok),
        trace: Some(PluginTrace {
            extension: "ann/one".into(),
            version: "0.1.0".into(),
            hook: Hook::Tool,
            outcome: Outcome::Ok,
            edits: 1,
            notes: Vec::new(),
            fuel,
            micros: 100,
            memory: 1 << 20,
            host_calls: 0,
            log: Vec::new(),
        }),
        most: Most {
            fuel: 1_000,
            micros: 250_000,
            memory: 64 << 20,
            edits: 64,
        },
    }
}

#[test]
fn a_figure_near_its_limit_is_red_and_one_below_is_not() {
    for (fuel, red) in [(800, 0), (801, 1), (1_000, 1)] {
        let text = table(&[row("one", fuel)], true);
        assert_eq!(text.matches("\x1b[31m").count(), red, "{text:?}");
    }
}

#[test]
fn files_get_no_colour_and_a_case_that_was_not_run_no_figures() {
    let mut lost = row("a case with a longer name", 1_000);
    lost.trace = None;
    lost.outcome = None;
    lost.passed = false;
    let text = table(&[row("one", 1_000), lost], false);
    assert!(!text.contains('\x1b'), "{text:?}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[1].contains("1.0 k/1.0 k 100 %") && lines[1].contains("1.0 MiB/64.0 MiB   1 %"),
        "{text}"
    );
    assert!(lines[2].starts_with("FAIL  a case with a longer name  tool"), "{text}");
}
