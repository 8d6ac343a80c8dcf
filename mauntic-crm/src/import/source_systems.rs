//! What the exports of other systems become, with the headings and values that they really write.

use std::{collections::BTreeMap, fmt::Write as _, io::Cursor};

use super::{
    FormatHints, ImportOptions, Mapping, Sniffed, Target,
    reader::RecordReader,
    row::{ImportRow, RowParser},
};
use crate::{Channel, Field, FieldSet, FieldType, Reason, Value};

/// The fields of an organisation that has more than those that everybody has.
fn fields() -> FieldSet {
    let plan = Field::custom("plan".parse().unwrap(), "Plan", FieldType::Text);
    let seats = Field::custom("seats".parse().unwrap(), "Seats", FieldType::Number);
    FieldSet::with_custom(vec![plan, seats])
}

/// What the columns of a file become; those that are left out are absent.
fn targets(text: &str) -> Vec<(String, String)> {
    let (sniffed, mapping) = mapped(text);
    let columns = sniffed.columns.iter().zip(mapping.targets());
    columns
        .filter_map(|(column, target)| Some((column.clone(), target?.to_string())))
        .collect()
}

fn mapped(text: &str) -> (Sniffed, Mapping) {
    let sniffed = Sniffed::read(Cursor::new(text), FormatHints::default()).unwrap();
    assert!(sniffed.format.header, "{text}");
    let mapping = Mapping::of(&sniffed.columns, &fields(), &[]).unwrap();
    (sniffed, mapping)
}

/// What the rows of a file say; a bad row is a failure.
fn rows(text: &str) -> Vec<ImportRow> {
    let (sniffed, mapping) = mapped(text);
    let parser = RowParser::new(&mapping, &fields(), &ImportOptions::default()).unwrap();
    let input = Cursor::new(text.as_bytes());
    let mut reader = RecordReader::at(input, &sniffed.format, sniffed.rows_at).unwrap();
    let mut rows = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        let values = record.values.unwrap();
        rows.push(parser.parse(record.line, values).unwrap());
    }
    rows
}

/// The values of a row by the alias of their field.
fn values(text: &str, row: &ImportRow) -> BTreeMap<String, String> {
    let (_, mapping) = mapped(text);
    let parser = RowParser::new(&mapping, &fields(), &ImportOptions::default()).unwrap();
    let named = row.values.iter().filter_map(|said| {
        let alias = parser.fields()[said.field].alias.to_string();
        Some((alias, said.value.as_ref().map(Value::to_string)?))
    });
    named.collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(column, target): &(&str, &str)| ((*column).to_owned(), (*target).to_owned());
    expected.iter().map(owned).collect()
}

const MAUTIC: &str = "id,title,firstname,lastname,company,position,email,mobile,phone,points,fax,address1,address2,city,state,zipcode,country,preferred_locale,timezone,last_active,attribution_date,attribution,website,facebook,foursquare,instagram,linkedin,skype,twitter,plan\n\
    17,Dr,Ann,Lee,Acme,CTO,ann@example.com,,,12,,1 Main St,,Boston,Massachusetts,02101,United States,en_US,America/New_York,2024-05-01 10:22:33,,,https://acme.example,,,,,,,pro\n";

#[test]
fn an_export_of_mautic() {
    let names = "title,firstname,lastname,company,position,email,mobile,phone,points,fax,address1,address2,city,state,zipcode,country,preferred_locale,timezone,last_active,attribution_date,attribution,website,facebook,foursquare,instagram,linkedin,skype,twitter,plan";
    let expected: Vec<_> = names.split(',').map(|name| (name, name)).collect();
    assert_eq!(targets(MAUTIC), pairs(&expected));
    let row = &rows(MAUTIC)[0];
    assert_eq!((row.id, row.points), (None, Some(12)));
    assert!(row.last_active.is_some());
    assert_eq!(values(MAUTIC, row)["country"], "US");
}

/// Mautic heads some of its exports with labels.
#[test]
fn an_export_of_mautic_with_labels() {
    let text = "ID;Title;First Name;Last Name;Primary company;Email;Address Line 1;Zip Code;Preferred Locale;Date Last Active;Points;Date Added\n\
        17;Ms;Ann;Lee;Acme;ann@example.com;1 Main St;02101;en_US;;3;2024-05-01 10:22:33\n";
    let expected = [
        ("Title", "title"),
        ("First Name", "firstname"),
        ("Last Name", "lastname"),
        ("Primary company", "company"),
        ("Email", "email"),
        ("Address Line 1", "address1"),
        ("Zip Code", "zipcode"),
        ("Preferred Locale", "preferred_locale"),
        ("Date Last Active", "last_active"),
        ("Points", "points"),
        ("Date Added", "created_at"),
    ];
    assert_eq!(targets(text), pairs(&expected));
    assert!(rows(text)[0].created_at.is_some());
}

