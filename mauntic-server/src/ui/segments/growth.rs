//! How many members a segment had, as a line.

use maud::{Markup, html};
use mauntic_crm::segment::{DayCount, Segment};
use poem::Result;

use crate::{
    App,
    ui::{
        component::{chart, show},
        failure,
        visitor::Visitor,
        words,
    },
};

/// How far back the line goes.
const DAYS: u16 = 90;

/// The line, once there is more than one day.
pub(super) async fn card(app: &App, visitor: &Visitor, segment: &Segment) -> Result<Markup> {
    let growth = app.segments.growth(&visitor.actor, segment.id, DAYS).await;
    let growth = growth.map_err(failure::crm)?;
    let content = match &growth[..] {
        [first, .., last] => html! {
            p { (told(first, last)) }
            (line(&growth))
        },
        _ => {
            html! { p class="soft" { "From tomorrow on, a line shows here how many members it had on each day." } }
        }
    };
    Ok(show::card("Growth", &content))
}

/// What has become of it in words.
fn told(first: &DayCount, last: &DayCount) -> String {
    let change = last.members - first.members;
    let size = words::count(change.unsigned_abs());
    let change = match change {
        0 => "as many as".to_owned(),
        1.. => format!("{size} more than"),
        _ => format!("{size} fewer than"),
    };
    let day = first.day.format("%-d %b %Y");
    format!(
        "{} members now, {change} on {day}.",
        words::counted(last.members)
    )
}

fn line(growth: &[DayCount]) -> Markup {
    let days: Vec<_> = growth
        .iter()
        .map(|count| {
            let members = u32::try_from(count.members.max(0)).unwrap_or(u32::MAX);
            (count.day.format("%-d %b %Y").to_string(), members)
        })
        .collect();
    let points: Vec<_> = days
        .iter()
        .map(|(day, members)| (day.as_str(), *members))
        .collect();
    chart::line("Members at the end of each day (UTC)", &points)
}
