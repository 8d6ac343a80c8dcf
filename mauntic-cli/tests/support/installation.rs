//! An installation that only one test uses, driven through the real program.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use mauntic_core::storage::DbTarget;
use serde_json::Value;
use tempfile::TempDir;

/// The program and where it keeps its data.
pub(crate) struct Installation {
    database: String,
    folder: TempDir,
}

impl Installation {
    /// One on that database.
    pub(crate) fn on(database: &DbTarget) -> Self {
        let database = match database {
            DbTarget::Sqlite(folder) => format!("sqlite:{}", folder.display()),
            DbTarget::Postgres(url) => url.clone(),
        };
        let folder = TempDir::with_prefix("mauntic-test-").expect("a temporary folder can be made");
        Self { database, folder }
    }

    /// A file in the installation's own folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into the installation's own folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, content).expect("a file can be written");
        path
    }

    /// The program with these arguments, away from the settings of whoever runs the test.
    ///
    /// `TEST_BINARY` names another build of the program, such as an optimised one.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program =
            std::env::var_os("TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_mauntic").into());
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("MAUNTIC_") || name == "DATABASE_URL" {
                command.env_remove(&*name);
            }
        }
        command
            .args(["--database", &self.database, "--data"])
            .arg(self.folder.path())
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments)
            .output()
            .expect("the program starts")
    }

    /// Runs a command that has to succeed and returns its result, which is all that is on standard output: one object
    /// on one line.
    pub(crate) fn result(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let output = self.run(&arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{arguments:?} failed: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = text.strip_suffix('\n').unwrap_or_default();
        assert!(!line.contains('\n'), "{arguments:?} printed {text}");
        let result: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        assert!(result.is_object(), "{arguments:?} printed {line}");
        result
    }

    /// Starts a command; its log is added to `NAME.log`.
    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> Running {
        let log = self.file(&format!("{name}.log"));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log can be written");
        let stdout = log.try_clone().expect("a log can be shared");
        let child = self
            .command(arguments)
            .stdout(stdout)
            .stderr(log)
            .spawn()
            .expect("the program starts");
        Running(child)
    }
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

/// A process of the program, killed with this value.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Ends it as a power cut would: without a chance to tidy up.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
