//! The messages by their descriptions: what a program needs that knows them from JSON.

use std::sync::LazyLock;

use prost_reflect::{
    DescriptorError, DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor,
};

use crate::{DESCRIPTORS, v1::Kind};

/// Reading the descriptions takes longer than any one message does.
static POOL: LazyLock<Result<DescriptorPool, DescriptorError>> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS));

/// The descriptions of the package; `None` if they could not be read, which a test excludes.
pub fn pool() -> Option<&'static DescriptorPool> {
    POOL.as_ref().ok()
}

/// The method of a path such as `/huren.v1.VerificationService/Verify`.
pub fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    let service = pool()?.get_service_by_name(service)?;
    service.methods().find(|method| method.name() == name)
}

/// The message that an entry of a kind is: its name is the kind's, `KIND_ITEM_BANK_ENTRY` is
/// `ItemBankEntry`.
pub fn entry(kind: Kind) -> Option<MessageDescriptor> {
    let words = kind.as_str_name().trim_start_matches("KIND_").split('_');
    let name: String = words
        .map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase()))
        .collect();
    pool()?.get_message_by_name(&format!("huren.v1.{name}"))
}

/// An encoded message as one that can be looked into; `None` if it is none of that kind.
pub fn decode(message: MessageDescriptor, bytes: &[u8]) -> Option<DynamicMessage> {
    DynamicMessage::decode(message, bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_and_entries_are_found_by_name() {
        let verify = method("/huren.v1.VerificationService/Verify").unwrap();
        assert_eq!(verify.input().name(), "VerifyRequest");
        assert_eq!(entry(Kind::ItemBankEntry).unwrap().name(), "ItemBankEntry");
        for unknown in ["", "/", "/huren.v1.VerificationService", "/x/Verify"] {
            assert!(method(unknown).is_none(), "{unknown}");
        }
        assert!(entry(Kind::Unspecified).is_none());
    }
}
