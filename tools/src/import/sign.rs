//! Rows of a table of certificates, signed by an institution.

use huren_core::{
    disclosure::{Group, Opening},
    keys::RecordSigner,
    submission,
};
use huren_proto::v1::{self, submit_request::Body};
use huren_tables::Options;
use rand::RngCore as _;

use super::{
    convert::Conversion,
    fault::RowFault,
    source::{RawRow, Source},
};
use crate::{files::Kind, signed::SignArgs};

/// A leaf with what opens it, or what is wrong with the row.
pub(crate) type SignedRow = Result<(Vec<u8>, Vec<Opening>), String>;

/// Signs the rows of a table one by one; each comes with its line.
///
/// # Errors
/// If the table cannot be read.
pub(crate) fn signed_rows(
    args: &SignArgs,
    signer: &RecordSigner,
) -> anyhow::Result<impl Iterator<Item = anyhow::Result<(u64, SignedRow)>>> {
    let options = Options {
        encoding: args.encoding,
        sheet: args.sheet.clone(),
        ..Options::default()
    };
    let mut source = Source::open(&args.file, &options, Some(Kind::Certificates))?;
    let conversion = Conversion {
        header: source.header.clone(),
        writer_region: args.region,
        provenance: if args.backfilled {
            v1::Provenance::Backfilled
        } else {
            v1::Provenance::Issued
        },
        wait: v1::Wait::Durable,
        edition: args.edition,
    };
    Ok(std::iter::from_fn(move || {
        let row = source.next_row().transpose()?;
        Some(row.map_err(anyhow::Error::from).map(|row| {
            let signed = sign(args, signer, &conversion, &row);
            (row.line, signed.map_err(|faults| shown(&faults)))
        }))
    }))
}

fn sign(
    args: &SignArgs,
    signer: &RecordSigner,
    conversion: &Conversion,
    row: &RawRow,
) -> Result<(Vec<u8>, Vec<Opening>), Vec<RowFault>> {
    let submission = conversion.convert(row)?;
    let groups = match &submission.request.body {
        Some(Body::Certificate(certificate)) => &certificate.groups,
        _ => {
            return Err(vec![RowFault::new(
                "SIGNED_KIND",
                "",
                "评价机构只能签署证书",
                "an institution signs certificates only",
            )]);
        }
    };
    let faults = |invalid: Vec<submission::Invalid>| -> Vec<RowFault> {
        invalid.into_iter().map(RowFault::from).collect()
    };
    let groups = submission::from_proto(groups).map_err(faults)?;
    let checked = submission::certificate(&groups, args.region.province()).map_err(faults)?;
    let code = checked.groups.get(&Group::Certificate);
    if code.is_none_or(|values| values.get("institution_code").is_none()) {
        let zh = "自行签署的证书须写明评价机构代码";
        return Err(vec![RowFault::new(
            "FIELD_MISSING",
            "institution_code",
            zh,
            "who signs names its code",
        )]);
    }
    let envelope = (args.region, conversion.provenance);
    submission::sign(checked, envelope, &args.origin, signer, salt).map_err(|error| {
        vec![RowFault::new(
            error.code(),
            "",
            "无法构成合规记录",
            "no valid record can be made of it",
        )]
    })
}

fn salt() -> [u8; 16] {
    let mut salt = [0; 16];
    rand::rng().fill_bytes(&mut salt);
    salt
}

fn shown(faults: &[RowFault]) -> String {
    let one = |fault: &RowFault| format!("{} {} {}", fault.code, fault.field, fault.zh);
    faults.iter().map(one).collect::<Vec<_>>().join("; ")
}
