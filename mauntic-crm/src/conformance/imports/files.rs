//! What is looked at before anything is imported.

use std::sync::Arc;

use mauntic_core::{Actor, Role, UserId};
use uuid::Uuid;

use super::{Desk, counts};
use crate::{
    CrmStore,
    conformance::organization,
    import::{
        CreateImport, Delimiter, FormatHints, ImportError, ImportFile, ImportOptions, ImportState,
    },
};

/// The start of an upload tells what its columns are and may become.
pub async fn an_upload_is_looked_at_before_it_is_imported(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "E-Mail;Shoe size;City\nann@example.com;;Oslo\nbob@example.com;42;Bergen\n";
    let mut bytes = file.as_bytes();
    let upload = desk
        .service
        .upload(&desk.actor, &mut bytes, 1 << 20)
        .await
        .unwrap()
        .id;
    let glance = async |actor, hints| desk.service.glance(actor, upload, hints).await;
    let seen = glance(&desk.actor, FormatHints::default()).await.unwrap();
    assert_eq!(seen.bytes, file.len() as u64);
    assert_eq!(seen.format.delimiter, Delimiter::Semicolon);
    let targets: Vec<_> = seen
        .columns
        .iter()
        .map(|column| column.target.as_ref().map(ToString::to_string))
        .collect();
    assert_eq!(
        targets,
        [Some("email".to_owned()), None, Some("city".to_owned())]
    );
    assert_eq!(seen.columns[1].sample, ["42"]);
    let comma = FormatHints {
        delimiter: Some(Delimiter::Comma),
        ..FormatHints::default()
    };
    let seen = glance(&desk.actor, comma).await.unwrap();
    assert_eq!(seen.columns.len(), 1);
    // Nobody else has it, and an import is looked at as an import.
    let other = Actor::system(organization(2));
    let unknown = glance(&other, FormatHints::default()).await.unwrap_err();
    assert!(
        matches!(unknown, ImportError::UploadNotFound(_)),
        "{unknown}"
    );
    let command = CreateImport {
        name: "people.csv".to_owned(),
        file: ImportFile::Upload(upload),
        options: ImportOptions::default(),
    };
    desk.service.create(&desk.actor, command).await.unwrap();
    let gone = glance(&desk.actor, FormatHints::default())
        .await
        .unwrap_err();
    assert!(matches!(gone, ImportError::UploadNotFound(_)), "{gone}");
}

/// What cannot be is refused before anything is written, and the same content is not imported twice at once.
pub async fn what_cannot_be_imported_is_refused(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let plain = ImportOptions::default;
    assert!(matches!(
        desk.create("name,town\nAnn,Oslo\n", plain()).await,
        Err(ImportError::Mapping(_))
    ));
    assert!(matches!(
        desk.create("PK\u{3}\u{4}", plain()).await,
        Err(ImportError::Csv(_))
    ));
    let twice = ImportOptions {
        columns: ["a=email", "b=email"].map(|c| c.parse().unwrap()).to_vec(),
        ..plain()
    };
    assert!(matches!(
        desk.create("a,b\nx@example.com,\n", twice).await,
        Err(ImportError::Mapping(_))
    ));
    let segment = ImportOptions {
        segment: Some(mauntic_core::SegmentId::from_uuid(Uuid::from_u128(4))),
        ..plain()
    };
    assert!(matches!(
        desk.create("email\n", segment).await,
        Err(ImportError::SegmentNotFound(_))
    ));
    let first = desk
        .create("email\na@example.com\n", plain())
        .await
        .unwrap();
    let second = desk
        .create("email\na@example.com\n", plain())
        .await
        .unwrap();
    assert_eq!(first.id, second.id);
    let stranger = Actor::system(organization(2));
    assert!(matches!(
        desk.service.find(&stranger, first.id).await,
        Err(ImportError::NotFound(_))
    ));
    assert!(desk.service.cancel(&stranger, first.id).await.is_err());
    let viewer = Actor::user(
        organization(1),
        UserId::from_uuid(Uuid::from_u128(6)),
        Role::Viewer,
    );
    assert!(matches!(
        desk.service.cancel(&viewer, first.id).await,
        Err(ImportError::Forbidden(_))
    ));
    assert_eq!(
        desk.service
            .cancel(&desk.actor, first.id)
            .await
            .unwrap()
            .state,
        ImportState::Cancelled
    );
    assert!(desk.all().await.is_empty());
}

/// A file on the host is imported in place; one that is not the same any more is refused.
pub async fn a_file_that_changed_is_refused(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let path = std::env::temp_dir().join(format!("mauntic-import-{}.csv", std::process::id()));
    let path = path.with_extension(format!("{:p}.csv", Arc::as_ptr(&desk.store)));
    std::fs::write(&path, "email\na@example.com\nb@example.com\n").unwrap();
    let create = || CreateImport {
        name: "people.csv".to_owned(),
        file: ImportFile::Path(path.clone()),
        options: ImportOptions::default(),
    };
    let preview = desk.service.preview(&desk.actor, create()).await.unwrap();
    assert_eq!(
        (
            preview.counts.rows,
            preview.counts.created,
            preview.rows.len()
        ),
        (2, 2, 2)
    );
    let import = desk.service.create(&desk.actor, create()).await.unwrap();
    assert_eq!(
        desk.service.create(&desk.actor, create()).await.unwrap().id,
        import.id
    );
    std::fs::write(&path, "email\nsomebody@example.com\n").unwrap();
    let failed = desk.finish(import.id).await;
    assert_eq!(failed.state, ImportState::Failed);
    assert!(failed.error.unwrap().contains("has changed"));
    let import = desk.service.create(&desk.actor, create()).await.unwrap();
    assert_eq!(counts(&desk.finish(import.id).await), [1, 1, 0, 0, 0, 0]);
    let preview = desk.service.preview(&desk.actor, create()).await.unwrap();
    assert_eq!((preview.counts.created, preview.counts.updated), (0, 1));
    std::fs::remove_file(&path).unwrap();
}
