//! The file: sent by a form, kept until it is imported.

use maud::{Markup, html};
use mauntic_core::Permission;
use poem::{Request, Response, Result, handler, http::StatusCode};

use super::{PLACE, bytes, refused};
use crate::ui::{
    component::{
        Tone,
        action::{Weight, button, button_link},
        frame, show,
    },
    contacts, failure, shell,
    visitor::{PostedFile, Visitor, app, redirect},
};

/// Longest name of a file that is kept, in characters.
const LONGEST: usize = 191;

/// Asks for the file.
#[handler]
pub(super) fn ask(request: &Request, visitor: Result<Visitor>) -> Result<Markup> {
    page(request, &visitor?, None)
}

fn page(request: &Request, visitor: &Visitor, problem: Option<&str>) -> Result<Markup> {
    visitor.needs(Permission::ContactsImport)?;
    let most = bytes(app(request)?.settings.max_upload_bytes);
    let content = html! {
        (frame::breadcrumbs(&[(contacts::PLACE, "Contacts"), (PLACE, "Imports")], "New import"))
        (frame::header("Import contacts", &html! {}))
        (show::steps(&["File", "Columns", "What will happen", "Import"], 0))
        @if let Some(problem) = problem { (show::toast(problem, Tone::Bad)) }
        (show::card("Which file?", &html! {
            p { "A CSV file with one contact per row, as spreadsheets and other tools export them. Encoding, separator and columns are found out; you check them in the next step. Nothing is imported before you have seen what will happen." }
            form method="post" enctype="multipart/form-data" class="stack" {
                (visitor.csrf())
                div class="field" {
                    label for="file" { "File" }
                    input id="file" name="file" type="file" required accept=".csv,.txt,.tsv,text/csv,text/plain,text/tab-separated-values" aria-describedby="file-hint";
                    p class="hint" id="file-hint" { "Up to " (most) "." }
                }
                div class="row" { (button("Upload", Weight::Primary)) (button_link(PLACE, "Cancel", Weight::Plain)) }
            }
        }))
    };
    Ok(shell(visitor, "Import contacts", contacts::PLACE, &content))
}

/// Takes the file and goes on to its columns.
#[handler]
pub(super) async fn take(request: &Request, posted: PostedFile) -> Result<Response> {
    let app = app(request)?;
    let PostedFile {
        visitor,
        name,
        file,
        ..
    } = posted;
    let mut bytes = Box::pin(file.into_async_read());
    let max = app.settings.max_upload_bytes;
    let upload = app.imports.upload(&visitor.actor, &mut bytes, max).await;
    let upload = upload.map_err(refused)?;
    if upload.bytes == 0 {
        let page = page(
            request,
            &visitor,
            Some("Choose a file with something in it."),
        )?;
        return Ok(failure::with_status(page, StatusCode::UNPROCESSABLE_ENTITY));
    }
    let query = serde_urlencoded::to_string([("name", called(&name))]);
    let query = query.unwrap_or_default();
    Ok(redirect(&format!("{PLACE}/uploads/{}?{query}", upload.id)))
}

/// What to call an import: the name of its file, as far as it is fit to be shown.
pub(super) fn called(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    let name = name.trim();
    if name.is_empty() {
        "upload.csv".to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::called;

    #[test]
    fn a_file_is_called_what_it_is_without_its_folder() {
        for (name, called_so) in [
            ("people.csv", "people.csv"),
            ("C:\\Users\\ann\\people.csv", "people.csv"),
            ("../../etc/passwd", "passwd"),
            ("a\r\nb.csv", "ab.csv"),
            ("", "upload.csv"),
            ("  ", "upload.csv"),
        ] {
            assert_eq!(called(name), called_so, "{name:?}");
        }
        assert_eq!(called(&"x".repeat(500)).len(), 191);
    }
}
