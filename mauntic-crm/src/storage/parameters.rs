use sea_orm::Value;

/// The parameters of a statement that is put together from parts.
#[derive(Default)]
pub(super) struct Parameters(Vec<Value>);

impl Parameters {
    /// Adds a value and returns what stands for it in the statement.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> String {
        format!("${}", self.place(value))
    }

    /// Adds a value and returns its number, for what asks for that.
    pub(super) fn place(&mut self, value: impl Into<Value>) -> usize {
        self.0.push(value.into());
        self.0.len()
    }
}

impl IntoIterator for Parameters {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
