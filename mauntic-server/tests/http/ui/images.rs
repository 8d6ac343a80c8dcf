//! Images of emails: what is taken, and how it is served.

use crate::browser::Browser;
use crate::bucket;
use crate::support::{Answer, Installation, request};
use mauntic_core::storage::test_database::TestDatabase;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mauntic_core::{
    Actor, Change, IdSource as _, OrganizationId, StoreError,
    identity::AuditLog,
    testing::{AccessCase, CountingIds, Reach, access_cases, assert_access, assert_complete},
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
    assert!(!page.contains("script&gt;.svg"), "{page}");
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
    assert!(images.add(&us, b"no image").await.is_err());
    assert!(kept.0.lock().unwrap().is_empty());
    let image = images.add(&us, PNG).await.unwrap();
    let told = kept.0.lock().unwrap();
    let [(actor, change)] = told.as_slice() else {
        panic!("one entry: {told:?}");
    };
    assert_eq!((actor, change.action.as_str()), (&us, "image.added"));
    assert_eq!(change.after["name"], image.name);
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
        let done = if case.use_case == "add" {
            images.add(&case.actor, PNG).await.map(drop)
        } else {
            images.add(&us, PNG).await.unwrap();
            images.list(&case.actor).await.map(drop)
        };
        match done {
            Ok(()) => {}
            Err(ImageError::Forbidden(_)) => return Reach::Forbidden,
            Err(error) => panic!("{error}"),
        }
        // What the caller sees afterwards is the caller's own.
        let seen = if case.use_case == "add" {
            &us
        } else {
            &case.actor
        };
        let images = images.list(seen).await.unwrap();
        if images.is_empty() {
            Reach::Unseen
        } else {
            Reach::Allowed
        }
    })
    .await;
}

#[test]
fn every_use_case_is_listed() {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/src/images/mod.rs");
    assert_complete(Images::USE_CASES, &[place]);
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
    assert_eq!(kept, [key], "in the bucket alone");
    let images = &ann.installation.app.images;
    assert_eq!(images.folder(), None);
    let place = images.probe().await.unwrap();
    assert!(place.contains("bucket mail at http://127"), "{place}");
    assert_eq!(files.lock().unwrap().len(), 1, "the probe is gone");

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
