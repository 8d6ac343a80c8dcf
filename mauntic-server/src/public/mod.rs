//! What recipients reach without an account: tracking, unsubscribing, the web view, images.
//!
//! Looking (GET, HEAD) never changes whether somebody gets mail; only POST does (RFC 8058 §3.2).

mod limits;
mod pages;

use std::sync::Arc;

use mauntic_core::{OrganizationId, SegmentId};
use mauntic_messaging::{MessagingError, tracking::HitContext};
use poem::{
    Body, Request, Response, Route, get, handler,
    http::{StatusCode, header},
    web::{Data, Path},
};

use crate::{
    App,
    http::{limits::client_address, problem::describe},
};

pub(crate) use limits::PublicLimits;

/// A transparent image of one pixel (`GIF89a`).
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x21\xf9\x04\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";
/// Longest body of an unsubscribe request, in bytes.
const MAX_FORM: usize = 16 << 10;

/// Adds the endpoints below `/t`, `/u` and `/v`.
pub(crate) fn routes(route: Route) -> Route {
    route
        .at("/t/o/:token", get(open).head(open))
        .at("/t/c/:token", get(click).head(click))
        .at(
            "/u/:token",
            get(ask_unsubscribe).head(ask_unsubscribe).post(unsubscribe),
        )
        .at("/v/:token", get(web_view).head(web_view))
        .at("/i/:organization/:name", get(image).head(image))
}

fn context(app: &App, request: &Request) -> HitContext {
    let header = |name: &str| request.header(name);
    HitContext::read(
        request.method().as_str(),
        client_address(request),
        app.clock.now(),
        header,
    )
}

type Limits<'a> = Data<&'a Arc<PublicLimits>>;

/// The pixel is served whatever happens: a broken image would tell the reader of our troubles.
#[handler]
async fn open(
    Data(app): Data<&App>,
    Data(limits): Limits<'_>,
    Path(token): Path<String>,
    request: &Request,
) -> Response {
    let token = token.strip_suffix(".gif").unwrap_or(&token);
    if !limits.refuse(request, token) {
        match app.tracking.open(token, &context(app, request)).await {
            Ok(()) | Err(MessagingError::InvalidToken) => {}
            Err(error) => tracing::warn!(error = describe(&error), "an open was not recorded"),
        }
    }
    Response::builder()
        .content_type("image/gif")
        .header(header::CACHE_CONTROL, "no-store, private")
        .body(PIXEL)
}

/// The reader goes on, also where the click is one too many to be kept.
#[handler]
async fn click(
    Data(app): Data<&App>,
    Data(limits): Limits<'_>,
    Path(token): Path<String>,
    request: &Request,
) -> Response {
    let target = if limits.refuse(request, &token) {
        app.tracking.target(&token).await
    } else {
        app.tracking.click(&token, &context(app, request)).await
    };
    match target {
        Ok(target) => Response::builder()
            .status(StatusCode::FOUND)
            .header(header::LOCATION, target.url)
            .header(header::CACHE_CONTROL, "no-store, private")
            .header(header::REFERRER_POLICY, "no-referrer")
            .finish(),
        Err(error) => refuse(&error),
    }
}

/// Shows what would happen; a mail scanner that follows the link unsubscribes nobody.
#[handler]
async fn ask_unsubscribe(
    Data(app): Data<&App>,
    Data(limits): Limits<'_>,
    Path(token): Path<String>,
    request: &Request,
) -> Response {
    if limits.refuse(request, &token) {
        return too_often();
    }
    match app.tracking.unsubscribe_page(&token).await {
        Ok(page) if page.unsubscribed => html(pages::unsubscribed(&page).into_string()),
        Ok(page) => html(pages::confirm_unsubscribe(&page).into_string()),
        Err(error) => refuse_link(app, &token, &error).await,
    }
}

/// What the buttons of the pages, and mail programs (RFC 8058 §3.1), ask for.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    /// No more mail like this one.
    Leave,
    /// No more mail at all.
    LeaveAll,
    /// Mail again.
    Return,
    /// These mailing lists and no others.
    Lists(Vec<SegmentId>),
}

impl Wish {
    fn read(body: &[u8]) -> Self {
        let fields: Vec<(String, String)> = serde_urlencoded::from_bytes(body).unwrap_or_default();
        let action = fields.iter().find(|(name, _)| name == "action");
        match action.map(|(_, action)| action.as_str()) {
            Some("all") => Self::LeaveAll,
            Some("resubscribe") => Self::Return,
            Some("lists") => {
                let lists = fields.iter().filter(|(name, _)| name == "list");
                Self::Lists(lists.filter_map(|(_, id)| id.parse().ok()).collect())
            }
            _ => Self::Leave,
        }
    }
}

