use proptest::prelude::*;

use super::*;
use crate::manifest::HookSettings;

const HOLD: Hold = Hold {
    bytes: 64,
    patience: Duration::from_millis(300),
};

/// A stage with a filter that is played by the test.
struct Bench {
    flush: Flush,
    triggers: Option<Triggers>,
    memory: Memory,
    now: Instant,
    asked: Vec<String>,
    shown: String,
}

impl Bench {
    fn new(flush: Flush, triggers: &[&str]) -> Self {
        let settings = HookSettings {
            triggers: triggers.iter().map(|&text| text.to_owned()).collect(),
            ..HookSettings::default()
        };
        Self {
            flush,
            triggers: Triggers::new(&settings, &serde_json::Value::Null),
            memory: Memory::default(),
            now: Instant::now(),
            asked: Vec::new(),
            shown: String::new(),
        }
    }

    fn advance(&mut self, text: &str, ending: bool, mut verdict: impl FnMut(&str) -> Verdict) {
        let mut stage = Stage::new(self.flush, self.triggers.as_ref(), HOLD, &mut self.memory);
        stage.receive(text, self.now);
        loop {
            match stage.next(self.now, ending) {
                Step::Wait => break,
                Step::Pass(text) => self.shown.push_str(&text),
                Step::Ask(chunk) => {
                    self.asked.push(chunk.clone());
                    let verdict = verdict(&chunk);
                    self.shown.push_str(&stage.answer(chunk, verdict, self.now));
                }
            }
        }
        if ending {
            self.shown.push_str(&stage.take_held());
        }
    }

    fn push(&mut self, text: &str) {
        self.advance(text, false, |_| Verdict::Pass);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.advance("", false, |_| Verdict::Pass);
    }

    fn deadline(&self) -> Option<Duration> {
        let deadline = self.memory.deadline(self.flush, self.triggers.as_ref(), HOLD);
        deadline.map(|at| at - self.now)
    }
}

#[test]
fn the_first_words_do_not_wait() {
    for flush in [Flush::Sentence, Flush::Bytes(100), Flush::Token] {
        let mut bench = Bench::new(flush, &[]);
        bench.push("So h");
        let whole = if flush == Flush::Token { "So h" } else { "So " };
        assert_eq!(bench.shown, whole);
    }
}

#[test]
fn a_sentence_is_asked_about_when_it_is_whole() {
    let mut bench = Bench::new(Flush::Sentence, &[]);
    bench.push("A ");
    for piece in ["costs 3.", "14, he ", "said", ".\" ", "She", "\nIt"] {
        bench.push(piece);
    }
    assert_eq!(bench.asked, ["A ", "costs 3.14, he said.\" ", "She\n"]);
    bench.advance("", true, |_| Verdict::Pass);
    assert_eq!(bench.shown, "A costs 3.14, he said.\" She\nIt");
}

#[test]
fn a_sentence_without_an_end_waits_for_128_bytes_at_most() {
    let mut bench = Bench::new(Flush::Sentence, &[]);
    bench.push("x ");
    bench.push(&"y ".repeat(SENTENCE_BYTES / 2 - 1));
    assert_eq!(bench.asked.len(), 1);
    bench.push(", and so");
    assert_eq!(bench.asked.len(), 2);
    assert!(bench.asked[1].ends_with(", and "), "the last word may go on");
}

#[test]
fn bytes_are_asked_about_when_there_are_enough() {
    let mut bench = Bench::new(Flush::Bytes(4), &[]);
    for piece in ["a ", "b", " ", "c", " d", "e f"] {
        bench.push(piece);
    }
    assert_eq!(bench.asked, ["a ", "b c ", "de "]);
}

#[test]
fn nothing_waits_longer_than_40_ms() {
    let mut bench = Bench::new(Flush::Sentence, &[]);
    bench.push("a ");
    bench.push("b ");
    assert_eq!(bench.deadline(), Some(PATIENCE));
    bench.wait(PATIENCE - Duration::from_millis(1));
    assert_eq!(bench.shown, "a ");
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.shown, "a b ");
    assert_eq!(bench.deadline(), None);
}

