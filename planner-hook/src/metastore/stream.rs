//! One direction of a connection: bytes in as they come, bytes out with other locations in them.
//!
//! What has been looked at leaves at once. Held are at most: the last string that is not whole, a table until it is known
//! whether it is left alone, and in framed connections a message that may change its length, because that comes first.
//! What cannot be understood passes as it came, from where it was.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::paths::{is_asked_by_writers, is_left_alone, of};
use super::rewrite::Rewrite;
use super::thrift::{Kind, Malformed, NAME_BYTES_MAX, Node, Role, Step, Walker};

/// A table larger than this passes as it is.
pub(crate) const TABLE_BYTES_MAX: usize = 4 << 20;
/// A framed message larger than this, of a call that has locations, passes as it is if it is an answer, and ends the
/// connection if it is a request.
pub(crate) const FRAME_HELD_BYTES_MAX: usize = 256 << 20;
/// All frames together that are held at a time, in the room that [`frames_room`] makes. One that finds no place is treated
/// like one that is too large.
const FRAMES_HELD_BYTES_MAX: usize = 512 << 20;
/// A frame's message begins with a head of at most this.
const HEAD_BYTES_MAX: usize = 4 + 4 + 4 + NAME_BYTES_MAX + 5;
/// What leaves at once.
const OUT_BYTES_MAX: usize = 256 << 10;
/// The unit in which room for frames is counted.
const ROOM_BYTES: usize = 1 << 10;

/// The room for frames that are held, for all connections together.
pub(crate) fn frames_room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(FRAMES_HELD_BYTES_MAX / ROOM_BYTES))
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client.
    Requests,
    /// The metastore.
    Answers,
}

/// What has passed since it was last asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Messages that an answer belongs to.
    pub(crate) calls: u64,
    /// Answers that ended.
    pub(crate) answers: u64,
    /// Locations that became others.
    pub(crate) rewritten: u64,
    /// Why bytes passed without being understood, if they did.
    pub(crate) not_understood: Option<NotUnderstood>,
}

/// Bytes that passed as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotUnderstood {
    #[error("it speaks the compact protocol, which passes unchanged")]
    Compact,
    #[error("it begins with SASL, whose messages may be encrypted and pass unchanged")]
    Sasl,
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("a frame that ends before its message does, or holds no message")]
    Frame,
}

/// A framed request that may hold locations of the cache, and is too large to map them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a framed request of {bytes} bytes, at most {FRAME_HELD_BYTES_MAX} are taken: connect without framing")]
pub(crate) struct TooLarge {
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing has come yet.
    Unknown,
    Unframed,
    /// A frame's length comes next.
    Framed,
    /// This many bytes of a frame pass as they are.
    FramePasses(usize),
    /// A frame of this many bytes is awaited, its length included; its message is one to look into.
    FrameHeld(usize),
    /// A frame that was held leaves; this many bytes of it are still here.
    FrameLeaves(usize),
    /// All that comes passes as it is.
    Raw,
}

/// A string that is another now.
#[derive(Debug)]
struct Edit {
    /// Where it begins in what is held, with its length before it.
    start: usize,
    /// Where it ends.
    end: usize,
    text: String,
}

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    side: Side,
    form: Form,
    walker: Walker,
    /// What came and has not left.
    input: BytesMut,
    /// How much of it the walker has passed.
    at: usize,
    edits: Vec<Edit>,
    table: Option<TableHeld>,
    /// How this message's locations are rewritten.
    rewrite: Option<Rewrite>,
    frames: Arc<Semaphore>,
    /// The room that the frame has which is held.
    room: Option<OwnedSemaphorePermit>,
    /// Whether a message of this connection was understood.
    is_thrift: bool,
    kind: Kind,
    passed: Passed,
}

/// A table whose end has not come.
#[derive(Debug)]
struct TableHeld {
    /// Where it begins in what is held; `None` for one that has become too large.
    start: Option<usize>,
    /// The edits that are not its own.
    edits_before: usize,
    left_alone: bool,
}

