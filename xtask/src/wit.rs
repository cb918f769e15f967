//! How the interface of extensions may change: what was published once is frozen in plugin-sdk/wit/v*/, and the draft
//! beside it may grow where components made for the frozen one do not notice.
//!
//! Types are compared by shape, so any change of a record, a variant or a function breaks every component that was
//! built before. What a component imports may have more functions and types, because it asks for those it knows by name;
//! what it exports may not, because the host would ask for what is not there. A hook that has to change becomes a new
//! interface beside the old one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use semver::Version;
use sha2::{Digest, Sha256};
use wit_parser::{Handle, InterfaceId, Resolve, Type, TypeDefKind, TypeId, TypeOwner, WorldItem, WorldKey};

use crate::shell;

const DRAFT: &str = "plugin-sdk/wit";
const SUMS: &str = "SHA256SUMS";
/// The world that the host is generated from: it finds hooks by their presence, and so may have more of them.
const HOSTS_OWN: &str = "all-hooks";

#[derive(Clone, Copy, clap::Subcommand)]
pub enum Wit {
    /// Whether frozen versions are as they were, and the draft is a legal evolution of the newest one.
    Check,
    /// Freeze the draft as the version that it says it is.
    Freeze,
}

impl Wit {
    /// # Errors
    /// Everything that is not as it should be.
    pub fn run(self) -> Result<()> {
        let draft = shell::root().join(DRAFT);
        match self {
            Self::Check => println!("{}", check(&draft)?),
            Self::Freeze => println!("frozen as {}", freeze(&draft)?.display()),
        }
        Ok(())
    }
}

/// What was compared, in a line.
fn check(draft: &Path) -> Result<String> {
    let new = Package::read(draft)?;
    let mut frozen = Vec::new();
    for dir in frozen_dirs(draft)? {
        verify_sums(&dir)?;
        let package = Package::read(&dir)?;
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if name != dir_name(&package.version) {
            bail!("{} has version {}", dir.display(), package.version);
        }
        frozen.push(package);
    }
    let line = |version: &Version| dir_name(&Version::new(version.major, version.minor, 0));
    frozen.retain(|package| line(&package.version) == line(&new.version));
    frozen.sort_by(|one, other| one.version.cmp(&other.version));
    let Some(newest) = frozen.last() else {
        return Ok(format!(
            "{} is the first of its line: nothing to compare with",
            new.version
        ));
    };
    let mistakes = evolution(newest, &new);
    if !mistakes.is_empty() {
        bail!(
            "the draft is no legal evolution of {}:\n- {}",
            newest.version,
            mistakes.join("\n- ")
        );
    }
    Ok(format!("{} is a legal evolution of {}", new.version, newest.version))
}

fn freeze(draft: &Path) -> Result<PathBuf> {
    check(draft)?;
    let version = Package::read(draft)?.version;
    let dir = draft.join(dir_name(&version));
    if dir.exists() {
        bail!("{version} is frozen: give the draft another version first");
    }
    fs::create_dir(&dir)?;
    let mut sums = String::new();
    for path in sources(draft)? {
        let name = path.file_name().unwrap_or_default();
        fs::copy(&path, dir.join(name))?;
        writeln!(sums, "{}  {}", sum(&path)?, name.to_string_lossy())?;
    }
    fs::write(dir.join(SUMS), sums)?;
    Ok(dir)
}

/// `v0_1` for 0.1.0, `v0_1_2` for 0.1.2.
fn dir_name(version: &Version) -> String {
    match version.patch {
        0 => format!("v{}_{}", version.major, version.minor),
        patch => format!("v{}_{}_{patch}", version.major, version.minor),
    }
}

fn frozen_dirs(draft: &Path) -> Result<Vec<PathBuf>> {
    let entries = draft.read_dir().with_context(|| format!("no {}", draft.display()))?;
    let mut dirs = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            dirs.push(path);
        }
    }
    Ok(dirs)
}

