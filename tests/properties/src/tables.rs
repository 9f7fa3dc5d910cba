//! Tables that provinces import.

use huren::import::read_table;
use huren_core::codes::Region;
use huren_proto::v1;
use prost::Message as _;

/// Every row of a table that can be read is either a submission, which is accepted as the
/// wire brings it to the node, or refused with codes; none is lost.
pub fn table(bytes: &[u8]) {
    let table = match read_table(bytes, Region::ZHEJIANG) {
        Ok(table) => table,
        Err(sentence) => return assert!(!sentence.is_empty()),
    };
    for row in table {
        match row.result {
            Ok(request) => {
                let sent = request.encode_to_vec();
                let came = v1::SubmitRequest::decode(sent.as_slice());
                assert_eq!(came.as_ref(), Ok(&request));
                assert_eq!(request.client_ref, row.line);
                crate::submission(&sent);
            }
            Err(codes) => {
                assert!(!codes.is_empty());
                let is_code = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
                assert!(
                    codes
                        .iter()
                        .all(|code| !code.is_empty() && code.bytes().all(is_code))
                );
            }
        }
    }
}
