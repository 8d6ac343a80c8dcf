//! An installation of its own for each test, called through the real router.

pub(crate) mod browser;
pub(crate) mod bucket;
pub(crate) mod dns;
pub(crate) mod files;
pub(crate) mod letters;
pub(crate) mod mail;
pub(crate) mod page;
pub(crate) mod people;
pub(crate) mod provider;

use mauntic_core::{
    Actor, Operator, Role,
    identity::{CreateOrganization, CreateToken, CreateUser, FirstPassword},
    storage::test_database::TestDatabase,
};
use mauntic_server::{App, Settings, endpoint};
use metrics_exporter_prometheus::PrometheusBuilder;
use poem::{
    Endpoint as _, EndpointExt as _, Request, Response,
    endpoint::BoxEndpoint,
    http::{Method, Uri, header},
};
use serde_json::Value;

/// The largest JSON body of the installation.
pub(crate) const MAX_BODY: u64 = 20_000;

/// An installation with two organisations.
pub(crate) struct Installation {
    /// Acts for the first organisation.
    pub(crate) ours: Actor,
    endpoint: BoxEndpoint<'static, Response>,
    /// For what is done while nobody waits, such as rebuilds.
    pub(crate) app: App,
    /// May do everything in the first organisation.
    pub(crate) owner: String,
    /// May look at the first organisation.
    pub(crate) viewer: String,
    /// May do everything in the other organisation.
    pub(crate) stranger: String,
    _folder: tempfile::TempDir,
    database: TestDatabase,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) headers: header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The refusal, after a check that it is one in the usual form.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert!(
            self.content_type.starts_with("application/problem+json"),
            "{}: {text}",
            self.content_type
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["code"].is_string(), "{problem}");
        problem
    }

    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> Value {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self.json()
    }
}

impl Installation {
    pub(crate) async fn on(database: TestDatabase) -> Self {
        Self::with(database, |_| {}).await
    }

    /// With other settings.
    pub(crate) async fn with(database: TestDatabase, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            database: Some(match &database.target {
                mauntic_core::storage::DbTarget::Sqlite(folder) => {
                    format!("sqlite:{}", folder.display())
                }
                mauntic_core::storage::DbTarget::Postgres(url) => url.clone(),
            }),
            data: folder.path().to_owned(),
            max_body_bytes: MAX_BODY,
            requests_per_second: 100_000,
            // Nobody answers there, and nobody is asked elsewhere.
            dns_server: Some(std::net::SocketAddr::from(([127, 0, 0, 1], 9))),
            ..Settings::default()
        };
        change(&mut settings);
        let app = App::open(settings).await.unwrap();
        let [ours, theirs] = [
            organization(&app, "Ours").await,
            organization(&app, "Theirs").await,
        ];
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        Self {
            owner: token(&app, &ours, Role::Owner).await,
            viewer: token(&app, &ours, Role::Viewer).await,
            stranger: token(&app, &theirs, Role::Owner).await,
            app: app.clone(),
            endpoint: endpoint(&app, metrics).map_to_response().boxed(),
            ours,
            _folder: folder,
            database,
        }
    }

    /// Whether the bytes stand in a file of the database, which is on SQLite.
    pub(crate) fn keeps(&self, bytes: &[u8]) -> bool {
        let mauntic_core::storage::DbTarget::Sqlite(folder) = &self.database.target else {
            panic!("the database has no files of ours");
        };
        std::fs::read_dir(folder).unwrap().any(|file| {
            let content = std::fs::read(file.unwrap().path()).unwrap();
            content.windows(bytes.len()).any(|part| part == bytes)
        })
    }

    pub(crate) async fn sqlite() -> Self {
        Self::on(TestDatabase::chosen().await).await
    }

    /// What the operator reads: the installation has organisations and tokens before anybody logs in.
    pub(crate) async fn set_up_code(&self) -> String {
        let code = self.app.identity.set_up_code(&Operator::local()).await;
        code.unwrap().unwrap_or_default()
    }

    /// Makes a user who is a member of the first organisation, as the operator does.
    pub(crate) async fn member(&self, email: &str, name: &str, role: &str, password: &str) {
        let command = CreateUser {
            email: email.parse().unwrap(),
            name: name.parse().unwrap(),
            password: Some(FirstPassword::Chosen(password.parse().unwrap())),
            role: role.parse().unwrap(),
        };
        let organization = self.ours.organization_id();
        let (identity, operator) = (&self.app.identity, Operator::local());
        let made = identity.create_user(&operator, organization, command);
        made.await.unwrap();
    }

    pub(crate) async fn call(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = request(token, method, path);
        let request = match body {
            Some(body) => request
                .content_type("application/json")
                .body(body.to_string()),
            None => request.finish(),
        };
        self.send(request).await
    }

    /// Sends any request.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        let response = self.endpoint.get_response(request).await;
        let (parts, body) = response.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE);
        Answer {
            status: parts.status.as_u16(),
            content_type: content_type
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default(),
            headers: parts.headers,
            body: body.into_vec().await.unwrap(),
        }
    }
}

/// A request to build on; without a token if that is empty.
pub(crate) fn request(token: &str, method: &str, path: &str) -> poem::RequestBuilder {
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path.parse::<Uri>().unwrap());
    if token.is_empty() {
        request
    } else {
        request.header(header::AUTHORIZATION, format!("Bearer {token}"))
    }
}

async fn organization(app: &App, name: &str) -> Actor {
    let command = CreateOrganization::named(name.parse().unwrap());
    let made = app
        .identity
        .create_organization(&Operator::local(), command)
        .await
        .unwrap();
    Actor::system(made.id)
}

async fn token(app: &App, actor: &Actor, role: Role) -> String {
    let command = CreateToken {
        name: "test".parse().unwrap(),
        role,
        scopes: None,
        expires_at: None,
    };
    let made = app.identity.create_token(actor, command).await.unwrap();
    made.secret.reveal().to_owned()
}
