//! How each use case is called. A new use case gets an arm in the method of its service.

use mauntic_core::{Actor, TimeZoneName, testing::Reach};
use mauntic_messaging::{
    MessagingError,
    domain::AddSendingDomain,
    email::{CreateEmail, EmailFilter, PreviewRecipient, UpdateEmail},
    sending::CreateSend,
    suppression::{ListExitFilter, SuppressionFilter, address_hash},
    tracking::{Behind, SummaryListing},
    transport::SendingLimits,
};

use super::fixture::{Fixture, gone, seen, source};

impl Fixture {
    pub(super) async fn emails(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, MessagingError> {
        let (emails, id, all) = (&self.app.emails, self.email, self.all);
        match use_case {
            "create" => {
                let command = CreateEmail {
                    name: "New".parse().unwrap(),
                    source: source("New"),
                };
                let made = emails.create(actor, command).await?.email.id;
                let ours = emails.get(&Actor::system(self.own), made).await;
                Ok(seen(ours.is_ok()))
            }
            "copy" => allowed(emails.copy(actor, id, "Again".parse().unwrap()).await),
            "update" => {
                let command = UpdateEmail {
                    name: Some("Renamed".parse().unwrap()),
                    source: None,
                    expected_version: None,
                };
                allowed(emails.update(actor, id, command).await)
            }
            "delete" => allowed(emails.delete(actor, id).await),
            "get" => allowed(emails.get(actor, id).await),
            "get_named" => allowed(emails.get_named(actor, "Hello").await),
            "list" => {
                let page = emails
                    .list(actor, &EmailFilter::default(), None, all)
                    .await?;
                Ok(seen(page.items.iter().any(|email| email.id == id)))
            }
            "names" => {
                let names = emails.names(actor, &[id].into()).await?;
                Ok(seen(names.contains_key(&id)))
            }
            "mentioning" => {
                let found = emails.mentioning(actor, "subject", 9).await?;
                Ok(seen(found.iter().any(|(found, _)| *found == id)))
            }
            "version" => allowed(emails.version(actor, id, 1).await),
            "versions" => allowed(emails.versions(actor, id, None, all).await),
            "check" => {
                assert_eq!(emails.check(actor, &source("Hi")).await?, []);
                Ok(self.mine(actor))
            }
            "preview" => allowed(emails.preview(actor, id, PreviewRecipient::Sample).await),
            "subjects" => {
                let (us, any) = (Actor::system(self.own), EmailFilter::default());
                let listed = self.app.emails.list(&us, &any, None, self.all).await?;
                let subjects = emails.subjects(actor, &listed.items).await?;
                Ok(seen(subjects.contains_key(&id)))
            }
            "preview_source" => {
                let hi = source("Hi");
                emails
                    .preview_source(actor, &hi, PreviewRecipient::Sample)
                    .await?;
                let ann = PreviewRecipient::Contact(self.ann);
                match emails.preview_source(actor, &hi, ann).await {
                    // The scope to read contacts is another one.
                    Err(MessagingError::Forbidden(_)) => Ok(self.mine(actor)),
                    shown => allowed(shown),
                }
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(super) async fn sends(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, MessagingError> {
        let (sends, id, all) = (&self.app.sends, self.send, self.all);
        match use_case {
            "create" => {
                let command = CreateSend {
                    email: self.email,
                    version: None,
                    segment: self.fans,
                    at: None,
                };
                allowed(sends.create(actor, command).await)
            }
            "preflight" => allowed(sends.preflight(actor, self.email, self.fans).await),
            "sender" => allowed(sends.sender(actor, self.email).await),
            "status" => allowed(sends.status(actor, id).await),
            "list" => {
                let page = sends.list(actor, None, None, all).await?;
                Ok(seen(page.items.iter().any(|status| status.job.id == id)))
            }
            "unfinished" => {
                let sends = sends.unfinished(actor, all).await?;
                Ok(seen(sends.iter().any(|status| status.job.id == id)))
            }
            "unfinished_to" => {
                let jobs = sends.unfinished_to(actor, self.fans).await?;
                Ok(seen(jobs.iter().any(|job| job.id == id)))
            }
            "deliveries" => allowed(sends.deliveries(actor, id, None, None, all).await),
            "pause" => allowed(sends.pause(actor, id).await),
            "resume" => allowed(sends.resume(actor, id).await),
            "cancel" => allowed(sends.cancel(actor, id).await),
            "retry_unknown" => allowed(sends.retry_unknown(actor, id).await),
            "send_test" => {
                let to = ["me@example.com".parse().unwrap()];
                allowed(sends.send_test(actor, self.email, None, &to).await)
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(super) async fn tracking(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, MessagingError> {
        let tracking = &self.app.tracking;
        match use_case {
            "activity" => {
                let days = tracking.activity(actor, &TimeZoneName::utc(), 2).await?;
                assert!(days.iter().all(|day| day.accepted == 0));
                Ok(self.mine(actor))
            }
            "report" => {
                let report = tracking.report(actor, self.email).await;
                let empty = |report: &mauntic_messaging::tracking::EmailReport| {
                    *report == mauntic_messaging::tracking::EmailReport::default()
                };
                match report {
                    // Nothing was sent yet, so there is nothing that others could see.
                    Ok(report) if empty(&report) => Ok(self.mine(actor)),
                    report => allowed(report),
                }
            }
            "summaries" => {
                let listing = SummaryListing::default();
                let page = tracking.summaries(actor, &listing).await?;
                // Nothing was sent yet, so there is nothing that others could see.
                assert_eq!(page.items, []);
                Ok(self.mine(actor))
            }
            "people" => {
                let behind = Behind::Unsubscribed;
                let people = tracking.people(actor, self.email, &behind, None, self.all);
                allowed(people.await)
            }
            "export" => {
                let behind = Behind::Unsubscribed;
                let people = tracking.export(actor, self.email, &behind, None, self.all);
                allowed(people.await)
            }
            "domains" => allowed(tracking.domains(actor, self.email).await),
            "timeline" => {
                let page = tracking.timeline(actor, self.ann, None, self.all).await?;
                assert_eq!(page.items, []);
                Ok(self.mine(actor))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(super) async fn transports(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, MessagingError> {
        let transports = &self.app.transports;
        let limits = SendingLimits::default();
        match use_case {
            "show" => transports.show(actor).await.map(drop)?,
            "test" => transports.test(actor).await.map(drop)?,
            "set_limits" => {
                let slow = SendingLimits {
                    connections: 3,
                    ..limits
                };
                transports.set_limits(actor, slow).await?;
                let ours = transports.show(&Actor::system(self.own)).await?;
                return Ok(seen(ours.limits.connections == 3));
            }
            "configure" => {
                let url = Some("smtp://mail.example.com:587");
                transports.configure(actor, url, limits, None).await?;
                let ours = transports.show(&Actor::system(self.own)).await?;
                let changed = serde_json::to_string(&ours)
                    .unwrap()
                    .contains("mail.example");
                return Ok(seen(changed));
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
        Ok(self.mine(actor))
    }

    pub(super) async fn domains(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, MessagingError> {
        let (domains, id) = (&self.app.domains, self.domain);
        match use_case {
            "add" => {
                let command = AddSendingDomain {
                    domain: "example.net".parse().unwrap(),
                    return_path: None,
                };
                let made = domains.add(actor, command).await?.id;
                let ours = domains.get(&Actor::system(self.own), made).await;
                Ok(seen(ours.is_ok()))
            }
            "list" => Ok(seen(domains.list(actor).await?.iter().any(|d| d.id == id))),
            "get" => allowed(domains.get(actor, id).await),
            "get_named" => {
                let name = "example.org".parse().unwrap();
                allowed(domains.get_named(actor, &name).await)
            }
            "check" => allowed(domains.check(actor, id, &*self.app.dns).await),
            "rotate" => allowed(domains.rotate(actor, id).await),
            "activate" => allowed(domains.activate(actor, id).await),
            "delete" => allowed(domains.delete(actor, id).await),
            "dns_records" => allowed(domains.dns_records(actor, id).await),
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(super) async fn suppressions(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, MessagingError> {
        let (list, all) = (&self.app.suppressions, self.all);
        let us = Actor::system(self.own);
        let address = "gone@example.com".parse().unwrap();
        let new = "new@example.com".parse().unwrap();
        match use_case {
            "add" => {
                list.add(actor, gone("new@example.com")).await?;
                Ok(seen(list.find(&us, &new).await?.is_some()))
            }
            "import" => {
                list.import(actor, vec![gone("new@example.com")]).await?;
                Ok(seen(list.find(&us, &new).await?.is_some()))
            }
            "remove" => allowed(list.remove(actor, &address).await),
            "erase" => allowed(list.erase(actor, &address).await),
            "find" => Ok(seen(list.find(actor, &address).await?.is_some())),
            "list_exits" => {
                let filter = ListExitFilter::default();
                let page = list.list_exits(actor, &filter, None, all).await?;
                Ok(seen(!page.items.is_empty()))
            }
            "remove_exit" => {
                let hash = address_hash("left@example.com");
                allowed(list.remove_exit(actor, &hash, self.fans).await)
            }
            "list" => {
                let page = list
                    .list(actor, &SuppressionFilter::default(), None, all)
                    .await?;
                Ok(seen(!page.items.is_empty()))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }

    pub(super) async fn inbox(
        &self,
        use_case: &str,
        actor: &Actor,
    ) -> Result<Reach, MessagingError> {
        let (inbox, id) = (&self.app.inbox, self.mail);
        match use_case {
            "list" => {
                let page = inbox.list(actor, None, None, self.all).await?;
                Ok(seen(page.items.iter().any(|mail| mail.id == id)))
            }
            "count" => Ok(seen(inbox.count(actor).await? == 1)),
            "open" => allowed(inbox.open(actor, id).await),
            "delete" => allowed(inbox.delete(actor, id).await),
            "delete_all" => {
                inbox.delete_all(actor).await?;
                let left = inbox.count(&Actor::system(self.own)).await?;
                Ok(seen(left == 0))
            }
            unknown => panic!("no call is written for the use case {unknown}"),
        }
    }
}

fn allowed<T>(result: Result<T, MessagingError>) -> Result<Reach, MessagingError> {
    match result {
        // It was found, and the caller was told where it stands.
        Err(MessagingError::WrongState { .. }) => Ok(Reach::Allowed),
        result => result.map(|_| Reach::Allowed),
    }
}
