//! End to end, over real sockets, against the server as it ships. Files are named for the behaviour.

mod access;
mod accounts;
mod cards;
mod characters;
mod chat;
mod chat_files;
mod exports;
mod extension_limits;
mod extension_turns;
mod extension_upkeep;
mod extensions;
mod forks;
mod house;
mod installations;
mod limits;
mod personas;
mod presets;
mod prompts;
mod recovery;
mod relations;
mod setup;
mod streams;
mod support;
mod tools;
mod world_book_files;
mod world_books;
