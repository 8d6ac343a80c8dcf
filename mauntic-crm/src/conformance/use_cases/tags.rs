//! Tags.

use std::sync::Arc;

use mauntic_core::PageSize;
use serde_json::json;

use super::{crm, tags};
use crate::{CreateContact, CrmError, CrmStore, Tag};

/// A renamed tag is renamed everywhere, a deleted one is gone.
pub async fn tags_are_renamed_and_deleted_everywhere(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let mut commands = Vec::new();
    for number in 0..5 {
        let mut patch = crm
            .patch(json!({"email": format!("{number}@example.com")}))
            .await;
        patch.add_tags = if number < 3 {
            tags(["old", "kept"])
        } else {
            tags(["kept", "new"])
        };
        commands.push(CreateContact {
            patch,
            origin: None,
        });
    }
    let made = crm.contacts.create_many(&crm.us, &commands).await.unwrap();
    let first = made[0].as_ref().unwrap().id();
    let [old, new, kept] = ["old", "new", "kept"].map(|name| name.parse::<Tag>().unwrap());
    let listed = || async {
        let page = crm
            .tags
            .list(&crm.us, None, PageSize::clamped(2))
            .await
            .unwrap();
        let rest = crm
            .tags
            .list(&crm.us, page.next.as_ref(), PageSize::default())
            .await
            .unwrap();
        page.items
            .into_iter()
            .chain(if page.next.is_some() {
                rest.items
            } else {
                vec![]
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [kept.clone(), new.clone(), old.clone()]);
    assert_eq!(crm.tags.rename(&crm.us, &old, &new).await.unwrap(), 3);
    assert_eq!(listed().await, [kept.clone(), new.clone()]);
    assert_eq!(crm.tags.count(&crm.us, &new).await.unwrap(), 5);
    assert_eq!(crm.tags.delete(&crm.us, &kept).await.unwrap(), 5);
    assert_eq!(
        crm.contacts.get(&crm.us, first).await.unwrap().parts().tags,
        tags(["new"])
    );
    assert_eq!(crm.names_of_changes(first).await.len(), 3);
    let gone = crm.tags.delete(&crm.us, &kept).await;
    assert!(matches!(gone, Err(CrmError::TagNotFound)));
    let changed = crm
        .tags
        .change(&crm.us, &[first], &tags(["a"]), &tags(["new"]))
        .await
        .unwrap();
    assert_eq!(changed[0].as_ref().unwrap().parts().tags, tags(["a"]));
}
