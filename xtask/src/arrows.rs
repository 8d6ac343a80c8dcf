//! Which crate may depend on which: cli → server → contexts → core, and never the other way.

use std::collections::BTreeSet;

use anyhow::bail;

use crate::workspace::{Package, Workspace};

/// Frameworks that the domain must not know.
const NOT_FOR_THE_DOMAIN: [&str; 9] = [
    "anyhow",
    "clap",
    "comfy-table",
    "config",
    "indicatif",
    "maud",
    "poem",
    "poem-openapi",
    "tracing-subscriber",
];
/// What only programs may use: a library says what went wrong in types of its own.
const NOT_FOR_THE_SERVER: [&str; 4] = ["clap", "comfy-table", "dialoguer", "indicatif"];

/// The place of a crate in the workspace, from the inside out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ring {
    Core,
    Context,
    Server,
    Cli,
    Examples,
    Xtask,
}

impl Ring {
    fn of(name: &str) -> Option<Self> {
        match name {
            "mauntic-core" => Some(Self::Core),
            "mauntic-server" => Some(Self::Server),
            "mauntic-cli" => Some(Self::Cli),
            "mauntic-examples" => Some(Self::Examples),
            "xtask" => Some(Self::Xtask),
            _ if name.starts_with("mauntic-") => Some(Self::Context),
            _ => None,
        }
    }

    fn may_depend_on(self, other: Self) -> bool {
        match self {
            Self::Core | Self::Xtask => false,
            Self::Context => other == Self::Core,
            Self::Server | Self::Examples => matches!(other, Self::Core | Self::Context),
            Self::Cli => matches!(other, Self::Core | Self::Context | Self::Server),
        }
    }

    fn forbidden(self) -> &'static [&'static str] {
        match self {
            Self::Core | Self::Context => &NOT_FOR_THE_DOMAIN,
            Self::Server => &NOT_FOR_THE_SERVER,
            Self::Cli | Self::Examples | Self::Xtask => &[],
        }
    }
}

/// Fails on a wrong arrow; says how many were looked at.
pub(crate) fn check() -> anyhow::Result<String> {
    let workspace = Workspace::load()?;
    let mut wrong = BTreeSet::new();
    let mut looked_at = 0;
    for package in workspace.members() {
        looked_at += package.dependencies.len();
        wrong.extend(wrong_arrows(package));
    }
    if wrong.is_empty() {
        return Ok(format!("{looked_at} dependencies point the right way"));
    }
    bail!("{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

fn wrong_arrows(package: &Package) -> Vec<String> {
    let Some(ring) = Ring::of(&package.name) else {
        return vec![format!("{} has no place in the workspace", package.name)];
    };
    let names = package
        .dependencies
        .iter()
        .map(|dependency| dependency.name.as_str());
    // A crate may depend on itself: its tests then have its own features.
    names
        .filter(|name| *name != package.name && !is_allowed(ring, name))
        .map(|name| format!("{} must not depend on {name}", package.name))
        .collect()
}

fn is_allowed(ring: Ring, name: &str) -> bool {
    match Ring::of(name) {
        Some(other) => ring.may_depend_on(other),
        None => !ring.forbidden().contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_point_inward() {
        let allowed = |from: &str, to: &str| is_allowed(Ring::of(from).unwrap(), to);
        assert!(allowed("mauntic-cli", "mauntic-server"));
        assert!(allowed("mauntic-server", "mauntic-crm"));
        assert!(allowed("mauntic-crm", "mauntic-core"));
        assert!(allowed("mauntic-crm", "sea-orm"));
        assert!(!allowed("mauntic-crm", "mauntic-messaging"));
        assert!(!allowed("mauntic-core", "mauntic-crm"));
        assert!(!allowed("mauntic-server", "mauntic-cli"));
        assert!(!allowed("mauntic-crm", "poem"));
        assert!(!allowed("mauntic-examples", "mauntic-server"));
    }
}