impl Stream {
    /// A direction of which nothing has come yet; `frames` is from [`frames_room`].
    pub(crate) fn new(side: Side, frames: Arc<Semaphore>) -> Self {
        Self {
            side,
            form: Form::Unknown,
            walker: Walker::new(),
            input: BytesMut::new(),
            at: 0,
            edits: Vec::new(),
            table: None,
            rewrite: None,
            frames,
            room: None,
            is_thrift: false,
            kind: Kind::Call,
            passed: Passed::default(),
        }
    }

    /// Where bytes that came are to be put, before [`work`](Self::work).
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// What has passed since this was last asked.
    pub(crate) fn take_passed(&mut self) -> Passed {
        std::mem::take(&mut self.passed)
    }

    /// Whether no message is on its way through. Nobody knows in what is not understood.
    pub(crate) fn is_between_messages(&self) -> bool {
        let form = matches!(self.form, Form::Unknown | Form::Unframed | Form::Framed | Form::Raw);
        form && self.input.is_empty() && self.walker.is_between_messages()
    }

    /// Looks at what came, and puts what may leave into `out`: all of it, unless this returns true, and is to be called again
    /// when `out` has left. `rewrite` is asked at the begin of each message.
    pub(crate) fn work(&mut self, rewrite: &dyn Fn() -> Option<Rewrite>, out: &mut Vec<u8>) -> Result<bool, TooLarge> {
        loop {
            if out.len() >= OUT_BYTES_MAX {
                return Ok(true);
            }
            let goes_on = match self.form {
                Form::Unknown => self.recognise(),
                Form::Raw => {
                    out.extend_from_slice(&self.input);
                    self.input.clear();
                    false
                }
                Form::Unframed => {
                    self.unframed(rewrite, out);
                    self.form == Form::Raw
                }
                Form::Framed => self.frame_begins(rewrite)?,
                Form::FramePasses(bytes) => {
                    let here = bytes.min(self.input.len());
                    out.extend_from_slice(&self.input[..here]);
                    self.input.advance(here);
                    self.form = if here == bytes { Form::Framed } else { Form::FramePasses(bytes - here) };
                    here == bytes
                }
                Form::FrameHeld(bytes) => self.input.len() >= bytes && self.frame(bytes),
                Form::FrameLeaves(bytes) => self.frame_leaves(bytes, out),
            };
            if !goes_on {
                return Ok(false);
            }
        }
    }

    /// Nothing more comes: lets go of what is held, as it came.
    pub(crate) fn give_up(&mut self, out: &mut Vec<u8>) {
        self.edits.clear();
        self.table = None;
        self.form = Form::Raw;
        out.extend_from_slice(&self.input);
        self.input.clear();
    }

    /// Tells by the first bytes what is spoken. Unframed messages begin with a version or a short name's length, and a
    /// frame with its own length before that.
    fn recognise(&mut self) -> bool {
        let form = match self.input[..] {
            [0x80, ..] => Form::Unframed,
            [0x82, ..] | [_, _, _, _, 0x82, ..] => return self.is_not_understood(NotUnderstood::Compact),
            [] | [_] | [_, _] | [_, _, _] | [_, _, _, _] | [_, _, _, _, 0x80] => return false,
            [_, _, _, _, 0x80, 0x01, ..] | [_, _, _, _, 0, ..] => Form::Framed,
            // A status, and the length of the mechanism's name.
            [1..=5, 0, 0, 0, ..] => return self.is_not_understood(NotUnderstood::Sasl),
            // The length of a call's name, and the name; what it is not, the walker refuses.
            _ => Form::Unframed,
        };
        self.form = form;
        true
    }

    fn is_not_understood(&mut self, why: NotUnderstood) -> bool {
        self.passed.not_understood = Some(why);
        self.form = Form::Raw;
        self.walker = Walker::new();
        self.table = None;
        true
    }