/// The interface's files, in order.
fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in dir.read_dir()? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wit") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn sum(path: &Path) -> Result<String> {
    let digest = Sha256::digest(fs::read(path)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// That the files of a frozen version are those it was frozen with.
fn verify_sums(dir: &Path) -> Result<()> {
    let sums = fs::read_to_string(dir.join(SUMS)).with_context(|| format!("{} has no {SUMS}", dir.display()))?;
    let mut computed = String::new();
    for path in sources(dir)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(computed, "{}  {name}", sum(&path)?)?;
    }
    if sums != computed {
        bail!("{} was changed after it was frozen", dir.display());
    }
    Ok(())
}

/// An interface or a world by the names in it, each with its shape as text.
type Items = BTreeMap<String, String>;

/// What can be seen of a version from outside.
struct Package {
    version: Version,
    interfaces: BTreeMap<String, Items>,
    /// Imports and exports.
    worlds: BTreeMap<String, (Items, Items)>,
}

impl Package {
    fn read(dir: &Path) -> Result<Self> {
        let mut resolve = Resolve::new();
        let (id, _) = resolve
            .push_dir(dir)
            .with_context(|| format!("{} cannot be read", dir.display()))?;
        Self::of(&resolve, id)
    }

    fn of(resolve: &Resolve, id: wit_parser::PackageId) -> Result<Self> {
        let package = &resolve.packages[id];
        let interface = |id: InterfaceId| {
            let interface = &resolve.interfaces[id];
            let types = interface
                .types
                .iter()
                .map(|(name, id)| (format!("type {name}"), definition(resolve, *id)));
            let functions = interface.functions.iter().map(|(name, function)| {
                let params = function
                    .params
                    .iter()
                    .map(|param| format!("{}: {}", param.name, shape(resolve, &param.ty)));
                let params = params.collect::<Vec<_>>().join(", ");
                let result = function.result.as_ref().map(|result| shape(resolve, result));
                (format!("function {name}"), format!("({params}) -> {result:?}"))
            });
            types.chain(functions).collect::<Items>()
        };
        let items = |items: &wit_parser::IndexMap<WorldKey, WorldItem>| {
            let text = |(key, item): (&WorldKey, &WorldItem)| {
                let name = resolve.name_world_key(key);
                let shape = match (key, item) {
                    // Compared by itself, where it has a name.
                    (WorldKey::Interface(_), _) => String::new(),
                    (_, WorldItem::Interface { id, .. }) => format!("{:?}", interface(*id)),
                    (_, WorldItem::Function(function)) => format!("{:?} {:?}", function.params.len(), function.result),
                    (_, WorldItem::Type { id, .. }) => definition(resolve, *id),
                };
                // The version is the package's own, and grows.
                (name.split('@').next().unwrap_or_default().to_owned(), shape)
            };
            items.iter().map(text).collect::<Items>()
        };
        Ok(Self {
            version: package.name.version.clone().context("the package has no version")?,
            interfaces: package
                .interfaces
                .iter()
                .map(|(name, id)| (name.clone(), interface(*id)))
                .collect(),
            worlds: package
                .worlds
                .iter()
                .map(|(name, id)| {
                    let world = &resolve.worlds[*id];
                    (name.clone(), (items(&world.imports), items(&world.exports)))
                })
                .collect(),
        })
    }

    /// The interfaces that some world exports: hooks.
    fn exported(&self) -> BTreeSet<&str> {
        let exports = self.worlds.values().flat_map(|(_, exports)| exports.keys());
        exports.filter_map(|name| Some(name.split_once('/')?.1)).collect()
    }
}

