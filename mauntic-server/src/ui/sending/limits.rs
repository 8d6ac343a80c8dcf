//! How fast mail may go.

use std::fmt::Write as _;

use maud::{Markup, html};
use mauntic_core::Permission;
use mauntic_messaging::{FieldProblem, transport::SendingLimits};
use poem::{Request, Response, Result, handler};

use super::{PLACE, told, transport, wrong};
use crate::ui::{
    Done,
    component::{
        action::{Weight, button},
        form::{Field, input, text_area},
        show as shown,
    },
    visitor::{Fields, Posted, Visitor, app, redirect},
};

/// What stands in the form.
#[derive(Debug, Default)]
pub(super) struct Draft {
    connections: String,
    messages: String,
    seconds: String,
    per_second: String,
    domain_per_second: String,
    domains: String,
    problems: Vec<FieldProblem>,
}

impl Draft {
    pub(super) fn of(limits: &SendingLimits) -> Self {
        let rate = |rate: Option<f64>| rate.map(|rate| rate.to_string()).unwrap_or_default();
        let mut domains = String::new();
        for (domain, rate) in &limits.domains {
            let _ = writeln!(domains, "{domain} {rate}");
        }
        Self {
            connections: limits.connections.to_string(),
            messages: limits.messages_per_connection.to_string(),
            seconds: limits.connection_seconds.to_string(),
            per_second: rate(limits.per_second),
            domain_per_second: rate(limits.domain_per_second),
            domains,
            problems: Vec::new(),
        }
    }

    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            connections: text("connections"),
            messages: text("messages"),
            seconds: text("seconds"),
            per_second: text("per_second"),
            domain_per_second: text("domain_per_second"),
            domains: text("domains"),
            problems: Vec::new(),
        }
    }

    /// The limits, or what cannot be read of them.
    fn limits(&self) -> std::result::Result<SendingLimits, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut refuse = |field: &str, message: String| {
            problems.push(FieldProblem {
                field: field.to_owned(),
                code: "invalid".to_owned(),
                message,
                line: None,
            });
        };
        let mut limits = SendingLimits::default();
        match self.connections.parse() {
            Ok(number @ 1..=256) => limits.connections = number,
            _ => refuse("connections", "expected 1 to 256".to_owned()),
        }
        match self.messages.parse() {
            Ok(number @ 1..) => limits.messages_per_connection = number,
            _ => refuse("messages", "expected a number above zero".to_owned()),
        }
        match self.seconds.parse() {
            Ok(number @ 1..) => limits.connection_seconds = number,
            _ => refuse("seconds", "expected a number above zero".to_owned()),
        }
        let mut rate = |field: &str, text: &str| {
            if text.is_empty() {
                return None;
            }
            let rate = usable(text);
            if rate.is_none() {
                refuse(field, "expected a number above zero, or nothing".to_owned());
            }
            rate
        };
        limits.per_second = rate("per_second", &self.per_second);
        limits.domain_per_second = rate("domain_per_second", &self.domain_per_second);
        for line in self.domains.lines().filter(|line| !line.trim().is_empty()) {
            let pair = line.trim().split_once(char::is_whitespace);
            match pair.and_then(|(domain, text)| Some((domain, usable(text.trim())?))) {
                Some((domain, rate)) => {
                    limits.domains.insert(domain.to_ascii_lowercase(), rate);
                }
                None => refuse(
                    "domains",
                    format!(
                        "{}: expected a domain and a number, such as example.com 5",
                        line.trim()
                    ),
                ),
            }
        }
        if problems.is_empty() {
            Ok(limits)
        } else {
            Err(problems)
        }
    }
}

fn usable(text: &str) -> Option<f64> {
    let rate: f64 = text.parse().ok()?;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// Sets the limits; the mail server stays.
#[handler]
pub(super) async fn set(request: &Request, posted: Posted) -> Result<Response> {
    let visitor = &posted.visitor;
    visitor.needs(Permission::SendingManage)?;
    let mut draft = Draft::read(&posted.fields);
    let problems = match draft.limits() {
        Ok(limits) => {
            let transports = &app(request)?.transports;
            match transports.set_limits(&visitor.actor, limits).await {
                Ok(_) => return Ok(redirect(&Done::Saved.at(PLACE))),
                Err(error) => told(error)?,
            }
        }
        Err(problems) => problems,
    };
    draft.problems = problems;
    let view = transport::view(request, visitor).await?;
    Ok(transport::again(visitor, &view, &draft))
}

pub(super) fn form(visitor: &Visitor, draft: &Draft) -> Markup {
    let one = |name: &str, label: &str, value: &str, hint: &str, required: bool| {
        let error = wrong(&draft.problems, name);
        let field = Field {
            name,
            label,
            value,
            hint: Some(hint),
            error: error.as_deref(),
            required,
        };
        if name == "domains" {
            text_area(&field, 4)
        } else {
            input(&field, "text")
        }
    };
    let whole = wrong(&draft.problems, "limits");
    shown::card(
        "Limits",
        &html! {
            p class="soft" { "Mail servers and large receivers refuse who comes too fast. When one says so, sending slows down by itself; these are the most." }
            @if let Some(problem) = &whole { (shown::toast(problem, crate::ui::component::Tone::Bad)) }
            form method="post" action="/app/sending/limits" class="stack" {
                (visitor.csrf())
                div class="fields" {
                    (one("per_second", "Mails each second", &draft.per_second, "Over all processes; no limit if empty", false))
                    (one("domain_per_second", "Of them to one domain", &draft.domain_per_second, "Recipient domains without a limit of their own", false))
                }
                (one("domains", "Single domains", &draft.domains, "One a line: gmail.com 20", false))
                div class="fields" {
                    (one("connections", "Connections at once", &draft.connections, "For each process, at most 256", true))
                    (one("messages", "Mails over one connection", &draft.messages, "Then it is closed", true))
                    (one("seconds", "Seconds of one connection", &draft.seconds, "Then it is closed", true))
                }
                div class="row" { (button("Save the limits", Weight::Primary)) }
            }
        },
    )
}

/// The limits for those who may only look.
pub(super) fn table(limits: &SendingLimits) -> Markup {
    let rate =
        |rate: Option<f64>| rate.map_or_else(|| "no limit".to_owned(), |rate| rate.to_string());
    html! {
        (shown::values(&[
            ("Mails each second", html! { (rate(limits.per_second)) }),
            ("Of them to one domain", html! { (rate(limits.domain_per_second)) }),
            ("Connections at once", html! { (limits.connections) }),
        ]))
        @if !limits.domains.is_empty() {
            dl class="values" { @for (domain, rate) in &limits.domains { dt { (domain) } dd { (rate) " each second" } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_back_from_the_form() {
        let limits = SendingLimits {
            per_second: Some(12.5),
            domains: [("gmail.com".to_owned(), 20.0)].into(),
            ..SendingLimits::default()
        };
        assert_eq!(Draft::of(&limits).limits(), Ok(limits));
    }

    #[test]
    fn what_is_no_limit_is_named() {
        let draft = Draft {
            connections: "0".to_owned(),
            messages: "many".to_owned(),
            seconds: "1".to_owned(),
            per_second: "-1".to_owned(),
            domains: "gmail.com 5\nexample.com".to_owned(),
            ..Draft::default()
        };
        let problems = draft.limits().unwrap_err();
        let fields: Vec<_> = problems.iter().map(|problem| &*problem.field).collect();
        assert_eq!(fields, ["connections", "messages", "per_second", "domains"]);
    }
}
