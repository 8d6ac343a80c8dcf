//! What cargo knows of the workspace.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::command;

/// The packages of the workspace, and all that they may need.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    packages: Vec<Package>,
    #[serde(rename = "workspace_members")]
    members: Vec<String>,
    target_directory: PathBuf,
}

/// A package, as `cargo metadata` tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// The registry or repository; `None` for a folder.
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) targets: Vec<Target>,
}

/// A line under `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

/// A library, a program, a test of a package.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) name: String,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let json = command::output(&mut command::cargo([
            "metadata",
            "--format-version=1",
            "--all-features",
            "--locked",
        ]))?;
        serde_json::from_str(&json).context("cargo metadata has another form than expected")
    }

    /// The packages of the workspace itself.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.members.contains(&package.id))
    }

    /// The names of the programs of one of the packages.
    pub(crate) fn programs(&self, package: &str) -> Vec<&str> {
        self.members()
            .filter(|member| member.name == package)
            .flat_map(|member| &member.targets)
            .filter(|target| target.is("bin"))
            .map(|target| target.name.as_str())
            .collect()
    }

    /// Where cargo puts a program that it builds for development.
    pub(crate) fn built(&self, program: &str) -> PathBuf {
        self.target_directory.join("debug").join(program)
    }

    /// The package of a name and version, wherever it comes from.
    pub(crate) fn find(&self, name: &str, version: &str) -> Option<&Package> {
        self.packages
            .iter()
            .find(|package| package.name == name && package.version == version)
    }
}

impl Package {
    /// Whether others can depend on it.
    pub(crate) fn is_library(&self) -> bool {
        self.targets.iter().any(|target| target.is("lib"))
    }
}

impl Target {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|known| known == kind)
    }
}