const MAILCHIMP: &str = "Email Address,First Name,Last Name,Address,Phone Number,Birthday,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS";

#[test]
fn the_subscribed_members_of_mailchimp() {
    let text = format!(
        "{MAILCHIMP}\n\
         ann@example.com,Ann,Lee,1 Main St  Boston MA 02101 US,,02/03,2,,,2024-05-01 10:22:33,10.0.0.1,42.3,-71.0,-5,-4,America/New_York,US,MA,2024-06-01 08:00:00,1,a1,,\"\"\"Influencer\"\",\"\"VIP, gold\"\"\"\n\
         bob@example.com,Bob,,,,,2,,,2024-05-02 10:22:33,,,,,,,,,,2,b2,,\"\"\"VIP\"\"\"\n\
         cy@example.com,Cy,,,,,2,,,2024-05-02 10:22:33,,,,,,,,,,3,c3,,\n"
    );
    let expected = [
        ("Email Address", "email"),
        ("First Name", "firstname"),
        ("Last Name", "lastname"),
        ("Address", "address1"),
        ("Phone Number", "phone"),
        ("CONFIRM_TIME", "created_at"),
        ("TIMEZONE", "timezone"),
        ("CC", "country"),
        ("REGION", "state"),
        ("TAGS", "tags"),
    ];
    assert_eq!(targets(&text), pairs(&expected));
    let rows = rows(&text);
    let tags: Vec<Vec<_>> = rows
        .iter()
        .map(|row| row.tags.iter().map(crate::Tag::as_str).collect())
        .collect();
    assert_eq!(
        tags,
        [vec!["Influencer", "VIP, gold"], vec!["VIP"], Vec::new()]
    );
    assert!(rows.iter().all(|row| row.do_not_contact.is_empty()));
    assert!(rows.iter().all(|row| row.created_at.is_some()));
}

#[test]
fn who_left_mailchimp_is_not_subscribed() {
    let unsubscribed = format!(
        "{MAILCHIMP},UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER\n\
         ann@example.com,Ann{},2024-07-01 09:00:00,June news,99,NORMAL,\n",
        ",".repeat(21)
    );
    let cleaned = format!(
        "{MAILCHIMP},CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID\n\
         bob@example.com,Bob{},2024-07-01 09:00:00,June news,99\n",
        ",".repeat(21)
    );
    for (text, reason) in [
        (unsubscribed, Reason::Unsubscribed),
        (cleaned, Reason::Bounced),
    ] {
        let rows = rows(&text);
        let expected = BTreeMap::from([(Channel::Email, Some(reason))]);
        assert_eq!(rows[0].do_not_contact, expected, "{text}");
    }
}

#[test]
fn an_export_of_hubspot() {
    let text = "Record ID,First Name,Last Name,Email,Phone Number,Mobile Phone Number,Contact owner,Associated Company,Job Title,Street Address,City,State/Region,Postal Code,Country/Region,Website URL,Preferred language,Time Zone,Lead Status,Last Activity Date,Create Date,Unsubscribed from all email,Marketing contact status\n\
        501,Ann,Lee,ann@example.com,+1 617 555 0100,,Bob Orr,Acme,CTO,1 Main St,Boston,MA,02101,United States,https://acme.example,en,America/New_York,New,2024-05-01 10:22,2023-01-15 09:00,true,Marketing contact\n";
    let expected = [
        ("First Name", "firstname"),
        ("Last Name", "lastname"),
        ("Email", "email"),
        ("Phone Number", "phone"),
        ("Mobile Phone Number", "mobile"),
        ("Associated Company", "company"),
        ("Job Title", "position"),
        ("Street Address", "address1"),
        ("City", "city"),
        ("State/Region", "state"),
        ("Postal Code", "zipcode"),
        ("Country/Region", "country"),
        ("Website URL", "website"),
        ("Preferred language", "preferred_locale"),
        ("Time Zone", "timezone"),
        ("Last Activity Date", "last_active"),
        ("Create Date", "created_at"),
        ("Unsubscribed from all email", "do_not_email"),
    ];
    assert_eq!(targets(text), pairs(&expected));
    let row = &rows(text)[0];
    assert!(row.created_at.is_some() && row.last_active.is_some());
    let forbidden = BTreeMap::from([(Channel::Email, Some(Reason::Manual))]);
    assert_eq!(row.do_not_contact, forbidden);
}

