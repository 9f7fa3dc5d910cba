//! What a witness answers to `add-checkpoint`, read by who submitted (C2SP `tlog-witness`).

use crate::{
    checkpoint::{SignedCheckpoint, parse_decimal},
    cosign::verify_cosignature,
    note::VerifierKey,
};

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER_LEN: usize = 16 << 10;

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It cosigned: the checkpoint that was submitted with its cosignature, and the time that
    /// this states, in seconds since 1970.
    Cosigned(Box<SignedCheckpoint>, u64),
    /// The latest checkpoint that it cosigned has this size: prove from there.
    Latest(u64),
}

/// Why an answer is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It refused with that status.
    #[error("the witness refused with status {0}")]
    Status(u16),
    /// Not signature lines, or not a size.
    #[error("the witness's answer cannot be read")]
    Malformed,
    /// No cosignature of its key over what was submitted.
    #[error("the witness's answer holds no cosignature of its key over the checkpoint")]
    Signature,
}

impl AnswerError {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Status(_) => "WITNESS_REFUSED",
            Self::Malformed => "WITNESS_ANSWER_MALFORMED",
            Self::Signature => "WITNESS_ANSWER_SIGNATURE",
        }
    }
}

/// Reads the answer of the witness that has `key` to a checkpoint that was submitted.
///
/// # Errors
/// [`AnswerError`].
pub fn answer(
    submitted: &SignedCheckpoint,
    key: &VerifierKey,
    (status, body): (u16, &[u8]),
) -> Result<Answer, AnswerError> {
    let body = std::str::from_utf8(body).map_err(|_| AnswerError::Malformed)?;
    match status {
        200 => {}
        // "409 Conflict": the body is the size and a newline.
        409 => {
            let size = body.strip_suffix('\n').and_then(parse_decimal);
            return size.map(Answer::Latest).ok_or(AnswerError::Malformed);
        }
        other => return Err(AnswerError::Status(other)),
    }
    // The lines go behind the note's own as they are; other keys' do not matter.
    let note = SignedCheckpoint::parse(format!("{submitted}{body}"));
    let note = note.map_err(|_| AnswerError::Malformed)?;
    let text = submitted.note().text();
    let own = note.note().signatures().iter().find_map(|signature| {
        let time = verify_cosignature(text, signature, key).ok()?;
        Some((signature, time))
    });
    let (signature, time) = own.ok_or(AnswerError::Signature)?;
    let mut cosigned = submitted.clone();
    let added = cosigned.add(signature.clone());
    added.map_err(|_| AnswerError::Malformed)?;
    Ok(Answer::Cosigned(Box::new(cosigned), time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checkpoint::Checkpoint, cosign::Cosigner, merkle::leaf_hash, note::NoteSigner};

    const TIME: u64 = 1_800_000_000;

    fn signed(size: u64) -> SignedCheckpoint {
        let log = NoteSigner::from_seed("log.example/log/33".parse().unwrap(), &[1; 32]);
        let checkpoint =
            Checkpoint::new("log.example/log/33".parse().unwrap(), size, leaf_hash(b""));
        SignedCheckpoint::sign(checkpoint, &log).unwrap()
    }

    fn witness(seed: u8) -> Cosigner {
        Cosigner::from_seed("w.example".parse().unwrap(), &[seed; 32])
    }

    /// The line with which a witness answers.
    fn line(by: &Cosigner, of: &SignedCheckpoint) -> String {
        let mut cosigned = of.clone();
        let cosignature = by.cosign(of.checkpoint(), TIME).unwrap();
        cosigned.add(cosignature).unwrap();
        let note = cosigned.to_string();
        format!("{}\n", note.lines().last().unwrap())
    }

    fn read(status: u16, body: &str) -> Result<Answer, AnswerError> {
        answer(
            &signed(5),
            witness(2).verifier_key(),
            (status, body.as_bytes()),
        )
    }

    #[test]
    fn a_cosignature_is_taken_and_nothing_else_with_it() {
        let own = line(&witness(2), &signed(5));
        let Ok(Answer::Cosigned(cosigned, time)) = read(200, &own) else {
            panic!("a cosignature");
        };
        assert_eq!(
            (cosigned.to_string(), time),
            (format!("{}{own}", signed(5)), TIME)
        );
        let other = line(&witness(3), &signed(5));
        let both = read(200, &format!("{other}{own}"));
        assert_eq!(both, Ok(Answer::Cosigned(cosigned, TIME)));
    }

    #[test]
    fn what_is_no_cosignature_over_it_is_refused() {
        let signature = Err(AnswerError::Signature);
        assert_eq!(read(200, &line(&witness(3), &signed(5))), signature);
        assert_eq!(read(200, &line(&witness(2), &signed(6))), signature);
        let own = line(&witness(2), &signed(5));
        let malformed = Err(AnswerError::Malformed);
        for body in ["", "no line\n", own.trim_end(), "\n", &own.replace('=', "")] {
            let refused = read(200, body);
            assert!(refused == malformed || refused == signature, "{body:?}");
        }
        assert!(matches!(
            read(200, &own.repeat(3)),
            Ok(Answer::Cosigned(..))
        ));
        let bytes = answer(&signed(5), witness(2).verifier_key(), (200, &[0xff]));
        assert_eq!(bytes, malformed);
    }

    #[test]
    fn a_conflict_tells_the_size() {
        assert_eq!(read(409, "7\n"), Ok(Answer::Latest(7)));
        for body in ["7", "", "07\n", "-1\n", "7\n\n", "99999999999999999999\n"] {
            assert_eq!(read(409, body), Err(AnswerError::Malformed), "{body:?}");
        }
        for status in [400, 403, 404, 422, 500, 302] {
            assert_eq!(read(status, "7\n"), Err(AnswerError::Status(status)));
        }
    }
}