#[test]
fn a_word_is_kept_whole_as_long_as_text_may_be_held() {
    let mut bench = Bench::new(Flush::Sentence, &[]);
    bench.push("a s");
    bench.wait(PATIENCE);
    assert_eq!(
        (bench.shown.as_str(), bench.deadline()),
        ("a ", Some(HOLD.patience - PATIENCE))
    );
    bench.push("hell");
    bench.wait(HOLD.patience - PATIENCE - Duration::from_millis(1));
    assert_eq!(bench.shown, "a ");
    bench.wait(Duration::from_millis(1));
    assert_eq!(bench.shown, "a shell");
    bench.push("s.");
    bench.wait(PATIENCE);
    assert_eq!(bench.asked, ["a ", "shell", "s."]);
}

#[test]
fn what_has_no_spaces_waits_no_longer_than_other_text() {
    for text in ["x".repeat(WORD_BYTES + 1), "夜は静か".into()] {
        let mut bench = Bench::new(Flush::Sentence, &[]);
        bench.push(&text);
        assert_eq!(bench.shown, text);
        bench.push(&text);
        bench.wait(PATIENCE);
        assert_eq!(bench.shown, text.repeat(2));
    }
    let mut bench = Bench::new(Flush::Sentence, &[]);
    bench.push(&"x".repeat(WORD_BYTES));
    assert_eq!(bench.shown, "");
}

#[test]
fn who_waits_for_a_word_is_asked_about_whole_ones() {
    let mut bench = Bench::new(Flush::Sentence, &["hell", "night out"]);
    for (piece, wait) in [
        ("A s", 40),
        ("hell", 40),
        (". Mid", 40),
        ("night o", 40),
        ("wl and h", 40),
        ("ell, yes", 40),
    ] {
        bench.push(piece);
        bench.wait(Duration::from_millis(wait));
    }
    bench.advance("", true, |_| Verdict::Pass);
    assert_eq!(bench.asked, ["shell. ", "hell, "]);
    assert_eq!(bench.shown, "A shell. Midnight owl and hell, yes");
}

#[test]
fn without_a_trigger_nobody_is_asked() {
    let mut bench = Bench::new(Flush::Token, &["shiver"]);
    for piece in ["calm ", "and ", "quiet"] {
        bench.push(piece);
    }
    bench.advance("", true, |_| Verdict::Pass);
    assert!(bench.asked.is_empty());
    assert_eq!(bench.shown, "calm and quiet");
}

#[test]
fn a_trigger_that_comes_in_pieces_is_seen_whole() {
    let mut bench = Bench::new(Flush::Token, &["shivers down"]);
    for piece in ["it sends ", "a sh", "iver", "S DO", "wn my spine"] {
        bench.push(piece);
    }
    assert_eq!(bench.asked, ["shiverS DOwn my spine"]);
    assert_eq!(bench.shown, "it sends a shiverS DOwn my spine");
}

#[test]
fn what_may_begin_a_trigger_waits_no_longer_than_it_may_be_held_and_is_still_known() {
    let mut bench = Bench::new(Flush::Token, &["shiver"]);
    bench.push("a shi");
    assert_eq!(bench.shown, "a ");
    assert_eq!(bench.deadline(), Some(HOLD.patience));
    bench.wait(HOLD.patience);
    assert_eq!(bench.shown, "a shi");
    bench.push("vers");
    assert_eq!(bench.asked, ["vers"]);
}

#[test]
fn what_is_held_comes_again_in_front_of_what_follows() {
    let mut bench = Bench::new(Flush::Token, &[]);
    bench.advance("<b", false, |_| Verdict::Hold);
    bench.advance("r", false, |_| Verdict::Hold);
    bench.advance(">!", false, |_| Verdict::Replace("\n!".into()));
    assert_eq!(bench.asked, ["<b", "<br", "<br>!"]);
    assert_eq!(bench.shown, "\n!");
}

#[test]
fn what_is_held_passes_when_it_is_too_long_or_waited_too_long() {
    let mut bench = Bench::new(Flush::Token, &[]);
    bench.advance(&"x".repeat(HOLD.bytes), false, |_| Verdict::Hold);
    assert_eq!(bench.shown, "");
    bench.advance("y", false, |_| Verdict::Hold);
    assert_eq!(bench.shown.len(), HOLD.bytes + 1);
    bench.advance("z", false, |_| Verdict::Hold);
    assert_eq!(bench.deadline(), Some(HOLD.patience));
    bench.wait(HOLD.patience - Duration::from_millis(1));
    assert!(!bench.shown.ends_with('z'));
    bench.wait(Duration::from_millis(1));
    assert!(bench.shown.ends_with('z'));
    assert_eq!(bench.deadline(), None);
}

