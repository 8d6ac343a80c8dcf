//! Charts as SVG, each with a title and the same figures as a table.

use std::fmt::Write as _;

use maud::{Markup, html};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 160.0;

/// Figures in order, each with its name.
pub(crate) type Points<'a> = [(&'a str, u32)];

fn most(points: &Points<'_>) -> f64 {
    f64::from(points.iter().map(|point| point.1).max().unwrap_or(0).max(1))
}

/// The line through the points, in a box of the given size.
fn path(points: &Points<'_>, width: f64, height: f64) -> String {
    let most = most(points);
    let step = width / index(points.len().saturating_sub(1).max(1));
    let mut path = String::new();
    for (number, (_, value)) in points.iter().enumerate() {
        let letter = if number == 0 { 'M' } else { 'L' };
        let (x, y) = (
            step * index(number),
            height - f64::from(*value) / most * height,
        );
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
    }
    path
}

/// A chart has few points, so that its indices are exact.
fn index(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn chart(title: &str, points: &Points<'_>, drawing: &Markup) -> Markup {
    html! {
        figure class="chart stack" {
            svg viewBox=(format!("0 -4 {WIDTH} {}", HEIGHT + 8.0)) role="img" aria-label=(title) {
                title { (title) }
                path class="axis" d=(format!("M0 {HEIGHT}H{WIDTH}")) {}
                (drawing)
            }
            details {
                summary { "Show as table" }
                table { tbody { @for (name, value) in points { tr { th scope="row" { (name) } td class="number" { (value) } } } } }
            }
        }
    }
}

/// A line over time.
pub(crate) fn line(title: &str, points: &Points<'_>) -> Markup {
    chart(
        title,
        points,
        &html! { path class="line" d=(path(points, WIDTH, HEIGHT)) {} },
    )
}

/// Bars side by side.
pub(crate) fn bars(title: &str, points: &Points<'_>) -> Markup {
    let most = most(points);
    let step = WIDTH / index(points.len().max(1));
    chart(
        title,
        points,
        &html! {
            @for (number, (name, value)) in points.iter().enumerate() {
                @let height = f64::from(*value) / most * HEIGHT;
                rect class="bar" x=(format!("{:.1}", step * (index(number) + 0.15))) y=(format!("{:.1}", HEIGHT - height))
                    width=(format!("{:.1}", step * 0.7)) height=(format!("{height:.1}")) { title { (name) ": " (value) } }
            }
        },
    )
}

/// A line within a text or a table.
pub(crate) fn sparkline(title: &str, points: &Points<'_>) -> Markup {
    html! {
        svg class="spark" viewBox="0 -2 96 28" role="img" aria-label=(title) { path class="line" d=(path(points, 96.0, 24.0)) {} }
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_line_goes_from_edge_to_edge_and_its_top_is_the_highest_point() {
        assert_eq!(
            path(&[("a", 0), ("b", 4), ("c", 2)], 10.0, 8.0),
            "M0.0 8.0L5.0 0.0L10.0 4.0"
        );
        assert_eq!(path(&[("a", 0)], 10.0, 8.0), "M0.0 8.0");
        assert_eq!(path(&[], 10.0, 8.0), "");
    }
}
