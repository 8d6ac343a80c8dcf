use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use mauntic_core::{EmailAddress, UserId};
use serde_json::Value as Json;

use super::batch::Writing;
use crate::{
    ChangeSet, Contact, Country, Field, FieldAlias, FieldProblem, FieldSet, FieldType,
    InvalidValue, ParseContext, Tag, Value, value::line,
};

/// What becomes of one part of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// It stays as it is.
    #[default]
    Keep,
    /// It becomes this.
    Set(T),
    /// It goes.
    Clear,
}

impl<T> Change<T> {
    /// [`Set`](Self::Set), or [`Clear`](Self::Clear) if there is nothing to set.
    pub fn to(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }

    fn if_given(&self, set: impl FnOnce(Option<&T>)) {
        match self {
            Self::Keep => {}
            Self::Set(value) => set(Some(value)),
            Self::Clear => set(None),
        }
    }
}

/// What a change does to a contact; what is not mentioned stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContactPatch {
    /// The address.
    pub email: Change<EmailAddress>,
    /// The values of fields that have no column of their own; `None` clears one.
    pub values: BTreeMap<FieldAlias, Option<Value>>,
    /// The tags, all of them; before `add_tags` and `remove_tags`.
    pub tags: Option<BTreeSet<Tag>>,
    /// Tags to put on; one that is also to be taken off ends up on.
    pub add_tags: BTreeSet<Tag>,
    /// Tags to take off.
    pub remove_tags: BTreeSet<Tag>,
    /// The user in charge.
    pub owner: Change<UserId>,
    /// The stage.
    pub stage: Change<String>,
    /// The score.
    pub points: Option<i64>,
    /// When they were last seen.
    pub last_active: Change<DateTime<Utc>>,
}