#[test]
fn an_export_of_salesforce() {
    let report = "Contact ID,Salutation,First Name,Last Name,Title,Account Name,Email,Phone,Mobile,Fax,Mailing Street,Mailing City,Mailing State/Province,Mailing Zip/Postal Code,Mailing Country,Contact Owner,Lead Source,Email Opt Out,Created Date\n\
        0035g00000ABCDEFGH,Dr.,Ann,Lee,CTO,Acme,ann@example.com,,,,1 Main St,Boston,MA,02101,United States,Bob Orr,Web,1,2024-05-01\n";
    let expected = [
        ("Salutation", "title"),
        ("First Name", "firstname"),
        ("Last Name", "lastname"),
        ("Title", "position"),
        ("Account Name", "company"),
        ("Email", "email"),
        ("Phone", "phone"),
        ("Mobile", "mobile"),
        ("Fax", "fax"),
        ("Mailing Street", "address1"),
        ("Mailing City", "city"),
        ("Mailing State/Province", "state"),
        ("Mailing Zip/Postal Code", "zipcode"),
        ("Mailing Country", "country"),
        ("Email Opt Out", "do_not_email"),
        ("Created Date", "created_at"),
    ];
    assert_eq!(targets(report), pairs(&expected));
    let row = &rows(report)[0];
    let values = values(report, row);
    assert_eq!([&*values["title"], &*values["position"]], ["Dr.", "CTO"]);
    assert_eq!(row.do_not_contact.len(), 1);
    // The data loader writes the names of the API.
    let loader = "ID,ACCOUNTID,LASTNAME,FIRSTNAME,SALUTATION,MAILINGSTREET,MAILINGCITY,MAILINGSTATE,MAILINGPOSTALCODE,MAILINGCOUNTRY,PHONE,MOBILEPHONE,EMAIL,TITLE,OWNERID,HASOPTEDOUTOFEMAIL,CREATEDDATE\n\
        0035g00000ABCDEFGH,0015g00000ABCDEFGH,Lee,Ann,Dr.,1 Main St,Boston,MA,02101,US,,,ann@example.com,CTO,0055g00000ABCDEFGH,false,2024-05-01T10:22:33.000Z\n";
    let mapped = targets(loader);
    for (column, target) in [
        ("MAILINGPOSTALCODE", "zipcode"),
        ("MOBILEPHONE", "mobile"),
        ("TITLE", "position"),
        ("HASOPTEDOUTOFEMAIL", "do_not_email"),
        ("CREATEDDATE", "created_at"),
    ] {
        assert!(
            mapped.contains(&(column.to_owned(), target.to_owned())),
            "{mapped:?}"
        );
    }
    assert!(
        mapped.iter().all(|(column, _)| !column.ends_with("ID")),
        "what names records there names none here: {mapped:?}"
    );
    let allowed = BTreeMap::from([(Channel::Email, None)]);
    assert_eq!(rows(loader)[0].do_not_contact, allowed);
}

#[test]
fn an_export_of_listmonk() {
    let text = "uuid,email,name,attributes,status,created_at,updated_at\n\
        0a7b1c1e-3c6a-4f0e-8a60-5f1b1a3a0001,ann@example.com,Ann Lee,\"{\"\"city\"\": \"\"Bonn\"\", \"\"seats\"\": 4, \"\"Plan\"\": \"\"pro\"\", \"\"nested\"\": {\"\"a\"\": 1}}\",enabled,2024-05-01 10:22:33,2024-05-02 10:22:33\n\
        0a7b1c1e-3c6a-4f0e-8a60-5f1b1a3a0002,bob@example.com,Bob,{},blocklisted,2024-05-01 10:22:33,2024-05-02 10:22:33\n";
    let expected = [
        ("email", "email"),
        ("name", "full_name"),
        ("attributes", "attributes"),
        ("status", "do_not_email"),
        ("created_at", "created_at"),
    ];
    assert_eq!(targets(text), pairs(&expected));
    let attribs = text.replacen("attributes", "attribs", 1);
    assert!(targets(&attribs).contains(&("attribs".to_owned(), "attributes".to_owned())));
    let rows = rows(text);
    let ann = values(text, &rows[0]);
    let known: Vec<_> = ann
        .iter()
        .map(|(alias, value)| format!("{alias}={value}"))
        .collect();
    assert_eq!(
        known,
        [
            "city=Bonn",
            "firstname=Ann",
            "lastname=Lee",
            "plan=pro",
            "seats=4"
        ]
    );
    let marks = rows.iter().map(|row| row.do_not_contact[&Channel::Email]);
    assert_eq!(marks.collect::<Vec<_>>(), [None, Some(Reason::Manual)]);
}

