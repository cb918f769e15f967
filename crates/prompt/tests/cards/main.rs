//! Cards of every form, version and fault that is known from the wild, made by a generator: what is
//! read, what is told, and that nothing is lost on the way in and out.

mod assets;
mod carriers;
mod corpus;
mod export;
mod files;
mod foreign;
mod hostile;
mod import;
mod limits;
mod wild;
