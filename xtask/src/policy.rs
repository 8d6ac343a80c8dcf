//! Licences, banned crates and sources, as `deny.toml` lays them down.
//!
//! `cargo deny` reads the same file and knows more (it looks into licence texts, for one), so it runs too where it
//! is installed. It takes minutes to build, though, and these three checks must never be left out.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

use crate::{
    command,
    workspace::{Package, Workspace},
};

#[derive(Debug, Deserialize)]
struct Policy {
    graph: Graph,
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<LicenceException>,
}

#[derive(Debug, Deserialize)]
struct LicenceException {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

/// Fails on a licence, a crate or a source that `deny.toml` does not allow.
pub(crate) fn check() -> anyhow::Result<String> {
    let text = fs::read_to_string(command::root().join("deny.toml")).context("deny.toml")?;
    let policy: Policy = toml::from_str(&text).context("deny.toml")?;
    let workspace = Workspace::load()?;
    let mut names = BTreeSet::new();
    for target in &policy.graph.targets {
        names.extend(tree(target)?);
    }
    let mut faults = Vec::new();
    for (name, version) in &names {
        let package = workspace
            .find(name, version)
            .with_context(|| format!("cargo metadata does not know {name} {version}"))?;
        faults.extend(policy.faults(package));
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    let also = run_cargo_deny()?;
    Ok(format!(
        "licences, bans and sources of {} crates are as deny.toml allows{also}",
        names.len()
    ))
}

/// The packages that are built for the target. `cargo metadata` also lists those that no feature turns on.
fn tree(target: &str) -> anyhow::Result<BTreeSet<(String, String)>> {
    let listed = command::output(&mut command::cargo([
        "tree",
        "--locked",
        "--workspace",
        "--all-features",
        "--edges=all",
        "--prefix=none",
        "--format={p}",
        "--target",
        target,
    ]))?;
    let package = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        let version = rest.split(' ').next()?;
        Some((name.to_owned(), version.to_owned()))
    };
    Ok(listed.lines().filter_map(package).collect())
}

fn run_cargo_deny() -> anyhow::Result<&'static str> {
    if !command::cargo_has("deny") {
        return Ok("");
    }
    command::run(&mut command::cargo([
        "deny", "check", "licenses", "bans", "sources",
    ]))?;
    Ok("; cargo deny agrees")
}

impl Policy {
    fn faults(&self, package: &Package) -> Vec<String> {
        let named = format!("{} {}", package.name, package.version);
        let mut faults = Vec::new();
        if let Some(ban) = self.bans.deny.iter().find(|ban| ban.name == package.name) {
            faults.push(format!("{named} is banned: {}", ban.reason));
        }
        if let Some(source) = &package.source {
            let address = source.strip_prefix("registry+").unwrap_or(source);
            if !self
                .sources
                .allow_registry
                .iter()
                .any(|allowed| allowed == address)
            {
                faults.push(format!("{named} comes from {source}"));
            }
        }
        if !self.allows_licence(package) {
            let licence = package
                .license
                .as_deref()
                .unwrap_or("no licence expression");
            faults.push(format!("{named} has the licence {licence}"));
        }
        faults
    }

    fn allows_licence(&self, package: &Package) -> bool {
        let Some(licence) = &package.license else {
            return false;
        };
        let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
            return false;
        };
        let exceptions = self.licenses.exceptions.iter();
        let excepted: Vec<_> = exceptions
            .filter(|other| other.name == package.name)
            .collect();
        expression.evaluate(|requirement| {
            let id = requirement.to_string();
            self.licenses.allow.contains(&id)
                || excepted.iter().any(|other| other.allow.contains(&id))
        })
    }
}
