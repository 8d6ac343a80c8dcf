//! Stored documents in the API: described by their own JSON schema instead of a type of the API.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A stored document as it is, such as the rule of a segment.
#[derive(Debug, Clone)]
pub(crate) struct Doc<T>(pub(crate) T);

impl<T: JsonSchema + Send + Sync> Type for Doc<T> {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;

    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(T::schema_name().into_owned())
    }

    /// Holds the place for what [`schemas_of`] puts there: the document may not refer to nothing.
    fn register(registry: &mut Registry) {
        registry
            .create_schema::<Self, _>(T::schema_name().into_owned(), |_| MetaSchema::new("object"));
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: JsonSchema + DeserializeOwned + Send + Sync> ParseFromJSON for Doc<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        serde_json::from_value(value.unwrap_or_default())
            .map(Doc)
            .map_err(ParseError::custom)
    }
}

impl<T: JsonSchema + Serialize + Send + Sync> ToJSON for Doc<T> {
    fn to_json(&self) -> Option<Value> {
        serde_json::to_value(&self.0).ok()
    }
}

/// The schema of a stored document and of all that it consists of, by name.
pub(crate) fn schemas_of<T: JsonSchema>() -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<T>();
    generator.take_definitions(true)
}
