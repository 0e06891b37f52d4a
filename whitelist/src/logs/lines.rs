//! The entries of a log: a line each, an object over several lines, or the elements of an array.
//!
//! An entry over several lines begins with a `{` at the start of a line. It ends where its braces do, or before the next
//! line that starts with one: so a line that was cut costs no other.

use std::io::{BufRead, Read};

use super::adapter::Adapter;

/// An entry that is longer is broken.
pub(super) const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Finds the entries of one log.
pub(super) struct Entries<R> {
    log: R,
    /// The entry that was found last.
    text: Vec<u8>,
    /// The line, or the place in the array, from 1.
    number: u64,
    form: Form,
    /// What was read and belongs to the next entry: a line with its end, or a line's beginning.
    ahead: Option<Vec<u8>>,
}

#[derive(PartialEq)]
enum Form {
    Unknown,
    Lines,
    Array,
    /// An array that has ended; nothing may follow.
    Ended,
}

/// An entry's line or place, and its text, or why there is none.
pub(super) type Entry<'a> = (u64, Result<&'a [u8], String>);

impl<R: BufRead> Entries<R> {
    pub(super) fn new(log: R) -> Self {
        Self { log, text: Vec::new(), number: 0, form: Form::Unknown, ahead: None }
    }

    /// The next entry, without white space around it; `None` at the end of the log.
    pub(super) fn next(&mut self, adapter: &dyn Adapter) -> std::io::Result<Option<Entry<'_>>> {
        if self.form == Form::Unknown {
            self.form = self.find_form()?;
        }
        match self.form {
            Form::Array => self.next_element(),
            Form::Ended => self.next_after_array(),
            Form::Unknown | Form::Lines => self.next_of_lines(adapter),
        }
    }

    /// Skips a byte order mark and empty lines. An array begins with `[` and an object, its own end, or the line's.
    fn find_form(&mut self) -> std::io::Result<Form> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.log.fill_buf()?.starts_with(MARK) {
            self.log.consume(MARK.len());
        }
        let mut lines = 0;
        self.skip(|byte| {
            lines += u64::from(byte == b'\n');
            byte.is_ascii_whitespace()
        })?;
        if self.peek()? == Some(b'[') {
            self.log.consume(1);
            self.skip(|byte| byte.is_ascii_whitespace() && byte != b'\n')?;
            if matches!(self.peek()?, None | Some(b'{' | b']' | b'\n')) {
                return Ok(Form::Array);
            }
            self.ahead = Some(b"[".to_vec());
        }
        self.number = lines;
        Ok(Form::Lines)
    }

    /// A line with its end; an error for one that is too long, which is skipped.
    fn read_line(&mut self) -> std::io::Result<Option<Result<Vec<u8>, String>>> {
        let mut line = self.ahead.take().unwrap_or_default();
        if line.last() == Some(&b'\n') {
            self.number += 1;
            return Ok(Some(Ok(line)));
        }
        let length = (&mut self.log).take(ENTRY_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if length == ENTRY_BYTES_MAX && line.last() != Some(&b'\n') {
            self.log.skip_until(b'\n')?;
            return Ok(Some(Err(too_long("line"))));
        }
        Ok(Some(Ok(line)))
    }

    fn next_of_lines(&mut self, adapter: &dyn Adapter) -> std::io::Result<Option<Entry<'_>>> {
        self.text.clear();
        loop {
            let line = match self.read_line()? {
                None => return Ok(None),
                Some(Err(problem)) => return Ok(Some((self.number, Err(problem)))),
                Some(Ok(line)) => line,
            };
            let payload = adapter.payload(line.trim_ascii());
            if payload.is_empty() {
                continue;
            }
            self.text.extend_from_slice(payload);
            let mut braces = Braces::default();
            braces.scan(payload);
            let first = self.number;
            if payload.starts_with(b"{")
                && braces.is_open()
                && let Err(problem) = self.gather(adapter, braces)?
            {
                return Ok(Some((first, Err(problem))));
            }
            return Ok(Some((first, Ok(&self.text))));
        }
    }

    /// Takes the lines of an object that is still open.
    fn gather(&mut self, adapter: &dyn Adapter, mut braces: Braces) -> std::io::Result<Result<(), String>> {
        while braces.is_open() {
            let line = match self.read_line()? {
                None => break,
                Some(Err(problem)) => return Ok(Err(problem)),
                Some(Ok(line)) => line,
            };
            if line.first() != Some(&b'{') && adapter.payload(&line).first() != Some(&b'{') {
                if self.text.len() + line.len() > ENTRY_BYTES_MAX {
                    return Ok(Err(too_long("entry")));
                }
                self.text.push(b'\n');
                self.text.extend_from_slice(line.trim_ascii_end());
                braces.scan(&line);
                continue;
            }
            self.number -= 1;
            self.ahead = Some(line);
            break;
        }
        Ok(Ok(()))
    }

    fn peek(&mut self) -> std::io::Result<Option<u8>> {
        Ok(self.log.fill_buf()?.first().copied())
    }

    /// Skips the bytes up to the first that is wanted.
    fn skip(&mut self, mut unwanted: impl FnMut(u8) -> bool) -> std::io::Result<()> {
        loop {
            let bytes = self.log.fill_buf()?;
            let wanted = bytes.iter().position(|byte| !unwanted(*byte));
            let (taken, more) = (wanted.unwrap_or(bytes.len()), wanted.is_none() && !bytes.is_empty());
            self.log.consume(taken);
            if !more {
                return Ok(());
            }
        }
    }

    /// Takes bytes up to the one that ends the element.
    fn take_until(&mut self, mut ends: impl FnMut(u8) -> bool) -> std::io::Result<Found> {
        loop {
            let bytes = self.log.fill_buf()?;
            if bytes.is_empty() {
                return Ok(Found::End);
            }
            let end = bytes.iter().position(|byte| ends(*byte));
            let taken = end.unwrap_or(bytes.len());
            if self.text.len() + taken > ENTRY_BYTES_MAX {
                return Ok(Found::TooLong);
            }
            self.text.extend_from_slice(&bytes[..taken]);
            self.log.consume(taken);
            if end.is_some() {
                return Ok(Found::Delimiter);
            }
        }
    }

    fn next_element(&mut self) -> std::io::Result<Option<Entry<'_>>> {
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b',')?;
        if self.peek()? == Some(b']') {
            self.log.consume(1);
            self.form = Form::Ended;
            return self.next_after_array();
        }
        self.text.clear();
        self.number += 1;
        let mut braces = Braces::default();
        let found = self.take_until(|byte| {
            let ends = !braces.is_open() && matches!(byte, b',' | b']');
            braces.step(byte);
            ends
        })?;
        let problem = match found {
            Found::Delimiter => return Ok(Some((self.number, Ok(self.text.trim_ascii())))),
            Found::End => "the array ends in the middle".to_owned(),
            Found::TooLong => too_long("entry"),
        };
        // Where the next element would begin cannot be known.
        self.form = Form::Ended;
        self.skip(|_| true)?;
        Ok(Some((self.number, Err(problem))))
    }

    fn next_after_array(&mut self) -> std::io::Result<Option<Entry<'_>>> {
        self.skip(|byte| byte.is_ascii_whitespace())?;
        if self.peek()?.is_none() {
            return Ok(None);
        }
        self.skip(|_| true)?;
        Ok(Some((self.number + 1, Err("something follows the array".to_owned()))))
    }
}

enum Found {
    Delimiter,
    End,
    TooLong,
}

fn too_long(what: &str) -> String {
    format!("the {what} is longer than {} MiB", ENTRY_BYTES_MAX >> 20)
}

/// How deep in braces and brackets a text is, strings apart.
#[derive(Default)]
struct Braces {
    depth: i64,
    in_string: bool,
    escaped: bool,
}

impl Braces {
    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
    }

    /// Reads a line; a string that it does not close was cut, because no string goes over a line's end.
    fn scan(&mut self, line: &[u8]) {
        line.iter().for_each(|byte| self.step(*byte));
        if self.in_string {
            self.depth = 0;
        }
    }

    fn is_open(&self) -> bool {
        self.depth > 0
    }
}
