//! The process that compiles extensions, for this crate's tests: the server is its own, and is not built for them.

fn main() {
    std::process::exit(tavern_plugins::compile::worker());
}
