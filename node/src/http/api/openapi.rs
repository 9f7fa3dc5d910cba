//! The description of the interface, OpenAPI 3.1.1 (<https://spec.openapis.org/oas/v3.1.1>): made
//! from the table of calls, the messages' descriptions and their comments.

use std::collections::BTreeMap;

use huren_core::{access::Need, registry};
use huren_proto::{reflect, v1};
use prost_reflect::{
    EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, prost_types::FileDescriptorProto,
};
use serde_json::{Map, Value, json};

use super::{
    MAX_BATCH, PREFIX,
    calls::{Again, CALLS, Call, Given},
    idempotency, problem, translate,
};

/// What can come of any call, with what it means.
const REFUSALS: [(&str, &str); 8] = [
    ("400", "请求无效 The request is not valid"),
    ("401", "需要令牌 A token is needed"),
    ("403", "无权 Not permitted"),
    ("414", "地址过长 The address is too long"),
    ("429", "过于频繁 Too many calls"),
    ("500", "内部错误 An internal error"),
    ("503", "暂不可用 Not available at present"),
    ("504", "未能及时答复 No answer in time"),
];

/// What can come of a call with a body besides.
const OF_BODIES: [(&str, &str); 5] = [
    ("404", "所指不存在 What is meant is not held"),
    ("409", "与已有记录冲突 In conflict with what is recorded"),
    ("413", "消息过大 The message is too long"),
    ("415", "应为 JSON JSON is expected"),
    (
        "422",
        "Idempotency-Key 已用于另一请求 The key stood for another request",
    ),
];

const ABOUT: &str = "gRPC 接口的 JSON 形式，字段即 protobuf 的 JSON 映射：64 位整数为字符串，字节为 \
                     base64。每个调用须带令牌。涉及个人的查询一律用 POST，不进入地址。 / The calls of gRPC as JSON, in \
                     protobuf's own mapping: 64-bit integers are strings, bytes are base64. Every call needs a \
                     token. Questions about persons are posted and never part of an address.";

/// The whole description.
pub(super) fn describe() -> Value {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for call in CALLS {
        let operation = operation(call, &mut schemas);
        let path = paths.entry(call.path.to_owned()).or_default();
        path.extend(operation.map(|operation| (call.verb().to_owned(), operation)));
    }
    schemas.made.insert("Problem".into(), problem());
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "互认 Huren",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": PREFIX }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.made,
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "huren token new / POST /tokens",
            } },
        },
    })
}

/// RFC 9457 section 3, with our two members.
fn problem() -> Value {
    let text = || json!({ "type": "string" });
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code", "errors"],
        "properties": {
            "type": text(),
            "title": text(),
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "中文在前，英文在后 Chinese, then English" },
            "code": { "type": "string", "description": "稳定的原因代码，与 gRPC 相同 Stable, as over gRPC" },
            "errors": { "type": "array", "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": { "field": text(), "detail": text() },
            } },
        },
    })
}

