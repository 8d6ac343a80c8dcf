//! Images of emails: what is taken, and how it is served.

use crate::browser::Browser;
use crate::bucket;
use crate::people::{become_viewer, next_page};
use crate::support::{Answer, Installation, request};
use mauntic_core::storage::test_database::TestDatabase;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mauntic_core::{
    Actor, Change, IdSource as _, OrganizationId, PageSize, StoreError,
    identity::AuditLog,
    testing::{
        AccessCase, CountingIds, Reach, access_cases, assert_access, assert_complete,
        assert_none_elsewhere,
    },
};
use mauntic_server::{ImageError, Images, Settings};

const PLACE: &str = "/app/emails/images";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

/// Images in a data folder.
fn in_folder(data: &std::path::Path) -> Images {
    told(data, Arc::<Kept>::default())
}

fn told(data: &std::path::Path, log: Arc<dyn AuditLog>) -> Images {
    let settings = Settings {
        data: data.to_owned(),
        ..Settings::default()
    };
    Images::open(&settings, log).unwrap()
}

/// Sends a file with a token, as a browser does.
async fn upload(browser: &Browser, token: &str, name: &str, bytes: &[u8]) -> Answer {
    let mut body = format!(
        "--line\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{token}\r\n--line\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--line--\r\n");
    let request = request("", "POST", PLACE)
        .header("cookie", browser.cookie())
        .content_type("multipart/form-data; boundary=line")
        .body(body);
    browser.installation.send(request).await
}

