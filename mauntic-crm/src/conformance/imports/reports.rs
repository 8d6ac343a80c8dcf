//! Rows that cannot be imported.

use std::sync::Arc;

use super::{Desk, counts, text};
use crate::{
    CrmStore,
    import::{ImportOptions, ProblemKind},
};

/// Bad rows stop nothing, are reported with line, column, value and reason, and can be repaired.
pub async fn bad_rows_are_reported_and_repaired(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "name,email,birthday,country\n\
                \"Lee, Ann\",ann@example.com,,DE\n\
                Bob,bob@,,Atlantis\n\
                \"a\nb\",,,\n\
                Cy,cy@example.com,,,too,many\n\
                Dee,dee@example.com,,FR\n";
    let import = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&import), [5, 2, 0, 0, 3, 0]);
    let problems = desk.problems(import.id, ProblemKind::Bad).await;
    let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 4, 6]);
    assert_eq!(problems[0].raw, "Bob,bob@,,Atlantis");
    assert_eq!(
        problems[0].reason,
        "country: not a country: expected an ISO 3166 code or an English name; \
         email: not an email address: expected something like ann@example.com"
    );
    assert_eq!(problems[1].column.as_deref(), Some("email"));
    let report = desk.report(import.id).await;
    assert!(report.starts_with("name,email,birthday,country,mauntic_line,mauntic_column,mauntic_value,mauntic_reason\r\n"), "{report}");
    let repaired = report
        .replace("Bob,bob@,,Atlantis", "Bob,bob@example.com,,IS")
        .replace("\"a\nb\",,", "Eve,eve@example.com,")
        .replace("\",too,many\"", "");
    let second = desk.import(&repaired, ImportOptions::default()).await;
    assert_eq!(counts(&second), [3, 3, 0, 0, 0, 0], "{repaired}");
    assert_eq!(
        text(&desk.contact("bob@example.com").await, "country"),
        Some("IS")
    );
    assert_eq!(desk.all().await.len(), 5);
}

/// A report that is opened in a spreadsheet runs nothing that the file brought, and imports like the file.
pub async fn a_report_runs_nothing_in_a_spreadsheet(store: Arc<dyn CrmStore>) {
    let desk = Desk::new(store);
    let file = "firstname,email\n=1+1,nobody\n@SUM(A1),-2+3\n";
    let import = desk.import(file, ImportOptions::default()).await;
    assert_eq!(counts(&import), [2, 0, 0, 0, 2, 0]);
    let report = desk.report(import.id).await;
    for line in report.lines() {
        for cell in line.split(',') {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{report}");
        }
    }
    let repaired = report.replace(",nobody,", ",ann@example.com,");
    desk.import(&repaired, ImportOptions::default()).await;
    assert_eq!(
        text(&desk.contact("ann@example.com").await, "firstname"),
        Some("=1+1")
    );
}
