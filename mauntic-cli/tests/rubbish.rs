//! What is too large, too deep, endless or forged is refused with a clear error, and the server lives on.
#![expect(clippy::unwrap_used, reason = "a test without its server cannot run")]

#[path = "support/installation.rs"]
mod installation;

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use installation::{Installation, Running, argument};
use mauntic_core::storage::{Db, DbOptions, test_database::TestDatabase};
use sea_orm::ConnectionTrait as _;
use serde_json::json;

const MIB: usize = 1 << 20;
/// More than a file for an import may have here.
const UPLOAD: usize = 64 * MIB;

const LINK: &str = r#"<a href="{{ unsubscribe_url }}">No more of this</a>"#;
const ENDLESS: &str =
    "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}";

/// 50,000 elements in each other, and yet no more bytes than an email may have.
fn deep_mjml() -> String {
    let (open, close) = ("<mj-text>".repeat(50_000), "</mj-text>".repeat(50_000));
    format!("<mjml><mj-body>{open}{LINK}{close}</mj-body></mjml>")
}

fn wide_csv() -> String {
    let names: Vec<_> = (0..10_000)
        .map(|number| format!("column{number}"))
        .collect();
    format!("{}\n{}\n", names.join(","), names.join(","))
}

fn long_address() -> String {
    format!("{}@example.com", "a".repeat(2 * MIB))
}

#[test]
fn the_command_line_refuses_rubbish_as_invalid_input() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let refused = |arguments: &[&str], why: &str| {
        let output = installation.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    };
    let binary = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let binary = installation.write("binary.csv", &binary[..MIB]);
    refused(&["contacts", "import", argument(&binary)], "not a CSV file");
    let wide = installation.write("wide.csv", wide_csv());
    refused(&["contacts", "import", argument(&wide)], "10000 columns");
    let email = |subject: &str, format: &str, body: String, why: &str| {
        let body = installation.write("body", body);
        let arguments = [
            "emails",
            "create",
            "Rubbish",
            "--subject",
            subject,
            format,
            argument(&body),
        ];
        refused(&arguments, why);
    };
    email("Hello", "--mjml", deep_mjml(), "deep");
    email(
        "Hello",
        "--html",
        format!("{ENDLESS}{LINK}"),
        "too much work",
    );
    email(
        "Hello\r\nBcc: ann@example.com",
        "--html",
        LINK.to_owned(),
        "subject",
    );
}

