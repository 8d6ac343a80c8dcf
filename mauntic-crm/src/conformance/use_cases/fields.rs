//! Custom fields.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{crm, is_taken};
use crate::{CreateField, CrmError, CrmStore, FieldOption, FieldType, UpdateField, Value};

/// Custom fields with everything that they can ask for.
pub async fn a_custom_field_is_kept(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let options = ["red", "green"].map(FieldOption::plain).to_vec();
    let colour = CreateField {
        options,
        default: Some(json!("RED")),
        ..CreateField::new("Colour", FieldType::Select)
    };
    let colour = crm.fields.create(&crm.us, colour).await.unwrap();
    assert_eq!(
        (colour.alias.as_str(), &colour.default),
        ("colour", &Value::text("red"))
    );
    let number = CreateField {
        unique: true,
        indexed: true,
        ..CreateField::new("Customer no.", FieldType::Text)
    };
    let number = crm.fields.create(&crm.us, number).await.unwrap();
    assert_eq!(number.alias.as_str(), "customer_no");
    let again = crm
        .fields
        .create(&crm.us, CreateField::new("Customer no", FieldType::Text))
        .await
        .unwrap();
    assert_eq!(again.alias.as_str(), "customer_no2");
    let listed = crm.fields.list(&crm.us).await.unwrap();
    assert_eq!(
        listed.custom().collect::<Vec<_>>(),
        [&colour, &number, &again]
    );

    let ann = crm
        .create(json!({"email": "ann@example.com", "customer_no": "K1"}))
        .await
        .unwrap();
    assert_eq!(ann.value("colour"), Some(&Value::Text("red".to_owned())));
    let bob = crm
        .create(json!({"email": "bob@example.com", "customer_no": "k1"}))
        .await;
    assert!(is_taken(&bob, "customer_no"), "{bob:?}");
    let bob = crm
        .create(json!({"email": "bob@example.com", "customer_no": "K2", "colour": "green"}))
        .await
        .unwrap();
    assert!(is_taken(
        &crm.update(bob.id(), json!({"customer_no": "K1"})).await,
        "customer_no"
    ));
    crm.update(ann.id(), json!({"customer_no": null}))
        .await
        .unwrap();
    crm.update(bob.id(), json!({"customer_no": "K1"}))
        .await
        .unwrap();
    let cat = crm
        .create(json!({"email": "cat@example.com", "customer_no": "K2"}))
        .await
        .unwrap();

    let required = UpdateField {
        required: Some(true),
        ..UpdateField::default()
    };
    crm.fields
        .update(&crm.us, &number.alias, required)
        .await
        .unwrap();
    let without = crm.create(json!({"email": "dan@example.com"})).await;
    assert!(
        matches!(without, Err(CrmError::InvalidFields(problems)) if problems[0].field == "customer_no")
    );
    let cleared = crm.update(cat.id(), json!({"customer_no": ""})).await;
    assert!(matches!(cleared, Err(CrmError::InvalidFields(_))));

    crm.fields.delete(&crm.us, &number.alias).await.unwrap();
    crm.fields.delete(&crm.us, &colour.alias).await.unwrap();
    let bob = crm.contacts.get(&crm.us, bob.id()).await.unwrap();
    assert_eq!(bob.parts().fields, BTreeMap::new());
    let gone = crm.fields.delete(&crm.us, &number.alias).await;
    assert!(matches!(gone, Err(CrmError::FieldNotFound(_))));
}

/// Definitions that make no sense are refused.
pub async fn senseless_fields_are_refused(store: Arc<dyn CrmStore>) {
    let crm = crm(&store);
    let option = FieldOption::plain("a|b");
    let refused = [
        CreateField::new("  ", FieldType::Text),
        CreateField::new("Colour", FieldType::Select),
        CreateField {
            options: vec![FieldOption::plain("a")],
            ..CreateField::new("Colour", FieldType::Text)
        },
        CreateField {
            options: vec![option],
            ..CreateField::new("Colour", FieldType::Select)
        },
        CreateField {
            default: Some(json!("x")),
            unique: true,
            ..CreateField::new("Number", FieldType::Text)
        },
        CreateField::new("nul \0", FieldType::Text),
    ];
    for field in refused {
        let result = crm.fields.create(&crm.us, field).await;
        assert!(matches!(result, Err(CrmError::Invalid(_))), "{result:?}");
    }
    let taken = CreateField {
        alias: "email".parse().ok(),
        ..CreateField::new("Mail", FieldType::Email)
    };
    assert!(is_taken(&crm.fields.create(&crm.us, taken).await, "alias"));
    let wrong = CreateField {
        default: Some(json!("x")),
        ..CreateField::new("Number", FieldType::Number)
    };
    let wrong = crm.fields.create(&crm.us, wrong).await;
    assert!(matches!(wrong, Err(CrmError::InvalidFields(_))));
    let core = crm.fields.delete(&crm.us, &"city".parse().unwrap()).await;
    assert!(matches!(core, Err(CrmError::CoreField(_))));
}
