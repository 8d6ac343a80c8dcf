//! `mauntic backup`: a copy to restore from, made while everything runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use clap::Args;
use mauntic_core::storage::DbTarget;
use serde::Serialize;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use url::Url;

use crate::{cli::Global, context::settings, exit, output::Output};

/// The contexts, in the order in which their files are copied: what is told comes before who was told, and an event
/// that comes twice does nothing.
const CONTEXTS: [&str; 3] = ["messaging", "crm", "identity"];
/// The file of all contexts on PostgreSQL.
const DUMP: &str = "mauntic.dump";
/// The folder with the images of emails.
const IMAGES: &str = "images";
/// The file that holds the key of links and stored passwords.
const SECRET: &str = "secret";

/// `mauntic backup FOLDER`
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The folder to make; it must not be there, or be empty
    folder: PathBuf,
}

/// What was copied.
#[derive(Debug, Serialize)]
struct Copied {
    folder: PathBuf,
    files: Vec<CopiedFile>,
    /// How many images of emails are among them.
    images: u64,
    /// Where the images are, if they are not in the data folder and so not copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    images_elsewhere: Option<String>,
    /// Whether the secret is among them; otherwise it is in the configuration.
    secret: bool,
    restore: String,
}

#[derive(Debug, Serialize)]
struct CopiedFile {
    name: String,
    bytes: u64,
}

impl Backup {
    /// Runs the command.
    pub(crate) async fn run(self, global: Global, output: Output) -> anyhow::Result<()> {
        let settings = settings(&global)?;
        let target = settings.target()?;
        prepare(&self.folder)?;
        let restore = match &target {
            DbTarget::Sqlite(data) => {
                if copy_files(data, &self.folder).await? == 0 {
                    let text = format!("there is no Mauntic data in {}", data.display());
                    return Err(exit::not_found(text));
                }
                format!(
                    "stop Mauntic, put the files of {} into an empty data folder, and start it with --data FOLDER",
                    self.folder.display()
                )
            }
            DbTarget::Postgres(url) => {
                dump(url, &self.folder.join(DUMP))?;
                format!(
                    "stop Mauntic, then: pg_restore --clean --if-exists --no-owner --dbname DATABASE {}; and put what else is in {} into the data folder",
                    self.folder.join(DUMP).display(),
                    self.folder.display()
                )
            }
        };
        // After the database: an image is kept before an email names it.
        let images = match &settings.images_bucket {
            None => copy_images(&settings.data.join(IMAGES), &self.folder.join(IMAGES))?,
            Some(_) => 0,
        };
        let secret = settings.data.join(SECRET);
        let has_secret = settings.secret.is_none() && secret.is_file();
        if has_secret {
            fs::copy(&secret, self.folder.join(SECRET)).context("the secret cannot be copied")?;
        }
        let copied = Copied {
            files: list(&self.folder)?,
            folder: self.folder,
            images,
            images_elsewhere: settings.images_bucket.clone(),
            secret: has_secret,
            restore,
        };
        output.result(&copied, Copied::describe)
    }
}

impl Copied {
    fn describe(&self) -> String {
        let files = self
            .files
            .iter()
            .map(|file| format!("  {:>14}  {}", file.bytes, file.name));
        let images = match &self.images_elsewhere {
            Some(bucket) => format!(
                "Images of emails are in the bucket {bucket} and not copied: its storage must keep them safe."
            ),
            None => format!("Images of emails: {}", self.images),
        };
        let secret = if self.secret {
            "The secret is in it: keep it where only you can read it."
        } else {
            "The secret is not in it: it is in the configuration, and without it links in sent mail end."
        };
        format!(
            "{}\n{}\n{images}\n{secret}\nTo restore it: {}",
            self.folder.display(),
            files.collect::<Vec<_>>().join("\n"),
            self.restore
        )
    }
}

fn prepare(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    if fs::read_dir(folder)?.next().is_some() {
        return Err(exit::invalid(format!(
            "{} is not empty: name a new folder",
            folder.display()
        )));
    }
    Ok(())
}

/// Copies each context as it is at one moment, while others write.
async fn copy_files(data: &Path, folder: &Path) -> anyhow::Result<usize> {
    let mut files = 0;
    for context in CONTEXTS {
        let file = data.join(format!("{context}.sqlite"));
        if !file.is_file() {
            continue;
        }
        let copy = folder.join(format!("{context}.sqlite"));
        let copy = copy.to_str().context("the folder's name is not UTF-8")?;
        let mut connection = SqliteConnectOptions::new()
            .filename(&file)
            .busy_timeout(std::time::Duration::from_secs(30))
            .connect()
            .await?;
        sqlx::query("VACUUM INTO ?1")
            .bind(copy)
            .execute(&mut connection)
            .await
            .with_context(|| format!("{} cannot be copied", file.display()))?;
        connection.close().await?;
        files += 1;
    }
    Ok(files)
}

/// Copies the images of all organisations; there may be none. What is written meanwhile may be left out, never halved:
/// images are put in place whole.
fn copy_images(from: &Path, to: &Path) -> anyhow::Result<u64> {
    let mut copied = 0;
    let organizations = match fs::read_dir(from) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", from.display())),
    };
    for organization in organizations {
        let organization = organization?;
        if !organization.file_type()?.is_dir() {
            continue;
        }
        let folder = to.join(organization.file_name());
        fs::create_dir_all(&folder)?;
        for image in fs::read_dir(organization.path())? {
            let image = image?;
            match fs::copy(image.path(), folder.join(image.file_name())) {
                Ok(_) => copied += 1,
                // What was on its way is in place by another name now, or will be.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let place = image.path();
                    return Err(error).with_context(|| format!("cannot copy {}", place.display()));
                }
            }
        }
    }
    Ok(copied)
}

/// One snapshot of all contexts by PostgreSQL's own program. The password goes by the environment, where other users
/// of the machine cannot read it.
fn dump(url: &str, file: &Path) -> anyhow::Result<()> {
    let url = Url::parse(url).context("the database's address")?;
    let mut command = Command::new("pg_dump");
    command
        .args(["--format=custom", "--no-owner", "--file"])
        .arg(file)
        .args(CONTEXTS.map(|context| format!("--schema={context}")))
        .stdin(Stdio::null());
    let decode = |text: &str| {
        let pairs = format!("x={}", text.replace('+', "%2B"));
        url::form_urlencoded::parse(pairs.as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    for (name, value) in [
        ("PGHOST", url.host_str().map(str::to_owned)),
        ("PGPORT", url.port().map(|port| port.to_string())),
        ("PGUSER", Some(decode(url.username()))),
        ("PGPASSWORD", url.password().map(decode)),
        (
            "PGDATABASE",
            Some(decode(url.path().trim_start_matches('/'))),
        ),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            command.env(name, value);
        }
    }
    for (name, value) in url.query_pairs() {
        let known = match &*name {
            "sslmode" => "PGSSLMODE",
            "sslrootcert" => "PGSSLROOTCERT",
            _ => continue,
        };
        command.env(known, &*value);
    }
    let status = command.status().context(
        "pg_dump cannot be run: install PostgreSQL's client programs, of the server's version or newer",
    )?;
    if !status.success() {
        bail!("pg_dump failed ({status}); what it said stands above");
    }
    Ok(())
}

fn list(folder: &Path) -> anyhow::Result<Vec<CopiedFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        files.push(CopiedFile {
            name: entry.file_name().to_string_lossy().into_owned(),
            bytes: entry.metadata()?.len(),
        });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}
