//! What an author of extensions works with: `tavern extension new | build | test | pack | keygen | sign |
//! publish | rotate-key | run`.
//!
//! Everything is tried here as a server would do it: the manifest by its rules, hooks in the real sandbox with
//! its limits, packages by the reader that a server has.

pub mod bench;
pub mod build;
pub mod case;
pub mod embedded;
pub mod keys;
pub mod matching;
pub mod new;
pub mod pack;
pub mod project;
pub mod publish;
pub mod recording;
pub mod table;
pub mod trial;

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use tavern_domain::extension::Hook;

use crate::bench::{Bench, Worker};
use crate::keys::Key;
use crate::project::{Language, Project};

/// Make, try and publish extensions.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a project: a folder with everything that building, testing and packing need.
    New {
        /// `name`, or `publisher/name`: 2 to 40 of a-z, 0-9 and -, a letter first.
        name: String,
        #[arg(long, short)]
        language: Language,
        /// A hook to begin with, such as before-prompt; several times for several. before-prompt, if left out.
        #[arg(long = "hook", value_name = "HOOK", value_parser = hook)]
        hooks: Vec<Hook>,
        /// Make the folder here instead of in the current one.
        #[arg(long, value_name = "FOLDER")]
        into: Option<PathBuf>,
    },
    /// Make the component: target/extension.wasm.
    Build(Folder),
    /// Build, and run the cases in tests/*.json in the real host.
    Test {
        #[command(flatten)]
        folder: Folder,
        /// Only cases whose names have this in them.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
    },
    /// Build, and make the package: target/NAME-VERSION.tavext.
    Pack {
        #[command(flatten)]
        folder: Folder,
        /// Sign it with this key.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Make a pair of keys: FILE, which nobody else may have, and FILE.pub.
    Keygen {
        #[arg(value_name = "FILE")]
        path: PathBuf,
        /// Keep the key as it is, without a password.
        #[arg(long)]
        no_password: bool,
    },
    /// Sign a package in place.
    Sign {
        #[arg(value_name = "PACKAGE")]
        package: PathBuf,
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Send a signed package to a server.
    Publish {
        #[arg(value_name = "PACKAGE")]
        package: PathBuf,
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4000")]
        server: String,
        /// An access token; TAVERN_TOKEN, if left out.
        #[arg(long)]
        token: Option<String>,
        /// The public key, for a publisher's first package.
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
    },
    /// Add a key to a publisher's, on the word of one it has: packages signed with either are taken then.
    RotateKey {
        publisher: String,
        /// A secret key that the publisher has.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The new public key.
        #[arg(long, value_name = "FILE")]
        public_key: PathBuf,
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4000")]
        server: String,
        /// An access token; TAVERN_TOKEN, if left out.
        #[arg(long)]
        token: Option<String>,
    },
    /// Call a hook once, and print what it gave back as JSON.
    Run {
        #[command(flatten)]
        folder: Folder,
        /// A case as in tests/*.json; standard input, if left out.
        #[arg(long, value_name = "FILE")]
        case: Option<PathBuf>,
        /// Send requests that the case has no answer for.
        #[arg(long)]
        send: bool,
    },
}

#[derive(Debug, Args)]
pub struct Folder {
    /// The project's folder.
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,
}

fn hook(text: &str) -> Result<Hook, String> {
    text.parse().map_err(|()| {
        let hooks: Vec<_> = Hook::ALL.iter().map(|hook| hook.as_str()).collect();
        format!("hooks are {}", hooks.join(", "))
    })
}

/// Does it.
///
/// # Errors
/// Whatever stands in the way, for people.
pub async fn run(command: Command) -> Result<()> {
    let mut log = std::io::stderr();
    match command {
        Command::New {
            name,
            language,
            hooks,
            into,
        } => {
            let folder = new::create(&name, language, &hooks, &into.unwrap_or_default())?;
            println!(
                "{} is there. Go on with:\n  cd {0}\n  tavern extension test",
                folder.display()
            );
            if !name.contains('/') {
                println!("Before you publish it, put your publisher's name in place of `example` in extension.toml.");
            }
        }
        Command::Build(Folder { folder }) => {
            let project = Project::open(&folder)?;
            let component = make(&project, &mut log)?;
            println!("{}  {} bytes", project.component_path().display(), component.len());
        }
        Command::Test { folder, only } => {
            let (project, bench) = prepare(&folder.folder, &mut log)?;
            let mut cases = case::read_all(&project.dir.join("tests"))?;
            if let Some(only) = only {
                cases.retain(|case| case.name.contains(&only));
            }
            if cases.is_empty() {
                bail!("there is no case in {}", project.dir.join("tests").display());
            }
            let trials = trial::run_all(&bench, &cases).await;
            let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print!(
                "{}",
                trial::report(&project.manifest, &bench.settings.limits, &trials, colour)
            );
            let failed = trials.iter().filter(|trial| !trial.passed()).count();
            if failed > 0 {
                bail!("{failed} of {} cases failed", trials.len());
            }
        }
        Command::Pack { folder, key } => {
            let project = Project::open(&folder.folder)?;
            let key = key.as_deref().map(Key::read).transpose()?;
            let component = make(&project, &mut log)?;
            let package = pack::pack(&project.dir, &component, key.as_ref())?;
            for warning in pack::check(&package)? {
                eprintln!("note: {warning}");
            }
            embedded::put(&project.package_path(), &package)?;
            println!("{}  {} bytes", project.package_path().display(), package.len());
        }
        Command::Keygen { path, no_password } => {
            let public = keys::generate(&path, !no_password)?;
            println!("{} is secret; {} is for everybody", path.display(), public.display());
        }
        Command::Sign { package, key } => {
            let signed = pack::sign(&read(&package)?, &Key::read(&key)?)?;
            embedded::put(&package, signed)?;
            println!("{} is signed", package.display());
        }
        Command::Publish {
            package,
            server,
            token,
            public_key,
        } => send_package(&package, &server, token, public_key.as_deref()).await?,
        Command::RotateKey {
            publisher,
            key,
            public_key,
            server,
            token,
        } => {
            let (token, key) = (token_or_environments(token)?, Key::read(&key)?);
            let new = keys::public(&public_key)?;
            publish::rotate(&server, &token, &publisher, &new, &key.vouch(&publisher, &new)?).await?;
            println!("{publisher} has the key of {}", public_key.display());
        }
        Command::Run { folder, case, send } => {
            let case = match case {
                Some(path) => case::read(&path)?,
                None => {
                    let mut text = String::new();
                    std::io::stdin().read_to_string(&mut text)?;
                    case::parse(&text, "stdin").context("what was given on standard input is no case")?
                }
            };
            let (_, mut bench) = prepare(&folder.folder, &mut log)?;
            bench.sends = send;
            for case in &case {
                let run = Box::pin(bench.run(case)).await.with_context(|| case.name.clone())?;
                println!("{:#}", run.to_json());
            }
        }
    }
    Ok(())
}

/// The component of a project, which is also written where the project keeps it.
fn make(project: &Project, log: &mut dyn Write) -> Result<Vec<u8>> {
    let (path, mark) = (project.component_path(), project.target().join("extension.built-from"));
    let made_of = build::made_of(project)?;
    if let Some(made_of) = &made_of
        && std::fs::read_to_string(&mark).is_ok_and(|last| last == *made_of)
        && let Ok(component) = std::fs::read(&path)
    {
        return Ok(component);
    }
    // What lies there is of other sources from now on.
    let _ = std::fs::remove_file(&mark);
    let component = build::component(project, log)?;
    embedded::put(&path, &component)?;
    if let Some(made_of) = made_of {
        embedded::put(&mark, made_of)?;
    }
    Ok(component)
}

fn prepare(folder: &Path, log: &mut dyn Write) -> Result<(Project, Bench)> {
    let project = Project::open(folder)?;
    let component = make(&project, log)?;
    let cache = build::cache_dir()?.join("compiled");
    let bench = Bench::new(project.clone(), component, Worker::this()?, cache)?;
    Ok((project, bench))
}

/// A package.
fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| {
        let path = path.display();
        format!("{path} cannot be read: is it there? `tavern extension pack` makes packages, in target")
    })
}

fn token_or_environments(token: Option<String>) -> Result<String> {
    token
        .or_else(|| std::env::var("TAVERN_TOKEN").ok())
        .context("who publishes? Give an access token with --token, or in TAVERN_TOKEN")
}

async fn send_package(package: &Path, server: &str, token: Option<String>, public_key: Option<&Path>) -> Result<()> {
    let token = token_or_environments(token)?;
    let bytes = read(package)?;
    if pack::read(&bytes)?.signature.is_none() {
        bail!("{} is not signed: `tavern extension sign` does it", package.display());
    }
    let key = public_key.map(keys::public).transpose()?;
    let published = publish::publish(server, &token, bytes.into(), key.as_deref()).await?;
    for line in &published.lines {
        println!("{line}");
    }
    if !published.accepted {
        bail!("{server} has not taken it");
    }
    println!("published");
    Ok(())
}
