//! A client of a Hive Metastore, for the few calls that say which tables and partitions there are, and where. It speaks the
//! binary protocol, unframed, and blocks.
//!
//! Field numbers are those of Hive's `hive_metastore.thrift`: of a table 1 is its name, 7 its storage descriptor and 8 its
//! partition keys; of a partition 1 is its values and 6 its storage descriptor; of a storage descriptor 2 is the location.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier, TMessageIdentifier,
    TMessageType, TOutputProtocol, TStructIdentifier, TType, verify_expected_sequence_number,
};
use thrift::transport::{
    ReadHalf, TBufferedReadTransport, TBufferedWriteTransport, TIoChannel, TTcpChannel, WriteHalf,
};
use thrift::{ApplicationError, ApplicationErrorKind, Error};

type Input = TBinaryInputProtocol<TBufferedReadTransport<ReadHalf<TTcpChannel>>>;
type Output = TBinaryOutputProtocol<TBufferedWriteTransport<WriteHalf<TTcpChannel>>>;

/// Where a metastore is, and how long it may take.
#[derive(Debug, Clone)]
pub struct MetastoreAddresses {
    /// `host:port`, the first that takes a connection is asked.
    pub addresses: Vec<String>,
    /// How long one may take to accept a connection.
    pub connect: Duration,
    /// How long one may send nothing of an answer.
    pub stall: Duration,
}

/// A table, as far as its place goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DescribedTable {
    pub(super) name: String,
    /// A URL; views have none.
    pub(super) location: Option<String>,
    pub(super) is_partitioned: bool,
}

/// A partition, as far as its place goes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DescribedPartition {
    /// One for each partition key, in their order.
    pub(super) values: Vec<String>,
    /// A URL.
    pub(super) location: Option<String>,
}

enum Argument<'a> {
    Text(&'a str),
    Texts(&'a [String]),
    Short(i16),
    /// A structure of these.
    Request(&'a [Argument<'a>]),
}

/// A connection.
pub(super) struct Client {
    input: Input,
    output: Output,
    calls: i32,
}

impl Client {
    pub(super) fn connect(to: &MetastoreAddresses) -> thrift::Result<Self> {
        let mut failed = io::Error::new(io::ErrorKind::NotFound, "no metastore is named");
        for name in &to.addresses {
            for address in name.to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, to.connect) {
                    Ok(stream) => return Self::over(stream, to.stall),
                    Err(error) => failed = io::Error::new(error.kind(), format!("{name}: {error}")),
                }
            }
        }
        Err(failed.into())
    }

    fn over(stream: TcpStream, stall: Duration) -> thrift::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(stall))?;
        stream.set_write_timeout(Some(stall))?;
        let (read, write) = TTcpChannel::with_stream(stream).split()?;
        Ok(Self {
            input: TBinaryInputProtocol::new(TBufferedReadTransport::new(read), true),
            output: TBinaryOutputProtocol::new(TBufferedWriteTransport::new(write), true),
            calls: 0,
        })
    }

    pub(super) fn databases(&mut self) -> thrift::Result<Vec<String>> {
        self.call("get_all_databases", &[], texts)
    }

    pub(super) fn tables(&mut self, database: &str) -> thrift::Result<Vec<String>> {
        self.call("get_all_tables", &[Argument::Text(database)], texts)
    }

    /// Those of the named tables that are still there.
    pub(super) fn describe(&mut self, database: &str, tables: &[String]) -> thrift::Result<Vec<DescribedTable>> {
        let arguments = [Argument::Text(database), Argument::Texts(tables)];
        match self.call("get_table_objects_by_name", &arguments, |input| list(input, table)) {
            // Hive 4 has this instead, which Hive 1 has not.
            Err(Error::Application(refusal)) if refusal.kind == ApplicationErrorKind::UnknownMethod => {
                let request = [Argument::Request(&arguments)];
                self.call("get_table_objects_by_name_req", &request, tables_within)
            }
            described => described,
        }
    }

    /// `k=v/k=v`, with Hive's percent escapes.
    pub(super) fn partition_names(&mut self, database: &str, table: &str) -> thrift::Result<Vec<String>> {
        let arguments = [Argument::Text(database), Argument::Text(table), Argument::Short(-1)];
        self.call("get_partition_names", &arguments, texts)
    }

    /// Those of the named partitions that are still there, in any order.
    pub(super) fn partitions(
        &mut self,
        database: &str,
        table: &str,
        names: &[String],
    ) -> thrift::Result<Vec<DescribedPartition>> {
        let arguments = [Argument::Text(database), Argument::Text(table), Argument::Texts(names)];
        self.call("get_partitions_by_names", &arguments, |input| list(input, partition))
    }

    fn call<T>(
        &mut self,
        name: &str,
        arguments: &[Argument<'_>],
        mut read: impl FnMut(&mut Input) -> thrift::Result<T>,
    ) -> thrift::Result<T> {
        self.calls = self.calls.wrapping_add(1);
        let output = &mut self.output;
        output.write_message_begin(&TMessageIdentifier::new(name, TMessageType::Call, self.calls))?;
        write_all(output, arguments)?;
        output.write_message_end()?;
        output.flush()?;

        let input = &mut self.input;
        let head = input.read_message_begin()?;
        verify_expected_sequence_number(self.calls, head.sequence_number)?;
        if head.message_type == TMessageType::Exception {
            let refusal = Error::read_application_error_from_in_protocol(input)?;
            input.read_message_end()?;
            return Err(Error::Application(refusal));
        }
        let (mut answer, mut refusal) = (None, None);
        fields(input, |input, id| {
            match id {
                0 => answer = Some(read(input)?),
                // An exception that the call declares; the metastore's all have their message first.
                _ => refusal = Some(message(input)?),
            }
            Ok(true)
        })?;
        input.read_message_end()?;
        let none = || format!("{name}: {}", refusal.unwrap_or_else(|| "no answer".to_owned()));
        answer.ok_or_else(|| Error::Application(ApplicationError::new(ApplicationErrorKind::MissingResult, none())))
    }
}

