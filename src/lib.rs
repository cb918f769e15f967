//! The composition root: configuration, and the wiring of the parts into a running server.

pub mod app;
pub mod config;
mod demo_character;
mod house;
