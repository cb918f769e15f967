//! Ends a streamed text before the first of some stop strings, wherever the pieces are cut.

/// Lets text through except what might be the beginning of a stop string.
#[derive(Debug)]
pub(crate) struct StopCutter {
    stops: Vec<String>,
    held: String,
}

impl StopCutter {
    pub fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self {
            stops,
            held: String::new(),
        }
    }

    /// Takes the next piece. Gives the text that can be shown, possibly empty, and whether a stop
    /// string was reached, after which nothing more is to be pushed.
    pub fn push(&mut self, piece: String) -> (String, bool) {
        if self.stops.is_empty() {
            return (piece, false);
        }
        let mut text = std::mem::take(&mut self.held);
        text.push_str(&piece);
        if let Some(at) = self.stops.iter().filter_map(|stop| text.find(stop.as_str())).min() {
            text.truncate(at);
            return (text, true);
        }
        let keep = self.stops.iter().map(|stop| overlap(&text, stop)).max().unwrap_or(0);
        self.held = text.split_off(text.len() - keep);
        (text, false)
    }

    /// What was held back and turned out to be no stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// The length of the longest beginning of `stop` that `text` ends in.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(at, _)| at)
        .rev()
        .find(|&length| text.ends_with(&stop[..length]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(pieces: &[&str], stops: &[&str]) -> (String, bool) {
        let stops: Vec<_> = stops.iter().map(ToString::to_string).collect();
        let mut cutter = StopCutter::new(&stops);
        let mut shown = String::new();
        for piece in pieces {
            let (text, stopped) = cutter.push((*piece).to_owned());
            shown.push_str(&text);
            if stopped {
                return (shown, true);
            }
        }
        shown.push_str(&cutter.finish());
        (shown, false)
    }

    #[test]
    fn a_stop_string_split_over_pieces_is_found() {
        assert_eq!(cut(&["Hi.\n", "Us", "er: no"], &["\nUser:"]), ("Hi.".into(), true));
    }

    #[test]
    fn a_beginning_that_leads_nowhere_is_shown() {
        assert_eq!(cut(&["a\nUs", "ual day"], &["\nUser:"]), ("a\nUsual day".into(), false));
        assert_eq!(cut(&["end\nUs"], &["\nUser:"]), ("end\nUs".into(), false));
    }

    #[test]
    fn the_first_of_several_wins_and_empty_ones_are_ignored() {
        assert_eq!(cut(&["one two three"], &["", "three", "two"]), ("one ".into(), true));
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(text in "[aé#]{0,40}", cuts in proptest::collection::vec(0usize..40, 0..6)) {
            let stops = ["##é", "a#a"];
            let chars: Vec<char> = text.chars().collect();
            let mut cuts: Vec<_> = cuts.into_iter().filter(|&at| at < chars.len()).collect();
            cuts.extend([0, chars.len()]);
            cuts.sort_unstable();
            let pieces: Vec<String> = cuts.windows(2).map(|pair| chars[pair[0]..pair[1]].iter().collect()).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            // In one piece, a stop string that ends later but starts earlier wins; in pieces, the
            // one that is complete first. Both cut at a stop string, so only the verdict is equal.
            let whole = cut(&[&text], &stops);
            let split = cut(&pieces, &stops);
            prop_assert_eq!(whole.1, split.1);
            prop_assert!(text.starts_with(&split.0) && stops.iter().all(|stop| !split.0.contains(stop)));
        }
    }
}
