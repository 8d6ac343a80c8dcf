//! The mail server, and whether it answers.

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_messaging::{
    FieldProblem,
    transport::{TlsPolicy, TransportKind, TransportView},
};
use poem::{IntoResponse as _, Request, Response, Result, handler, http::StatusCode, web::Query};
use url::Url;

use super::{PLACE, limits, told, top, wrong};
use crate::ui::{
    Done, Said,
    component::{
        Tone,
        action::{Weight, button},
        form::{Field, input, select},
        show as shown,
    },
    failure, shell,
    visitor::{Fields, Posted, Visitor, app, redirect},
};

/// What stands in the form. The password is never shown again.
#[derive(Debug, Default)]
struct Draft {
    kind: String,
    host: String,
    port: String,
    tls: String,
    username: String,
    password: String,
    problems: Vec<FieldProblem>,
}

impl Draft {
    fn of(view: &TransportView) -> Self {
        match &view.kind {
            TransportKind::Capture => Self {
                kind: "capture".to_owned(),
                tls: TlsPolicy::Required.as_str().to_owned(),
                ..Self::default()
            },
            TransportKind::Smtp(server) => Self {
                kind: "smtp".to_owned(),
                host: server.host.clone(),
                port: server.port.to_string(),
                tls: server.tls.as_str().to_owned(),
                username: server.username.clone().unwrap_or_default(),
                ..Self::default()
            },
        }
    }

    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            kind: text("kind"),
            host: text("host"),
            port: text("port"),
            tls: text("tls"),
            username: text("username"),
            // As it was typed: spaces may belong to it.
            password: fields.find("password").unwrap_or_default().to_owned(),
            problems: Vec::new(),
        }
    }

    /// The server's URL; the inner error names the field.
    fn url(&self) -> std::result::Result<Option<String>, (&'static str, &'static str)> {
        if self.kind == "capture" {
            return Ok(None);
        }
        let host_wrong = (
            "host",
            "this is no host's name: expected something like smtp.example.com",
        );
        let odd = |c: char| c.is_whitespace() || "/@?#%".contains(c);
        if self.host.is_empty() || self.host.contains(odd) {
            return Err(host_wrong);
        }
        let implicit = self.tls == TlsPolicy::Implicit.as_str();
        let scheme = if implicit { "smtps" } else { "smtp" };
        let host = if self.host.contains(':') && !self.host.starts_with('[') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let mut url = Url::parse(&format!("{scheme}://{host}")).map_err(|_| host_wrong)?;
        if !self.port.is_empty() {
            let port: u16 = self
                .port
                .parse()
                .map_err(|_| ("port", "a port is a number up to 65535"))?;
            url.set_port(Some(port)).map_err(|()| host_wrong)?;
        }
        if !self.username.is_empty() {
            url.set_username(&self.username).map_err(|()| host_wrong)?;
            if !self.password.is_empty() {
                url.set_password(Some(&self.password))
                    .map_err(|()| host_wrong)?;
            }
        }
        if !implicit {
            url.query_pairs_mut().append_pair("tls", &self.tls);
        }
        Ok(Some(url.into()))
    }
}

/// What became of a test of the connection.
type Tested = std::result::Result<String, String>;

/// Shows the settings.
#[handler]
pub(super) async fn show(
    request: &Request,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Markup> {
    let view = view(request, &visitor).await?;
    let draft = Draft::of(&view);
    let limits = limits::Draft::of(&view.limits);
    Ok(page(&visitor, &view, &draft, &limits, said.done, None))
}

pub(super) async fn view(request: &Request, visitor: &Visitor) -> Result<TransportView> {
    let transports = &app(request)?.transports;
    let view = transports.show(&visitor.actor).await;
    view.map_err(failure::messaging)
}

/// Sends mail through a server from now on, or captures it.
#[handler]
pub(super) async fn configure(request: &Request, posted: Posted) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::SendingManage)?;
    let view = view(request, visitor).await?;
    let mut draft = Draft::read(&posted.fields);
    let refused = |field: &str, message: &str| FieldProblem {
        field: field.to_owned(),
        code: "invalid".to_owned(),
        message: message.to_owned(),
        line: None,
    };
    let url = match draft.url() {
        // The stored password cannot be read back, only replaced.
        Ok(Some(_))
            if view.has_password && !draft.username.is_empty() && draft.password.is_empty() =>
        {
            let message = "give the password again: the stored one belongs to the settings before";
            Err(vec![refused("password", message)])
        }
        Ok(url) => Ok(url),
        Err((field, message)) => Err(vec![refused(field, message)]),
    };
    let problems = match url {
        Ok(url) => {
            let transports = &app(request)?.transports;
            let limits = view.limits.clone();
            let changed = transports.configure(&visitor.actor, url.as_deref(), limits, None);
            match changed.await {
                Ok(_) => return Ok(redirect(&Done::Saved.at(PLACE))),
                Err(error) => told(error)?,
            }
        }
        Err(problems) => problems,
    };
    draft.problems = problems;
    let limits = limits::Draft::of(&view.limits);
    let page = page(visitor, &view, &draft, &limits, None, None);
    Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY))
}

/// Tries whether the server answers.
#[handler]
pub(super) async fn test(request: &Request, posted: Posted) -> Result<Response> {
    let visitor = &posted.visitor;
    let transports = &app(request)?.transports;
    let tested = transports.test(&visitor.actor).await;
    let tested = tested.map_err(failure::messaging)?;
    let view = view(request, visitor).await?;
    let draft = Draft::of(&view);
    let limits = limits::Draft::of(&view.limits);
    Ok(page(visitor, &view, &draft, &limits, None, Some(&tested)).into_response())
}

