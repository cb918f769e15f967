//! An author's project: a folder with `extension.toml`, in one of the languages there are tools for.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;
use tavern_plugins::manifest::Manifest;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    #[value(alias = "js")]
    Javascript,
    Python,
}

impl Language {
    /// The name of its template, and of what helps it in `plugin-sdk`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Javascript => "javascript",
            Self::Python => "python",
        }
    }

    /// The file that says how a project in it is built.
    const fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Javascript => "package.json",
            Self::Python => "requirements.txt",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A project whose manifest holds.
#[derive(Debug, Clone)]
pub struct Project {
    /// Absolute.
    pub dir: PathBuf,
    pub language: Language,
    pub manifest: Manifest,
}

impl Project {
    /// # Errors
    /// When there is no project, or its manifest has mistakes: all are named.
    pub fn open(dir: &Path) -> Result<Self> {
        let dir = dir
            .canonicalize()
            .with_context(|| format!("there is no folder {}", dir.display()))?;
        let path = dir.join("extension.toml");
        if !path.exists() {
            bail!(
                "there is no extension.toml in {}: is this the folder of an extension? `tavern extension new` makes one",
                dir.display()
            );
        }
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let manifest = Manifest::parse(&text)
            .map_err(|mistakes| anyhow::anyhow!("{} does not hold:\n  {}", path.display(), mistakes.join("\n  ")))?;
        let marked = |language: &Language| dir.join(language.mark()).is_file();
        let Some(language) = Language::value_variants().iter().copied().find(marked) else {
            bail!(
                "{} has none of Cargo.toml, package.json and requirements.txt, which say in which language it is",
                dir.display()
            );
        };
        Ok(Self {
            dir,
            language,
            manifest,
        })
    }

    /// What its component is made of.
    pub fn sources(&self) -> impl Iterator<Item = &'static str> {
        let tools: &[&str] = match self.language {
            Language::Rust => &["Cargo.toml", "Cargo.lock"],
            Language::Javascript => &["package.json", "package-lock.json"],
            Language::Python => &["requirements.txt"],
        };
        ["extension.toml", "src"].into_iter().chain(tools.iter().copied())
    }

    /// Where everything goes that is made of the sources.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.dir.join("target")
    }

    #[must_use]
    pub fn component_path(&self) -> PathBuf {
        self.target().join("extension.wasm")
    }

    #[must_use]
    pub fn package_path(&self) -> PathBuf {
        let about = &self.manifest.extension;
        let name = about.id.split('/').next_back().unwrap_or_default();
        self.target().join(format!("{name}-{}.tavext", about.version))
    }

    /// The schema of the configuration, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn config_schema(&self) -> Result<Option<Value>> {
        let path = self.dir.join("config.schema.json");
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let schema = serde_json::from_slice(&bytes).with_context(|| format!("{} is no JSON", path.display()))?;
        Ok(Some(schema))
    }
}
