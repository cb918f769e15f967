//! The store over SQLite, and over PostgreSQL when `TAVERN_TEST_POSTGRES_URL` names a database in
//! which schemas may be made.

mod support;

mod accounts;
mod bus;
mod characters;
mod database;
mod documents;
mod extensions;
mod generations;
mod listing;
mod logins;
mod personas;
mod searching;
mod sessions;
mod turns;
mod world_books;
