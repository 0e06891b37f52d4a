//! Walks over Thrift messages in the binary protocol (strict and old) as their bytes come, without knowing what they mean.
//!
//! The protocol says of every value how long it is or where it ends, so messages of calls that nobody here has heard of are
//! walked to their end like any other. What somebody wants to know of a message is said by a tree of [`Node`]s beside it;
//! all else is passed over. The walker holds no bytes: it is given what is there, and says how much of that it is done with.
//!
//! The form is that of the Thrift project's specification, "Thrift Binary protocol encoding".

use thiserror::Error;

/// Structures within structures, containers included. The metastore's own go 10 deep.
pub(crate) const DEPTH_MAX: usize = 64;
/// Bytes of one string. The metastore's longest are serialised filter expressions and texts of views.
pub(crate) const STRING_BYTES_MAX: usize = 64 << 20;
/// Bytes of a call's name.
pub(crate) const NAME_BYTES_MAX: usize = 256;
/// A string that is of interest, and longer than this, is passed over: nothing that is looked for is so long.
pub(crate) const TEXT_BYTES_MAX: usize = 64 << 10;

/// What a string of interest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The place of a table's or partition's files.
    Location,
    /// A table's kind: `MANAGED_TABLE`, `VIRTUAL_VIEW`, ...
    TableKind,
    /// The name of a table format.
    Format,
    /// Something that only Iceberg tables have.
    Iceberg,
}

/// What is of interest in a value.
#[derive(Debug)]
pub(crate) enum Node {
    /// Nothing.
    Nothing,
    /// The string itself.
    Text(Role),
    /// Some of a structure's fields, by their ids.
    Fields(&'static [(i16, Node)]),
    /// The same, of a structure whose begin and end are of interest too.
    Table(&'static [(i16, Node)]),
    /// Each element of a list or set, or each value of a map.
    Each(&'static Node),
    /// The values that a map of strings has under these names.
    Named(&'static [(&'static str, Role)]),
}

/// What a message says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Call,
    Reply,
    Exception,
    OneWay,
}

/// Bytes that are no message in the binary protocol, or none within the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Malformed {
    #[error("no message begins with {0:#010x}")]
    Version(u32),
    #[error("the kind of message {0} is not known")]
    MessageKind(u8),
    #[error("the kind of value {0} is not known")]
    ValueKind(u8),
    #[error("a negative size, {0}")]
    Negative(i32),
    #[error("a call's name of {0} bytes, at most {NAME_BYTES_MAX} are taken")]
    Name(usize),
    #[error("a string of {0} bytes, at most {STRING_BYTES_MAX} are taken")]
    String(usize),
    #[error("structures more than {DEPTH_MAX} deep")]
    Depth,
}

/// What the walker came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// All that is there is passed, or it is not enough to go on with.
    NeedMore,
    /// A message's head; its name is the last bytes before `name_end`, counted from where this step began. Say with
    /// [`Walker::enter`] what is of interest in it.
    Begin { kind: Kind, name_at: usize, name_end: usize },
    /// A string of interest: the last `length` bytes passed, with its length in the four before them.
    Text { role: Role, length: usize },
    /// A [`Node::Table`] begins here.
    BeginTable,
    /// It ended here.
    EndTable,
    /// The message ended here.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// Of this many bytes.
    Fixed(usize),
    String,
    Struct,
    Map,
    /// A list or a set.
    List,
}

impl Value {
    fn new(kind: u8) -> Result<Self, Malformed> {
        Ok(match kind {
            2 | 3 => Self::Fixed(1),
            4 | 10 => Self::Fixed(8),
            6 => Self::Fixed(2),
            8 => Self::Fixed(4),
            11 => Self::String,
            12 => Self::Struct,
            13 => Self::Map,
            14 | 15 => Self::List,
            16 => Self::Fixed(16),
            other => return Err(Malformed::ValueKind(other)),
        })
    }
}

/// What the walker is in.
#[derive(Debug, Clone, Copy)]
enum Inside {
    /// A structure; a field's head comes next.
    Struct {
        node: &'static Node,
    },
    List {
        element: Value,
        left: u32,
        node: &'static Node,
    },
    Map {
        key: Value,
        value: Value,
        left: u32,
        at_value: bool,
        node: &'static Node,
    },
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// A message's head.
    Message,
    /// Nothing before [`Walker::enter`].
    Enter,
    /// This many bytes of no interest.
    Skip(usize),
    /// A value.
    Value(Value, &'static Node),
    /// A map's key, which says what its value is.
    Key(&'static [(&'static str, Role)]),
    /// Whatever the innermost structure has next.
    Go,
}

/// Where in a message the bytes passed so far end.
#[derive(Debug)]
pub(crate) struct Walker {
    next: Next,
    inside: Vec<Inside>,
    /// What the value is that follows the key just passed.
    named: Option<Role>,
}

