//! What came of the emails that were sent, one beside the other, on a page and as a file.

use maud::{Markup, html};
use mauntic_core::{PageSize, Permission};
use mauntic_messaging::tracking::{EmailSummary, SummaryListing, SummarySort};
use poem::{Request, Response, Result, Route, get, handler, web::Query};
use serde::Deserialize;

use super::{
    component::{
        action::{Weight, button_link},
        frame,
        live::Part,
        show,
        table::{Column, table_of},
    },
    csv, emails, failure, shell,
    visitor::{Visitor, app},
    words,
};

/// Where they are.
const PLACE: &str = "/app/reports";
/// How many emails a page lists.
const ROWS: usize = 50;
/// The ranges that can be looked at, in days, with what they are called; the first goes without saying.
const RANGES: [(u16, &str); 4] = [
    (90, "90 days"),
    (30, "30 days"),
    (365, "a year"),
    (0, "all time"),
];

/// The pages of it.
pub(super) fn routes(route: Route) -> Route {
    route
        .at("/reports", get(compare))
        .at("/reports.csv", get(export))
}

/// Which part of the list to show. What cannot be read is as good as not said.
#[derive(Debug, Clone, Default, Deserialize)]
struct Asked {
    days: Option<u16>,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    after: String,
}

impl Asked {
    fn days(&self) -> u16 {
        let known = |days: &u16| RANGES.iter().any(|(range, _)| range == days);
        self.days.filter(known).unwrap_or(RANGES[0].0)
    }

    fn sort(&self) -> SummarySort {
        self.sort.parse().unwrap_or_default()
    }

    fn listing(&self, request: &Request, size: usize) -> Result<SummaryListing> {
        let now = app(request)?.clock.now();
        let days = chrono::TimeDelta::days(self.days().into());
        Ok(SummaryListing {
            since: (self.days() > 0).then(|| now - days),
            sort: self.sort(),
            after: self.after.parse().ok(),
            size: PageSize::clamped(size),
        })
    }
}

/// The address of a part of the list.
fn href(place: &str, days: u16, sort: SummarySort, after: Option<String>) -> String {
    let mut query = vec![
        ("days", days.to_string()),
        ("sort", sort.as_str().to_owned()),
    ];
    query.extend(after.map(|after| ("after", after)));
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    format!("{place}?{query}")
}

/// Shows it.
#[handler]
async fn compare(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Markup> {
    let (days, sort) = (asked.days(), asked.sort());
    let listing = asked.listing(request, ROWS)?;
    let tracking = &app(request)?.tracking;
    let page = tracking.summaries(&visitor.actor, &listing).await;
    let page = page.map_err(failure::messaging)?;
    let rows: Vec<_> = page.items.iter().map(row).collect();
    let next = page
        .next
        .map(|next| href(PLACE, days, sort, Some(next.to_string())));
    let content = html! {
        (frame::header("Reports", &html! {}))
        div class="stack" id="reports" {
            div class="tools" {
                nav class="choice" aria-label="Sent within" {
                    @for (range, name) in RANGES {
                        a href=(href(PLACE, range, sort, None)) aria-current=[(range == days).then_some("true")] { (name) }
                    }
                }
                @if !rows.is_empty() { (button_link(&href("/app/reports.csv", days, sort, None), "Export", Weight::Plain)) }
            }
            @if rows.is_empty() { (nothing(&visitor, days)) } @else {
                p class="soft" { "Emails whose last send is in this time, with all that came of them. Rates are of what was accepted; what machines opened and followed is not counted." }
                (list(days, sort, &rows, next.as_deref()))
            }
            @if listing.after.is_some() { p { a href=(href(PLACE, days, sort, None)) { "Back to the first page" } } }
        }
    };
    Ok(shell(&visitor, "Reports", PLACE, &content))
}

fn nothing(visitor: &Visitor, days: u16) -> Markup {
    let (title, text) = if days == 0 {
        (
            "Nothing was sent yet",
            "Once an email is sent, it stands here beside the others: who got it, who read it, who left.",
        )
    } else {
        (
            "Nothing was sent in this time",
            "Look at a longer time, or send an email.",
        )
    };
    show::empty(
        title,
        text,
        &html! { @if visitor.may(Permission::EmailsSend) { (button_link(emails::PLACE, "Go to the emails", Weight::Primary)) } },
    )
}

fn list(days: u16, sort: SummarySort, rows: &[Markup], next: Option<&str>) -> Markup {
    let heads = [
        ("Last sent", SummarySort::LastSent),
        ("Accepted", SummarySort::Accepted),
        ("Opened by people", SummarySort::Opened),
        ("Clicked by people", SummarySort::Clicked),
        ("Bounced", SummarySort::Refused),
        ("Unsubscribed", SummarySort::Unsubscribed),
    ];
    let heads: Vec<_> = heads
        .into_iter()
        .map(|(name, by)| (name, by, href(PLACE, days, by, None)))
        .collect();
    let sorted = heads.iter().map(|(name, by, href)| Column {
        name,
        sort: Some(href),
        sorted: (*by == sort).then_some("descending"),
        number: *by != SummarySort::LastSent,
    });
    let mut columns: Vec<_> = std::iter::once(Column::plain("Email"))
        .chain(sorted)
        .collect();
    columns.insert(2, Column::number("Planned"));
    let part = Part {
        id: "reports",
        others: None,
    };
    table_of("Results of emails", &columns, rows, next, part)
}

fn row(of: &EmailSummary) -> Markup {
    let rate = |part: u64, whole: u64| {
        html! { td class="number" { (words::share(part, whole)) div class="soft" { (words::count(part)) } } }
    };
    html! { tr {
        td { a href=(format!("{}/results", emails::place(of.id))) { (of.name.as_str()) } }
        td { (words::time(of.last_sent_at)) }
        td class="number" { (words::count(of.planned)) }
        td class="number" { (words::count(of.accepted)) }
        (rate(of.opened.human, of.accepted))
        (rate(of.clicked.human, of.accepted))
        (rate(of.refused, of.accepted + of.refused))
        (rate(of.unsubscribed, of.accepted))
    } }
}

/// The same as a file, all pages of it.
#[handler]
async fn export(
    request: &Request,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response> {
    let mut listing = asked.listing(request, usize::from(PageSize::MAX))?;
    listing.after = None;
    let heads = [
        "email",
        "last_sent_at",
        "planned",
        "accepted",
        "opened_by_people",
        "opened_by_machines",
        "clicked_by_people",
        "clicked_by_machines",
        "refused",
        "unsubscribed",
    ];
    let mut file = csv::line(&heads.map(str::to_owned));
    let tracking = &app(request)?.tracking;
    loop {
        let page = tracking.summaries(&visitor.actor, &listing).await;
        let page = page.map_err(failure::messaging)?;
        for of in &page.items {
            let counts = [
                of.planned,
                of.accepted,
                of.opened.human,
                of.opened.machine,
                of.clicked.human,
                of.clicked.machine,
                of.refused,
                of.unsubscribed,
            ];
            let at = of.last_sent_at.to_rfc3339();
            let cells = [of.name.to_string(), at].into_iter();
            let cells: Vec<_> = cells.chain(counts.map(|count| count.to_string())).collect();
            file.push_str(&csv::line(&cells));
        }
        listing.after = page.next;
        if listing.after.is_none() {
            break;
        }
    }
    Ok(csv::file("reports.csv", file))
}
