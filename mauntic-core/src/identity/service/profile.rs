use serde_json::json;

use super::super::{
    Change, IdentityError, IdentityService, LoggedIn, Subject, UpdateProfile, User,
};

impl IdentityService {
    /// Changes what the user is called, and what stands under mail that the user signs.
    #[tracing::instrument(skip_all)]
    pub async fn update_profile(
        &self,
        who: &LoggedIn,
        command: UpdateProfile,
    ) -> Result<User, IdentityError> {
        let (id, now) = (who.user.id, self.clock.now());
        let mut uow = self.store.begin().await?;
        let found = uow.users().find_for_update(id).await?;
        let mut user = found.ok_or(IdentityError::UserNotFound(id))?;
        let before = user.name.clone();
        let changed = user.update(command);
        if !changed.is_empty() {
            uow.users().update(&user).await?;
            // A signature may hold what is nobody else's business; it is shown where it is used.
            let change = Change::new("user.profile_changed", Subject::new("user", id))
                .between(json!({"name": before}), json!({"name": user.name}))
                .and(json!({"changed": changed}));
            self.audit_from(&mut *uow, id, who.address, &change, now)
                .await?;
        }
        uow.commit().await?;
        Ok(user)
    }
}
