//! The generic form: one [`QueryEvent`] a line, for engines that have no form of their own here.

use larder_model::QueryEvent;

use super::adapter::{Adapter, from_json};

pub(super) struct Generic;

impl Adapter for Generic {
    fn read(&mut self, entry: &[u8]) -> Result<Option<QueryEvent>, String> {
        from_json(entry).map(Some)
    }
}
