use super::{Field, FieldAlias, FieldGroup, FieldType};

const CORE: &[(&str, &str, FieldType)] = &[
    ("title", "Title", FieldType::Text),
    ("firstname", "First name", FieldType::Text),
    ("lastname", "Last name", FieldType::Text),
    ("company", "Company", FieldType::Text),
    ("position", "Position", FieldType::Text),
    ("email", "Email", FieldType::Email),
    ("mobile", "Mobile", FieldType::Phone),
    ("phone", "Phone", FieldType::Phone),
    ("points", "Points", FieldType::Number),
    ("fax", "Fax", FieldType::Phone),
    ("address1", "Address, line 1", FieldType::Text),
    ("address2", "Address, line 2", FieldType::Text),
    ("city", "City", FieldType::Text),
    ("state", "State", FieldType::Region),
    ("zipcode", "Postal code", FieldType::Text),
    ("country", "Country", FieldType::Country),
    ("preferred_locale", "Preferred locale", FieldType::Locale),
    ("timezone", "Time zone", FieldType::Timezone),
    ("last_active", "Last active", FieldType::Datetime),
    ("attribution_date", "Attribution date", FieldType::Datetime),
    ("attribution", "Attribution", FieldType::Number),
    ("website", "Website", FieldType::Url),
    ("facebook", "Facebook", FieldType::Text),
    ("foursquare", "Foursquare", FieldType::Text),
    ("instagram", "Instagram", FieldType::Text),
    ("linkedin", "LinkedIn", FieldType::Text),
    ("skype", "Skype", FieldType::Text),
    ("twitter", "Twitter", FieldType::Text),
];

/// The fields that every contact has, in their order.
///
/// `email`, `points` and `last_active` have columns of their own; the rest are field values like
/// those of custom fields.
#[must_use]
pub fn core_fields() -> Vec<Field> {
    let social = CORE
        .iter()
        .position(|(alias, ..)| *alias == "facebook")
        .unwrap_or(CORE.len());
    CORE.iter()
        .zip(0_u32..)
        .enumerate()
        .map(|(index, ((alias, label, field_type), position))| Field {
            group: if index >= social {
                FieldGroup::Social
            } else {
                FieldGroup::Core
            },
            position,
            unique: *alias == "email",
            core: true,
            ..Field::custom(FieldAlias::trusted((*alias).to_owned()), label, *field_type)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_alias_is_a_valid_alias() {
        for field in core_fields() {
            assert_eq!(field.alias.as_str().parse(), Ok(field.alias.clone()));
        }
    }
}
