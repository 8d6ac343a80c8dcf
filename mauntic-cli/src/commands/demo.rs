//! `mauntic demo`: the whole job on made-up people.

mod audience;
mod content;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use clap::Args;
use mauntic_core::{
    Actor, EmailAddress, Operator, Role, SecretKey, SegmentId, WorkerId,
    identity::{CreateOrganization, CreateToken, CreateUser, FirstPassword},
};
use mauntic_crm::{
    CreateField, FieldOption, FieldType,
    import::{CreateImport, Import, ImportFile, ImportOptions, Watch},
    segment::{CreateSegment, RuleInput},
};
use mauntic_messaging::{
    domain::AddSendingDomain,
    email::CreateEmail,
    sending::{CreateSend, JobState, SendStatus},
};
use mauntic_server::{App, Workers, endpoint, install_metrics, jobs, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{emails, import, sends, serve::stop_on_signal};
use crate::{
    cli::Global,
    context::{Context, settings},
    output::{Output, count},
    people::People,
    progress::Progress,
};

/// Whom the demo writes to.
const RULE: &str =
    r#"subscribed = true and (country in ("DE", "FR") or tag in ("vip")) and email is set"#;
/// A person opens no mail sooner after it came.
const READING_STARTS: Duration = Duration::from_millis(2_500);
/// How long the parts of the installation may take to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// `mauntic demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many people are made up
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(20..=10_000_000))]
    contacts: u64,
    /// Print a summary and stop instead of serving
    #[arg(long)]
    exit: bool,
    /// Where to listen [default: 127.0.0.1:8080; with --exit, any free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

impl Demo {
    /// Runs the command.
    pub(crate) async fn run(self, global: Global, output: Output) -> anyhow::Result<()> {
        // A summary needs no data afterwards: unless told where, it is in a folder that goes again.
        let scratch = if self.exit && global.data.is_none() && global.database.is_none() {
            Some(tempfile::tempdir()?)
        } else {
            None
        };
        let mut settings = settings(&global)?;
        if let Some(folder) = &scratch {
            settings.data = folder.path().to_owned();
            settings.database = None;
        }
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let usual = if self.exit { free } else { settings.listen };
        let listener = TcpListener::bind(self.listen.unwrap_or(usual)).await?;
        settings.listen = listener.local_addr()?;
        settings.base_url = None;
        let app = App::open(settings).await?;
        let name = format!("Demo {}", app.clock.now().format("%F %T"));
        let organization = app
            .identity
            .create_organization(&Operator::local(), CreateOrganization::named(name.parse()?))
            .await?;
        let context = Context::of(
            app,
            output,
            Global {
                org: Some(organization.id.to_string()),
                ..global
            },
        );
        self.show(context, listener).await
    }

    async fn show(&self, context: Context, listener: TcpListener) -> anyhow::Result<()> {
        let stop = stop_on_signal();
        let address = listener.local_addr()?;
        let server = tokio::spawn(serve(
            listener,
            endpoint(&context.app, install_metrics()?),
            stop.clone(),
        ));
        let workers = Workers::start(jobs(&context.app), stop.clone());
        let summary = tokio::select! {
            summary = job(&context, self.contacts, address) => Some(summary?),
            () = stop.cancelled() => None,
        };
        if let Some(summary) = summary {
            context.output.result(&summary, describe)?;
            if !self.exit {
                invite(&context, address).await?;
                stop.cancelled().await;
            }
        }
        stop.cancel();
        workers.stop(PATIENCE).await;
        Ok(server.await??)
    }
}

/// Import, segment, send, and what people do with the mail.
async fn job(context: &Context, contacts: u64, address: SocketAddr) -> anyhow::Result<Value> {
    let actor = context.actor().await?;
    define_fields(context, &actor).await?;
    let imported = import_people(context, &actor, contacts).await?;
    let segment = make_segment(context, &actor).await?;
    let (email, status) = send(context, &actor, segment.0).await?;
    let accepted = u64::try_from(status.tally.accepted).unwrap_or_default();
    tokio::time::sleep(READING_STARTS).await;
    audience::react(context, &actor, address, accepted).await?;
    settle(context).await?;
    let mut sent = sends::record(&status);
    let report = emails::report(context, email).await?;
    for name in ["opened", "clicked", "unsubscribed", "bounced"] {
        sent[name] = report[name].clone();
    }
    Ok(json!({"import": import::summary(&imported), "segment": segment.1, "send": sent}))
}

/// What the list has beyond the core fields.
async fn define_fields(context: &Context, actor: &Actor) -> anyhow::Result<()> {
    let plans = ["free", "starter", "pro", "enterprise"]
        .map(FieldOption::plain)
        .to_vec();
    let fields = [
        CreateField {
            options: plans,
            ..CreateField::new("Plan", FieldType::Select)
        },
        CreateField::new("Lifetime Value", FieldType::Number),
        CreateField::new("Signup Date", FieldType::Date),
        CreateField::new("Subscribed", FieldType::Boolean),
    ];
    for field in fields {
        context.app.fields.create(actor, field).await?;
    }
    Ok(())
}

