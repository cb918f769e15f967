//! Builds the bundled extensions that are named: `cargo run -p tavern-workbench --example guests -- dice`.

fn main() -> anyhow::Result<()> {
    for name in std::env::args().skip(1) {
        let component = tavern_workbench::build::bundled(&name)?;
        println!("{:>9} {}", std::fs::metadata(&component)?.len(), component.display());
    }
    Ok(())
}
