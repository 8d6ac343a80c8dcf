//! What no file of the project may hold.

use std::{fs, path::Path};

use anyhow::bail;

use crate::command;

/// Marks of unfinished work, in any file of text. Spelt apart so that this file does not hold them.
const UNFINISHED: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
];
/// Rust that panics instead of doing its work, and a payload whose parser has known faults.
const NOT_IN_RUST: [&str; 4] = [
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("db", "g!("),
    concat!("payload::", "Xml"),
];
/// Folders of one person's machine.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
];

/// Fails on unfinished work and on paths of one machine; says how many files were read.
pub(crate) fn check() -> anyhow::Result<String> {
    let root = command::root();
    let files = command::output(
        std::process::Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(&root),
    )?;
    let mut found = Vec::new();
    let mut read = 0;
    for name in files.split_terminator('\0') {
        // Anything that is not text, or deleted but not yet committed, has no lines to look at.
        if let Ok(text) = fs::read_to_string(root.join(name)) {
            read += 1;
            found.extend(faults(name, &text));
        }
    }
    if !found.is_empty() {
        bail!("{}", found.join("\n"));
    }
    Ok(format!(
        "{read} files hold no unfinished work and no path of one machine"
    ))
}

fn faults(name: &str, text: &str) -> Vec<String> {
    let rust = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "rs");
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let unfinished = UNFINISHED.iter().filter(|word| has_word(line, word));
        let not_here = NOT_IN_RUST
            .iter()
            .filter(|text| rust && line.contains(**text));
        let paths = MACHINE_PATHS.iter().filter(|path| has_path(line, path));
        faults.extend(
            unfinished
                .chain(not_here)
                .chain(paths)
                .map(|fault| format!("{name}:{}: {fault}", index + 1)),
        );
    }
    faults
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|found| found == word)
}

/// Whether the folder stands at the beginning of a path, not in the middle of a URL's.
fn has_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_is_found_with_its_line() {
        let text = format!("fn main() {{}}\n// {}: more\n", UNFINISHED[0]);
        assert_eq!(
            faults("a.rs", &text),
            [format!("a.rs:2: {}", UNFINISHED[0])]
        );
        assert!(faults("a.rs", "let template = \"XXXXXX\";").is_empty());
    }

    #[test]
    fn a_path_of_one_machine_is_told_from_an_address() {
        assert!(has_path(
            &format!("at {}me/x", MACHINE_PATHS[1]),
            MACHINE_PATHS[1]
        ));
        assert!(!has_path(
            &format!("https://example.com{}", MACHINE_PATHS[1]),
            MACHINE_PATHS[1]
        ));
    }
}
