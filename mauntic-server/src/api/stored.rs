//! Stored documents in the API: described by their own JSON schema instead of a type of the API.

use std::borrow::Cow;

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseFromJSON, ParseResult, ToJSON, Type},
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use crate::http::problem::ApiError;

/// A stored document as it is, such as the rule of a segment. One that was sent may have another shape, which is said
/// where it is known under what name it came.
#[derive(Debug, Clone)]
pub(crate) struct Doc<T>(Result<T, Misshapen>);

/// Where a document has another shape than it must, as a JSON pointer, and what was expected.
#[derive(Debug, Clone)]
struct Misshapen {
    pointer: String,
    detail: String,
}

impl<T> Doc<T> {
    pub(crate) fn of(document: T) -> Self {
        Self(Ok(document))
    }

    /// What was sent under that pointer.
    pub(crate) fn read(self, under: &str) -> Result<T, ApiError> {
        self.0.map_err(|wrong| {
            let pointer = format!("{under}{}", wrong.pointer);
            ApiError::invalid(&pointer, &wrong.detail)
        })
    }
}

impl From<serde_path_to_error::Error<serde_json::Error>> for Misshapen {
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let mut pointer = String::new();
        for segment in error.path() {
            let name = match segment {
                Segment::Seq { index } => index.to_string(),
                Segment::Map { key: name } | Segment::Enum { variant: name } => {
                    name.replace('~', "~0").replace('/', "~1")
                }
                Segment::Unknown => break,
            };
            pointer.push('/');
            pointer.push_str(&name);
        }
        Self {
            pointer,
            detail: error.into_inner().to_string(),
        }
    }
}

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
        let read = serde_path_to_error::deserialize(value.unwrap_or_default());
        Ok(Self(read.map_err(Misshapen::from)))
    }
}

impl<T: JsonSchema + Serialize + Send + Sync> ToJSON for Doc<T> {
    fn to_json(&self) -> Option<Value> {
        serde_json::to_value(self.0.as_ref().ok()?).ok()
    }
}

/// The schema of a stored document and of all that it consists of, by name.
pub(crate) fn schemas_of<T: JsonSchema>() -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<T>();
    generator.take_definitions(true)
}
