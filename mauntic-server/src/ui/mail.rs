//! What somebody wrote as a mail, shown in a frame that can do nothing but open links beside it.

use maud::{Markup, html};
use poem::{
    Request, Response, Result,
    http::{HeaderValue, header},
};

use super::visitor::app;
use crate::App;

/// Pictures and styles, and nothing that acts: a link opens beside the frame. Only our pages may frame it.
const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; img-src https: data:";
/// What a frame with a mail may do.
pub(super) const SANDBOX: &str = "allow-popups allow-popups-to-escape-sandbox";
/// The least characters of a token of ours.
const TOKEN: usize = 80;
/// A picture of nothing, in place of the pixel.
const NOTHING: &str =
    "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==";

/// The HTML of a mail, alone.
pub(super) fn html_of(request: &Request, mail: &str) -> Result<Response> {
    let policy = policy(app(request)?, request.header(header::HOST));
    Ok(Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header(header::X_FRAME_OPTIONS, "SAMEORIGIN")
        .body(beside(mail)))
}

/// The HTML of a mail that was made for a recipient: it is looked at without a trace.
pub(super) async fn captured(request: &Request, mail: &str) -> Result<Response> {
    let untracked = untracked(app(request)?, mail).await;
    html_of(request, &untracked)
}

/// A frame is of no origin, so that `'self'` would be nothing: our images are named by where they are, for recipients and
/// for whoever looks, and what else we serve is not.
fn policy(app: &App, host: Option<&str>) -> HeaderValue {
    let is_name = |host: &&str| {
        let mut bytes = host.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    let here = host
        .filter(is_name)
        .map(|host| format!(" http://{host}/i/"));
    let ours = format!("{}/i/", app.settings.public_url());
    let policy = format!("{POLICY} {ours}{}", here.unwrap_or_default());
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static(POLICY))
}

/// Has its links open beside the frame, in which they could show nothing.
fn beside(mail: &str) -> String {
    let lower = mail.to_ascii_lowercase();
    let head = lower.match_indices("<head").find_map(|(at, name)| {
        let rest = &lower[at + name.len()..];
        let is_head = rest.starts_with(['>', ' ', '\n', '\r', '\t']);
        is_head.then(|| rest.find('>').map(|end| at + name.len() + end + 1))?
    });
    let mut mail = mail.to_owned();
    if let Some(head) = head {
        mail.insert_str(head, "<base target=\"_blank\">");
    }
    mail
}

/// The same without what would count: no pixel, links that lead to their targets at once, and the mail itself in place of
/// its web view.
async fn untracked(app: &App, mail: &str) -> String {
    let (mut clean, mut rest) = (String::with_capacity(mail.len()), mail);
    while let Some(at) = rest.find("http") {
        let (before, from) = rest.split_at(at);
        clean.push_str(before);
        let end = from.find(['"', '\'', '<', '>', ')', ' ', '\n', '\r', '\t']);
        let (link, after) = from.split_at(end.unwrap_or(from.len()));
        rest = after;
        match tracked(link).filter(|(_, token)| app.tracking.is_ours(token)) {
            Some(("/t/o/", _)) => clean.push_str(NOTHING),
            Some(("/v/", _)) => {}
            Some((_, token)) => match app.tracking.target(token).await {
                Ok(target) => clean.push_str(&html! { (target.url) }.into_string()),
                // It counts for nobody, and says so when it is followed.
                Err(_) => clean.push_str(link),
            },
            // Somebody else's, however much it looks like one of ours.
            None => clean.push_str(link),
        }
    }
    clean + rest
}

/// The kind and what may be the token of a link that counts.
fn tracked(link: &str) -> Option<(&'static str, &str)> {
    ["/t/o/", "/t/c/", "/v/"].into_iter().find_map(|path| {
        let (_, token) = link.split_once(path)?;
        let token = token.strip_suffix(".gif").unwrap_or(token);
        let mut bytes = token.bytes();
        let is_token = token.len() >= TOKEN
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        is_token.then_some((path, token))
    })
}

/// The frame that shows what `address` answers.
pub(super) fn frame(title: &str, address: &str) -> Markup {
    html! { iframe class="mail" title=(title) src=(address) sandbox=(SANDBOX) loading="lazy" referrerpolicy="no-referrer" {} }
}

/// The same, as wide as a phone.
pub(super) fn narrow_frame(title: &str, address: &str) -> Markup {
    html! { iframe class="mail narrow" title=(title) src=(address) sandbox=(SANDBOX) loading="lazy" referrerpolicy="no-referrer" {} }
}

#[cfg(test)]
mod tests {
    use super::{TOKEN, beside, tracked};

    #[test]
    fn what_counts_is_told_from_other_links() {
        let token = "a".repeat(TOKEN);
        let own = format!("http://mail.example.com/under/t/o/{token}.gif");
        assert_eq!(tracked(&own), Some(("/t/o/", token.as_str())));
        let own = format!("https://mail.example.com/v/{token}");
        assert_eq!(tracked(&own), Some(("/v/", token.as_str())));
        for other in [
            "https://example.com/t/c/shoes".to_owned(),
            format!("https://example.com/v/{token}?size=9"),
            format!("https://example.com/i/{token}"),
        ] {
            assert_eq!(tracked(&other), None, "{other}");
        }
    }

    #[test]
    fn links_open_beside_the_frame() {
        let mail = "<!doctype html><HTML><Head lang=\"en\"><title>a</title>";
        let opened = beside(mail);
        assert_eq!(
            opened,
            "<!doctype html><HTML><Head lang=\"en\"><base target=\"_blank\"><title>a</title>"
        );
        assert_eq!(beside("<header>a</header>"), "<header>a</header>");
    }
}