#[tokio::test]
async fn an_image_is_kept_and_served_as_what_it_is() {
    let mut ann = Browser::new().await;
    let page = ann.get(PLACE).await;
    assert!(page.contains("There are no images yet"), "{page}");
    let token = ann.token();
    let taken = upload(&ann, &token, "../../<script>.svg", PNG).await;
    assert_eq!(taken.status, 303);
    let page = ann.get(PLACE).await.to_owned();
    let address = page.split_once("<img src=\"").unwrap().1;
    let address = address.split_once('"').unwrap().0;
    assert!(
        address.starts_with("/i/") && address.contains(".png"),
        "{address}"
    );
    assert!(page.contains("<p>&lt;script&gt;.svg</p>"), "{page}");
    assert!(!page.contains("<script>.svg"), "{page}");
    let served = ann
        .installation
        .send(request("", "GET", address).finish())
        .await;
    assert_eq!((served.status, served.body.as_slice()), (200, PNG));
    assert_eq!(served.content_type, "image/png");
    assert_eq!(served.headers["x-content-type-options"], "nosniff");
    let policy = served.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("sandbox"), "{policy}");
    let name = address.rsplit('/').next().unwrap();
    let other = format!("/i/00000000-0000-7000-8000-000000000000/{name}");
    for path in [other, format!("{address}.svg")] {
        let missing = ann.installation.send(request("", "GET", &path).finish());
        assert_eq!(missing.await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_image_or_not_ours_is_refused() {
    let mut ann = Browser::new().await;
    ann.get(PLACE).await;
    let token = ann.token();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>";
    let refused = upload(&ann, &token, "image.png", svg).await;
    assert_eq!(refused.status, 422);
    let text = String::from_utf8(refused.body).unwrap();
    assert!(text.contains("this is no image"), "{text}");
    let mut large = PNG.to_vec();
    large.resize(Images::MAX_BYTES + 1, 0);
    assert_eq!(upload(&ann, &token, "large.png", &large).await.status, 422);
    assert_eq!(upload(&ann, "wrong", "image.png", PNG).await.status, 403);
    let page = ann.get(PLACE).await;
    assert!(page.contains("There are no images yet"), "{page}");
}

/// What the audit log was told.
#[derive(Default)]
struct Kept(Mutex<Vec<(Actor, Change)>>);

#[async_trait]
impl AuditLog for Kept {
    async fn record(&self, actor: &Actor, change: Change) -> Result<(), StoreError> {
        self.0.lock().unwrap().push((actor.clone(), change));
        Ok(())
    }
}

#[tokio::test]
async fn the_audit_log_tells_who_added_an_image() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Arc::<Kept>::default();
    let images = told(folder.path(), kept.clone());
    let us = Actor::system(OrganizationId::from_uuid(CountingIds::default().next()));
    assert!(images.add(&us, "a.png", b"no image").await.is_err());
    assert!(kept.0.lock().unwrap().is_empty());
    let image = images
        .add(&us, "C:\\pictures\\a\u{7}.png", PNG)
        .await
        .unwrap();
    {
        let told = kept.0.lock().unwrap();
        let [(actor, change)] = told.as_slice() else {
            panic!("one entry: {told:?}");
        };
        assert_eq!((actor, change.action.as_str()), (&us, "image.added"));
        assert_eq!(change.after["name"], image.name);
    }
    assert_eq!(
        image.called, "a.png",
        "on one line, and without where it was"
    );
    let found = images.find(&us, &image.name).await.unwrap();
    assert_eq!(found.as_ref(), Some(&image));
    images.delete(&us, &image.name).await.unwrap();
    assert_eq!(images.find(&us, &image.name).await.unwrap(), None);
    images.delete(&us, &image.name).await.unwrap();
    let told = kept.0.lock().unwrap();
    let actions: Vec<_> = told.iter().map(|(_, change)| &change.action).collect();
    assert_eq!(
        actions,
        ["image.added", "image.deleted"],
        "what is gone is deleted once"
    );
    drop(told);
    let left = std::fs::read_dir(
        images
            .folder()
            .unwrap()
            .join(us.organization_id().to_string()),
    );
    assert_eq!(left.unwrap().count(), 0, "nothing stays beside it");
}

#[tokio::test]
async fn images_are_listed_page_by_page_and_chosen_in_an_email() {
    let mut ann = Browser::new().await;
    for number in 0..30_u8 {
        ann.get(PLACE).await;
        let mut png = PNG.to_vec();
        png.push(number);
        let (token, name) = (ann.token(), format!("picture <{number}>.png"));
        assert_eq!(upload(&ann, &token, &name, &png).await.status, 303);
    }
    let page = ann.get(PLACE).await.to_owned();
    assert_eq!(page.matches("<img src=\"/i/").count(), 24);
    assert!(page.contains("picture &lt;"), "{page}");
    let next = next_page(&page);
    let page = ann.get(&next).await.to_owned();
    assert_eq!(page.matches("<img src=\"/i/").count(), 6);
    assert!(page.contains("Back to the first page"), "{page}");

    let new = "/app/emails/new";
    let page = ann.get(new).await.to_owned();
    let form = |document: &str, step: &str| {
        [
            ("kind", "blocks".to_owned()),
            ("document", document.to_owned()),
            ("kind.top", "image".to_owned()),
            ("step", step.to_owned()),
        ]
    };
    let document_of = |page: &str| {
        let stored = page.split_once("name=\"document\" value=\"").unwrap().1;
        let stored = stored.split_once('"').unwrap().0.replace("&quot;", "\"");
        stored
            .replace("&amp;", "&")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
    };
    let send = async |ann: &mut Browser, document: &str, step: &str| {
        let form = form(document, step);
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        ann.post(new, &form).await.to_owned()
    };
    let page = send(&mut ann, &document_of(&page), "add:top").await;
    let pick = page.split_once("value=\"pick:").unwrap().1;
    let block = pick.split_once('"').unwrap().0.to_owned();
    let page = send(&mut ann, &document_of(&page), &format!("pick:{block}")).await;
    assert_eq!(page.matches("value=\"image:").count(), 24);
    assert!(page.contains("data-changed"), "what is not saved is known");
    let more = page
        .split_once(&format!("value=\"pick:{block}:"))
        .unwrap()
        .1;
    let more = format!("pick:{block}:{}", more.split_once('"').unwrap().0);
    let page = send(&mut ann, &document_of(&page), &more).await;
    assert_eq!(page.matches("value=\"image:").count(), 6);
    let chosen = page.split_once("value=\"image:").unwrap().1;
    let chosen = chosen.split_once('"').unwrap().0.to_owned();
    let name = chosen.split_once(':').unwrap().1.to_owned();
    let document = document_of(&page);
    let page = send(&mut ann, &document, &format!("image:{chosen}")).await;
    let src = format!("name=\"b.{block}.src\"");
    let field = page.split_once(&src).unwrap().1;
    let field = field.split_once('>').unwrap().0;
    assert!(field.contains(&format!("/{name}\"")), "{field}");
    assert!(!page.contains("data-picker"), "it was chosen");
    let nothing = format!("image:{block}:00000000000000000000000000000000.png");
    let page = send(&mut ann, &document, &nothing).await;
    assert!(
        !page.contains("00000000000000000000000000000000.png"),
        "{page}"
    );
}

#[tokio::test]
async fn an_image_that_an_email_shows_stays_and_any_other_is_deleted() {
    let mut ann = Browser::new().await;
    ann.get(PLACE).await;
    let token = ann.token();
    upload(&ann, &token, "logo.png", PNG).await;
    let page = ann.get(PLACE).await.to_owned();
    let path = page.split_once("<img src=\"").unwrap().1;
    let path = path.split_once('"').unwrap().0.to_owned();
    let ask = format!("{PLACE}/{}/delete", path.rsplit('/').next().unwrap());
    ann.get("/app/emails/new?kind=code").await;
    let body = format!(
        "<p><img src=\"http://127.0.0.1{path}\" alt=\"a\"> <a href=\"{{{{ unsubscribe_url }}}}\">x</a></p>"
    );
    let email = [
        ("name", "Launch"),
        ("subject", "Hi"),
        ("kind", "html"),
        ("body", body.as_str()),
        ("from_address", "news@example.com"),
    ];
    ann.post("/app/emails/new", &email).await;
    let email = ann.at.strip_suffix("?done=created").unwrap().to_owned();
    let page = ann.get(&ask).await;
    assert!(
        page.contains("The image is in use") && page.contains(">Launch<"),
        "{page}"
    );
    ann.post(&ask, &[]).await;
    assert_eq!(ann.status, 409);
    // What was deleted may have been sent, and its mails show the image.
    ann.get(&format!("{email}/delete")).await;
    ann.post(&format!("{email}/delete"), &[]).await;
    assert!(ann.get(&ask).await.contains("an email that was deleted"));

    let mut other = PNG.to_vec();
    other.push(b'!');
    ann.get(PLACE).await;
    let token = ann.token();
    upload(&ann, &token, "other.png", &other).await;
    let page = ann.get(PLACE).await.to_owned();
    let asks: Vec<_> = page
        .match_indices("/delete\"")
        .map(|(at, _)| {
            let start = page[..at].rfind('"').unwrap();
            page[start + 1..at + "/delete".len()].to_owned()
        })
        .filter(|found| *found != ask)
        .collect();
    let page = ann.get(&asks[0]).await;
    assert!(page.contains("The image other.png"), "{page}");
    let page = ann.post(&asks[0], &[]).await;
    assert!(
        page.contains("It was deleted.") && !page.contains("other.png"),
        "{page}"
    );
    assert_eq!(page.matches("<img src=\"/i/").count(), 1);
    ann.get(&asks[0]).await;
    assert_eq!(ann.status, 404);
    become_viewer(&mut ann).await;
    assert!(!ann.get(PLACE).await.contains("/delete\""));
    ann.get(&ask).await;
    assert_eq!(ann.status, 403);
}

#[tokio::test]
async fn every_use_case_asks_for_its_permission_and_stays_at_home() {
    let ids = CountingIds::default();
    let [own, other] = [ids.next(), ids.next()].map(OrganizationId::from_uuid);
    let cases = access_cases(Images::USE_CASES, own, other, &ids);
    assert_access(&cases, async |case: &AccessCase| {
        let folder = tempfile::tempdir().unwrap();
        let images = in_folder(folder.path());
        let us = mauntic_core::Actor::system(own);
        let all = PageSize::default();
        let kept = if case.use_case == "add" {
            None
        } else {
            Some(images.add(&us, "a.png", PNG).await.unwrap().name)
        };
        let name = kept.as_deref().unwrap_or_default();
        let done = match case.use_case {
            "add" => images.add(&case.actor, "a.png", PNG).await.map(drop),
            "list" => images.list(&case.actor, None, all).await.map(drop),
            "find" => images.find(&case.actor, name).await.map(drop),
            "delete" => images.delete(&case.actor, name).await,
            unknown => panic!("no call is written for the use case {unknown}"),
        };
        match done {
            Ok(()) => {}
            Err(ImageError::Forbidden(_)) => return Reach::Forbidden,
            Err(error) => panic!("{error}"),
        }
        // What the caller sees afterwards is the caller's own.
        let (of_us, gone) = match case.use_case {
            "add" => (true, false),
            "delete" => (true, true),
            _ => (false, false),
        };
        let seen = if of_us { &us } else { &case.actor };
        let images = images.list(seen, None, all).await.unwrap();
        if images.items.is_empty() == gone {
            Reach::Allowed
        } else {
            Reach::Unseen
        }
    })
    .await;
}

#[test]
fn every_use_case_is_listed() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/images/mod.rs");
    assert_complete(Images::USE_CASES, &[place]);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    assert_none_elsewhere(source, &[place], &[]);
}

