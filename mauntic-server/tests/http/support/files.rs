//! Forms with a file.

use poem::http::header;

use crate::{
    browser::Browser,
    support::{Answer, request},
};

/// Sends a file to a path, with the token of the page that was looked at last in front of it.
pub(crate) async fn upload(browser: &mut Browser, path: &str, name: &str, content: &[u8]) {
    let token = browser.token();
    let answer = send_file(browser, path, &token, name, content).await;
    browser.arrive(path, answer).await;
}

/// Sends a file with any token, no redirect followed.
pub(crate) async fn send_file(
    browser: &Browser,
    path: &str,
    token: &str,
    name: &str,
    content: &[u8],
) -> Answer {
    let mut body = format!(
        "--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--x--\r\n");
    let request = request("", "POST", path)
        .header(header::COOKIE, browser.cookie())
        .content_type("multipart/form-data; boundary=x")
        .body(body);
    browser.installation.send(request).await
}
