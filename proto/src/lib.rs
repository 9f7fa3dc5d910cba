//! The wire and the leaf: messages and services of package `huren.v1`.
//!
//! The comments in `huren/v1/*.proto` are the reference. Messages are always here; the
//! gRPC services need the feature `services`, and what is known of messages while the program
//! runs the feature `reflect`.

#[cfg(feature = "services")]
pub mod codec;
#[cfg(feature = "reflect")]
pub mod reflect;

/// Package `huren.v1`.
pub mod v1 {
    #![expect(clippy::allow_attributes, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/huren.v1.rs"));
}

/// Encoded `google.protobuf.FileDescriptorSet` of the package, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
