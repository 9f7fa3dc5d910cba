//! Rows of directories of institutions.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::codes::{Date, Level, Region};
use huren_core::{keys::Algorithm, normalise, submission};
use huren_proto::v1;
use huren_proto::v1::submit_request::Body;
use huren_proto::v1::{InstitutionKind as Kind, InstitutionState as State};

use super::convert::{effective_date, merge};
use super::fault::RowFault;
use super::header::Cells;

/// Makes the submission of a directory entry.
pub(super) fn convert(
    cells: &Cells<'_>,
    province: Region,
) -> Result<(String, Body), Vec<RowFault>> {
    let mut faults = Vec::new();
    let text = |field| cells.get(field).unwrap_or_default().to_owned();
    let entry = v1::Institution {
        code: text("code"),
        uscc: text("uscc"),
        name: text("name"),
        // Kinds and states that are not known stay unspecified, which the check refuses.
        kind: cells
            .get("kind")
            .and_then(kind)
            .unwrap_or(Kind::Unspecified)
            .into(),
        home_region: text("home_region"),
        selecting_region: text("selecting_region"),
        scopes: scopes(&text("scopes"), &mut faults),
        site_regions: items(&text("site_regions")),
        stars: stars(&text("stars"), &mut faults),
        state: cells
            .get("state")
            .map_or(Some(State::Active), state)
            .unwrap_or_default()
            .into(),
        keys: keys(&text("keys"), &mut faults),
    };
    let date = effective_date(cells, &mut faults);
    let entry = merge(submission::institution(&entry, province), faults)?;
    let effective_date = date.map(Date::as_yyyymmdd).unwrap_or_default();
    let subject = entry.code.clone();
    let submission = v1::InstitutionSubmission {
        institution: Some(entry),
        effective_date,
    };
    Ok((subject, Body::Institution(submission)))
}

/// The entries of a cell that holds several.
fn items(cell: &str) -> Vec<String> {
    let items = cell
        .split([';', '；', '、', '|', '\n'])
        .map(normalise::text);
    items.filter(|item| !item.is_empty()).collect()
}

fn stars(cell: &str, faults: &mut Vec<RowFault>) -> u32 {
    let text = normalise::text(cell);
    let digits = text
        .strip_suffix('星')
        .or_else(|| text.strip_suffix("星级"))
        .unwrap_or(&text);
    match digits {
        "" => 0,
        _ => digits.parse().unwrap_or_else(|_| {
            faults.push(RowFault::new(
                "STARS_RANGE",
                "stars",
                "星级应为 0 至 5",
                "stars are 0 to 5",
            ));
            0
        }),
    }
}

/// Lines `2022 4-03-02-01 初级工 高级技师 2019-01-01 -`: edition, occupation, lowest and highest
/// level (`-` for special abilities), first and last day (`-` for open).
fn scopes(cell: &str, faults: &mut Vec<RowFault>) -> Vec<v1::InstitutionScope> {
    let mut scopes = Vec::new();
    for item in items(cell) {
        match scope(&item) {
            Some(scope) => scopes.push(scope),
            None => {
                let zh = "认定范围格式应为“2022 4-03-02-01 初级工 高级技师 2019-01-01 -”";
                faults.push(RowFault::new(
                    "SCOPE_FORMAT",
                    "scopes",
                    zh,
                    "a scope is an occupation with its levels",
                ));
                break;
            }
        }
    }
    scopes
}

fn scope(item: &str) -> Option<v1::InstitutionScope> {
    let parts: Vec<&str> = item.split(' ').collect();
    let [
        edition,
        occupation,
        level_from,
        level_to,
        valid_from,
        valid_to,
    ] = parts[..]
    else {
        return None;
    };
    let level = |text| match text {
        "-" => Some(0),
        text => Level::parse(text)
            .ok()
            .map(|level| u32::from(level.ordinal())),
    };
    let date = |text| Date::parse(text).ok().map(Date::as_yyyymmdd);
    Some(v1::InstitutionScope {
        edition: edition.parse().ok()?,
        occupation: occupation.to_owned(),
        level_from: level(level_from)?,
        level_to: level(level_to)?,
        valid_from: date(valid_from)?,
        valid_to: if valid_to == "-" { 0 } else { date(valid_to)? },
    })
}

/// Keys `sm2-sm3:BASE64` or `ed25519:BASE64`, as `huren sign key` shows them.
fn keys(cell: &str, faults: &mut Vec<RowFault>) -> Vec<v1::InstitutionKey> {
    let key = |item: String| {
        let (algorithm, encoded) = item.split_once(':')?;
        Some(v1::InstitutionKey {
            alg: Algorithm::from_name(algorithm)?.number(),
            public_key: BASE64_STANDARD.decode(encoded).ok()?,
        })
    };
    let keys: Option<Vec<_>> = items(cell).into_iter().map(key).collect();
    keys.unwrap_or_else(|| {
        let zh = "签名公钥格式应为“sm2-sm3:BASE64”或“ed25519:BASE64”";
        faults.push(RowFault::new(
            "INSTITUTION_KEY",
            "keys",
            zh,
            "not a public key of an institution",
        ));
        Vec::new()
    })
}

fn kind(text: &str) -> Option<Kind> {
    Some(match normalise::text(text).as_str() {
        "职业技能考核鉴定机构" | "鉴定机构" => Kind::Examination,
        "用人单位" | "企业" => Kind::Employer,
        "社会培训评价组织" | "社会评价组织" => Kind::Social,
        "专项职业能力考核机构" | "专项考核机构" => Kind::Special,
        _ => return None,
    })
}

fn state(text: &str) -> Option<State> {
    Some(match normalise::text(text).as_str() {
        "正常" | "在册" | "有效" => State::Active,
        "暂停" | "暂停业务" => State::Suspended,
        "退出" | "注销" | "移出目录" => State::Exited,
        _ => return None,
    })
}
