//! The page that checks receipts: in a browser it must say of every receipt what `huren receipt verify`
//! says, of those that are genuine and of all that were tampered with.

use huren_core::{
    receipt::{Checked, verify},
    trust::RootKeys,
};
use huren_node::http::{
    self,
    check::{self, CheckPage},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::chromium::{browser, document, returned};

/// The committed receipts of this project: one signed by a province with a correction behind it, one
/// signed by an institution with SM2.
const RECEIPTS: [&str; 2] = [
    include_str!("../../../../tests/vectors/huren/receipt-v1.json"),
    include_str!("../../../../tests/vectors/huren/receipt-institution-v1.json"),
];
const ED25519: &str = include_str!("../../../../tests/vectors/cctv-ed25519/ed25519vectors.json");
const SM2: &str = include_str!("../../../../tests/vectors/sm2/sm2-sm3.json");

/// Runs a test's script among those of the page, and gives what it returns.
fn run(page: &CheckPage, given: &Value, script: &str) -> Option<Value> {
    // The page's own policy admits no other script than its own.
    let (head, rest) = page.html().split_once("<meta http-equiv").unwrap();
    let (_, rest) = rest.split_once(">\n").unwrap();
    Some(returned(
        browser()?,
        &format!("{head}{rest}"),
        given,
        script,
    ))
}

/// A receipt with its root keys.
fn read(vector: &str) -> (String, String) {
    let vector: Value = serde_json::from_str(vector).unwrap();
    let text = |name: &str| vector[name].as_str().unwrap().to_owned();
    (text("receipt"), text("roots"))
}

/// What the program says, in the words of [`run`].
fn expected(receipt: &str, roots: &RootKeys) -> Value {
    match verify(receipt.as_bytes(), roots) {
        Ok(checked) => genuine(&checked),
        Err(error) => json!(error.code()),
    }
}

fn genuine(checked: &Checked) -> Value {
    json!({
        "home": checked.home,
        "origin": checked.origin.as_str(),
        "index": checked.index,
        "size": checked.proven_size,
        "cosignatures": checked.cosignatures.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "certificate": checked.certificate,
        "verdict": checked.assertion.verdict,
    })
}

const VERIFY: &str = r#"
const results = [];
for (const { receipt, roots } of given) {
  try {
    const { home, origin, index, size, cosignatures, certificate, assertion } = await verifyReceipt(receipt, roots);
    results.push({ home, origin, index, size, cosignatures, certificate, verdict: assertion.verdict });
  } catch (error) {
    results.push(error instanceof Refusal ? error.code : String(error));
  }
}
return results;
"#;

/// Every text of a receipt with something wrong in it: a character changed near its beginning, middle
/// and end, cut off, or gone; and every field left out, and one added.
fn tampered(receipt: &Value) -> Vec<Value> {
    let mut places = Vec::new();
    collect(receipt, String::new(), &mut places);
    let mut tampered = Vec::new();
    for place in &places {
        let mut with = |value: Value| {
            let mut copy = receipt.clone();
            *copy.pointer_mut(place).unwrap() = value;
            tampered.push(copy);
        };
        match receipt.pointer(place).unwrap() {
            Value::String(text) => {
                let count = text.chars().count();
                for at in [
                    0,
                    count / 4,
                    count / 2,
                    count * 3 / 4,
                    count.saturating_sub(2),
                ] {
                    with(json!(changed(text, at)));
                }
                with(json!(
                    text.chars()
                        .take(count.saturating_sub(1))
                        .collect::<String>()
                ));
            }
            Value::Array(items) => {
                with(json!([]));
                with(json!([items.as_slice(), items.as_slice()].concat()));
            }
            Value::Object(fields) => {
                for name in fields.keys() {
                    let mut fewer = fields.clone();
                    fewer.remove(name);
                    with(fewer.into());
                }
                let mut more = fields.clone();
                more.insert("further".to_owned(), json!("x"));
                with(more.into());
            }
            _ => {}
        }
        with(json!(7));
        with(json!(null));
    }
    tampered
}

fn collect(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                collect(inner, format!("{at}/{name}"), places);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect(inner, format!("{at}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

fn changed(text: &str, at: usize) -> String {
    let change = |(index, c): (usize, char)| match (index == at, c) {
        (true, 'A') => 'B',
        (true, _) => 'A',
        (false, c) => c,
    };
    text.chars().enumerate().map(change).collect()
}

#[test]
fn a_browser_says_of_every_receipt_what_the_program_says() {
    let (mut given, mut wanted) = (Vec::new(), Vec::new());
    for vector in RECEIPTS {
        let (receipt, roots) = read(vector);
        let keys: RootKeys = roots.parse().unwrap();
        let value: Value = serde_json::from_str(&receipt).unwrap();
        for value in [vec![value.clone()], tampered(&value)].concat() {
            let receipt = value.to_string();
            wanted.push(expected(&receipt, &keys));
            given.push(json!({ "receipt": receipt, "roots": roots }));
        }
    }
    let is_genuine = |said: &&Value| said.is_object();
    assert!(wanted.iter().filter(is_genuine).count() >= RECEIPTS.len());
    assert!(wanted.len() > 500, "{}", wanted.len());

    let page = CheckPage::new("");
    let Some(said) = run(&page, &json!(given), VERIFY) else {
        return;
    };
    let said = said.as_array().unwrap();
    assert_eq!(said.len(), wanted.len());
    let differ = said.iter().zip(&wanted).zip(&given);
    let differ: Vec<_> = differ
        .filter(|((said, wanted), _)| said != wanted)
        .collect();
    let first = differ.first();
    assert!(
        differ.is_empty(),
        "{} of {}: {first:#?}",
        differ.len(),
        said.len()
    );
}

#[test]
fn the_root_keys_decide() {
    let (receipt, roots) = read(RECEIPTS[0]);
    let (_, others) = read(RECEIPTS[1]);
    let fewer: String = roots
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    let cases = [
        &roots,
        &others,
        &fewer,
        &String::new(),
        &roots.replace("threshold 2", "threshold 3"),
    ];
    let given = cases.map(|roots| json!({ "receipt": receipt, "roots": roots }));
    let wanted = cases.map(|roots| match roots.parse() {
        Ok(roots) => expected(&receipt, &roots),
        Err(_) => json!("RECEIPT_TRUST"),
    });
    if let Some(said) = run(&CheckPage::new(""), &json!(given), VERIFY) {
        assert_eq!(said, json!(wanted));
    }
}

#[test]
fn signatures_are_judged_as_strictly_as_by_the_program() {
    let ed25519: Value = serde_json::from_str(ED25519).unwrap();
    let sm2: Value = serde_json::from_str(SM2).unwrap();
    let script = r#"
const text = new TextEncoder();
const ed25519 = [];
for (const { key, msg, sig } of given.ed25519) ed25519.push(await isSignedBy(fromHex(key, 32), text.encode(msg), fromHex(sig, 64)));
const bytes = (text) => fromHex(text, text.length / 2);
const sm2 = given.sm2.map(({ public_key, message, signature }) => {
  const parts = [bytes(public_key), bytes(message), bytes(signature)];
  const changed = Uint8Array.from(parts[2], (byte, at) => at === 40 ? byte ^ 1 : byte);
  return [isSm2SignedBy(...parts), isSm2SignedBy(parts[0], parts[1], changed)];
});
return { ed25519, sm2 };
"#;
    let made = [&sm2["standard"], &sm2["openssl"]].map(|list| list.as_array().unwrap().as_slice());
    let given = json!({ "ed25519": ed25519, "sm2": made.concat() });
    let Some(said) = run(&CheckPage::new(""), &given, script) else {
        return;
    };
    // As the vectors' README says of a strict verifier: see node/core/tests/ed25519_vectors.rs.
    let acceptable = |vector: &Value| {
        let flags = vector["flags"].as_array();
        flags.is_none_or(|flags| {
            let harmless = ["low_order_component_A", "low_order_component_R"];
            flags
                .iter()
                .all(|flag| harmless.contains(&flag.as_str().unwrap_or_default()))
        })
    };
    let wanted: Vec<bool> = ed25519.as_array().unwrap().iter().map(acceptable).collect();
    assert_eq!(wanted.len(), 914);
    assert_eq!(said["ed25519"], json!(wanted));
    let sm2 = said["sm2"].as_array().unwrap();
    assert!(
        sm2.len() > 1 && sm2.iter().all(|one| *one == json!([true, false])),
        "{sm2:?}"
    );
}

#[test]
fn a_person_chooses_a_file_and_reads_the_answer() {
    let (receipt, roots) = read(RECEIPTS[0]);
    let forged = receipt.replacen("电工", "焊工", 1);
    assert_ne!(forged, receipt);
    let script = r#"
const shows = async (text) => {
  const files = new DataTransfer();
  files.items.add(new File([text], "huren-receipt.json"));
  const answer = document.getElementById("answer");
  answer.replaceChildren();
  const input = document.getElementById("receipt");
  input.files = files.files;
  const shown = new Promise((resolve) => new MutationObserver(() => resolve()).observe(answer, { childList: true }));
  input.dispatchEvent(new Event("change"));
  await shown;
  return answer.innerText;
};
const visible = !document.getElementById("form").hidden;
return { visible, genuine: await shows(given.receipt), forged: await shows(given.forged), nonsense: await shows("<b>{") };
"#;
    let given = json!({ "receipt": receipt, "forged": forged });
    let Some(said) = run(&CheckPage::new(&roots), &given, script) else {
        return;
    };
    assert_eq!(said["visible"], true);
    let text = |name: &str| said[name].as_str().unwrap().to_owned();
    for shown in [
        "回执真实",
        "有效",
        "Y000133020600243000001",
        "电工",
        "宁波职业技能评价中心",
        "浙江省",
        "江苏省",
        "witness-31",
        "证书信息曾经更正",
    ] {
        assert!(
            text("genuine").contains(shown),
            "{shown}: {}",
            text("genuine")
        );
    }
    assert!(text("forged").contains("回执不真实") && text("forged").contains("RECEIPT_DISCLOSURE"));
    assert!(text("nonsense").contains("RECEIPT_FORMAT"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_serves_it_under_a_policy_that_admits_its_script_alone() {
    let Some(browser) = browser() else { return };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let routes = check::routes(CheckPage::new(""));
    let serving = http::serve(listener, routes, None, stop.clone());
    let look = tokio::task::spawn_blocking(move || {
        let shown = document(browser, &format!("http://{address}/check"));
        stop.cancel();
        shown
    });
    let ((), shown) = tokio::join!(serving, look);
    let shown = shown.unwrap();
    // The script has shown the form, and offers the page to be kept.
    assert!(shown.contains("<div id=\"form\">"), "{shown}");
    assert!(shown.contains("<p id=\"save\">"), "{shown}");
}