/// Settings for images in the bucket `mail` of a stand-in.
fn in_bucket(address: &str, settings: &mut Settings) {
    settings.images_bucket = Some("mail".to_owned());
    settings.images_region = Some(bucket::REGION.to_owned());
    settings.images_endpoint = Some(address.parse().unwrap());
    settings.images_access_key = Some(bucket::ACCESS_KEY.to_owned());
    settings.images_secret_key = Some(bucket::SECRET_KEY.to_owned());
}

#[tokio::test]
async fn images_can_be_kept_in_a_bucket() {
    let (address, files) = bucket::serve().await;
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        in_bucket(&address, settings);
    });
    let mut ann = Browser::set_up(installation.await).await;
    ann.get(PLACE).await;
    let token = ann.token();
    assert_eq!(upload(&ann, &token, "image.png", PNG).await.status, 303);
    let page = ann.get(PLACE).await;
    let path = page.split_once("<img src=\"").unwrap().1;
    let path = path.split_once('"').unwrap().0.to_owned();
    let served = ann
        .installation
        .send(request("", "GET", &path).finish())
        .await;
    assert_eq!((served.status, served.body.as_slice()), (200, PNG));
    let key = path.replacen("/i/", "/mail/images/", 1);
    let kept: Vec<_> = files.lock().unwrap().keys().cloned().collect();
    let beside = format!("{key}.name");
    assert_eq!(kept, [key, beside], "in the bucket alone");
    let images = &ann.installation.app.images;
    assert_eq!(images.folder(), None);
    let place = images.probe().await.unwrap();
    assert!(place.contains("bucket mail at http://127"), "{place}");
    assert_eq!(files.lock().unwrap().len(), 2, "the probe is gone");

    files.lock().unwrap().clear();
    let gone = ann
        .installation
        .send(request("", "GET", &path).finish())
        .await;
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn a_bucket_that_cannot_be_used_is_told_from_one_without_the_image() {
    let (address, _) = bucket::serve().await;
    let installation = Installation::with(TestDatabase::chosen().await, |settings| {
        in_bucket(&address, settings);
        settings.images_secret_key = Some("another secret".to_owned());
    });
    let installation = installation.await;
    let error = installation.app.images.probe().await.unwrap_err();
    assert!(error.to_string().contains("the bucket mail"), "{error}");
    let path = "/i/00000000-0000-7000-8000-000000000000/0123456789abcdef0123456789abcdef.png";
    let answer = installation.send(request("", "GET", path).finish()).await;
    assert_eq!(answer.status, 503, "a proxy must not keep it as missing");
}

#[tokio::test]
async fn a_folder_is_probed_and_left_as_it_was() {
    let data = tempfile::tempdir().unwrap();
    let images = in_folder(data.path());
    let place = images.probe().await.unwrap();
    assert!(place.starts_with("the folder "), "{place}");
    let folder = images.folder().unwrap();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    std::fs::remove_dir(folder).unwrap();
    std::fs::write(folder, "no folder").unwrap();
    assert!(images.probe().await.is_err());
}