/// A heading that means something in one system means nothing in a file that is not of it.
#[test]
fn a_status_alone_is_no_consent() {
    let text = "email,status,title\nann@example.com,Customer,Dr\n";
    let expected = [("email", "email"), ("title", "title")];
    assert_eq!(targets(text), pairs(&expected));
}

/// In an export of ours, and where the organisation has fields of these names, headings mean what they say.
#[test]
fn fields_of_ones_own_are_not_taken_for_those_of_other_systems() {
    let custom = |alias: &str| {
        let alias: crate::FieldAlias = alias.parse().unwrap();
        Field::custom(alias, "Something else", FieldType::Text)
    };
    let fields = FieldSet::with_custom(vec![custom("salutation"), custom("status")]);
    let targets = |fields: &FieldSet, headings: &[&str]| {
        let columns: Vec<_> = headings.iter().map(|&name| name.to_owned()).collect();
        let mapping = Mapping::of(&columns, fields, &[]).unwrap();
        let targets = mapping
            .targets()
            .map(|target| target.map(Target::to_string));
        targets.map(Option::unwrap_or_default).collect::<Vec<_>>()
    };
    let ours = ["email", "title", "position", "salutation"];
    assert_eq!(targets(&fields, &ours), ours);
    let without = ["email", "title", "salutation"];
    assert_eq!(targets(&fields, &without), without);
    for attributes in ["attributes", "attribs"] {
        let listmonk = ["email", "status", attributes];
        let expected = ["email", "status", "attributes"];
        assert_eq!(targets(&fields, &listmonk), expected);
        let expected = ["email", "do_not_email", "attributes"];
        assert_eq!(targets(&FieldSet::core(), &listmonk), expected);
    }
    let nobody = FieldSet::core();
    let exported = ["mauntic_id", "title", "salutation"];
    assert_eq!(targets(&nobody, &exported), ["mauntic_id", "title", ""]);
    let both = ["email", "title", "position", "salutation"];
    assert_eq!(targets(&nobody, &both), ["email", "title", "position", ""]);
    let theirs = ["email", "title", "salutation"];
    assert_eq!(targets(&nobody, &theirs), ["email", "position", "title"]);
}

#[test]
fn tags_and_marks_are_read_with_the_signs_that_people_put_between_them() {
    let cells = [
        [r#""a";"b""#, "email:unsubscribed, sms:manual"],
        [r#""a, b", "c ""d""""#, "email : bounced | push"],
        [r#""a" | b"#, ""],
        [r#""a", b"#, ""],
    ];
    let mut text = "email,tags,do_not_contact\n".to_owned();
    for (index, [tags, marks]) in cells.into_iter().enumerate() {
        let tags = tags.replace('"', "\"\"");
        writeln!(text, "{index}@example.com,\"{tags}\",\"{marks}\"").unwrap();
    }
    let rows = rows(&text);
    let tags: Vec<Vec<_>> = rows
        .iter()
        .map(|row| row.tags.iter().map(crate::Tag::as_str).collect())
        .collect();
    assert_eq!(tags[0], ["a", "b"]);
    assert_eq!(tags[1], ["a, b", "c \"d\""]);
    assert_eq!(tags[2], ["a", "b"]);
    assert_eq!(tags[3], ["a", "b"]);
    let marks = |row: &ImportRow| Vec::from_iter(row.do_not_contact.clone());
    let email = |reason| (Channel::Email, Some(reason));
    let expected = [
        email(Reason::Unsubscribed),
        (Channel::Sms, Some(Reason::Manual)),
    ];
    assert_eq!(marks(&rows[0]), expected);
    let expected = [
        email(Reason::Bounced),
        (Channel::Push, Some(Reason::Manual)),
    ];
    assert_eq!(marks(&rows[1]), expected);
}
