//! Between JSON and messages: protobuf's own JSON form, with one addition. The encoded entry of a
//! register, a message within a message whose type its `kind` tells, is JSON as well; an entry of
//! the audit trail, of which the exact bytes are what is hashed, is there as both.

use std::fmt::{self, Display};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_proto::{reflect, v1};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, SerializeOptions};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

use super::{MAX_BATCH, problem::Problem};

/// Where an entry of the audit trail stands as JSON, beside its bytes.
pub(super) const READ: &str = "read";

/// Name of the list in a batch, in requests and in answers.
pub(super) const LIST: &str = "messages";

/// The message of a body.
pub(super) fn from_body(
    message: &MessageDescriptor,
    body: &[u8],
) -> Result<DynamicMessage, Problem> {
    from_value(message, parse(body)?, "")
}

/// The messages of a batch.
pub(super) fn from_batch(
    message: &MessageDescriptor,
    body: &[u8],
) -> Result<Vec<DynamicMessage>, Problem> {
    let Value::Object(mut body) = parse(body)? else {
        return Err(Problem::malformed("", "an object is expected".into()));
    };
    let list = body.remove(LIST);
    if let Some(other) = body.keys().next() {
        return Err(unknown(other));
    }
    match list {
        Some(Value::Array(list)) if list.len() <= MAX_BATCH => {
            let read = |(n, value)| from_value(message, value, &format!("{LIST}[{n}]."));
            list.into_iter().enumerate().map(read).collect()
        }
        _ => {
            let expected = format!("a list of at most {MAX_BATCH} is expected");
            Err(Problem::malformed(LIST, expected))
        }
    }
}

/// The message of an address's parameters.
pub(super) fn from_query(
    message: &MessageDescriptor,
    query: &[(String, String)],
) -> Result<DynamicMessage, Problem> {
    let mut fields = Map::new();
    for (name, text) in query {
        let field = message.get_field_by_json_name(name);
        let field = field.ok_or_else(|| unknown(name))?;
        let value = match (field.kind(), text.as_str()) {
            (Kind::Bool, "true") => Value::Bool(true),
            (Kind::Bool, "false") => Value::Bool(false),
            // Numbers may be strings, in protobuf's JSON.
            (_, text) => Value::String(text.to_owned()),
        };
        if field.is_list() {
            let list = fields.entry(name).or_insert_with(|| Value::Array(vec![]));
            list.as_array_mut()
                .into_iter()
                .for_each(|list| list.push(value.clone()));
        } else if fields.insert(name.clone(), value).is_some() {
            return Err(Problem::malformed(name, "is given twice".into()));
        }
    }
    from_value(message, Value::Object(fields), "")
}

/// A message as JSON, its defaults included.
pub(super) fn into_value(message: &DynamicMessage) -> Result<Value, Problem> {
    let options = SerializeOptions::new().skip_default_fields(false);
    let value = message.serialize_with_options(serde_json::value::Serializer, &options);
    let mut value = value.map_err(|_| Problem::INTERNAL)?;
    open_entries(&mut value);
    Ok(value)
}

fn parse(body: &[u8]) -> Result<Value, Problem> {
    let strict: serde_json::Result<Strict> = serde_json::from_slice(body);
    strict.map(|Strict(value)| value).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = match error.is_data() {
            true => "a field stands there twice, at",
            false => "not JSON at",
        };
        Problem::malformed("", format!("{what} line {line}, column {column}"))
    })
}

fn from_value(
    message: &MessageDescriptor,
    mut value: Value,
    within: &str,
) -> Result<DynamicMessage, Problem> {
    close_entries(&mut value, within)?;
    read(message, value, within)
}

fn read(
    message: &MessageDescriptor,
    value: Value,
    within: &str,
) -> Result<DynamicMessage, Problem> {
    let mut track = serde_path_to_error::Track::new();
    let reader = serde_path_to_error::Deserializer::new(value, &mut track);
    let read = DynamicMessage::deserialize(message.clone(), reader);
    read.map_err(|error: serde_json::Error| {
        let path = track.path().to_string();
        let path = format!("{within}{}", path.trim_start_matches('.'));
        Problem::malformed(path.trim_end_matches('.'), what_is_wrong(&error))
    })
}

/// What is wrong, without the value, which may be about a person.
fn what_is_wrong(error: &impl Display) -> String {
    let error = error.to_string();
    let tells_names_only = error.starts_with("unrecognized field name");
    if tells_names_only {
        error
    } else {
        "not a value of this field".into()
    }
}

fn unknown(name: &str) -> Problem {
    Problem::malformed(name, "there is no such field".into())
}

/// The message of the entry that an object holds, by its kind.
fn entry_in(fields: &Map<String, Value>) -> Option<MessageDescriptor> {
    let kind = v1::Kind::from_str_name(fields.get("kind")?.as_str()?)?;
    reflect::entry(kind)
}

/// Encodes the entries that are given as JSON. No entry holds another one.
fn close_entries(value: &mut Value, within: &str) -> Result<(), Problem> {
    if let Value::Object(fields) = value
        && let Some(message) = entry_in(fields)
        && let Some(body @ Value::Object(_)) = fields.get_mut("body")
    {
        let entry = read(&message, body.take(), &format!("{within}body."))?;
        *body = BASE64_STANDARD.encode(entry.encode_to_vec()).into();
    }
    children(value).try_for_each(|child| close_entries(child, within))
}

