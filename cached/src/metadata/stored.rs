//! An object's state as a note on the SSD.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::{Attribute, Attributes};
use serde::{Deserialize, Serialize};

use crate::origin::ObjectState;

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// How often the object had been overwritten through Larder.
    overwrites: u32,
    size: u64,
    etag: Option<String>,
    modified: DateTime<Utc>,
    /// Content type and the like by their header's name; user metadata under `x-amz-meta-`.
    attributes: Vec<(String, String)>,
}

const USER: &str = "x-amz-meta-";

const NAMED: [(Attribute, &str); 5] = [
    (Attribute::ContentType, "content-type"),
    (Attribute::CacheControl, "cache-control"),
    (Attribute::ContentDisposition, "content-disposition"),
    (Attribute::ContentEncoding, "content-encoding"),
    (Attribute::ContentLanguage, "content-language"),
];

pub(super) fn write(state: &ObjectState, attributes: &Attributes, overwrites: u32) -> Bytes {
    let name = |attribute: &Attribute| match attribute {
        Attribute::Metadata(key) => Some(format!("{USER}{key}")),
        named => NAMED.iter().find(|(known, _)| known == named).map(|(_, name)| (*name).to_owned()),
    };
    let attributes = attributes.iter().filter_map(|(key, value)| Some((name(key)?, value.to_string())));
    let note = Note {
        overwrites,
        size: state.size,
        etag: state.etag_verbatim.clone(),
        modified: state.modified,
        attributes: attributes.collect(),
    };
    serde_json::to_vec(&note).expect("plain data serialises").into()
}

/// The state and attributes that were written; `None` for what is no note, or one of before the last overwrite.
pub(super) fn read(bytes: &[u8], overwrites: u32) -> Option<(ObjectState, Attributes)> {
    let note: Note = serde_json::from_slice(bytes).ok()?;
    if note.overwrites != overwrites {
        return None;
    }
    let attributes: Attributes = note
        .attributes
        .into_iter()
        .filter_map(|(name, value)| {
            let named = NAMED.iter().find(|(_, known)| *known == name).map(|(attribute, _)| attribute.clone());
            let key = named.or_else(|| Some(Attribute::Metadata(name.strip_prefix(USER)?.to_owned().into())))?;
            Some((key, value))
        })
        .collect();
    let meta = object_store::ObjectMeta {
        location: object_store::path::Path::default(),
        last_modified: note.modified,
        size: note.size,
        e_tag: note.etag,
        version: None,
    };
    Some((ObjectState::new(&meta), attributes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_being_written_and_read() {
        let meta = object_store::ObjectMeta {
            location: "k".into(),
            last_modified: DateTime::UNIX_EPOCH,
            size: 7,
            e_tag: Some("\"e\"".into()),
            version: None,
        };
        let attributes: Attributes =
            [(Attribute::ContentType, "text/plain"), (Attribute::Metadata("a".into()), "b")].into_iter().collect();
        let state = ObjectState::new(&meta);
        let note = write(&state, &attributes, 2);
        assert_eq!(read(&note, 2), Some((state, attributes)));
        assert_eq!(read(&note, 3), None);
        assert!(read(b"nonsense", 0).is_none());
    }
}