fn operation(call: &Call, schemas: &mut Schemas) -> Option<Value> {
    let method = call.method()?;
    let file = method.parent_file().file_descriptor_proto().clone();
    let english = comment(&file, method.path());
    let first = english.split_terminator(['.', ':']).next().unwrap_or("");
    let needs = crate::rpc::need(call.rpc).map_or("", role);
    let mut responses = Map::new();
    let mut refuse = |refusals: &[(&str, &str)]| {
        let all = refusals.iter().map(|(status, about)| {
            let media = json!({ "schema": reference("Problem") });
            let content = json!({ problem::MEDIA_TYPE: media });
            let about = json!({ "description": about, "content": content });
            ((*status).to_owned(), about)
        });
        responses.extend(all);
    };
    refuse(&REFUSALS);
    if call.verb() == "post" {
        refuse(&OF_BODIES);
    }
    let whole = |message: Value| match call.given {
        Given::Batch => json!({
            "type": "object",
            "required": [translate::LIST],
            "additionalProperties": false,
            "properties": { translate::LIST: {
                "type": "array", "items": message, "maxItems": MAX_BATCH,
            } },
        }),
        _ => message,
    };
    let answer = whole(schemas.message(&method.output()));
    let answer = match call.given {
        // OpenAPI 3.1 cannot say that each event's data is such a message.
        Given::Watch => json!({ "text/event-stream": { "schema": { "type": "string" } } }),
        _ => json!({ "application/json": { "schema": answer } }),
    };
    responses.insert(
        "200".into(),
        json!({ "description": "OK", "content": answer }),
    );
    let mut operation = json!({
        "operationId": match call.given {
            Given::Watch => "watchStatus".to_owned(),
            _ => lower_first(method.name()),
        },
        "tags": [method.parent_service().name()],
        "summary": format!("{} {first}", call.zh),
        "description": format!("{english}\n\n需要角色 Needs: {needs}. gRPC: `{}`", call.rpc),
        "responses": responses,
    });
    let fields = operation.as_object_mut()?;
    if call.verb() == "get" {
        let input = method.input();
        let parameters = input.fields().map(|field| parameter(&field, schemas));
        let parameters: Vec<Value> = parameters.collect();
        fields.insert("parameters".into(), parameters.into());
    } else {
        let message = whole(schemas.message(&method.input()));
        let content = json!({ "application/json": { "schema": message } });
        let body = json!({ "required": true, "content": content });
        fields.insert("requestBody".into(), body);
        let key = (call.again != Again::Harmless).then(|| {
            json!({
                "name": idempotency::HEADER.as_str(),
                "in": "header",
                "schema": { "type": "string", "pattern": "^[!-~]{1,128}$" },
                "description": "重试时用同一值 The same when a request is sent again",
            })
        });
        let parameters: Vec<Value> = key.into_iter().collect();
        fields.insert("parameters".into(), parameters.into());
    }
    Some(operation)
}

const fn role(need: Need) -> &'static str {
    match need {
        Need::Anyone => "—",
        Need::Known => "任何令牌 any token",
        Need::Member => "成员 member",
        Need::Issuer => "issuer",
        Need::Verifier => "verifier",
        Need::Statistician => "statistician",
        Need::Oversight => "auditor / operator",
        Need::Operator => "operator",
    }
}

