//! A chat's file: what is read of it is within the limits, and written as SillyTavern writes it is the same chat.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tavern_domain::Limits;
use tavern_prompt::chat_file::{
    ImportedChat, authors_note, read_chat, read_chats, variables, write_archive, write_chat,
};

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        messages_per_session: 20,
        swipes: 5,
        message_bytes: 1_000,
        reply_bytes: 1_000,
        ..Limits::default()
    };
    let chats = match read_chats(data, &limits) {
        Ok(chats) => chats,
        Err(error) => {
            assert!(error.to_string().len() < 1_000, "{error}");
            return;
        }
    };
    let mut files = Vec::new();
    for chat in &chats {
        assert!(chat.messages.len() <= 20);
        for message in &chat.messages {
            assert!(message.swipes.len() <= 5 && message.active < message.swipes.len());
        }
        let _ = authors_note(&chat.metadata);
        let _ = variables(&chat.metadata);
        let written = write_chat(chat);
        let again = read_chat(written.as_bytes(), &Limits::default()).expect("what was written is a chat");
        assert_eq!(texts(&again), texts(chat));
        files.push(written);
    }
    let files: Vec<(&str, &str)> = files.iter().map(|file| ("chat", file.as_str())).collect();
    write_archive(&files).expect("memory takes it");
});

/// Who says what, and what else could have been said.
fn texts(chat: &ImportedChat) -> Vec<(bool, Vec<&str>, usize)> {
    let messages = chat.messages.iter();
    messages
        .map(|message| {
            let texts = message.swipes.iter().map(|swipe| swipe.text.as_str());
            (message.is_hidden, texts.collect(), message.active)
        })
        .collect()
}
