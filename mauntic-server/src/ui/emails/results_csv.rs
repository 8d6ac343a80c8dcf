//! The results of an email as files for spreadsheets. They hold figures, and nobody's address.

use mauntic_messaging::tracking::{DomainReport, EmailReport};
use poem::{
    Request, Response, Result, handler,
    web::{Path, Query},
};
use serde::Deserialize;
use uuid::Uuid;

use super::find;
use crate::ui::{
    csv, failure,
    visitor::{Visitor, app},
};

/// Which part of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// From the audience to a click, and what was lost on the way.
    Figures,
    /// Link by link.
    Links,
    /// Recipient domain by recipient domain.
    Domains,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    of: Part,
}

/// A part of the results as a CSV file.
#[handler]
pub(super) async fn export(
    request: &Request,
    visitor: Visitor,
    Path(id): Path<Uuid>,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let email = find(request, &visitor, id).await?.email.id;
    let tracking = &app(request)?.tracking;
    let (name, lines) = match asked.of {
        Part::Domains => {
            let domains = tracking.domains(&visitor.actor, email).await;
            ("domains", by_domain(&domains.map_err(failure::messaging)?))
        }
        part => {
            let report = tracking.report(&visitor.actor, email).await;
            let report = report.map_err(failure::messaging)?;
            match part {
                Part::Links => ("links", by_link(&report)),
                _ => ("figures", figures(&report)),
            }
        }
    };
    let file: String = lines.iter().map(|cells| csv::line(cells)).collect();
    Ok(csv::file(&format!("{name}-{email}.csv"), file))
}

fn heading(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// One figure a line, by the names that the API has for them.
fn figures(report: &EmailReport) -> Vec<Vec<String>> {
    let skipped: u64 = report.skipped.values().sum();
    let plain = [
        ("audience", report.planned + skipped),
        ("planned", report.planned),
        ("accepted", report.accepted),
        ("refused", report.refused),
        ("deferred", report.deferred),
        ("unknown", report.unknown),
        ("opened:human", report.opened.human),
        ("opened:machine", report.opened.machine),
        ("opens:human", report.opens.human),
        ("opens:machine", report.opens.machine),
        ("clicked:human", report.clicked.human),
        ("clicked:machine", report.clicked.machine),
        ("clicks:human", report.clicks.human),
        ("clicks:machine", report.clicks.machine),
        ("unsubscribed:human", report.unsubscribed.human),
        ("unsubscribed:machine", report.unsubscribed.machine),
    ];
    let plain = plain.map(|(name, count)| (name.to_owned(), count));
    let skipped = report.skipped.iter();
    let skipped = skipped.map(|(reason, count)| (format!("skipped:{reason}"), *count));
    let bounced = report.bounced.iter();
    let bounced = bounced.map(|(class, count)| (format!("refused:{class}"), *count));
    let lines = plain.into_iter().chain(skipped).chain(bounced);
    let lines = lines.map(|(name, count)| vec![name, count.to_string()]);
    [heading(&["figure", "count"])]
        .into_iter()
        .chain(lines)
        .collect()
}

fn by_link(report: &EmailReport) -> Vec<Vec<String>> {
    let columns = [
        "url",
        "version_id",
        "link",
        "clicked_human",
        "clicked_machine",
        "clicks_human",
        "clicks_machine",
    ];
    let lines = report.links.iter().map(|link| {
        vec![
            link.url.clone().unwrap_or_default(),
            link.version_id.to_string(),
            link.link.to_string(),
            link.clicked.human.to_string(),
            link.clicked.machine.to_string(),
            link.clicks.human.to_string(),
            link.clicks.machine.to_string(),
        ]
    });
    [heading(&columns)].into_iter().chain(lines).collect()
}

fn by_domain(domains: &[DomainReport]) -> Vec<Vec<String>> {
    let columns = [
        "domain", "planned", "accepted", "refused", "deferred", "opened", "clicked",
    ];
    let lines = domains.iter().map(|of| {
        let counts = [
            of.planned,
            of.accepted,
            of.refused,
            of.deferred,
            of.opened,
            of.clicked,
        ];
        let domain = [of.domain.clone()].into_iter();
        domain
            .chain(counts.iter().map(ToString::to_string))
            .collect()
    });
    [heading(&columns)].into_iter().chain(lines).collect()
}
