//! Letters to users, which are captured.

use mauntic_core::{Actor, PageSize};
use mauntic_server::{App, installation};

/// Sends what waits; returns the text of the latest letter to that address, if there is any.
pub(crate) async fn letter_to(app: &App, address: &str) -> Option<String> {
    while app.identity.deliver_letters(&*app.postman).await.unwrap() {}
    let operator = Actor::system(installation());
    let page = app
        .inbox
        .list(&operator, Some(address), None, PageSize::default());
    let mail = page.await.unwrap().items.into_iter().next()?;
    let opened = app.inbox.open(&operator, mail.id).await.unwrap();
    opened.content.text
}

/// The path of the link in a letter.
pub(crate) fn link(letter: &str) -> String {
    let (_, rest) = letter
        .split_once("http://127.0.0.1:8080/app/")
        .expect(letter);
    format!("/app/{}", rest.split_whitespace().next().unwrap())
}