/// One click of a mail program or the button of the page. A mail program's body may be of either form
/// type, or missing: the token alone decides. Only the page can ask for the way back. It is not limited by the address:
/// mailbox providers ask for many people from one.
#[handler]
async fn unsubscribe(
    Data(app): Data<&App>,
    Data(limits): Limits<'_>,
    Path(token): Path<String>,
    request: &Request,
    body: Body,
) -> Response {
    if limits.refuse_link(&token) {
        return too_often();
    }
    let wish = match body.into_bytes_limit(MAX_FORM).await {
        Ok(bytes) => Wish::read(&bytes),
        Err(_) => return refuse(&MessagingError::InvalidToken),
    };
    let (tracking, context) = (&app.tracking, context(app, request));
    let done = match &wish {
        Wish::Leave => tracking.unsubscribe(&token, &context).await,
        Wish::LeaveAll => tracking.unsubscribe_from_all(&token, &context).await,
        Wish::Return => tracking.resubscribe(&token, &context).await,
        Wish::Lists(lists) => tracking.choose_lists(&token, &context, lists).await,
    };
    if let Err(error) = done {
        return refuse_link(app, &token, &error).await;
    }
    match tracking.unsubscribe_page(&token).await {
        Ok(page) if page.unsubscribed => html(pages::unsubscribed(&page).into_string()),
        Ok(mut page) => html(
            match wish {
                Wish::Leave => pages::left_list(&page),
                Wish::Lists(lists) => {
                    // Whoever keeps the segments hears of it in a moment.
                    for list in &mut page.lists {
                        list.member = lists.contains(&list.id);
                    }
                    pages::lists_saved(&page)
                }
                Wish::Return | Wish::LeaveAll => pages::resubscribed(&page),
            }
            .into_string(),
        ),
        Err(error) => refuse(&error),
    }
}

/// The message as it was sent. It is what a member of the organisation wrote, so it gets no script and
/// no access to anything of ours.
#[handler]
async fn web_view(
    Data(app): Data<&App>,
    Data(limits): Limits<'_>,
    Path(token): Path<String>,
    request: &Request,
) -> Response {
    if limits.refuse(request, &token) {
        return too_often();
    }
    match app.tracking.web_view(&token, &context(app, request)).await {
        Ok(view) => Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, MAIL_POLICY)
            .header("x-robots-tag", "noindex")
            .body(view.html),
        Err(error) => refuse(&error),
    }
}

/// An image of a mail. Its name comes from its content, so that it may be kept for ever; it is never anything but an image.
#[handler]
async fn image(
    Data(app): Data<&App>,
    Path((organization, name)): Path<(uuid::Uuid, String)>,
) -> Response {
    let organization = OrganizationId::from_uuid(organization);
    let (kind, bytes) = match app.images.read(organization, &name).await {
        Ok(Some(found)) => found,
        Ok(None) => return Response::builder().status(StatusCode::NOT_FOUND).finish(),
        Err(error) => {
            tracing::error!(error = %describe(&error), "an image cannot be read");
            return Response::builder()
                .status(StatusCode::SERVICE_UNAVAILABLE)
                .finish();
        }
    };
    Response::builder()
        .content_type(kind.media_type())
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox",
        )
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header("cross-origin-resource-policy", "cross-origin")
        .body(bytes)
}

/// A mail in a browser: pictures and styles, nothing that acts.
const MAIL_POLICY: &str = "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline' https:; \
    font-src https:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox allow-popups \
    allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

fn html(page: String) -> Response {
    Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(
            header::CONTENT_SECURITY_POLICY,
            pages::CONTENT_SECURITY_POLICY,
        )
        .header("x-robots-tag", "noindex")
        .body(page)
}

fn too_often() -> Response {
    let mut response = html(pages::too_often().into_string());
    response.set_status(StatusCode::TOO_MANY_REQUESTS);
    let after = header::HeaderValue::from_static("1");
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}

/// Whoever tries the links of a test message is told that they do nothing, and that others will work.
async fn refuse_link(app: &App, token: &str, error: &MessagingError) -> Response {
    if !matches!(error, MessagingError::NotFound { .. }) {
        return refuse(error);
    }
    match app.tracking.is_test(token).await {
        Ok(true) => html(pages::test_message().into_string()),
        Ok(false) => refuse(error),
        Err(failure) => refuse(&failure),
    }
}

fn refuse(error: &MessagingError) -> Response {
    let (status, page) = match error {
        MessagingError::InvalidToken | MessagingError::NotFound { .. } => {
            (StatusCode::NOT_FOUND, pages::broken_link())
        }
        MessagingError::Busy => (StatusCode::SERVICE_UNAVAILABLE, pages::try_again()),
        error => {
            tracing::error!(error = describe(error), "a public request failed");
            (StatusCode::INTERNAL_SERVER_ERROR, pages::try_again())
        }
    };
    let mut response = html(page.into_string());
    response.set_status(status);
    response
}
