use crate::{InvalidTag, Tag};

/// Tags parted by `|`, or else all in quotes and parted by `,`, or else by `;`, or else by `,`.
pub(super) fn tags(cell: &str) -> Result<Vec<Tag>, InvalidTag> {
    if !cell.contains('|')
        && let Some(tags) = quoted(cell)
    {
        let tags = tags.iter().map(|tag| tag.trim());
        return tags.filter(|tag| !tag.is_empty()).map(str::parse).collect();
    }
    let separator = ['|', ';', ',']
        .into_iter()
        .find(|separator| cell.contains(*separator));
    cell.split(separator.unwrap_or('|'))
        .map(|tag| unquoted(tag.trim()))
        .filter(|tag| !tag.is_empty())
        .map(str::parse)
        .collect()
}

/// Without the quotes around it, if they are on both sides.
fn unquoted(tag: &str) -> &str {
    let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    inner.map_or(tag, str::trim)
}

/// Pieces in quotes that are parted by commas, as Mailchimp writes tags, which may have commas in them: `"a","b, c"`;
/// `None` if anything else is there.
fn quoted(cell: &str) -> Option<Vec<String>> {
    let mut rest = cell.trim().strip_prefix('"')?;
    let mut pieces = Vec::new();
    let mut piece = String::new();
    loop {
        let (inside, behind) = rest.split_once('"')?;
        piece.push_str(inside);
        if let Some(more) = behind.strip_prefix('"') {
            // Written twice, it is part of the piece.
            piece.push('"');
            rest = more;
            continue;
        }
        pieces.push(std::mem::take(&mut piece));
        let behind = behind.trim_start();
        if behind.is_empty() {
            return Some(pieces);
        }
        rest = behind.strip_prefix(',')?.trim_start().strip_prefix('"')?;
    }
}