#[test]
fn an_import_reports_an_endless_address_and_takes_the_rest() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    let text = format!("email\n{}\nbob@example.com\n", long_address());
    let file = installation.write("long.csv", text);
    let result = installation.result(&["contacts", "import", argument(&file)]);
    assert_eq!(
        (&result["created"], &result["failed"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn the_server_refuses_rubbish_and_lives_on() {
    let database = TestDatabase::sqlite();
    let installation = Installation::on(&database.target);
    installation.write(
        "mauntic.toml",
        format!("max_upload_bytes = {}\n", UPLOAD / 2),
    );
    let token = installation.result(&["token", "create", "test"]);
    let server = Server::start(&installation, token["token"].as_str().unwrap());
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!(server.get("/readyz").0, 200);
    let before = server.memory();

    let email = |subject: &str, format: &str, body: &str| {
        let content = json!({"subject": subject, format: body});
        let body = json!({"name": "Rubbish", "content": content}).to_string();
        server.post("/api/messaging/emails", "application/json", body.as_bytes())
    };
    let refused = |answer: (u16, String), status: u16, why: &[&str]| {
        let (found, said) = answer;
        assert_eq!(found, status, "{said}");
        assert!(said.contains("application/problem+json"), "{said}");
        for words in why {
            assert!(said.contains(words), "`{words}` is missing: {said}");
        }
    };
    let body = &["invalid_fields", "/content/mjml", "deep"];
    refused(email("Hello", "mjml", &deep_mjml()), 422, body);
    let endless = email("Hello", "html", &format!("{ENDLESS}{LINK}"));
    refused(endless, 422, &["/content/html", "too much work"]);
    let forged = email("Hello\r\nBcc: ann@example.com", "html", LINK);
    refused(forged, 422, &["/content/subject", "line break"]);
    let contact = json!({"email": long_address()}).to_string();
    let contact = server.post("/api/crm/contacts", "application/json", contact.as_bytes());
    refused(contact, 422, &["/email"]);
    let large = vec![b' '; 11 * MIB];
    let large = server.post("/api/crm/contacts", "application/json", &large);
    refused(large, 413, &["too_large"]);

    let import = |body: &[u8]| server.post("/api/crm/imports", "text/csv", body);
    let kept = || pieces_kept(&database);
    refused(import(wide_csv().as_bytes()), 400, &["10000 columns"]);
    refused(import(&vec![0; MIB]), 400, &["not a CSV file"]);
    assert_eq!(kept(), 0);
    // A file may be larger than other bodies, up to its own limit.
    let file = format!("email\n{}", "ann@example.com\n".repeat(MIB));
    assert_eq!(import(file.as_bytes()).0, 201);
    let of_the_file = kept();
    assert_eq!(of_the_file, 17);
    refused(server.stream_zeros(UPLOAD), 413, &["too_large"]);
    refused(server.announce(1_000 * MIB), 413, &["too_large"]);
    assert_eq!(kept(), of_the_file, "what is refused leaves nothing");
    let connection = server.begin_upload(4 * MIB);
    wait_until(|| kept() > of_the_file);
    drop(connection);
    wait_until(|| kept() == of_the_file);

    assert_eq!(server.get("/healthz").0, 200);
    let (after, limit) = (server.memory(), before + 100 * MIB);
    println!(
        "resident memory: {} MiB before, {} MiB after",
        before / MIB,
        after / MIB
    );
    assert!(
        after < limit,
        "the memory has grown from {before} to {after} bytes"
    );
}

/// How many pieces of uploads the database has.
fn pieces_kept(database: &TestDatabase) -> i64 {
    let count = async {
        let db = Db::connect(&database.target, "crm", DbOptions::default());
        let db = db.await.unwrap();
        let sql = "SELECT COUNT(*) FROM import_data";
        let statement = db.dialect().statement(sql, []);
        let row = db.reader().query_one_raw(statement).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    };
    tokio::runtime::Runtime::new().unwrap().block_on(count)
}

fn wait_until(done: impl Fn() -> bool) {
    let waiting = Instant::now();
    while !done() {
        assert!(
            waiting.elapsed() < Duration::from_mins(1),
            "nothing changes"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// `mauntic serve`, and how to talk to it.
struct Server {
    process: Running,
    address: SocketAddr,
    token: String,
}

impl Server {
    fn start(installation: &Installation, token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let arguments = ["serve", "--no-workers", "--listen", &address.to_string()];
        let server = Self {
            process: installation.start("serve", &arguments),
            address,
            token: token.to_owned(),
        };
        let waiting = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(
                waiting.elapsed() < Duration::from_mins(1),
                "the server does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Its resident memory in bytes; where that is not known, nothing.
    fn memory(&self) -> usize {
        let status = format!("/proc/{}/status", self.process.0.id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.map_or(0, |kib| kib.parse::<usize>().unwrap() * 1024)
    }

    fn head(&self, method: &str, path: &str, fields: &str) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n{fields}\r\n",
            self.address, self.token
        )
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.exchange(&self.head("GET", path, ""), std::iter::empty())
    }

    fn post(&self, path: &str, content_type: &str, body: &[u8]) -> (u16, String) {
        let length = body.len();
        let fields = format!("Content-Type: {content_type}\r\nContent-Length: {length}\r\n");
        self.exchange(&self.head("POST", path, &fields), std::iter::once(body))
    }

    /// Says that so many bytes will come, and sends none.
    fn announce(&self, bytes: usize) -> (u16, String) {
        let fields = format!("Content-Type: text/csv\r\nContent-Length: {bytes}\r\n");
        let head = self.head("POST", "/api/crm/imports", &fields);
        self.exchange(&head, std::iter::empty())
    }

    /// Announces twice as many bytes and sends so many; the rest never comes.
    fn begin_upload(&self, bytes: usize) -> TcpStream {
        let length = 2 * bytes;
        let fields = format!("Content-Type: text/csv\r\nContent-Length: {length}\r\n");
        let mut connection = TcpStream::connect(self.address).unwrap();
        let head = self.head("POST", "/api/crm/imports", &fields);
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&vec![b'x'; bytes]).unwrap();
        connection
    }

    /// Uploads so many bytes without saying how many there are.
    fn stream_zeros(&self, bytes: usize) -> (u16, String) {
        let fields = "Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n";
        let head = self.head("POST", "/api/crm/imports", fields);
        let mut chunk = String::new();
        write!(chunk, "{:x}\r\n", 64 * 1024).unwrap();
        let mut chunk = chunk.into_bytes();
        chunk.resize(chunk.len() + 64 * 1024, 0);
        chunk.extend(b"\r\n");
        let chunks = std::iter::repeat_n(chunk.as_slice(), bytes / (64 * 1024));
        self.exchange(&head, chunks.chain(std::iter::once(&b"0\r\n\r\n"[..])))
    }

    /// Sends a request and returns status and answer, which may come before all is sent.
    fn exchange<'a>(&self, head: &str, body: impl Iterator<Item = &'a [u8]>) -> (u16, String) {
        let mut output = TcpStream::connect(self.address).unwrap();
        let mut input = output.try_clone().unwrap();
        input
            .set_read_timeout(Some(Duration::from_mins(2)))
            .unwrap();
        let answer = std::thread::spawn(move || {
            let mut answer = Vec::new();
            // Who refuses a body closes the connection on those who still send: what has come is the answer.
            let _ = input.read_to_end(&mut answer);
            answer
        });
        output.write_all(head.as_bytes()).unwrap();
        for piece in body {
            // Who refuses a body need not read it.
            if output.write_all(piece).is_err() {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer.join().unwrap()).into_owned();
        let status = answer
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status = status.expect("the server answers").parse();
        (status.expect("a status"), answer)
    }
}
