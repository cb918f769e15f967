//! The command line of `tavern`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tavern::app;
use tavern::config::{Config, Flags, LogFormat};
use tavern_domain::{Actor, Role};
use tracing_subscriber::EnvFilter;

/// An answer is many small allocations, and so are the rows that SQLite hands over.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// AI role-play platform: one GraphQL API over characters, chat and streamed replies.
#[derive(Parser)]
#[command(name = "tavern", version, about)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Settings {
    /// Read this file instead of tavern.toml.
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Listen here instead of server.listen.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Keep data here instead of data_dir.
    #[arg(long, global = true, value_name = "PATH")]
    data_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve,
    /// Bring the database's schema up to date, or say where it is.
    Migrate {
        #[command(subcommand)]
        what: Option<Migrate>,
    },
    /// Print the API's schema.
    Schema,
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
    /// Compile an extension from standard input to standard output: what the server runs for itself.
    #[command(hide = true)]
    CompileExtension,
    /// Make, try and publish extensions.
    Extension {
        #[command(subcommand)]
        what: tavern_workbench::Command,
    },
    /// Look after accounts and keys.
    Admin {
        #[command(subcommand)]
        what: Admin,
    },
}

#[derive(Subcommand)]
enum Migrate {
    /// Apply what is missing (the default).
    Up,
    /// List the migrations, and which are applied.
    Status,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say all that is wrong with it; nothing is started.
    Check,
    /// Print it as it is after all sources, without secrets.
    Print,
}

#[derive(Subcommand)]
enum Admin {
    /// Give an account exactly these roles: user, moderator, admin.
    SetRoles {
        username: String,
        #[arg(required = true)]
        roles: Vec<String>,
    },
    /// Make a new key for the secrets of extensions, and seal all of them with it.
    RotateExtensionKey,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::CompileExtension) = cli.command {
        std::process::exit(tavern_plugins::compile::worker());
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tavern: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(Command::Schema) = cli.command {
        print!("{}", tavern_resolvers::sdl());
        return Ok(());
    }
    // An author has no configuration, and needs none.
    if let Some(Command::Extension { what }) = cli.command {
        return Box::pin(tavern_workbench::run(what)).await;
    }
    let flags = Flags {
        file: cli.settings.config,
        listen: cli.settings.listen,
        data_dir: cli.settings.data_dir,
    };
    let config = Config::load(&flags)?;
    match cli.command {
        Some(Command::CompileExtension | Command::Extension { .. }) => Ok(()),
        None | Some(Command::Serve) => Box::pin(serve(&config)).await,
        Some(Command::Migrate { what }) => Box::pin(migrate(&config, what.unwrap_or(Migrate::Up))).await,
        Some(Command::Config {
            what: ConfigCommand::Check,
        }) => {
            println!("the configuration is sound");
            Ok(())
        }
        Some(Command::Config {
            what: ConfigCommand::Print,
        }) => {
            print!("{}", config.redacted()?);
            Ok(())
        }
        Some(Command::Admin {
            what: Admin::SetRoles { username, roles },
        }) => Box::pin(set_roles(&config, &username, &roles)).await,
        Some(Command::Admin {
            what: Admin::RotateExtensionKey,
        }) => Box::pin(rotate_extension_key(&config)).await,
        Some(Command::Schema) => unreachable!("printed above"),
    }
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    start_logging(config)?;
    let mut running = Box::pin(app::start(config)).await?;
    let address = running.address;
    // For people and for scripts: the port may have been chosen just now. Nobody has to listen.
    let _ = writeln!(
        std::io::stdout(),
        "listening on http://{address}\nplayground  http://{address}/playground/"
    );
    tokio::select! {
        () = running.ended() => anyhow::bail!("the server ended unasked"),
        asked = asked_to_stop() => asked?,
    }
    tracing::info!("stopping");
    running.stop().await
}

/// Waits for an interrupt or, on Unix, a termination signal.
async fn asked_to_stop() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

async fn migrate(config: &Config, what: Migrate) -> anyhow::Result<()> {
    if config.database.url.is_empty() {
        tavern_services::files::create_private_folder(&config.data_dir)?;
    }
    let url = config.database_url();
    if matches!(what, Migrate::Up) {
        tavern_storage::migrate(&url).await?;
    }
    for state in tavern_storage::migrations(&url).await? {
        println!("{}  {}", if state.applied { "applied" } else { "missing" }, state.name);
    }
    Ok(())
}

async fn set_roles(config: &Config, username: &str, roles: &[String]) -> anyhow::Result<()> {
    let roles: Vec<Role> = roles
        .iter()
        .map(|role| {
            role.parse()
                .map_err(|()| anyhow::anyhow!("{role} is not a role; roles are user, moderator, admin"))
        })
        .collect::<anyhow::Result<_>>()?;
    let services = Box::pin(app::open(config)).await?;
    let user = services
        .accounts
        .set_roles(&Actor::System, username, &roles)
        .await
        .with_context(|| username.to_owned())?;
    let names: Vec<_> = user.roles.iter().map(Role::to_string).collect();
    println!("{} is now {}", user.username, names.join(", "));
    services.close().await;
    Ok(())
}

async fn rotate_extension_key(config: &Config) -> anyhow::Result<()> {
    let services = Box::pin(app::open(config)).await?;
    let rotated = services.extensions.rotate_vault_key(&Actor::System).await;
    services.close().await;
    // Whoever runs the server may know what others may not.
    let rotated = rotated.map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        anyhow::anyhow!("the key was not replaced: {cause}")
    })?;
    println!("{} seals now; secrets sealed anew: {}", rotated.key, rotated.secrets);
    for key in rotated.unused {
        println!("{key} is not needed any more");
    }
    Ok(())
}

fn start_logging(config: &Config) -> anyhow::Result<()> {
    let filter: EnvFilter = config.log.filter.parse()?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
