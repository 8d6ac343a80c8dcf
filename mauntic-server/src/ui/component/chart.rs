//! Charts as SVG, each with a title, the scale beside it, and the same figures as a table.
//!
//! A drawing stretches to the width of its place; what is to be read stands around it as text.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::ui::words;

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 160.0;

/// Figures in order, each with its name.
pub(crate) type Points<'a> = [(&'a str, u32)];

/// What one line or row of bars shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series<'a> {
    /// What it counts.
    pub(crate) name: &'a str,
    /// One figure for each label.
    pub(crate) values: &'a [u64],
}

/// How figures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A line for each series; the second is dashed.
    Lines,
    /// Bars side by side.
    Bars,
}

/// A number of a chart; more than a chart can tell apart is drawn as the most.
fn float(number: u64) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// The top of the scale: the most, made round.
fn top(most: u64) -> u64 {
    let mut unit = 1;
    while unit * 10 <= most {
        unit *= 10;
    }
    let step = if most <= unit * 2 {
        unit.div_ceil(2)
    } else {
        unit
    };
    most.div_ceil(step).max(1) * step
}

/// The line through the values, in a box of the given size.
fn path(values: &[u64], top: u64, width: f64, height: f64) -> String {
    let step = width / float(values.len().saturating_sub(1).max(1) as u64);
    let mut path = String::new();
    for (number, value) in (0_u64..).zip(values) {
        let letter = if number == 0 { 'M' } else { 'L' };
        let (x, y) = (
            step * float(number),
            height - float(*value) / float(top) * height,
        );
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
    }
    path
}

/// Draws series over the same labels.
pub(crate) fn chart(title: &str, labels: &[String], series: &[Series<'_>], shape: Shape) -> Markup {
    let most = series.iter().flat_map(|series| series.values).max();
    let top = top(most.copied().unwrap_or_default());
    html! {
        figure class="chart" {
            figcaption class="row" {
                span class="title" { (title) }
                @if series.len() > 1 { span class="keys" { @for (number, series) in series.iter().enumerate() {
                    span class={ "key s" (number) } { (series.name) }
                } } }
            }
            div class="plot" {
                div class="scale soft" aria-hidden="true" { span { (words::count(top)) } span { "0" } }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(title) {
                    path class="grid" d=(format!("M0 0H{WIDTH}M0 {}H{WIDTH}", HEIGHT / 2.0)) {}
                    path class="axis" d=(format!("M0 {HEIGHT}H{WIDTH}")) {}
                    @for (number, series) in series.iter().enumerate() {
                        @match shape {
                            Shape::Lines => path class={ "line s" (number) } d=(path(series.values, top, WIDTH, HEIGHT)) {},
                            Shape::Bars => (bars_of(labels, series, top, number)),
                        }
                    }
                }
                @if let (Some(first), Some(last)) = (labels.first(), labels.last()) {
                    div class="labels soft" aria-hidden="true" { span { (first) } @if labels.len() > 1 { span { (last) } } }
                }
            }
            details {
                summary { "Show as table" }
                div class="scroll figures" tabindex="0" role="region" aria-label=(title) { table {
                    thead { tr { th scope="col" { "When" } @for series in series { th scope="col" class="number" { (series.name) } } } }
                    tbody { @for (number, label) in labels.iter().enumerate() { tr {
                        th scope="row" { (label) }
                        @for series in series { td class="number" { (words::count(series.values.get(number).copied().unwrap_or_default())) } }
                    } } }
                } }
            }
        }
    }
}

fn bars_of(labels: &[String], series: &Series<'_>, top: u64, number: usize) -> Markup {
    let step = WIDTH / float(labels.len().max(1) as u64);
    html! {
        @for (at, (label, value)) in (0_u64..).zip(labels.iter().zip(series.values)) {
            @let height = float(*value) / float(top) * HEIGHT;
            rect class={ "bar s" (number) } x=(format!("{:.1}", step * (float(at) + 0.1))) y=(format!("{:.1}", HEIGHT - height))
                width=(format!("{:.1}", step * 0.8)) height=(format!("{height:.1}")) { title { (label) ": " (words::count(*value)) } }
        }
    }
}

fn of_points(title: &str, points: &Points<'_>, shape: Shape) -> Markup {
    let labels: Vec<_> = points.iter().map(|(name, _)| (*name).to_owned()).collect();
    let values: Vec<_> = points.iter().map(|(_, value)| u64::from(*value)).collect();
    let series = Series {
        name: title,
        values: &values,
    };
    chart(title, &labels, &[series], shape)
}

/// A line over time.
pub(crate) fn line(title: &str, points: &Points<'_>) -> Markup {
    of_points(title, points, Shape::Lines)
}

/// Bars side by side.
pub(crate) fn bars(title: &str, points: &Points<'_>) -> Markup {
    of_points(title, points, Shape::Bars)
}

/// A line within a text or a table.
pub(crate) fn sparkline(title: &str, points: &Points<'_>) -> Markup {
    let values: Vec<_> = points.iter().map(|(_, value)| u64::from(*value)).collect();
    let top = values.iter().copied().max().unwrap_or_default().max(1);
    html! {
        svg class="spark" viewBox="0 -2 96 28" role="img" aria-label=(title) { path class="line" d=(path(&values, top, 96.0, 24.0)) {} }
    }
}

#[cfg(test)]
mod tests {
    use super::{path, top};

    #[test]
    fn a_line_goes_from_edge_to_edge_and_its_top_is_the_top_of_the_scale() {
        assert_eq!(path(&[0, 4, 2], 4, 10.0, 8.0), "M0.0 8.0L5.0 0.0L10.0 4.0");
        assert_eq!(path(&[0], 1, 10.0, 8.0), "M0.0 8.0");
        assert_eq!(path(&[], 1, 10.0, 8.0), "");
    }

    #[test]
    fn a_scale_ends_at_a_round_number_that_holds_the_most() {
        for (most, end) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (7, 7),
            (13, 15),
            (34, 40),
            (100, 100),
            (1_204, 1_500),
            (98_001, 100_000),
        ] {
            assert_eq!(top(most), end, "{most}");
        }
    }
}