static NOTHING: Node = Node::Nothing;
static LOCATION: Node = Node::Text(Role::Location);
static TABLE_KIND: Node = Node::Text(Role::TableKind);
static FORMAT: Node = Node::Text(Role::Format);
static ICEBERG: Node = Node::Text(Role::Iceberg);

fn text_node(role: Role) -> &'static Node {
    match role {
        Role::Location => &LOCATION,
        Role::TableKind => &TABLE_KIND,
        Role::Format => &FORMAT,
        Role::Iceberg => &ICEBERG,
    }
}

impl Walker {
    /// Before the first message.
    pub(crate) fn new() -> Self {
        Self { next: Next::Message, inside: Vec::new(), named: None }
    }

    /// Whether the bytes passed end with a message's last.
    pub(crate) fn is_between_messages(&self) -> bool {
        matches!(self.next, Next::Message)
    }

    /// Goes into the message that has begun.
    pub(crate) fn enter(&mut self, node: &'static Node) {
        self.inside.clear();
        self.inside.push(Inside::Struct { node });
        self.next = Next::Go;
    }

    /// Goes on with `input`, which begins where the bytes passed so far end. Says how many more it has passed, and what it
    /// came to.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<(usize, Step), Malformed> {
        let mut at = 0;
        loop {
            let rest = &input[at..];
            let (passed, step) = match self.next {
                Next::Message => return Ok(self.message(rest)?.unwrap_or((0, Step::NeedMore))),
                Next::Enter => return Ok((0, Step::NeedMore)),
                Next::Skip(bytes) => {
                    let passed = bytes.min(rest.len());
                    self.next = if passed == bytes { Next::Go } else { Next::Skip(bytes - passed) };
                    if passed < bytes {
                        return Ok((at + passed, Step::NeedMore));
                    }
                    (passed, None)
                }
                Next::Value(value, node) => match self.value(value, node, rest)? {
                    Some(passed) => passed,
                    None => return Ok((at, Step::NeedMore)),
                },
                Next::Key(names) => match self.key(names, rest)? {
                    Some(passed) => (passed, None),
                    None => return Ok((at, Step::NeedMore)),
                },
                Next::Go => match self.go(rest)? {
                    Some(passed) => passed,
                    None => return Ok((at, Step::NeedMore)),
                },
            };
            at += passed;
            if let Some(step) = step {
                return Ok((at, step));
            }
        }
    }

    fn message(&mut self, rest: &[u8]) -> Result<Option<(usize, Step)>, Malformed> {
        let Some(first) = i32_at(rest, 0) else { return Ok(None) };
        let strict = first < 0;
        if strict && first.cast_unsigned() & 0xffff_0000 != 0x8001_0000 {
            return Err(Malformed::Version(first.cast_unsigned()));
        }
        let (length_at, mut kind) = if strict { (4, Some(first.to_be_bytes()[3])) } else { (0, None) };
        let Some(length) = i32_at(rest, length_at) else { return Ok(None) };
        let length = size(length)?;
        if length > NAME_BYTES_MAX {
            return Err(Malformed::Name(length));
        }
        let (name_at, name_end) = (length_at + 4, length_at + 4 + length);
        if !strict {
            kind = rest.get(name_end).copied();
        }
        let end = name_end + usize::from(!strict) + 4;
        let (Some(kind), true) = (kind, rest.len() >= end) else { return Ok(None) };
        let kind = match kind {
            1 => Kind::Call,
            2 => Kind::Reply,
            3 => Kind::Exception,
            4 => Kind::OneWay,
            other => return Err(Malformed::MessageKind(other)),
        };
        self.next = Next::Enter;
        Ok(Some((end, Step::Begin { kind, name_at, name_end })))
    }

    /// What the innermost structure has next: how many bytes that took, `None` if they are not all there.
    fn go(&mut self, rest: &[u8]) -> Result<Option<(usize, Option<Step>)>, Malformed> {
        let Some(inside) = self.inside.last_mut() else {
            self.next = Next::Message;
            return Ok(Some((0, Some(Step::End))));
        };
        match inside {
            Inside::Struct { node } => {
                let node: &'static Node = node;
                let Some(kind) = rest.first().copied() else { return Ok(None) };
                if kind == 0 {
                    self.inside.pop();
                    let step = matches!(node, Node::Table(_)).then_some(Step::EndTable);
                    return Ok(Some((1, step)));
                }
                let (Some(high), Some(low)) = (rest.get(1), rest.get(2)) else { return Ok(None) };
                let field = i16::from_be_bytes([*high, *low]);
                let below = match node {
                    Node::Fields(fields) | Node::Table(fields) => {
                        fields.iter().find(|(id, _)| *id == field).map_or(&NOTHING, |(_, below)| below)
                    }
                    _ => &NOTHING,
                };
                self.next = Next::Value(Value::new(kind)?, below);
                Ok(Some((3, None)))
            }
            Inside::List { left: 0, .. } | Inside::Map { left: 0, at_value: false, .. } => {
                self.inside.pop();
                Ok(Some((0, None)))
            }
            Inside::List { element, left, node } => {
                *left -= 1;
                self.next = Next::Value(*element, node);
                Ok(Some((0, None)))
            }
            Inside::Map { key, left, at_value: at_value @ false, node, .. } => {
                *left -= 1;
                *at_value = true;
                self.named = None;
                self.next = match (*key, *node) {
                    (Value::String, Node::Named(names)) => Next::Key(names),
                    (key, _) => Next::Value(key, &NOTHING),
                };
                Ok(Some((0, None)))
            }
            Inside::Map { value, at_value, node, .. } => {
                *at_value = false;
                let below = match (*node, self.named.take()) {
                    (Node::Each(below), _) => below,
                    (_, Some(role)) => text_node(role),
                    _ => &NOTHING,
                };
                self.next = Next::Value(*value, below);
                Ok(Some((0, None)))
            }
        }
    }

    /// A value that begins at `rest`.
    fn value(
        &mut self,
        value: Value,
        node: &'static Node,
        rest: &[u8],
    ) -> Result<Option<(usize, Option<Step>)>, Malformed> {
        match value {
            Value::Fixed(bytes) => {
                self.next = Next::Skip(bytes);
                Ok(Some((0, None)))
            }
            Value::String => {
                let Some(length) = string_length(rest)? else { return Ok(None) };
                match node {
                    Node::Text(role) if length <= TEXT_BYTES_MAX => {
                        if rest.len() < 4 + length {
                            return Ok(None);
                        }
                        self.next = Next::Go;
                        Ok(Some((4 + length, Some(Step::Text { role: *role, length }))))
                    }
                    _ => {
                        self.next = Next::Skip(length);
                        Ok(Some((4, None)))
                    }
                }
            }
            Value::Struct => {
                self.push(Inside::Struct { node })?;
                Ok(Some((0, matches!(node, Node::Table(_)).then_some(Step::BeginTable))))
            }
            Value::List => {
                let (Some(kind), Some(count)) = (rest.first(), i32_at(rest, 1)) else { return Ok(None) };
                let left = count_of(count)?;
                match (left, Value::new(*kind), node) {
                    // An empty container may say anything of what it does not hold.
                    (0, ..) => self.next = Next::Go,
                    (_, element, Node::Each(below)) => {
                        self.push(Inside::List { element: element?, left, node: below })?;
                    }
                    (_, Ok(Value::Fixed(bytes)), _) => self.next = Next::Skip(bytes * left as usize),
                    (_, element, _) => self.push(Inside::List { element: element?, left, node: &NOTHING })?,
                }
                Ok(Some((5, None)))
            }
            Value::Map => {
                let (Some(key), Some(value)) = (rest.first(), rest.get(1)) else { return Ok(None) };
                let Some(count) = i32_at(rest, 2) else { return Ok(None) };
                match count_of(count)? {
                    0 => self.next = Next::Go,
                    left => {
                        let (key, value) = (Value::new(*key)?, Value::new(*value)?);
                        self.push(Inside::Map { key, value, left, at_value: false, node })?;
                    }
                }
                Ok(Some((6, None)))
            }
        }
    }

    /// A map's key, a string.
    fn key(&mut self, names: &[(&str, Role)], rest: &[u8]) -> Result<Option<usize>, Malformed> {
        let Some(length) = string_length(rest)? else { return Ok(None) };
        if !names.iter().any(|(name, _)| name.len() == length) {
            self.next = Next::Skip(length);
            return Ok(Some(4));
        }
        let Some(key) = rest.get(4..4 + length) else { return Ok(None) };
        self.named = names.iter().find(|(name, _)| name.as_bytes() == key).map(|(_, role)| *role);
        self.next = Next::Go;
        Ok(Some(4 + length))
    }

    fn push(&mut self, inside: Inside) -> Result<(), Malformed> {
        if self.inside.len() == DEPTH_MAX {
            return Err(Malformed::Depth);
        }
        self.inside.push(inside);
        self.next = Next::Go;
        Ok(())
    }
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|four| i32::from_be_bytes(*four))
}

fn size(size: i32) -> Result<usize, Malformed> {
    usize::try_from(size).map_err(|_| Malformed::Negative(size))
}

fn count_of(count: i32) -> Result<u32, Malformed> {
    u32::try_from(count).map_err(|_| Malformed::Negative(count))
}

fn string_length(rest: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(length) = i32_at(rest, 0) else { return Ok(None) };
    let length = size(length)?;
    if length > STRING_BYTES_MAX { Err(Malformed::String(length)) } else { Ok(Some(length)) }
}
