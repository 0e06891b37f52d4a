//! The generic form: one [`QueryEvent`] a line, for engines that have no form of their own here.

use larder_model::QueryEvent;

pub(super) fn parse(text: &[u8]) -> Result<QueryEvent, String> {
    super::from_json(text)
}