fn parameter(field: &FieldDescriptor, schemas: &mut Schemas) -> Value {
    json!({
        "name": field.json_name(),
        "in": "query",
        "schema": schemas.field(field),
        "description": comment(field.parent_file().file_descriptor_proto(), field.path()),
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn lower_first(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_lowercase() + rest
}

/// The comment in front of what lies at a path of a file.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let places = file.source_code_info.iter().flat_map(|info| &info.location);
    let place = places.into_iter().find(|place| place.path == path);
    let comment = place.map_or("", |place| place.leading_comments());
    let lines = comment.lines().map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

/// The schemas of all messages that something refers to.
#[derive(Default)]
struct Schemas {
    made: BTreeMap<String, Value>,
}

impl Schemas {
    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let name = message.name().to_owned();
        if !self.made.contains_key(&name) {
            self.made.insert(name.clone(), Value::Null); // A message may hold itself.
            let fields = message.fields().map(|field| {
                let mut schema = match is_entry(&field) {
                    true => self.entries(),
                    false => self.field(&field),
                };
                let file = field.parent_file();
                let about = comment(file.file_descriptor_proto(), field.path());
                if let Some(schema) = schema.as_object_mut() {
                    schema.insert("description".into(), about.into());
                }
                (field.json_name().to_owned(), schema)
            });
            let mut fields: Map<String, Value> = fields.collect();
            if let Some(read) = self.audit_entry(message) {
                fields.insert(translate::READ.into(), read);
            }
            let file = message.parent_file();
            let schema = json!({
                "type": "object",
                "description": comment(file.file_descriptor_proto(), message.path()),
                "additionalProperties": false,
                "properties": fields,
            });
            self.made.insert(name.clone(), schema);
        }
        reference(&name)
    }

    /// The entry of any kind. A newer one, which is not known here, is bytes.
    fn entries(&mut self) -> Value {
        let kinds = registry::KINDS.iter().map(|entry| entry.kind);
        let kinds = kinds
            .chain([v1::Kind::Institution])
            .filter_map(reflect::entry);
        let mut any: Vec<Value> = kinds.map(|kind| self.message(&kind)).collect();
        any.push(json!({ "type": "string", "contentEncoding": "base64" }));
        json!({ "anyOf": any })
    }

    /// What stands beside the bytes of an audit entry.
    fn audit_entry(&mut self, message: &MessageDescriptor) -> Option<Value> {
        let is_link = message.name() == "AuditLink";
        let read = message
            .parent_pool()
            .get_message_by_name("huren.v1.AuditEntry");
        read.filter(|_| is_link).map(|read| self.message(&read))
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        if field.is_map() {
            let entry = field.kind();
            let value = entry
                .as_message()
                .and_then(|entry| entry.get_field_by_name("value"));
            let value = value.map_or(Value::Bool(true), |value| self.kind(&value.kind()));
            return json!({ "type": "object", "additionalProperties": value });
        }
        let one = self.kind(&field.kind());
        match field.is_list() {
            true => json!({ "type": "array", "items": one }),
            false => one,
        }
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Message(message) => self.message(message),
            Kind::Enum(values) => self.values(values),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "pattern": "^[0-9]{1,20}$" }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "pattern": "^-?[0-9]{1,19}$" })
            }
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
            }
            Kind::Double | Kind::Float => json!({ "type": "number" }),
        }
    }

    fn values(&mut self, values: &EnumDescriptor) -> Value {
        let names: Vec<String> = values.values().map(|value| value.name().into()).collect();
        let about: Vec<String> = values
            .values()
            .map(|value| {
                let file = value.parent_enum().parent_file();
                let about = comment(file.file_descriptor_proto(), value.path());
                format!("{}: {about}", value.name())
            })
            .collect();
        let schema = json!({ "type": "string", "enum": names, "description": about.join("\n") });
        self.made.insert(values.name().to_owned(), schema);
        reference(values.name())
    }
}

/// An encoded entry beside its kind, which is JSON here: see [`translate`].
fn is_entry(field: &FieldDescriptor) -> bool {
    let beside = field.parent_message().get_field_by_name("kind");
    let kind = beside.map(|beside| beside.kind());
    let kind = kind.as_ref().and_then(|kind| kind.as_enum());
    field.name() == "body" && kind.is_some_and(|kind| kind.name() == "Kind")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(list) => list.iter().for_each(|one| references(one, found)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("$ref", Value::String(to)) => drop(found.insert(to.clone())),
                        (_, value) => references(value, found),
                    }
                }
            }
            _ => {}
        }
    }

    #[test]
    fn it_describes_every_call_and_nothing_is_left_open() {
        let described = describe();
        for call in CALLS {
            let operation = &described["paths"][call.path][call.verb()];
            assert!(operation["responses"]["200"].is_object(), "{}", call.path);
            assert!(operation["summary"].as_str().unwrap().contains(call.zh));
        }
        let mut found = BTreeSet::new();
        references(&described, &mut found);
        assert!(found.len() > 40);
        for reference in found {
            let to = described.pointer(reference.trim_start_matches('#'));
            assert!(to.is_some_and(Value::is_object), "{reference}");
        }
    }

    #[test]
    fn fields_are_described_by_their_own_comments() {
        let described = describe();
        let schemas = &described["components"]["schemas"];
        let asked = &schemas["VerifyRequest"];
        assert_eq!(
            asked["properties"]["number"]["description"],
            "Certificate number."
        );
        assert_eq!(
            asked["properties"]["maxAgeSeconds"]["pattern"],
            "^[0-9]{1,20}$"
        );
        let names = schemas["Verdict"]["enum"].as_array().unwrap();
        assert!(names.contains(&json!("VERDICT_VALID")));
        let entry = &schemas["EntrySubmission"]["properties"]["body"]["anyOf"];
        assert!(entry.as_array().unwrap().contains(&reference("Funding")));
    }
}