/// Shows entries as JSON. One that a newer version wrote may be none that is known here: it stays
/// as it is.
fn open_entries(value: &mut Value) {
    if let Value::Object(fields) = value
        && let Some(read) = audit_entry_in(fields)
    {
        fields.insert(READ.into(), read);
    }
    if let Value::Object(fields) = value
        && let Some(message) = entry_in(fields)
        && let Some(Value::String(body)) = fields.get("body")
        && let Ok(bytes) = BASE64_STANDARD.decode(body)
        && let Some(entry) = reflect::decode(message, &bytes)
        && let Ok(entry) = into_value(&entry)
    {
        fields.insert("body".into(), entry);
    }
    children(value).for_each(open_entries);
}

/// An audit entry that is given as bytes, as JSON.
fn audit_entry_in(fields: &Map<String, Value>) -> Option<Value> {
    let is_link = fields.contains_key("sequence") && fields.contains_key("hash");
    let entry = fields.get("entry").filter(|_| is_link)?.as_str()?;
    let message = reflect::pool()?.get_message_by_name("huren.v1.AuditEntry")?;
    let entry = reflect::decode(message, &BASE64_STANDARD.decode(entry).ok()?)?;
    into_value(&entry).ok()
}

/// JSON in which no object has two fields of one name: who looked at it before may have read the
/// other one.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Strict(value)) = list.next_element()? {
            read.push(value);
        }
        Ok(read.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, Strict(value))) = fields.next_entry::<String, _>()? {
            if read.insert(name, value).is_some() {
                return Err(A::Error::custom("twice"));
            }
        }
        Ok(read.into())
    }
}

fn children(value: &mut Value) -> Box<dyn Iterator<Item = &mut Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter_mut()),
        Value::Object(fields) => Box::new(fields.values_mut()),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(name: &str) -> MessageDescriptor {
        let found = reflect::pool().unwrap();
        found
            .get_message_by_name(&format!("huren.v1.{name}"))
            .unwrap()
    }

    fn fault(read: Result<impl std::fmt::Debug, Problem>) -> (String, String) {
        let problem = read.unwrap_err();
        assert_eq!(problem.code, "MESSAGE_MALFORMED");
        problem.fields[0].clone()
    }

    #[test]
    fn what_is_wrong_is_told_by_place_and_never_by_value() {
        let asked = message("VerifyManyRequest");
        let read = |body: &str| fault(from_batch(&asked, body.as_bytes()));
        let (field, detail) = read(r#"{"messages":[{},{"question":{"holderName":["张三"]}}]}"#);
        assert_eq!(field, "messages[1].question.holderName");
        assert!(!detail.contains("张三"), "{detail}");
        let (field, detail) = read(r#"{"messages":[{"question":{"nummer":"1"}}]}"#);
        assert!(field.starts_with("messages[0].question"), "{field}");
        assert!(detail.contains("nummer"), "{detail}");
        assert_eq!(read("{").1, "not JSON at line 1, column 1");
        assert_eq!(read("[]").0, "");
        let twice = r#"{"messages":[{"question":{"number":"1","number":"2"}}]}"#;
        assert!(read(twice).1.starts_with("a field stands there twice"));
        assert_eq!(read(r#"{"messages":{}}"#).0, LIST);
        assert_eq!(read(r#"{"messages":[],"more":1}"#).0, "more");
        let many = json!({ LIST: vec![json!({}); MAX_BATCH + 1] }).to_string();
        assert_eq!(read(&many).0, LIST);
        assert_eq!(
            from_batch(&asked, br#"{"messages":[{},{}]}"#)
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn an_address_gives_every_kind_of_field() {
        let asked = message("GetStatisticsRequest");
        let pairs = |text: &[(&str, &str)]| -> Vec<(String, String)> {
            text.iter()
                .map(|(a, b)| ((*a).into(), (*b).into()))
                .collect()
        };
        let query = pairs(&[
            ("basis", "STATISTICS_BASIS_WORK"),
            ("level", "3"),
            ("exact", "true"),
            ("by", "STATISTICS_DIMENSION_CITY"),
            ("by", "STATISTICS_DIMENSION_LEVEL"),
        ]);
        let read = into_value(&from_query(&asked, &query).unwrap()).unwrap();
        assert_eq!(read["level"], 3);
        assert_eq!(read["exact"], true);
        assert_eq!(read["by"][1], "STATISTICS_DIMENSION_LEVEL");
        let faulty = |query| fault(from_query(&asked, &pairs(query))).0;
        assert_eq!(faulty(&[("level", "three")]), "level");
        assert_eq!(faulty(&[("exact", "yes")]), "exact");
        assert_eq!(faulty(&[("level", "1"), ("level", "2")]), "level");
        assert_eq!(faulty(&[("nothing", "1")]), "nothing");
    }

    #[test]
    fn entries_are_json_both_ways() {
        let funding = json!({
            "kind": "KIND_FUNDING",
            "body": { "code": "F-1" },
            "effectiveDate": 20_260_101,
        });
        let body = funding.to_string();
        let read = from_body(&message("EntrySubmission"), body.as_bytes()).unwrap();
        let encoded = v1::EntrySubmission::decode(read.encode_to_vec().as_slice()).unwrap();
        let decoded = v1::Funding::decode(encoded.body.as_slice()).unwrap();
        assert_eq!(decoded.code, "F-1");
        assert_eq!(into_value(&read).unwrap()["body"]["code"], "F-1");
        // An entry within an entry is none.
        let nested = json!({ "kind": "KIND_FUNDING", "body": funding }).to_string();
        let (field, _) = fault(from_body(&message("EntrySubmission"), nested.as_bytes()));
        assert!(field.starts_with("body"), "{field}");
        let wrong = json!({ "kind": "KIND_FUNDING", "body": { "codes": 1 } }).to_string();
        let (field, _) = fault(from_body(&message("EntrySubmission"), wrong.as_bytes()));
        assert!(field.starts_with("body"), "{field}");
    }
}
