use super::*;
use tavern_domain::{Clock, ManualClock};

struct Bench {
    guard: Arc<Guard>,
    clock: ManualClock,
    installation: InstallationId,
    is_needed: bool,
}

impl Bench {
    fn new() -> Self {
        Self {
            guard: Arc::default(),
            clock: ManualClock::at(Timestamp(1_700_000_000_000)),
            installation: InstallationId::new(),
            is_needed: false,
        }
    }

    /// Whether the call was let through.
    fn call(&self, outcome: Outcome) -> bool {
        let permit = self
            .guard
            .admit(self.installation, Hook::BeforePrompt, self.is_needed, self.clock.now());
        permit.map(|permit| permit.report(outcome, self.clock.now())).is_some()
    }

    fn calls(&self, outcome: Outcome, times: u32) {
        for _ in 0..times {
            assert!(self.call(outcome));
        }
    }

    fn condemned(&self) -> Vec<Condemned> {
        self.guard.take_condemned(self.clock.now())
    }
}

#[test]
fn three_traps_in_a_row_open_it_and_two_do_not() {
    let bench = Bench::new();
    bench.calls(Outcome::Trap, 2);
    bench.calls(Outcome::Ok, 1);
    bench.calls(Outcome::Trap, 3);
    assert!(!bench.call(Outcome::Ok));
}

#[test]
fn an_open_breaker_is_of_one_hook_and_one_installation() {
    let bench = Bench::new();
    bench.calls(Outcome::Trap, 3);
    let now = bench.clock.now();
    assert!(bench.guard.admit(bench.installation, Hook::Tool, false, now).is_some());
    assert!(
        bench
            .guard
            .admit(InstallationId::new(), Hook::BeforePrompt, false, now)
            .is_some()
    );
}

#[test]
fn a_third_of_twenty_calls_open_it_and_a_third_of_nineteen_do_not() {
    let bench = Bench::new();
    bench.calls(Outcome::GuestError, 6);
    bench.calls(Outcome::Ok, 13);
    assert!(bench.call(Outcome::Ok), "nineteen calls are too few");
    assert!(!bench.call(Outcome::Ok), "6 of 20 are 30 %");
}

#[test]
fn less_than_thirty_percent_leave_it_closed() {
    let bench = Bench::new();
    bench.calls(Outcome::GuestError, 5);
    bench.calls(Outcome::Ok, 40);
    assert!(bench.call(Outcome::Ok));
}

#[test]
fn failures_of_more_than_five_minutes_ago_do_not_count() {
    let bench = Bench::new();
    bench.calls(Outcome::GuestError, 19);
    bench.clock.advance(WINDOW);
    bench.calls(Outcome::Ok, 5);
    assert!(bench.call(Outcome::Ok));
    assert!(
        bench.guard.state.lock().breakers.is_empty(),
        "nothing is left to remember"
    );
}

#[test]
fn half_open_it_lets_one_call_through_and_success_closes_it() {
    let bench = Bench::new();
    bench.calls(Outcome::Trap, 3);
    bench.clock.advance(FIRST_PAUSE - Duration::from_millis(1));
    assert!(!bench.call(Outcome::Ok));
    bench.clock.advance(Duration::from_millis(1));
    let now = bench.clock.now();
    let probe = bench
        .guard
        .admit(bench.installation, Hook::BeforePrompt, false, now)
        .expect("a trial");
    assert!(!bench.call(Outcome::Ok), "only one at a time");
    probe.report(Outcome::Ok, now);
    bench.calls(Outcome::Ok, 3);
}

#[test]
fn a_trial_that_was_dropped_or_found_no_place_leaves_the_next_one_to_try() {
    let bench = Bench::new();
    bench.calls(Outcome::Trap, 3);
    bench.clock.advance(FIRST_PAUSE);
    drop(
        bench
            .guard
            .admit(bench.installation, Hook::BeforePrompt, false, bench.clock.now()),
    );
    assert!(bench.call(Outcome::PoolBusy));
    assert!(bench.call(Outcome::Ok));
}

