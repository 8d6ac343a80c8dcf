//! Every library crate compiles with no features, with each of them, and with all.

use crate::{
    command,
    workspace::{Package, Workspace},
};

/// Fails on the first combination that does not compile; says how many there are.
pub(crate) fn check() -> anyhow::Result<String> {
    let workspace = Workspace::load()?;
    let libraries: Vec<_> = workspace
        .members()
        .filter(|package| package.is_library() && !package.features.is_empty())
        .collect();
    let mut checked = 0;
    // One feature after the other, not one crate after the other: what the crates share is then built once.
    for selection in selections(&libraries) {
        for package in &libraries {
            if selection.applies_to(package) {
                selection.check(package)?;
                checked += 1;
            }
        }
    }
    Ok(format!(
        "{checked} combinations of crate and features compile"
    ))
}

/// Which features of a crate are on.
#[derive(Debug, PartialEq, Eq)]
enum Selection {
    None,
    One(String),
    All,
}

fn selections(libraries: &[&Package]) -> Vec<Selection> {
    let mut names: Vec<_> = libraries
        .iter()
        .flat_map(|package| package.features.keys())
        // What both back ends share is on with either of them, and nothing by itself.
        .filter(|feature| !matches!(feature.as_str(), "default" | "storage"))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    let each = names.into_iter().map(Selection::One);
    std::iter::once(Selection::None)
        .chain(each)
        .chain([Selection::All])
        .collect()
}

impl Selection {
    fn applies_to(&self, package: &Package) -> bool {
        match self {
            Self::One(feature) => package.features.contains_key(feature),
            Self::None | Self::All => true,
        }
    }

    /// The library by itself, since what its tests depend on turns on more features; then the tests.
    fn check(&self, package: &Package) -> anyhow::Result<()> {
        // Tests turn on more features of what they depend on, so that one selection tells all there is to tell.
        let targets: &[&str] = if *self == Self::None {
            &["--lib", "--tests"]
        } else {
            &["--lib"]
        };
        for target in targets {
            let mut cargo = command::cargo(["check", "--quiet", "--locked", "--package"]);
            cargo.args([package.name.as_str(), *target, "--no-default-features"]);
            match self {
                Self::None => {}
                Self::One(feature) => {
                    cargo.args(["--features", feature]);
                }
                Self::All => {
                    cargo.arg("--all-features");
                }
            }
            command::run(&mut cargo)?;
        }
        Ok(())
    }
}