async fn import_people(context: &Context, actor: &Actor, rows: u64) -> anyhow::Result<Import> {
    let file = tempfile::Builder::new()
        .prefix("mauntic-people-")
        .suffix(".csv")
        .tempfile()?;
    let people = People {
        rows,
        bad_every: 200,
        repeated_every: 500,
        bounce_every: 90,
        seed: 2026,
    };
    people.write_csv(std::io::BufWriter::new(file.as_file()))?;
    let command = CreateImport {
        name: "people.csv".to_owned(),
        file: ImportFile::Path(file.path().to_owned()),
        options: ImportOptions {
            tags: vec!["demo".parse()?],
            ..ImportOptions::default()
        },
    };
    let created = context.app.imports.create(actor, command).await?;
    let mut progress = Progress::start(context.output, "Importing", rows);
    let mut show = |_: &Import, now: mauntic_crm::import::ImportProgress| {
        progress.update(now.counts.rows, rows, "");
    };
    let worker = WorkerId::generate(&*context.app.ids);
    let watch = Watch {
        progress: &mut show,
        stop: &|| false,
    };
    let import = context
        .app
        .imports
        .run_to_end(actor, created.id, worker, watch)
        .await?;
    progress.finish();
    Ok(import)
}

async fn make_segment(context: &Context, actor: &Actor) -> anyhow::Result<(SegmentId, Value)> {
    let started = Instant::now();
    let command = CreateSegment {
        name: "Readers in Germany and France".parse()?,
        description: "Subscribed, and in Germany or France or a VIP".to_owned(),
        rule: Some(RuleInput::Text(RULE.to_owned())),
    };
    let segment = context.app.segments.create(actor, command).await?;
    super::segments::build(context, &segment).await?;
    let built = context.app.segments.find(actor, segment.id).await?;
    let record = json!({
        "name": built.name, "where": RULE, "members": built.member_count, "added": built.last_added,
        "removed": built.last_removed, "seconds": started.elapsed().as_secs_f64(),
    });
    Ok((segment.id, record))
}

async fn send(
    context: &Context,
    actor: &Actor,
    segment: SegmentId,
) -> anyhow::Result<(mauntic_core::EmailId, SendStatus)> {
    let domain = AddSendingDomain {
        domain: content::DOMAIN.parse()?,
        return_path: None,
    };
    context.app.domains.add(actor, domain).await?;
    let command = CreateEmail {
        name: "News from the workshop".parse()?,
        source: content::email(),
    };
    let email = context.app.emails.create(actor, command).await?.email.id;
    let job = context
        .app
        .sends
        .create(
            actor,
            CreateSend {
                email,
                version: None,
                segment,
                at: None,
            },
        )
        .await?;
    let mut progress = Progress::start(context.output, "Sending", 0);
    loop {
        let status = context.app.sends.status(actor, job.id).await?;
        let tally = &status.tally;
        let done = u64::try_from(tally.accepted + tally.refused).unwrap_or_default();
        progress.update(done, u64::try_from(tally.planned).unwrap_or_default(), "");
        if !matches!(
            status.job.state,
            JobState::Scheduled | JobState::Planning | JobState::Sending
        ) {
            progress.finish();
            return Ok((email, status));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Counts what was done with the mail without waiting for late signs of machines.
async fn settle(context: &Context) -> anyhow::Result<()> {
    while context
        .app
        .projector
        .project_before(context.app.clock.now())
        .await?
    {}
    sends::settle(context).await
}

fn describe(summary: &Value) -> String {
    let number = |path: &str| {
        count(
            summary
                .pointer(path)
                .and_then(Value::as_u64)
                .unwrap_or_default(),
        )
    };
    format!(
        "Imported      {} of {} rows ({} bad, {} repeated)\n\
         Segment       {} members of \"{}\"\n\
         Sent          {} mails ({} captured, {} refused, {} unknown)\n\
         Opened        {} by people, {} by machines\n\
         Clicked       {} by people, {} by machines\n\
         Bounced       {}\n\
         Unsubscribed  {}",
        number("/import/created"),
        number("/import/rows"),
        number("/import/failed"),
        number("/import/duplicates"),
        number("/segment/members"),
        summary["segment"]["name"].as_str().unwrap_or_default(),
        number("/send/planned"),
        number("/send/accepted"),
        number("/send/refused"),
        number("/send/unknown"),
        number("/send/opened/human"),
        number("/send/opened/machine"),
        number("/send/clicked/human"),
        number("/send/clicked/machine"),
        number("/send/bounced"),
        number("/send/unsubscribed/human"),
    )
}

/// Says how to look around.
async fn invite(context: &Context, address: SocketAddr) -> anyhow::Result<()> {
    let command = CreateToken {
        name: "Demo".parse()?,
        role: Role::Owner,
        scopes: None,
        expires_at: None,
    };
    let token = context
        .app
        .identity
        .create_token(&context.actor().await?, command)
        .await?;
    let organization = context.organization().await?;
    let email: EmailAddress = format!("owner@{}.example", organization.slug).parse()?;
    let random = SecretKey::random_text()?;
    let password: String = random.chars().filter(char::is_ascii_alphanumeric).collect();
    let password = &password[..password.len().min(20)];
    let command = CreateUser {
        email: email.clone(),
        name: "Demo Owner".parse()?,
        password: Some(FirstPassword::Chosen(password.parse()?)),
        role: Role::Owner,
    };
    context
        .app
        .identity
        .create_user(&Operator::local(), organization.id, command)
        .await?;
    context.output.note(format_args!(
        "\nServing on http://{address}. Log in at http://{address}/app/ as\n  {email}\nwith the password\n  {password}\n\
         The API is at http://{address}/api/docs; its token:\n  {}\n\
         Look around in another terminal, for instance:\n  mauntic --org {slug} inbox list\n  \
         mauntic --org {slug} segments list\n  mauntic --org {slug} emails status \"News from the workshop\"\nCtrl-C stops.",
        token.secret.reveal(),
        slug = organization.slug,
    ));
    Ok(())
}