#[test]
fn a_long_text_is_asked_about_in_chunks() {
    let mut bench = Bench::new(Flush::Token, &[]);
    bench.push(&"ü".repeat(CHUNK_BYTES));
    assert_eq!(bench.asked.len(), 2);
    assert!(bench.asked.iter().all(|chunk| chunk.len() <= CHUNK_BYTES));
    assert_eq!(bench.shown.len(), CHUNK_BYTES * 2);
}

fn flushes() -> impl Strategy<Value = Flush> {
    prop_oneof![
        Just(Flush::Sentence),
        Just(Flush::Token),
        (0..40_u32).prop_map(Flush::Bytes)
    ]
}

proptest! {
    /// No word of it waits long enough to be cut.
    #[test]
    fn no_word_is_cut_that_comes_in_time(
        flush in prop_oneof![Just(Flush::Sentence), (0..40_u32).prop_map(Flush::Bytes)],
        triggers in prop::sample::select(vec![vec![], vec!["ab"], vec!["üb", "ba"]]),
        pieces in prop::collection::vec(("[ab.ü]?[ab. \n]", 0..45_u64), 0..60),
    ) {
        let whole: String = pieces.iter().map(|(piece, _)| piece.as_str()).collect();
        let longest = whole.split(|letter| !in_word(letter)).map(|word| word.chars().count()).max();
        prop_assume!(longest.is_none_or(|letters| letters < 6));
        let is_whole = |at: usize| word_start(&whole, at) == at || !whole[at..].starts_with(in_word);
        let mut bench = Bench::new(flush, &triggers);
        for (piece, wait) in &pieces {
            bench.push(piece);
            prop_assert!(is_whole(bench.shown.len()), "{:?}", bench.shown);
            bench.wait(Duration::from_millis(*wait));
            prop_assert!(is_whole(bench.shown.len()), "{:?}", bench.shown);
        }
        bench.advance("", true, |_| Verdict::Pass);
        prop_assert_eq!(bench.shown, whole);
    }

    #[test]
    fn no_byte_is_lost_or_comes_twice(
        flush in flushes(),
        triggers in prop::sample::select(vec![vec![], vec!["ab"], vec!["a. b", "üb", "ba"]]),
        pieces in prop::collection::vec(("[ab.ü \n]{0,12}", 0..400_u64), 0..30),
        holds in prop::collection::vec(any::<bool>(), 100),
    ) {
        let mut bench = Bench::new(flush, &triggers);
        let mut holds = holds.into_iter().cycle();
        let mut verdict = |_: &str| if holds.next() == Some(true) { Verdict::Hold } else { Verdict::Pass };
        let whole: String = pieces.iter().map(|(piece, _)| piece.as_str()).collect();
        for (piece, wait) in &pieces {
            bench.advance(piece, false, &mut verdict);
            prop_assert!(whole.starts_with(&bench.shown));
            bench.now += Duration::from_millis(*wait);
            // Whoever waits until the deadline finds something to do, or a later deadline.
            if let Some(deadline) = bench.deadline() {
                bench.now += deadline;
                bench.advance("", false, &mut verdict);
                prop_assert!(bench.deadline().is_none_or(|next| next > Duration::ZERO));
            }
        }
        bench.advance("", true, &mut verdict);
        prop_assert_eq!(bench.shown, whole);
    }

    #[test]
    fn a_trigger_is_found_however_the_text_is_cut(cuts in prop::collection::vec(0..40_usize, 0..10)) {
        let text = "It sent shIVers down her spine, and so on.";
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < text.len()).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let mut bench = Bench::new(Flush::Token, &["shivers down"]);
        for cut in cuts.windows(2) {
            bench.push(&text[cut[0]..cut[1]]);
        }
        prop_assert!(bench.asked.iter().any(|chunk| chunk.contains("shIVers down")));
    }
}
