//! Who signed in with a browser: kept in memory, so that a restart signs everybody out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_model::Clock;
use larder_model::admin::Person;
use parking_lot::Mutex;
use uuid::Uuid;

/// How long a session lasts: a working day.
pub(super) const LASTS: Duration = Duration::from_secs(12 * 3600);

/// Sessions kept; beyond, the one that ends first is ended.
const SESSIONS_MAX: usize = 1000;

/// The sessions by the hash of their id: whoever reads memory does not find ids, and how long a look-up takes says
/// nothing of them.
#[derive(Debug)]
pub(super) struct Sessions {
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<blake3::Hash, Session>>,
}

#[derive(Debug)]
struct Session {
    person: Person,
    until: Instant,
}

impl Sessions {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::default() }
    }

    /// Begins a session, and returns its id.
    pub(super) fn begin(&self, person: Person) -> String {
        // Version 4 UUIDs are 122 bits from the system's random source each.
        let id = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let now = self.clock.instant();
        let mut known = self.known.lock();
        known.retain(|_, session| session.until > now);
        if known.len() >= SESSIONS_MAX
            && let Some(first) = known.iter().min_by_key(|(_, session)| session.until).map(|(id, _)| *id)
        {
            known.remove(&first);
        }
        known.insert(hash(&id), Session { person, until: now + LASTS });
        id
    }

    /// Whose session it is.
    pub(super) fn person(&self, id: &str) -> Option<Person> {
        let known = self.known.lock();
        let session = known.get(&hash(id)).filter(|session| session.until > self.clock.instant())?;
        Some(session.person.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        self.known.lock().remove(&hash(id));
    }
}

fn hash(id: &str) -> blake3::Hash {
    blake3::hash(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};
    use larder_model::ManualClock;

    use super::*;

    #[test]
    fn a_session_ends_with_its_time_and_when_somebody_ends_it() {
        let begun = chrono::DateTime::<Utc>::UNIX_EPOCH;
        let clock = Arc::new(ManualClock::new(begun));
        let sessions = Sessions::new(clock.clone());
        let (first, second) = (sessions.begin(Person::local()), sessions.begin(Person::local()));
        assert_ne!(first, second);
        assert!(sessions.person(&first).is_some() && sessions.person(&second).is_some());
        sessions.end(&first);
        assert!(sessions.person(&first).is_none() && sessions.person(&second).is_some());
        clock.set(begun + TimeDelta::hours(12));
        assert!(sessions.person(&second).is_none());
        assert!(sessions.person("").is_none());
    }

    #[test]
    fn sessions_are_bounded_and_the_oldest_goes() {
        let clock = Arc::new(ManualClock::new(chrono::DateTime::<Utc>::UNIX_EPOCH));
        let sessions = Sessions::new(clock.clone());
        let first = sessions.begin(Person::local());
        clock.set(clock.now() + TimeDelta::seconds(1));
        let others: Vec<String> = (0..SESSIONS_MAX).map(|_| sessions.begin(Person::local())).collect();
        assert!(sessions.person(&first).is_none());
        assert!(others.iter().all(|id| sessions.person(id).is_some()));
    }
}