#[test]
fn the_pause_doubles_up_to_an_hour() {
    let bench = Bench::new();
    bench.calls(Outcome::Trap, 3);
    let mut pause = FIRST_PAUSE;
    for _ in 0..10 {
        bench.clock.advance(pause - Duration::from_millis(1));
        assert!(!bench.call(Outcome::Ok), "{pause:?}");
        bench.clock.advance(Duration::from_millis(1));
        assert!(bench.call(Outcome::Trap), "{pause:?}");
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    assert_eq!(pause, LONGEST_PAUSE);
}

#[test]
fn what_stays_open_for_a_day_is_condemned_once() {
    let bench = Bench::new();
    bench.calls(Outcome::Trap, 3);
    bench.clock.advance(GIVEN_UP - Duration::from_millis(1));
    assert!(bench.condemned().is_empty());
    bench.clock.advance(Duration::from_millis(1));
    let condemned = bench.condemned();
    assert_eq!(condemned.len(), 1);
    assert_eq!(condemned[0].installation, bench.installation);
    assert!(condemned[0].reason.contains("before-prompt"), "{}", condemned[0].reason);
    assert!(bench.condemned().is_empty());
    assert!(
        bench.call(Outcome::Ok),
        "should it be switched on again, it begins anew"
    );
}

#[test]
fn five_offences_in_a_day_condemn_and_four_do_not() {
    let bench = Bench::new();
    for _ in 0..4 {
        bench.calls(Outcome::OutOfFuel, 1);
        bench.calls(Outcome::WallTimeout, 1);
        bench.clock.advance(WINDOW);
    }
    assert!(bench.condemned().is_empty(), "a timeout is none");
    bench.calls(Outcome::OutOfMemory, 1);
    assert_eq!(bench.condemned().len(), 1);
}

#[test]
fn what_must_work_is_never_condemned_and_its_breaker_stays_open() {
    let bench = Bench {
        is_needed: true,
        ..Bench::new()
    };
    bench.calls(Outcome::OutOfFuel, CALLS);
    assert!(!bench.call(Outcome::Ok), "it rests");
    assert!(bench.condemned().is_empty());
    let mut slept = Duration::ZERO;
    while slept < GIVEN_UP * 2 {
        bench.clock.advance(LONGEST_PAUSE);
        slept += LONGEST_PAUSE;
        assert!(bench.call(Outcome::OutOfFuel), "it is tried");
        assert!(!bench.call(Outcome::OutOfFuel), "and rests again");
        assert!(bench.condemned().is_empty());
    }
}

#[test]
fn offences_of_yesterday_are_forgotten() {
    let bench = Bench::new();
    bench.calls(Outcome::OutOfFuel, 4);
    bench.clock.advance(OFFENCE_WINDOW);
    bench.calls(Outcome::OutOfFuel, 1);
    assert!(bench.condemned().is_empty());
}

#[test]
fn what_is_forgiven_is_called_at_once() {
    let bench = Bench::new();
    bench.calls(Outcome::Trap, 3);
    assert!(!bench.call(Outcome::Ok));
    bench.guard.forgive(bench.installation);
    assert!(bench.call(Outcome::Ok));
}

#[test]
fn what_works_leaves_no_state_and_what_fails_a_bounded_one() {
    let bench = Bench::new();
    bench.calls(Outcome::Ok, 100);
    assert!(bench.guard.state.lock().breakers.is_empty());
    for _ in 0..REMEMBERED + 10 {
        let now = bench.clock.now();
        let permit = bench
            .guard
            .admit(InstallationId::new(), Hook::Tool, false, now)
            .expect("closed");
        permit.report(Outcome::OutOfFuel, now);
    }
    let state = bench.guard.state.lock();
    assert_eq!((state.breakers.len(), state.offences.len()), (REMEMBERED, REMEMBERED));
}

#[test]
fn a_name_kills_all_versions_and_a_version_itself() {
    let guard = Guard::new(&["a/one".into(), "a/two@1.0.0".into()]);
    assert!(guard.is_killed("a/one", "3.0.0"));
    assert!(guard.is_killed("a/two", "1.0.0"));
    assert!(!guard.is_killed("a/two", "1.0.1"));
}

#[test]
fn what_is_told_replaces_what_was_told_and_not_what_the_settings_say() {
    let house = crate::testing::House::with(|settings| settings.killed = vec!["a/one".into()]);
    let killed = |name: &str| house.host.inner().guard.is_killed(name, "1.0.0");
    house.host.kill("a/two");
    house.host.set_killed(["a/three@1.0.0".to_owned()]);
    assert_eq!(["a/one", "a/two", "a/three"].map(killed), [true, false, true]);
    house.host.set_killed([]);
    assert_eq!(["a/one", "a/two", "a/three"].map(killed), [true, false, false]);
}
