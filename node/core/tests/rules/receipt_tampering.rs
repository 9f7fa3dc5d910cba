//! Every string of a receipt changed, a character at a time: none of it may pass.

use huren_core::receipt::verify;
use serde_json::Value;

use crate::common::{Case, Federation};

/// Paths to all strings and numbers, as JSON pointers.
pub(crate) fn scalars(value: &Value, path: &str, found: &mut Vec<String>) {
    let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                scalars(value, &format!("{path}/{}", escape(name)), found);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                scalars(value, &format!("{path}/{i}"), found);
            }
        }
        Value::String(_) | Value::Number(_) => found.push(path.to_owned()),
        Value::Bool(_) | Value::Null => {
            panic!("{path} is of a type that this test does not change")
        }
    }
}

/// Another character that could stand in the same place.
fn other(c: char) -> char {
    match c {
        '0'..='8' | 'a'..='e' | 'A'..='Y' => char::from_u32(u32::from(c) + 1).unwrap(),
        '9' => '0',
        _ => 'a',
    }
}

/// The string with one character replaced, left out, or put in, at every `step`th place.
pub(crate) fn tampered(text: &str, step: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let last = chars.len() - 1;
    let mut all = Vec::new();
    for place in (0..chars.len()).step_by(step).chain([last]) {
        let (before, after) = (&chars[..place], &chars[place + 1..]);
        let with = |middle: &[char]| [before, middle, after].concat().into_iter().collect();
        all.push(with(&[other(chars[place])]));
        all.push(with(&[]));
        all.push(with(&[chars[place], '0']));
    }
    all
}

#[test]
fn no_change_of_a_receipt_passes() {
    let federation = Federation::new();
    let (_, receipt) = Case::corrected(&federation);
    let (genuine, roots) = (
        serde_json::to_value(&receipt).unwrap(),
        federation.root_keys(),
    );
    let passes = |receipt: &Value| verify(receipt.to_string().as_bytes(), &roots).is_ok();
    assert!(passes(&genuine));
    let mut paths = Vec::new();
    scalars(&genuine, "", &mut paths);
    assert!(paths.len() > 20);
    for path in paths {
        // Nothing vouches for the salt: it opens the question, or it does not.
        if path == "/question_salt" {
            continue;
        }
        let text = genuine.pointer(&path).unwrap().as_str().unwrap();
        for changed in tampered(text, 1 + text.len() / 60) {
            let mut receipt = genuine.clone();
            *receipt.pointer_mut(&path).unwrap() = Value::String(changed.clone());
            assert!(!passes(&receipt), "{path} changed to {changed:?}");
        }
    }
}

#[test]
fn no_field_may_be_added_renamed_or_repeated() {
    let federation = Federation::new();
    let (_, receipt) = Case::corrected(&federation);
    let (json, roots) = (receipt.to_json().unwrap(), federation.root_keys());
    let passes = |json: &str| verify(json.as_bytes(), &roots).is_ok();
    assert!(passes(&json));
    let names = json.split('"').skip(1).step_by(2).filter(|text| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    });
    let names: std::collections::BTreeSet<&str> = names
        .filter(|name| json.contains(&format!("\"{name}\": ")))
        .collect();
    assert!(names.contains("proven") && names.contains("salt") && names.contains("level"));
    for name in names {
        let field = format!("\"{name}\": ");
        if name != "question_salt" {
            assert!(
                !passes(&json.replacen(&field, &format!("\"{name}x\": "), 1)),
                "{name} renamed"
            );
        }
        let added = json.replacen(&field, &format!("\"newer\": \"1\", {field}"), 1);
        assert!(!passes(&added), "a field before {name}");
    }
}
