//! How messages travel: as everybody's protobuf, but a submission is read whole or not at all.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::{Message, Name};
use tonic::{
    Status,
    codec::{DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstEncoder};

/// Messages of which nothing may go unread: what is submitted to a log is there for ever, and a
/// field that this program does not know would be left out of it in silence. All others tolerate
/// fields that came later, so that nodes of two versions understand each other.
const READ_WHOLE: [&str; 2] = ["SubmitRequest", "SubmitManyRequest"];

/// Encodes and decodes the messages of all services.
#[derive(Debug)]
pub struct Codec<T, U> {
    types: PhantomData<(T, U)>,
}

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self { types: PhantomData }
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Reader<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader {
            message: PhantomData,
        }
    }
}

/// Decodes messages of one type.
#[derive(Debug)]
pub struct Reader<U> {
    message: PhantomData<U>,
}

impl<U: Message + Name + Default> Decoder for Reader<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        read(source.copy_to_bytes(source.remaining())).map(Some)
    }
}

/// `Internal` is what tonic's own codec says of bytes that are no message.
fn read<U: Message + Name + Default>(bytes: bytes::Bytes) -> Result<U, Status> {
    let length = bytes.len();
    let message = U::decode(bytes).map_err(|error| Status::internal(error.to_string()))?;
    // Unknown fields, fields given twice and overlong numbers are bytes that the message read
    // does not account for.
    if READ_WHOLE.contains(&U::NAME) && message.encoded_len() != length {
        return Err(Status::invalid_argument(
            "the message holds more than was understood",
        ));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    fn check<U: Message + Name + Default>(bytes: &[u8], expected: Result<(), tonic::Code>) {
        let outcome = read::<U>(bytes.to_vec().into());
        assert_eq!(outcome.map(drop).map_err(|status| status.code()), expected);
    }

    #[test]
    fn a_submission_is_read_whole_or_not_at_all() {
        let submission = v1::SubmitRequest {
            client_ref: 7,
            writer_region: "33".into(),
            ..Default::default()
        };
        let whole = submission.encode_to_vec();
        let newer_field = [whole.as_slice(), &[0xfa, 0x3f, 1, 0]].concat();
        let given_twice = [whole.as_slice(), &[0x08, 7]].concat();
        let overlong = [&[0x08, 0x87, 0x00], &whole[2..]].concat();
        let cut_off = &whole[..whole.len() - 1];
        let unknown = Err(tonic::Code::InvalidArgument);
        check::<v1::SubmitRequest>(&whole, Ok(()));
        check::<v1::SubmitRequest>(&newer_field, unknown);
        check::<v1::SubmitRequest>(&given_twice, unknown);
        check::<v1::SubmitRequest>(&overlong, unknown);
        check::<v1::SubmitRequest>(cut_off, Err(tonic::Code::Internal));
        let in_a_stream = |inner: &[u8]| [&[0x0a, inner.len() as u8], inner].concat();
        check::<v1::SubmitManyRequest>(&in_a_stream(&whole), Ok(()));
        check::<v1::SubmitManyRequest>(&in_a_stream(&newer_field), unknown);
        // Members of two versions have to understand each other.
        check::<v1::GetHeadsRequest>(&[0xfa, 0x3f, 1, 0], Ok(()));
    }
}
