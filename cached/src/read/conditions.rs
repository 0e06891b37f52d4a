//! Conditional requests: `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, as RFC 9110 orders
//! them.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use crate::origin::ObjectState;

/// The conditions of one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    pub(crate) if_match: Option<Tag>,
    pub(crate) if_none_match: Option<Tag>,
    pub(crate) if_modified_since: Option<DateTime<Utc>>,
    pub(crate) if_unmodified_since: Option<DateTime<Utc>>,
}

/// An ETag in a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tag {
    /// `*`: whatever there is.
    Any,
    /// This one, without quotes.
    Is(String),
}

/// Why a request ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// 304: the client has it already.
    NotModified,
    /// 412, with the header whose condition failed.
    PreconditionFailed(&'static str),
}

impl Conditions {
    pub(crate) fn is_empty(&self) -> bool {
        self.if_match.is_none()
            && self.if_none_match.is_none()
            && self.if_modified_since.is_none()
            && self.if_unmodified_since.is_none()
    }

    /// Whether an object in this state satisfies them. A condition on the ETag outranks the one on time beside it.
    pub(crate) fn check(&self, state: &ObjectState) -> Result<(), Unmet> {
        let is = |tag: &Tag| match tag {
            Tag::Any => true,
            Tag::Is(etag) => state.etag.as_deref() == Some(etag),
        };
        // HTTP dates have whole seconds.
        let modified = state.modified.duration_trunc(TimeDelta::seconds(1)).unwrap_or(state.modified);
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tag), _) if !is(tag) => return Err(Unmet::PreconditionFailed("If-Match")),
            (None, Some(since)) if modified > since => return Err(Unmet::PreconditionFailed("If-Unmodified-Since")),
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tag), _) if is(tag) => Err(Unmet::NotModified),
            (None, Some(since)) if modified <= since => Err(Unmet::NotModified),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use larder_model::Version;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 500_000_000).expect("a time")
    }

    fn check(conditions: Conditions) -> Result<(), Unmet> {
        conditions.check(&ObjectState {
            size: 1,
            etag: Some("e".into()),
            etag_verbatim: None,
            modified: at(100),
            version: Version::new(Some("e"), 1, at(100)),
        })
    }

    #[test]
    fn each_condition_decides() {
        let tag = |text: &str| Some(Tag::Is(text.into()));
        let none = Conditions::default;
        assert_eq!(check(none()), Ok(()));
        assert_eq!(check(Conditions { if_match: tag("e"), ..none() }), Ok(()));
        assert_eq!(check(Conditions { if_match: tag("x"), ..none() }), Err(Unmet::PreconditionFailed("If-Match")));
        assert_eq!(check(Conditions { if_none_match: tag("e"), ..none() }), Err(Unmet::NotModified));
        assert_eq!(check(Conditions { if_none_match: Some(Tag::Any), ..none() }), Err(Unmet::NotModified));
        assert_eq!(check(Conditions { if_none_match: tag("x"), ..none() }), Ok(()));
        assert_eq!(check(Conditions { if_modified_since: Some(at(100)), ..none() }), Err(Unmet::NotModified));
        assert_eq!(check(Conditions { if_modified_since: Some(at(99)), ..none() }), Ok(()));
        assert_eq!(check(Conditions { if_unmodified_since: Some(at(100)), ..none() }), Ok(()));
        let old = Conditions { if_unmodified_since: Some(at(98)), ..none() };
        assert_eq!(check(old), Err(Unmet::PreconditionFailed("If-Unmodified-Since")));
    }

    #[test]
    fn the_etag_outranks_the_time() {
        let tag = |text: &str| Some(Tag::Is(text.into()));
        let matching = Conditions { if_match: tag("e"), if_unmodified_since: Some(at(1)), ..Conditions::default() };
        assert_eq!(check(matching), Ok(()));
        let fresh = Conditions { if_none_match: tag("x"), if_modified_since: Some(at(200)), ..Conditions::default() };
        assert_eq!(check(fresh), Ok(()));
    }
}