impl Argument<'_> {
    fn write(&self, output: &mut Output, id: i16) -> thrift::Result<()> {
        let kind = match self {
            Self::Text(_) => TType::String,
            Self::Texts(_) => TType::List,
            Self::Short(_) => TType::I16,
            Self::Request(_) => TType::Struct,
        };
        output.write_field_begin(&TFieldIdentifier::new::<Option<String>, String, i16>(None, kind, id))?;
        match self {
            Self::Text(text) => output.write_string(text)?,
            Self::Short(number) => output.write_i16(*number)?,
            Self::Request(arguments) => write_all(output, arguments)?,
            Self::Texts(texts) => {
                let size = i32::try_from(texts.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
                output.write_list_begin(&TListIdentifier::new(TType::String, size))?;
                texts.iter().try_for_each(|text| output.write_string(text))?;
                output.write_list_end()?;
            }
        }
        output.write_field_end()
    }
}

/// Writes a structure whose fields are these, numbered from one.
fn write_all(output: &mut Output, arguments: &[Argument<'_>]) -> thrift::Result<()> {
    output.write_struct_begin(&TStructIdentifier::new("arguments"))?;
    (1_i16..).zip(arguments).try_for_each(|(id, argument)| argument.write(output, id))?;
    output.write_field_stop()?;
    output.write_struct_end()
}

/// Reads a structure. `visit` is given each field's number, and says whether it has read the field.
fn fields(input: &mut Input, mut visit: impl FnMut(&mut Input, i16) -> thrift::Result<bool>) -> thrift::Result<()> {
    input.read_struct_begin()?;
    loop {
        let field = input.read_field_begin()?;
        if field.field_type == TType::Stop {
            return input.read_struct_end();
        }
        if !visit(input, field.id.unwrap_or(-1))? {
            input.skip(field.field_type)?;
        }
        input.read_field_end()?;
    }
}

fn list<T>(input: &mut Input, mut element: impl FnMut(&mut Input) -> thrift::Result<T>) -> thrift::Result<Vec<T>> {
    let size = input.read_list_begin()?.size;
    // What a size promises is not made room for before it comes.
    let elements = (0..size).map(|_| element(input)).collect::<thrift::Result<_>>()?;
    input.read_list_end()?;
    Ok(elements)
}

fn texts(input: &mut Input) -> thrift::Result<Vec<String>> {
    list(input, |input| input.read_string())
}

fn message(input: &mut Input) -> thrift::Result<String> {
    let mut message = String::new();
    fields(input, |input, id| {
        if id == 1 {
            message = input.read_string()?;
        }
        Ok(id == 1)
    })?;
    Ok(message)
}

fn location(input: &mut Input) -> thrift::Result<Option<String>> {
    let mut location = None;
    fields(input, |input, id| {
        if id == 2 {
            location = Some(input.read_string()?).filter(|location| !location.is_empty());
        }
        Ok(id == 2)
    })?;
    Ok(location)
}

fn table(input: &mut Input) -> thrift::Result<DescribedTable> {
    let mut table = DescribedTable::default();
    fields(input, |input, id| {
        match id {
            1 => table.name = input.read_string()?,
            7 => table.location = location(input)?,
            8 => {
                let keys = input.read_list_begin()?;
                (0..keys.size).try_for_each(|_| input.skip(keys.element_type))?;
                input.read_list_end()?;
                table.is_partitioned = keys.size > 0;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(table)
}

/// The tables in the answer to a request.
fn tables_within(input: &mut Input) -> thrift::Result<Vec<DescribedTable>> {
    let mut tables = Vec::new();
    fields(input, |input, id| {
        if id == 1 {
            tables = list(input, table)?;
        }
        Ok(id == 1)
    })?;
    Ok(tables)
}

fn partition(input: &mut Input) -> thrift::Result<DescribedPartition> {
    let mut partition = DescribedPartition::default();
    fields(input, |input, id| {
        match id {
            1 => partition.values = texts(input)?,
            6 => partition.location = location(input)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(partition)
}
