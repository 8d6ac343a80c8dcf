//! What every command starts from: the settings, the App, and the organisation to act in.

use anyhow::Context as _;
use mauntic_core::{Actor, Operator, PageSize, identity::Organization};
use mauntic_server::{App, Settings};

use crate::{cli::Global, exit, output::Output};

/// The App, on behalf of the operator.
pub(crate) struct Context {
    /// Everything that the installation can do.
    pub(crate) app: App,
    /// How results are printed.
    pub(crate) output: Output,
    global: Global,
}

/// The settings from file, environment and flags.
///
/// # Errors
/// If one of them is wrong.
pub(crate) fn settings(global: &Global) -> anyhow::Result<Settings> {
    let mut settings = Settings::load(global.config.as_deref())?;
    if let Some(database) = &global.database {
        settings.database = Some(database.clone());
    }
    if let Some(data) = &global.data {
        settings.data.clone_from(data);
    }
    Ok(settings)
}

impl Context {
    /// Opens the installation and brings its database up to date.
    ///
    /// # Errors
    /// If the settings are wrong or the database does not answer.
    pub(crate) async fn open(global: Global, output: Output) -> anyhow::Result<Self> {
        let app = App::open(settings(&global)?)
            .await
            .map_err(|error| database_help(error.into()))?;
        Ok(Self {
            app,
            output,
            global,
        })
    }

    /// An App that is open already.
    pub(crate) fn of(app: App, output: Output, global: Global) -> Self {
        Self {
            app,
            output,
            global,
        }
    }

    /// Acts in the organisation that `--org` or the settings name, or in the only one.
    ///
    /// # Errors
    /// If there is no such organisation, or several and none is named.
    pub(crate) async fn actor(&self) -> anyhow::Result<Actor> {
        let organization = self.organization().await?;
        let actor = Actor::system(organization.id);
        Ok(match organization.deletion {
            Some(_) => actor.while_closing(),
            None => actor,
        })
    }

    /// The organisation that `--org` or the settings name, or the only one, which is made if there is none yet.
    ///
    /// # Errors
    /// If there is no such organisation, or several and none is named.
    pub(crate) async fn organization(&self) -> anyhow::Result<Organization> {
        let identity = &self.app.identity;
        let named = self.global.org.as_ref().or(self.app.settings.org.as_ref());
        if let Some(name) = named {
            let found = identity.find_organization(&Operator::local(), name).await;
            return found.with_context(|| format!("the organisation to act in: {name}"));
        }
        if let Some(made) = identity
            .ensure_default_organization(&Operator::local())
            .await?
        {
            return Ok(made);
        }
        let mut page = identity
            .organizations(&Operator::local(), None, PageSize::clamped(2))
            .await?;
        if page.items.len() > 1 {
            return Err(exit::invalid(
                "there are several organisations: name one with --org (see `mauntic org list`)",
            ));
        }
        page.items
            .pop()
            .ok_or_else(|| exit::not_found("there is no organisation yet"))
    }

    /// Asks before something is lost; without a terminal, `--yes` must be given.
    ///
    /// # Errors
    /// If the answer is no, or nobody can be asked.
    pub(crate) fn confirm(&self, yes: bool, question: &str) -> anyhow::Result<()> {
        use std::io::IsTerminal as _;

        if yes {
            return Ok(());
        }
        if self.output.is_json() || !std::io::stdin().is_terminal() {
            return Err(exit::invalid(format!("{question} Say --yes to do it")));
        }
        let sure = dialoguer::Confirm::new()
            .with_prompt(question)
            .default(false)
            .interact()?;
        if sure {
            Ok(())
        } else {
            Err(exit::invalid("nothing was changed"))
        }
    }
}

/// Says what to try when the database does not answer.
fn database_help(error: anyhow::Error) -> anyhow::Error {
    error.context("the installation cannot be opened; `mauntic doctor` says more")
}
