//! What authors start from is embedded: cargo has to notice new files, too.

fn main() {
    println!("cargo::rerun-if-changed=../../plugin-sdk");
}
