use std::io::Cursor;

use proptest::prelude::*;

use super::{
    CsvError, CsvFormat, Delimiter, FormatHints, MAX_RECORD, Sniffed, TextEncoding,
    reader::{BadRecord, Place, RecordReader},
};

const UTF_8: CsvFormat = CsvFormat {
    encoding: TextEncoding::UTF_8,
    delimiter: Delimiter::Comma,
    header: true,
};

type Row = (u64, Result<Vec<String>, BadRecord>);

fn read_from(
    bytes: &[u8],
    format: CsvFormat,
    width: Option<usize>,
    place: Place,
) -> Vec<(Row, Place)> {
    let mut reader = RecordReader::at(Cursor::new(bytes), &format, place).unwrap();
    if let Some(width) = width {
        reader.expect_width(width);
    }
    let mut rows = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        let values = record
            .values
            .map(|values| values.iter().map(str::to_owned).collect());
        let row = (record.line, values);
        rows.push((row, reader.place()));
    }
    rows
}

fn read(bytes: &[u8], width: usize) -> Vec<Row> {
    let rows = read_from(bytes, UTF_8, Some(width), Place::START);
    rows.into_iter().map(|(row, _)| row).collect()
}

fn ok(line: u64, values: &[&str]) -> Row {
    (
        line,
        Ok(values.iter().map(|value| (*value).to_owned()).collect()),
    )
}

fn sniff(bytes: &[u8]) -> Result<Sniffed, CsvError> {
    Sniffed::read(Cursor::new(bytes), FormatHints::default())
}

#[test]
fn lines_are_counted_through_quoted_line_ends_and_empty_lines() {
    let rows = read(b"a,b\r\n\r\n\"x\r\ny\",2\r\n\n3,4", 2);
    assert_eq!(
        rows,
        [
            ok(1, &["a", "b"]),
            ok(3, &["x\r\ny", "2"]),
            ok(6, &["3", "4"])
        ]
    );
}

#[test]
fn rows_of_nothing_are_skipped() {
    assert_eq!(
        read(b"a,b\n,\n , \n1,2\n", 2),
        [ok(1, &["a", "b"]), ok(4, &["1", "2"])]
    );
}

#[test]
fn quotes_are_doubled_and_values_may_be_missing() {
    let rows = read(b"\"say \"\"hi\"\"\",b\nonly\n1,2,3\n", 2);
    assert_eq!(rows[0], ok(1, &["say \"hi\"", "b"]));
    assert_eq!(rows[1], ok(2, &["only"]));
    assert_eq!(rows[2], (3, Err(BadRecord::TooManyValues)));
}

#[test]
fn an_unclosed_quote_costs_only_its_own_line() {
    let rows = read(b"a,b\n1,\"two\n3,4\n5,6\n", 2);
    assert_eq!(rows[0], ok(1, &["a", "b"]));
    assert_eq!(rows[1], (2, Err(BadRecord::UnclosedQuote)));
    assert_eq!(rows[2..], [ok(3, &["3", "4"]), ok(4, &["5", "6"])]);
}

#[test]
fn a_quote_closed_by_a_later_row_costs_only_its_own_line() {
    let rows = read(b"a,b\n1,\"two\n3,4\n5,\"six\"\n7,8\n", 2);
    let lines: Vec<_> = rows
        .iter()
        .map(|(line, values)| (*line, values.is_ok()))
        .collect();
    assert_eq!(lines[..2], [(1, true), (2, false)], "{rows:?}");
    assert!(lines.contains(&(5, true)), "{rows:?}");
}

#[test]
fn a_runaway_quote_in_a_large_file_costs_only_its_own_line() {
    let mut file = b"a,b\n1,\"two\n".to_vec();
    let line = b"3,4\n";
    let lines = 3 * MAX_RECORD / line.len();
    for _ in 0..lines {
        file.extend_from_slice(line);
    }
    let rows = read(&file, 2);
    assert_eq!(rows.len(), lines + 2);
    assert_eq!(rows[1], (2, Err(BadRecord::UnclosedQuote)));
    assert_eq!(rows[2], ok(3, &["3", "4"]));
}

#[test]
fn a_line_without_an_end_is_one_bad_row() {
    let mut file = b"a,b\n1,".to_vec();
    file.resize(3 * MAX_RECORD, b'x');
    file.extend_from_slice(b"\n3,4\n");
    let rows = read(&file, 2);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1], (2, Err(BadRecord::TooLong)));
    assert_eq!(rows[2], ok(3, &["3", "4"]));
}

#[test]
fn rows_that_are_not_text_are_bad_and_the_next_ones_are_not() {
    let rows = read(b"a,b\n\xff,2\n3,\x00\n5,6\n", 2);
    assert_eq!(rows[1], (2, Err(BadRecord::NotText)));
    assert_eq!(rows[2], (3, Err(BadRecord::ZeroByte)));
    assert_eq!(rows[3], ok(4, &["5", "6"]));
}