    fn unframed(&mut self, rewrite: &dyn Fn() -> Option<Rewrite>, out: &mut Vec<u8>) {
        let end = loop {
            match self.walker.step(&self.input[self.at..]) {
                Ok((passed, step)) => {
                    let from = self.at;
                    self.at += passed;
                    if step == Step::NeedMore {
                        break self.table.as_ref().and_then(|table| table.start).unwrap_or(self.at);
                    }
                    self.note(step, from, rewrite);
                    self.give_up_on_a_large_table();
                }
                Err(problem) => {
                    // What a table's end would have confirmed stays as it was.
                    if let Some(table) = self.table.take() {
                        self.edits.truncate(table.edits_before);
                    }
                    let end = self.at;
                    self.is_not_understood(problem.into());
                    break end;
                }
            }
        };
        self.give_up_on_a_large_table();
        self.release(end, out);
    }

    /// A table must not be held without end.
    fn give_up_on_a_large_table(&mut self) {
        let Some(table) = &mut self.table else { return };
        if table.start.is_some_and(|start| self.at - start > TABLE_BYTES_MAX) {
            self.edits.truncate(table.edits_before);
            table.left_alone = true;
            table.start = None;
        }
    }

    /// Takes note of what the walker came to. `from` is where its step began.
    fn note(&mut self, step: Step, from: usize, rewrite: &dyn Fn() -> Option<Rewrite>) {
        match step {
            Step::NeedMore => {}
            Step::Begin { kind, name_at, name_end } => {
                self.begins(kind, from + name_at..from + name_end, rewrite);
            }
            Step::Text { role, length } => self.text(role, length),
            Step::BeginTable => {
                // In requests every location of the cache goes back, whatever kind of table it is of.
                if self.side == Side::Answers && self.rewrite.is_some() {
                    self.table =
                        Some(TableHeld { start: Some(self.at), edits_before: self.edits.len(), left_alone: false });
                }
            }
            Step::EndTable => {
                if let Some(table) = self.table.take()
                    && table.left_alone
                {
                    self.edits.truncate(table.edits_before);
                }
            }
            Step::End => self.passed.answers += u64::from(matches!(self.kind, Kind::Reply | Kind::Exception)),
        }
    }

