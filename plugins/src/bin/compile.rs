//! The process that compiles components: bytes in, code out, and nothing else.

fn main() {
    std::process::exit(tavern_plugins::compile::worker());
}
