//! Dependencies that are declared but that nothing uses.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use toml::Table;

use crate::{
    command,
    workspace::{Package, Workspace},
};

const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Fails when a dependency of the workspace is nobody's, or one of a crate does not occur in its code.
pub(crate) fn check() -> anyhow::Result<String> {
    let workspace = Workspace::load()?;
    let mut unused = Vec::new();
    let mut inherited = BTreeSet::new();
    for package in workspace.members() {
        let manifest = read_manifest(Path::new(&package.manifest_path))?;
        let code = Code::of(package)?;
        for name in declared(&manifest) {
            if !code.names(&name) && !is_forwarded(package, &name) {
                unused.push(format!(
                    "{} declares {name} but does not use it",
                    package.name
                ));
            }
            inherited.insert(name);
        }
    }
    let root = read_manifest(&command::root().join("Cargo.toml"))?;
    let shared = root
        .get("workspace")
        .and_then(|table| table.get("dependencies"));
    let shared = shared
        .and_then(toml::Value::as_table)
        .context("no [workspace.dependencies]")?;
    let nobodys = shared.keys().filter(|name| !inherited.contains(*name));
    unused.extend(nobodys.map(|name| format!("no crate uses {name} of [workspace.dependencies]")));
    if !unused.is_empty() {
        bail!("{}", unused.join("\n"));
    }
    Ok(format!("{} shared dependencies are in use", shared.len()))
}

fn read_manifest(path: &Path) -> anyhow::Result<Table> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

fn declared(manifest: &Table) -> BTreeSet<String> {
    TABLES
        .iter()
        .filter_map(|table| manifest.get(*table)?.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// Whether a feature of the package turns on one of the dependency's: then it is there for that.
fn is_forwarded(package: &Package, dependency: &str) -> bool {
    let prefix = format!("{dependency}/");
    package
        .features
        .values()
        .flatten()
        .any(|enabled| enabled.starts_with(&prefix))
}

/// The source text of a package.
struct Code(String);

impl Code {
    fn of(package: &Package) -> anyhow::Result<Self> {
        let manifest = Path::new(&package.manifest_path);
        let mut code = String::new();
        let mut folders: Vec<PathBuf> = manifest.parent().map(Path::to_owned).into_iter().collect();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    code.push_str(&fs::read_to_string(&path)?);
                }
            }
        }
        Ok(Self(code))
    }

    /// Whether the name of the crate stands in it as a word.
    fn names(&self, dependency: &str) -> bool {
        let name = dependency.replace('-', "_");
        let part_of_a_word = |c: char| c.is_alphanumeric() || c == '_';
        self.0.match_indices(&name).any(|(at, _)| {
            let before = self.0[..at].chars().next_back();
            let after = self.0[at + name.len()..].chars().next();
            !before.is_some_and(part_of_a_word) && !after.is_some_and(part_of_a_word)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_named_as_a_word() {
        let code = Code("use sea_orm::Value;\nlet csvs = 1;".into());
        assert!(code.names("sea-orm"));
        assert!(!code.names("csv"));
        assert!(!code.names("sea-orm-migration"));
    }
}