fn encode_utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{feff}" } else { "" };
    format!("{mark}{text}")
        .encode_utf16()
        .flat_map(|unit| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

#[test]
fn encodings_are_detected() {
    let text = "email,name\nann@example.com,Zoë\n";
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend_from_slice(text.as_bytes());
    let latin: Vec<u8> = text
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let files = [
        (text.as_bytes().to_vec(), "UTF-8"),
        (marked, "UTF-8"),
        (latin, "windows-1252"),
        (encode_utf16(text, false, true), "UTF-16LE"),
        (encode_utf16(text, false, false), "UTF-16LE"),
        (encode_utf16(text, true, true), "UTF-16BE"),
        (encode_utf16(text, true, false), "UTF-16BE"),
    ];
    for (bytes, encoding) in files {
        let sniffed = sniff(&bytes).unwrap();
        assert_eq!(sniffed.format.encoding.name(), encoding);
        assert_eq!(sniffed.columns, ["email", "name"], "{encoding}");
        assert_eq!(sniffed.sample, [["ann@example.com", "Zoë"]], "{encoding}");
        assert!(sniffed.format.header);
    }
}

#[test]
fn the_first_accent_may_be_far_into_the_file() {
    let mut file = b"email,name\n".to_vec();
    for _ in 0..60_000 {
        file.extend_from_slice(b"a@example.com,plain\n");
    }
    let ascii = file.len();
    file.extend_from_slice(b"b@example.com,Zo\xeb\n");
    assert_eq!(sniff(&file).unwrap().format.encoding.name(), "windows-1252");
    file.truncate(ascii);
    file.extend_from_slice("b@example.com,Zoë\n".as_bytes());
    assert_eq!(sniff(&file).unwrap().format.encoding.name(), "UTF-8");
}

#[test]
fn delimiters_are_detected() {
    for delimiter in [",", ";", "\t", "|"] {
        let file = [
            "email,name,town",
            "ann@example.com,Ann,\"Oslo, Norway; far | away\"",
            "b@example.com,Bob,Rome",
        ]
        .join("\n")
        .replacen(
            "email,name,town",
            &["email", "name", "town"].join(delimiter),
            1,
        )
        .replace("com,", &format!("com{delimiter}"))
        .replace("Ann,", &format!("Ann{delimiter}"))
        .replace("Bob,", &format!("Bob{delimiter}"));
        let sniffed = sniff(file.as_bytes()).unwrap();
        assert_eq!([sniffed.format.delimiter.byte()], delimiter.as_bytes());
        assert_eq!(sniffed.columns.len(), 3, "{file}");
    }
    assert_eq!(
        sniff(b"email\na@example.com\n").unwrap().format.delimiter,
        Delimiter::Comma
    );
    let excel = sniff(b"sep=;\nemail;name\na@example.com;x,y,z\n").unwrap();
    assert_eq!(excel.format.delimiter, Delimiter::Semicolon);
    assert_eq!(excel.rows_at.line, 3);
}

#[test]
fn a_file_may_lack_a_header() {
    let sniffed = sniff(b"ann@example.com,Ann\nbob@example.com,Bob\n").unwrap();
    assert!(!sniffed.format.header);
    assert_eq!(sniffed.columns, ["column 1", "column 2"]);
    assert_eq!(sniffed.sample.len(), 2);
    assert_eq!(sniffed.rows_at, Place::START);
    let hints = FormatHints {
        header: Some(true),
        ..FormatHints::default()
    };
    let told = Sniffed::read(Cursor::new(b"a@example.com,1\nb@example.com,2\n"), hints).unwrap();
    assert_eq!(told.columns, ["a@example.com", "1"]);
}

#[test]
fn what_is_no_csv_file_is_refused() {
    assert!(matches!(sniff(b""), Err(CsvError::Empty)));
    assert!(matches!(sniff(b"\n\r\n"), Err(CsvError::Empty)));
    assert!(matches!(sniff(b"PK\x03\x04..."), Err(CsvError::Binary(_))));
    assert!(matches!(
        sniff(&[7, 0, 0, 3, 1, 2, 0, 9]),
        Err(CsvError::Binary(_))
    ));
    assert!(matches!(
        sniff(&[b'x', 1, 2, 3, 4, 5]),
        Err(CsvError::Binary(_))
    ));
    let wide = vec!["c"; 10_000].join(",");
    assert!(matches!(
        sniff(wide.as_bytes()),
        Err(CsvError::TooManyColumns(10_000))
    ));
    let endless = vec![b'x'; 2 * MAX_RECORD];
    assert!(matches!(sniff(&endless), Err(CsvError::Header(_))));
}

fn a_value() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zé€😀 ]{0,8}", "[,;\"\r\n|a]{0,6}", Just(String::new())]
}

proptest! {
    #[test]
    fn what_was_written_is_read_back_in_every_encoding(
        rows in prop::collection::vec(prop::collection::vec(a_value(), 3), 1..20),
        encoding in prop::sample::select(vec!["utf-8", "utf-16le", "utf-16be"]),
    ) {
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        let bytes = match encoding {
            "utf-8" => text.into_bytes(),
            "utf-16le" => encode_utf16(&text, false, true),
            _ => encode_utf16(&text, true, false),
        };
        let format = CsvFormat { encoding: encoding.parse().unwrap(), ..UTF_8 };
        let read = read_from(&bytes, format, Some(3), Place::START);
        let values: Vec<_> = read.iter().map(|((_, values), _)| values.clone().unwrap()).collect();
        let blank = |value: &String| value.chars().all(|c| c.is_ascii_whitespace());
        let expected: Vec<_> = rows.into_iter().filter(|row| !row.iter().all(blank)).collect();
        prop_assert_eq!(values, expected);

        // From behind any record, the rest reads the same.
        for (index, (_, place)) in read.iter().enumerate() {
            let rest = read_from(&bytes, format, Some(3), *place);
            prop_assert_eq!(&rest[..], &read[index + 1..]);
        }
    }

    #[test]
    fn any_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut lines = 0;
        for (line, _) in read(&bytes, 2) {
            prop_assert!(line > lines || bytes.contains(&b'\r'));
            lines = line;
        }
        let _ = sniff(&bytes);
    }
}