    /// Takes note of a message that begins, its name being at `name`. Returns what is of interest in it.
    fn begins(&mut self, kind: Kind, name: Range<usize>, rewrite: &dyn Fn() -> Option<Rewrite>) -> &'static Node {
        let name = &self.input[name];
        self.kind = kind;
        self.passed.calls += u64::from(kind == Kind::Call);
        self.rewrite = rewrite().map(|to| if is_asked_by_writers(name) { to.with_table() } else { to });
        let node = of(kind, name);
        self.walker.enter(node);
        node
    }

    fn text(&mut self, role: Role, length: usize) {
        let Some(rewrite) = &self.rewrite else { return };
        let (start, end) = (self.at - length - 4, self.at);
        // Hive's strings are UTF-8; what is not is no location that the cache could serve.
        let Ok(text) = std::str::from_utf8(&self.input[start + 4..end]) else { return };
        if role != Role::Location {
            if let Some(table) = &mut self.table {
                table.left_alone |= is_left_alone(role, text);
            }
            return;
        }
        let ignored = self.table.as_ref().is_some_and(|table| table.start.is_none());
        if let Some(text) = rewrite.apply(text).filter(|_| !ignored) {
            self.edits.push(Edit { start, end, text });
        }
    }

    /// Puts what lies before `end` into `out`, with the edits made.
    fn release(&mut self, end: usize, out: &mut Vec<u8>) {
        // Edits behind `end` are those of a table that is held.
        let ready = self.edits.partition_point(|edit| edit.end <= end);
        self.passed.rewritten += ready as u64;
        let mut copied = 0;
        for edit in self.edits.drain(..ready) {
            out.extend_from_slice(&self.input[copied..edit.start]);
            put_text(&edit.text, out);
            copied = edit.end;
        }
        out.extend_from_slice(&self.input[copied..end]);
        self.input.advance(end);
        self.at -= end;
        for edit in &mut self.edits {
            edit.start -= end;
            edit.end -= end;
        }
        if let Some(table) = &mut self.table {
            table.edits_before -= ready.min(table.edits_before);
            table.start = table.start.map(|start| start - end);
        }
    }

    /// Looks at a frame's length and at its message's head, and decides what becomes of the rest.
    fn frame_begins(&mut self, rewrite: &dyn Fn() -> Option<Rewrite>) -> Result<bool, TooLarge> {
        let Some(length) = self.input.first_chunk().map(|four| i32::from_be_bytes(*four)) else { return Ok(false) };
        let Ok(length) = usize::try_from(length) else {
            return Ok(self.is_not_understood(Malformed::Negative(length).into()));
        };
        if length == 0 {
            self.form = Form::FramePasses(4);
            return Ok(true);
        }
        let whole = 4 + length;
        let here = whole.min(self.input.len());
        self.walker = Walker::new();
        match self.walker.step(&self.input[4..here]) {
            Ok((_, Step::NeedMore)) if here < whole && here <= HEAD_BYTES_MAX => {
                self.walker = Walker::new();
                return Ok(false);
            }
            Ok((passed, Step::Begin { kind, name_at, name_end })) => {
                let node = self.begins(kind, 4 + name_at..4 + name_end, rewrite);
                self.at = 4 + passed;
                self.is_thrift = true;
                let wanted = self.rewrite.is_some() && !matches!(node, Node::Nothing);
                if wanted && whole <= FRAME_HELD_BYTES_MAX {
                    let room = u32::try_from(whole.div_ceil(ROOM_BYTES)).expect("a frame that may be held is small");
                    self.room = Arc::clone(&self.frames).try_acquire_many_owned(room).ok();
                }
                if self.room.is_some() {
                    self.form = Form::FrameHeld(whole);
                    return Ok(true);
                }
                if wanted && self.side == Side::Requests {
                    return Err(TooLarge { bytes: whole });
                }
                self.passed.answers += u64::from(matches!(kind, Kind::Reply | Kind::Exception));
            }
            // Whatever speaks so from the start has no frames either.
            Ok(_) if !self.is_thrift => return Ok(self.is_not_understood(NotUnderstood::Frame)),
            Err(problem) if !self.is_thrift => return Ok(self.is_not_understood(problem.into())),
            Ok(_) => self.passed.not_understood = Some(NotUnderstood::Frame),
            Err(problem) => self.passed.not_understood = Some(problem.into()),
        }
        self.walker = Walker::new();
        self.at = 0;
        self.form = Form::FramePasses(whole);
        Ok(true)
    }

    /// Looks at a frame that is all there.
    fn frame(&mut self, whole: usize) -> bool {
        let understood = loop {
            match self.walker.step(&self.input[self.at..whole]) {
                Ok((_, Step::NeedMore)) => break Err(NotUnderstood::Frame),
                Ok((passed, step)) => {
                    let from = self.at;
                    self.at += passed;
                    self.note(step, from, &|| None);
                    if step == Step::End {
                        break Ok(());
                    }
                }
                Err(problem) => break Err(problem.into()),
            }
        };
        let grown = |edit: &Edit| (4 + edit.text.len()) as i64 - (edit.end - edit.start) as i64;
        let length = (whole - 4) as i64 + self.edits.iter().map(grown).sum::<i64>();
        match (understood, i32::try_from(length)) {
            (Ok(()), Ok(length)) => self.input[..4].copy_from_slice(&length.to_be_bytes()),
            (understood, _) => {
                self.passed.not_understood = understood.err();
                self.passed.answers += u64::from(understood.is_err() && self.side == Side::Answers);
                self.edits.clear();
            }
        }
        self.table = None;
        self.walker = Walker::new();
        self.at = whole;
        self.form = Form::FrameLeaves(whole);
        true
    }

    /// Lets go of as much of a frame as may leave at once.
    fn frame_leaves(&mut self, left: usize, out: &mut Vec<u8>) -> bool {
        let mut end = left.min(OUT_BYTES_MAX);
        // A string that is rewritten is not cut: it leaves whole.
        let across = self.edits.partition_point(|edit| edit.end <= end);
        if let Some(edit) = self.edits.get(across).filter(|edit| edit.start < end) {
            end = edit.end;
        }
        self.release(end, out);
        self.form = if end == left { Form::Framed } else { Form::FrameLeaves(left - end) };
        if end == left {
            self.room = None;
        }
        true
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    let length = i32::try_from(text.len()).expect("a location is at most as long as a text and a bucket's URL");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
