use crate::Permission;

/// Who may call a use case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// An [`Actor`](crate::Actor) with the permission.
    Needs(Permission),
    /// An [`Actor`](crate::Actor) with all of the permissions.
    NeedsAll(&'static [Permission]),
    /// The operator of the installation, who shows an [`Operator`].
    Operator,
    /// The user whom it is about, and the operator through [`Actor::system`](crate::Actor::system).
    Oneself,
    /// Anybody: the use case is about finding out who calls, or a signed link says who does.
    Anybody,
    /// Mauntic itself, with no person behind it: a worker, or a handler of an event, which names the organisation.
    Itself,
}

/// A use case of a service by name, and who may call it.
///
/// Each service has a list `USE_CASES` of them. With the feature `testing`,
/// `testing::assert_complete` compares the list with the service's source text, so that a use case
/// cannot be forgotten, and `testing::access_cases` makes the calls that a test has to try.
pub type UseCase = (&'static str, Access);

/// Stands for the operator of the installation: somebody who may run commands on its machine, or
/// Mauntic itself at its start. What comes in over the network must never get one.
#[derive(Debug)]
pub struct Operator(());

impl Operator {
    /// Whoever runs this program on the machine of the installation.
    #[must_use]
    pub fn local() -> Self {
        Self(())
    }
}
