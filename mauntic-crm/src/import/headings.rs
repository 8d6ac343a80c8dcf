use super::{Target, mapping::ID};
use crate::FieldSet;

/// A heading without capitals, spaces and signs: `E-Mail Address` is `emailaddress`.
pub(super) fn normalised(heading: &str) -> String {
    heading
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Headings as other systems export them, normalised, and what they become.
///
/// From Mautic, Mailchimp, HubSpot, Salesforce and listmonk; the more telling ones first, since the
/// first column that becomes something keeps it.
const USUAL: &[(&str, &str)] = &[
    ("emailaddress", "email"),
    ("email1", "email"),
    ("mail", "email"),
    ("primaryemail", "email"),
    ("subscriberemail", "email"),
    ("workemail", "email"),
    ("emailadresse", "email"),
    ("fname", "firstname"),
    ("givenname", "firstname"),
    ("forename", "firstname"),
    ("vorname", "firstname"),
    ("lname", "lastname"),
    ("surname", "lastname"),
    ("familyname", "lastname"),
    ("nachname", "lastname"),
    ("name", "full_name"),
    ("fullname", "full_name"),
    ("contactname", "full_name"),
    ("salutation", "title"),
    ("primarycompany", "company"),
    ("companyname", "company"),
    ("accountname", "company"),
    ("associatedcompany", "company"),
    ("organization", "company"),
    ("organisation", "company"),
    ("firma", "company"),
    ("jobtitle", "position"),
    ("role", "position"),
    ("mobilephone", "mobile"),
    ("mobilephonenumber", "mobile"),
    ("cellphone", "mobile"),
    ("phonenumber", "phone"),
    ("telephone", "phone"),
    ("businessphone", "phone"),
    ("telefon", "phone"),
    ("faxnumber", "fax"),
    ("address", "address1"),
    ("addressline1", "address1"),
    ("streetaddress", "address1"),
    ("street", "address1"),
    ("mailingstreet", "address1"),
    ("addressline2", "address2"),
    ("streetaddress2", "address2"),
    ("mailingcity", "city"),
    ("town", "city"),
    ("ort", "city"),
    ("stateregion", "state"),
    ("stateprovince", "state"),
    ("mailingstate", "state"),
    ("mailingstateprovince", "state"),
    ("province", "state"),
    ("region", "state"),
    ("zip", "zipcode"),
    ("zippostalcode", "zipcode"),
    ("mailingzip", "zipcode"),
    ("mailingzippostalcode", "zipcode"),
    ("mailingpostalcode", "zipcode"),
    ("postalcode", "zipcode"),
    ("postcode", "zipcode"),
    ("plz", "zipcode"),
    ("countryregion", "country"),
    ("mailingcountry", "country"),
    ("countrycode", "country"),
    ("cc", "country"),
    ("land", "country"),
    ("websiteurl", "website"),
    ("url", "website"),
    ("homepage", "website"),
    ("preferredlanguage", "preferred_locale"),
    ("language", "preferred_locale"),
    ("locale", "preferred_locale"),
    ("linkedinurl", "linkedin"),
    ("linkedinprofile", "linkedin"),
    ("twitterusername", "twitter"),
    ("twitterhandle", "twitter"),
    ("facebookurl", "facebook"),
    ("tag", "tags"),
    ("labels", "tags"),
    ("contacttags", "tags"),
    ("score", "points"),
    ("lastactivitydate", "last_active"),
    ("datelastactive", "last_active"),
    ("donotemail", "do_not_email"),
    ("emailoptout", "do_not_email"),
    ("hasoptedoutofemail", "do_not_email"),
    ("unsubscribedfromallemail", "do_not_email"),
    ("optedout", "do_not_email"),
    ("unsubtime", "unsubscribed_at"),
    ("unsubscribedate", "unsubscribed_at"),
    ("cleantime", "bounced_at"),
    ("dateadded", "created_at"),
    ("createdate", "created_at"),
    ("createddate", "created_at"),
    ("confirmtime", "created_at"),
    ("attribs", "attributes"),
];

/// Headings that mean something else beside another heading, which tells whose they are.
const BESIDE: &[(&str, &str, &str)] = &[
    // Salesforce: the job and the form of address.
    ("title", "salutation", "position"),
    // listmonk: who is blocklisted.
    ("status", "attribs", "do_not_email"),
    ("status", "attributes", "do_not_email"),
];

/// What a heading becomes because of the others. Not in an export of ours, where headings mean what they say, and not
/// where they mean fields of the organisation.
pub(super) fn target_beside(name: &str, others: &[String], fields: &FieldSet) -> Option<Target> {
    let among = |heading: &str| others.contains(&normalised(heading));
    let own = |heading: &str| {
        let mut custom = fields.iter().filter(|field| !field.core);
        custom.any(|field| normalised(field.alias.as_str()) == heading)
    };
    let fits = |(heading, other, target): &&(&str, &str, &str)| {
        *heading == name && among(other) && !among(target) && !own(heading) && !own(other)
    };
    let (_, _, target) = BESIDE.iter().find(fits).filter(|_| !among(ID))?;
    target.parse().ok()
}

/// What a heading that others write becomes; a field must exist for that.
pub(super) fn usual_target(name: &str, fields: &FieldSet) -> Option<Target> {
    let (_, target) = USUAL.iter().find(|(heading, _)| *heading == name)?;
    let target: Target = target.parse().ok()?;
    match &target {
        Target::Field(alias) if fields.get(alias.as_str()).is_none() => None,
        _ => Some(target),
    }
}

/// All headings that others write.
pub(super) fn usual_headings() -> impl Iterator<Item = &'static str> {
    USUAL.iter().map(|(heading, _)| *heading)
}
