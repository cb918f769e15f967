//! The API's shape: fields of types, inputs, enums, scalars and errors. No behaviour, no I/O.
//!
//! A type without relations is here as a whole. Of a type with relations, the plain fields are here
//! as `…Fields`; `resolvers` flattens them into the type and adds what needs a service.

pub mod account;
pub mod character;
pub mod chat;
pub mod chat_file;
pub mod connection;
pub mod error;
pub mod export;
pub mod extension;
pub mod generation;
pub mod id;
pub mod input;
pub mod limits;
pub mod message;
pub mod model;
pub mod persona;
pub mod preset;
pub mod prompt;
pub mod scalar;
pub mod world_book;
