//! The committed vectors of all code types, and the list of reason codes.

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    version: u32,
    reason_codes: Vec<String>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    r#type: String,
    /// What the type needs to know beside the input: edition, track or kind of document.
    #[serde(default)]
    context: String,
    input: String,
    expect: Option<Value>,
    error: Option<String>,
}

fn committed() -> Vectors {
    let file = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/huren/codes-v1.json"
    ));
    serde_json::from_str(file).unwrap()
}

fn evaluate(vector: &Vector) -> Result<Value, Box<dyn Coded>> {
    let Vector {
        r#type,
        context,
        input,
        ..
    } = vector;
    Ok(match r#type.as_str() {
        "date" => json!(Date::parse(input)?.to_string()),
        "region" => json!(Region::parse(input)?.to_string()),
        "occupation" => {
            let occupation = Occupation::parse(context.parse().unwrap(), input)?;
            json!({ "code": occupation.code(), "job": occupation.job(), "name": occupation.name() })
        }
        "level" => json!(Level::parse(input)?.ordinal()),
        "track" => json!(Track::parse(input)?.letter()),
        "id_number" => json!(IdNumber::parse(input)?.masked()),
        "id_document" => json!(IdDocument::parse(IdKind::parse(context)?, input)?.masked()),
        "uscc" => match Uscc::parse(input)?.check() {
            CheckDigit::Valid => json!("valid"),
            CheckDigit::Invalid => json!("invalid"),
        },
        "institution" => {
            let code = InstitutionCode::parse(input)?;
            json!({
                "kind": code.kind().letter(),
                "ministry": code.filed_with_ministry(),
                "province": code.province().map(|p| p.to_string()),
            })
        }
        "certificate_number" => {
            let number = CertificateNumber::parse(input, Track::parse(context).ok())?;
            json!({
                "grammar": number.grammar().id(),
                "province": number.province().map(|p| p.to_string()),
                "year": number.year(),
                "level": number.level().map(Level::ordinal),
                "institution": number.institution().map(|i| i.to_string()),
                "text": number.expose(),
            })
        }
        "mask_name" => json!(mask_name(input)),
        other => panic!("unknown type {other}"),
    })
}

/// `?` boxes any of this module's errors.
impl<E: Coded + 'static> From<E> for Box<dyn Coded> {
    fn from(error: E) -> Self {
        Box::new(error)
    }
}

#[test]
fn committed_vectors() {
    let committed = committed();
    assert_eq!(committed.version, 1);
    for vector in &committed.vectors {
        let found = evaluate(vector).map_err(|e| e.code().to_owned());
        let expected = match (&vector.expect, &vector.error) {
            (Some(value), None) => Ok(value.clone()),
            (None, Some(code)) => Err(code.clone()),
            _ => panic!("a vector has either a value or an error: {}", vector.input),
        };
        assert_eq!(found, expected, "{} {:?}", vector.r#type, vector.input);
    }
}

#[test]
fn no_error_repeats_its_input() {
    for vector in committed()
        .vectors
        .iter()
        .filter(|v| v.input.chars().count() > 4)
    {
        if let Err(error) = evaluate(vector) {
            let shown = format!("{error} {error:?} {}", error.zh());
            assert!(!shown.contains(&vector.input), "{shown}");
        }
    }
}

#[test]
fn reason_codes_are_stable_distinct_and_in_both_languages() {
    let reasons: Vec<Box<dyn Coded>> = vec![
        DateError::Invalid.into(),
        DateError::Range.into(),
        RegionError::Format.into(),
        RegionError::Unknown.into(),
        OccupationError::Format.into(),
        OccupationError::Edition.into(),
        LevelError::Unknown.into(),
        LevelError::Contradictory.into(),
        TrackError::Unknown.into(),
        IdError::Length.into(),
        IdError::Legacy15.into(),
        IdError::Charset.into(),
        IdError::Prefix.into(),
        IdError::Date.into(),
        IdError::CheckDigit.into(),
        IdDocumentError::Kind.into(),
        IdDocumentError::Format.into(),
        UsccError::Length.into(),
        UsccError::Charset.into(),
        InstitutionError::Format.into(),
        InstitutionError::Province.into(),
        NumberError::Grammar.into(),
        NumberError::Charset.into(),
        NumberError::Position { at: 1 }.into(),
        NumberError::Province.into(),
        NumberError::PartRange.into(),
        Mismatch::GrammarDate.into(),
        Mismatch::Year.into(),
        Mismatch::Level.into(),
        Mismatch::EmployerOnlyLevel.into(),
        Mismatch::Institution.into(),
        Mismatch::Site.into(),
    ];
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, committed().reason_codes);
    for (i, reason) in reasons.iter().enumerate() {
        assert!(
            !codes[..i].contains(&reason.code()),
            "{} twice",
            reason.code()
        );
        assert!(reason.zh().chars().any(|c| ('一'..='龥').contains(&c)));
        assert!(reason.en().starts_with(|c: char| c.is_ascii_lowercase()));
    }
    assert_eq!(
        IdDocumentError::Number(IdError::Date).code(),
        IdError::Date.code()
    );
}