impl ContactPatch {
    /// Reads values by field, each in the form of [`Value`] or any text that the field can read.
    /// `null` and blank texts clear. `email`, `points` and `last_active` are fields like others here.
    ///
    /// # Errors
    /// Every field that is unknown or whose value does not suit it.
    pub fn from_json<'a>(
        fields: &FieldSet,
        values: impl IntoIterator<Item = (&'a str, &'a Json)> + Clone,
        context: &ParseContext,
    ) -> Result<Self, Vec<FieldProblem>> {
        let (mut patch, mut problems) = (Self::default(), Vec::new());
        let country = values
            .clone()
            .into_iter()
            .find(|(name, _)| *name == "country");
        let country = country.and_then(|(_, json)| json.as_str()?.parse::<Country>().ok());
        let context = ParseContext {
            country: country.or(context.country),
            ..context.clone()
        };
        for (name, json) in values {
            let read = fields
                .get(name)
                .ok_or(InvalidValue::UnknownField)
                .and_then(|field| Ok((field, field.parse_json(json, &context)?)))
                .and_then(|(field, value)| patch.put(field, value));
            if let Err(reason) = read {
                problems.push(FieldProblem::new(name, reason));
            }
        }
        if problems.is_empty() {
            Ok(patch)
        } else {
            Err(problems)
        }
    }

    /// Sets or clears a field, whether it has a column of its own or not.
    ///
    /// # Errors
    /// If the value is of another kind than the field's.
    pub fn put(&mut self, field: &Field, value: Option<Value>) -> Result<(), InvalidValue> {
        match field.alias.as_str() {
            "email" => {
                let email = value
                    .as_ref()
                    .and_then(Value::as_text)
                    .map(str::parse)
                    .transpose();
                self.email = Change::to(email.map_err(|_| InvalidValue::NotAnEmail)?);
            }
            "points" => self.points = Some(value.map_or(Ok(0), |value| whole(&value))?),
            "last_active" => {
                self.last_active = Change::to(value.as_ref().and_then(Value::as_datetime));
            }
            _ => {
                self.values.insert(field.alias.clone(), value);
            }
        }
        Ok(())
    }

    /// Whether nothing would change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes the contact. On an error it may be half changed, so try on a copy.
    pub(super) fn apply(
        &self,
        contact: &mut Contact,
        writing: &Writing<'_>,
        changes: &mut ChangeSet,
    ) -> Result<(), Vec<FieldProblem>> {
        let mut problems = Vec::new();
        for (alias, value) in &self.values {
            match self.checked(contact, writing.fields, alias, value.as_ref()) {
                Ok(value) => contact.set_value(alias, value, changes),
                Err(reason) => problems.push(FieldProblem::new(alias.as_str(), reason)),
            }
        }
        if let Change::Set(stage) = &self.stage {
            problems.extend(check_stage(stage).err());
        }
        // Who was in charge before leaving the organisation may stay so.
        if let Change::Set(owner) = self.owner
            && writing.strangers.contains(&owner)
            && contact.parts().owner != Some(owner)
        {
            problems.push(FieldProblem::new("owner", InvalidValue::NotAMember));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        self.apply_columns(contact, changes);
        date_the_attribution(contact, writing.now, changes);
        Ok(())
    }

    fn apply_columns(&self, contact: &mut Contact, changes: &mut ChangeSet) {
        self.email
            .if_given(|email| contact.set_email(email.cloned(), changes));
        if let Some(tags) = &self.tags {
            contact.set_tags(tags.clone(), changes);
        }
        contact.change_tags(&self.add_tags, &self.remove_tags, changes);
        self.owner
            .if_given(|owner| contact.set_owner(owner.copied(), changes));
        self.stage
            .if_given(|stage| contact.set_stage(stage.cloned(), changes));
        if let Some(points) = self.points {
            contact.set_points(points, changes);
        }
        self.last_active
            .if_given(|at| contact.set_last_active(at.copied(), changes));
    }

    /// The value in the form of its field; telephone numbers also know where the contact lives.
    fn checked(
        &self,
        contact: &Contact,
        fields: &FieldSet,
        alias: &FieldAlias,
        value: Option<&Value>,
    ) -> Result<Option<Value>, InvalidValue> {
        let field = fields
            .get(alias.as_str())
            .ok_or(InvalidValue::UnknownField)?;
        if field.is_column() {
            return Err(InvalidValue::UnknownField);
        }
        let Some(value) = value else {
            return if field.required {
                Err(InvalidValue::Required)
            } else {
                Ok(None)
            };
        };
        let country = match self.values.get("country") {
            Some(given) => given.as_ref(),
            None => contact.value("country"),
        };
        let country = country.and_then(|country| country.as_text()?.parse().ok());
        let context = ParseContext {
            country,
            ..ParseContext::default()
        };
        let stays = !matches!(field.field_type, FieldType::Phone) && field.holds(value);
        if stays {
            Ok(Some(value.clone()))
        } else {
            field.parse_value(value, &context)
        }
    }
}

/// Holds a text to be the name of a stage.
pub(super) fn check_stage(stage: &str) -> Result<(), FieldProblem> {
    match line(stage, 191) {
        Ok(_) => Ok(()),
        Err(reason) => Err(FieldProblem::new("stage", reason)),
    }
}

/// An attribution without a date is of now; without an attribution there is no date.
fn date_the_attribution(contact: &mut Contact, now: DateTime<Utc>, changes: &mut ChangeSet) {
    if changes.names().any(|name| name == "attribution_date") {
        return;
    }
    let date = FieldAlias::trusted("attribution_date".to_owned());
    match (
        contact.value("attribution"),
        contact.value("attribution_date"),
    ) {
        (Some(_), None) => contact.set_value(&date, Some(Value::datetime(now)), changes),
        (None, Some(_)) if changes.names().any(|name| name == "attribution") => {
            contact.set_value(&date, None, changes);
        }
        _ => {}
    }
}

fn whole(value: &Value) -> Result<i64, InvalidValue> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = value.as_number().ok_or(InvalidValue::NotANumber)?;
    if number.fract() != 0.0 || number.abs() > EXACT {
        return Err(InvalidValue::NotAWholeNumber);
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
    Ok(number as i64)
}
