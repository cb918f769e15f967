//! A reply: however it comes in pieces, what is left of it, and what of it is reasoning, is the same.
//!
//! The first two bytes say how it is cut and cleaned; the first line is a stop string, the second starts reasoning, the
//! third ends it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_prompt::examples::{ExampleNames, blocks};
use tavern_prompt::reply::{CleanOptions, Finished, ReasoningSplitter, ReasoningTemplate, ReplyCleaner, Split};

fuzz_target!(|data: (u8, u8, &str)| {
    let (size, flags, text) = data;
    let size = usize::from(size).max(1);
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (stop, prefix, suffix, reply) = (line(), line(), line(), line());
    let flag = |bit: u8| flags & (1 << bit) != 0;
    let options = CleanOptions {
        stops: vec![stop.to_owned(), "\nAna:".to_owned()],
        speaker: "Mira".to_owned(),
        partner: if flag(0) { "Ana".to_owned() } else { String::new() },
        continues: flag(1),
        trim_sentences: flag(2),
        collapse_newlines: flag(3),
    };
    assert_eq!(cleaned(&options, pieces(reply, size)), cleaned(&options, vec![reply]));

    let template = ReasoningTemplate {
        prefix: prefix.to_owned(),
        suffix: suffix.to_owned(),
        ..ReasoningTemplate::default()
    };
    let whole = split(&template, vec![reply]);
    assert_eq!(split(&template, pieces(reply, size)), whole);
    assert!(whole.reasoning.len() + whole.text.len() <= reply.len());

    let names = ExampleNames {
        user: "Ana",
        char: "Mira",
        members: &[stop],
    };
    assert!(
        blocks(reply, &names)
            .iter()
            .flatten()
            .all(|(_, text)| text.len() <= reply.len())
    );
});

fn pieces(text: &str, size: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(rest.ceil_char_boundary(size.min(rest.len())));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

fn cleaned(options: &CleanOptions, pieces: Vec<&str>) -> Finished {
    let mut cleaner = ReplyCleaner::new(options.clone());
    let mut text = String::new();
    for piece in pieces {
        text.push_str(&cleaner.push(piece));
    }
    let end = cleaner.finish();
    text.push_str(&end.text);
    Finished {
        text,
        stopped: end.stopped,
    }
}

fn split(template: &ReasoningTemplate, pieces: Vec<&str>) -> Split {
    let mut splitter = ReasoningSplitter::new(template);
    let mut whole = Split::default();
    let mut add = |split: Split| {
        whole.reasoning.push_str(&split.reasoning);
        whole.text.push_str(&split.text);
    };
    for piece in pieces {
        add(splitter.push(piece));
    }
    add(splitter.finish());
    whole
}