/// A type that has a name, down to the names in it.
fn definition(resolve: &Resolve, id: TypeId) -> String {
    match &resolve.types[id].kind {
        TypeDefKind::Record(record) => {
            let fields = record
                .fields
                .iter()
                .map(|field| format!("{}: {}", field.name, shape(resolve, &field.ty)));
            format!("record {{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| match &case.ty {
                Some(ty) => format!("{}({})", case.name, shape(resolve, ty)),
                None => case.name.clone(),
            });
            format!("variant {{ {} }}", cases.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Enum(cases) => {
            let cases = cases.cases.iter().map(|case| case.name.as_str());
            format!("enum {{ {} }}", cases.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Flags(flags) => {
            let flags = flags.flags.iter().map(|flag| flag.name.as_str());
            format!("flags {{ {} }}", flags.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Resource => "resource".into(),
        other => kind(resolve, other),
    }
}

/// A type where it is used: named ones by their name.
fn shape(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else {
        return format!("{ty:?}").to_lowercase();
    };
    let named = &resolve.types[*id];
    match &named.name {
        Some(name) => match named.owner {
            TypeOwner::Interface(owner) => {
                format!(
                    "{}.{name}",
                    resolve.interfaces[owner].name.as_deref().unwrap_or_default()
                )
            }
            _ => name.clone(),
        },
        None => kind(resolve, &named.kind),
    }
}

fn kind(resolve: &Resolve, kind: &TypeDefKind) -> String {
    let of = |ty: &Type| shape(resolve, ty);
    let perhaps = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), of);
    match kind {
        TypeDefKind::Type(ty) => of(ty),
        TypeDefKind::List(ty) => format!("list<{}>", of(ty)),
        TypeDefKind::Option(ty) => format!("option<{}>", of(ty)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", perhaps(&result.ok), perhaps(&result.err)),
        TypeDefKind::Tuple(tuple) => format!("tuple<{}>", tuple.types.iter().map(of).collect::<Vec<_>>().join(", ")),
        TypeDefKind::Handle(Handle::Own(id)) => format!("own<{}>", of(&Type::Id(*id))),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", of(&Type::Id(*id))),
        TypeDefKind::Map(key, value) => format!("map<{}, {}>", of(key), of(value)),
        TypeDefKind::FixedLengthList(ty, length) => format!("list<{}, {length}>", of(ty)),
        TypeDefKind::Future(ty) => format!("future<{}>", perhaps(ty)),
        TypeDefKind::Stream(ty) => format!("stream<{}>", perhaps(ty)),
        // These have names.
        other => other.as_str().to_owned(),
    }
}

/// What of the new version breaks components made for the old one.
fn evolution(old: &Package, new: &Package) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut grown = new.interfaces.len() > old.interfaces.len() || new.worlds.len() > old.worlds.len();
    let hooks = old.exported();
    for (name, items) in &old.interfaces {
        let Some(now) = new.interfaces.get(name) else {
            mistakes.push(format!("the interface {name} is gone"));
            continue;
        };
        let more = difference(name, items, now, &mut mistakes);
        grown |= !more.is_empty();
        if hooks.contains(name.as_str()) {
            for item in more {
                mistakes.push(format!(
                    "{name} has a new {item}, but extensions export {name}: make a new interface"
                ));
            }
        }
    }
    for (name, (imports, exports)) in &old.worlds {
        let Some((imports_now, exports_now)) = new.worlds.get(name) else {
            mistakes.push(format!("the world {name} is gone"));
            continue;
        };
        grown |= !difference(&format!("the world {name}"), imports, imports_now, &mut mistakes).is_empty();
        let more = difference(&format!("the world {name}"), exports, exports_now, &mut mistakes);
        grown |= !more.is_empty();
        if name != HOSTS_OWN {
            mistakes.extend(
                more.iter()
                    .map(|item| format!("the world {name} exports {item} as well")),
            );
        }
    }
    if new.version < old.version {
        mistakes.push(format!("{} comes before {}", new.version, old.version));
    } else if grown && new.version == old.version {
        mistakes.push(format!("something is new, and the version is still {}", new.version));
    }
    mistakes
}

/// Names what is gone or has another shape, and returns what is new.
fn difference<'a>(place: &str, old: &Items, new: &'a Items, mistakes: &mut Vec<String>) -> Vec<&'a str> {
    for (item, shape) in old {
        match new.get(item) {
            None => mistakes.push(format!("{item} of {place} is gone")),
            Some(now) if now != shape => mistakes.push(format!("{item} of {place} was {shape} and is {now}")),
            Some(_) => {}
        }
    }
    let is_new = |item: &&String| !old.contains_key(*item);
    new.keys().filter(is_new).map(String::as_str).collect()
}