/// The page with both forms; limits have a file of their own.
pub(super) fn again(visitor: &Visitor, view: &TransportView, limits: &limits::Draft) -> Response {
    let page = page(visitor, view, &Draft::of(view), limits, None, None);
    failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY)
}

fn page(
    visitor: &Visitor,
    view: &TransportView,
    draft: &Draft,
    limits: &limits::Draft,
    done: Option<Done>,
    tested: Option<&Tested>,
) -> Markup {
    let content = html! {
        (top(PLACE))
        @if let Some(done) = done { (done.toast()) }
        (now(visitor, view, tested))
        @if visitor.may(Permission::SendingManage) {
            (server_form(visitor, view, draft))
            (limits::form(visitor, limits))
        } @else {
            (shown::card("Limits", &limits::table(&view.limits)))
        }
    };
    shell(visitor, "Sending", PLACE, &content)
}

fn now(visitor: &Visitor, view: &TransportView, tested: Option<&Tested>) -> Markup {
    let captured = matches!(view.kind, TransportKind::Capture);
    shown::card(
        "How mail leaves now",
        &html! {
            @if captured {
                p { (shown::badge("captured", Tone::Warn)) " No mail server is set up: mail goes to the " a href="/app/inbox" { "inbox" } ", and nobody is mailed." }
            } @else {
                p { (shown::badge("mail server", Tone::Good)) " " code { (view.url) } @if view.has_password { ", with a password" } }
            }
            @match tested {
                Some(Ok(detail)) => (shown::toast(&format!("It answers: {detail}"), Tone::Good)),
                Some(Err(problem)) => (shown::toast(&format!("It does not work: {problem}"), Tone::Bad)),
                None => {}
            }
            @if !captured && visitor.may(Permission::SendingManage) {
                form method="post" action="/app/sending/test" class="row" {
                    (visitor.csrf())
                    (button("Test the connection", Weight::Plain))
                    span class="soft" { "It connects and logs in, and sends nothing." }
                }
            }
        },
    )
}

fn server_form(visitor: &Visitor, view: &TransportView, draft: &Draft) -> Markup {
    let problem = |field| wrong(&draft.problems, field);
    let (host_wrong, port_wrong, password_wrong) = (
        problem("host").or_else(|| problem("url")),
        problem("port"),
        problem("password"),
    );
    let field = |name: &'static str, label, value, hint, error| Field {
        name,
        label,
        value,
        hint,
        error,
        required: false,
    };
    let kinds = [
        ("capture", "captured in the inbox"),
        ("smtp", "through a mail server"),
    ];
    let tls = [
        ("required", "STARTTLS, with a valid certificate"),
        ("implicit", "TLS from the first byte (port 465)"),
        ("opportunistic", "STARTTLS if it is offered"),
        ("none", "none, for a server on the same network"),
    ];
    let kind = Field {
        required: true,
        ..field("kind", "Mail is", &draft.kind, None, None)
    };
    let encryption = Field {
        required: true,
        ..field("tls", "Encryption", &draft.tls, None, None)
    };
    let password_hint = if view.has_password {
        "One is stored; give it again when you change something here"
    } else {
        "It is stored encrypted and never shown again"
    };
    shown::card(
        "Mail server",
        &html! {
            form method="post" action=(PLACE) class="stack" {
                (visitor.csrf())
                (select(&kind, &kinds))
                div class="fields" {
                    (input(&field("host", "Host", &draft.host, Some("Such as smtp.example.com"), host_wrong.as_deref()), "text"))
                    (input(&field("port", "Port", &draft.port, Some("The usual one, if empty"), port_wrong.as_deref()), "text"))
                    (select(&encryption, &tls))
                }
                div class="fields" {
                    (input(&field("username", "User", &draft.username, Some("Empty if the server asks nobody"), None), "text"))
                    (input(&field("password", "Password", "", Some(password_hint), password_wrong.as_deref()), "password"))
                }
                div class="row" { (button("Save the server", Weight::Primary)) }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use mauntic_messaging::transport::SmtpServer;

    use super::*;

    #[test]
    fn what_was_typed_becomes_the_servers_url() {
        let mut draft = Draft {
            kind: "smtp".to_owned(),
            host: "smtp.example.com".to_owned(),
            port: "2525".to_owned(),
            tls: "required".to_owned(),
            username: "a@b c".to_owned(),
            password: "p:/?#+% ä".to_owned(),
            problems: Vec::new(),
        };
        let url = draft.url().unwrap().unwrap();
        let (server, password) = SmtpServer::parse(&url).unwrap();
        assert_eq!(
            (server.host.as_str(), server.port),
            ("smtp.example.com", 2525)
        );
        assert_eq!(server.username.as_deref(), Some("a@b c"));
        assert_eq!(password.as_deref(), Some("p:/?#+% ä"));
        assert_eq!(server.tls, TlsPolicy::Required);
        draft.tls = "implicit".to_owned();
        let url = draft.url().unwrap().unwrap();
        assert_eq!(SmtpServer::parse(&url).unwrap().0.tls, TlsPolicy::Implicit);
        for host in ["", "a b", "a/b", "user@host", "a?tls=none"] {
            host.clone_into(&mut draft.host);
            assert_eq!(draft.url().unwrap_err().0, "host", "{host}");
        }
        draft.host = "::1".to_owned();
        assert!(SmtpServer::parse(&draft.url().unwrap().unwrap()).is_ok());
        draft.port = "70000".to_owned();
        assert_eq!(draft.url().unwrap_err().0, "port");
        draft.kind = "capture".to_owned();
        assert_eq!(draft.url(), Ok(None));
    }
}
