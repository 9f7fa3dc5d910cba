//! Which fields of an answer are filled, as a release reads them.

use std::{collections::BTreeSet, fs, path::Path};

use huren_tests::release::Bytes;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};

/// The messages of a release.
pub(crate) struct Shapes(DescriptorPool);

impl Shapes {
    pub(crate) fn of(folder: &Path, release: &str) -> Self {
        let file = folder.join(format!("{release}.binpb"));
        let description = fs::read(file).expect("a description");
        Self(DescriptorPool::decode(description.as_slice()).expect("a description"))
    }

    /// The fields that are filled in any of the answers to a call, as paths.
    pub(crate) fn filled(&self, path: &str, answers: &[Bytes]) -> BTreeSet<String> {
        let mut filled = BTreeSet::new();
        for answer in answers {
            let message = DynamicMessage::decode(self.answer(path), answer.0.as_slice());
            gather(&message.expect("an answer"), "", &mut filled);
        }
        filled
    }

    fn answer(&self, path: &str) -> MessageDescriptor {
        let (service, method) = path[1..].split_once('/').expect("a path");
        let service = self.0.get_service_by_name(service).expect("a service");
        let method = service.methods().find(|known| known.name() == method);
        method.expect("a method").output()
    }
}

fn gather(message: &DynamicMessage, above: &str, filled: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        let path = format!("{above}/{}", field.name());
        match value {
            Value::Message(inner) => gather(inner, &path, filled),
            Value::List(items) => {
                let inner = items.iter().filter_map(Value::as_message);
                inner.for_each(|inner| gather(inner, &path, filled));
            }
            _ => {}
        }
        filled.insert(path);
    }
}
