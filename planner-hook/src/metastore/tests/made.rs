//! Thrift messages, written as the specification says.

use crate::metastore::thrift::Kind;

/// A value, and how it is written.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Bool(bool),
    Byte(u8),
    I16(i16),
    I32(i32),
    I64(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Struct(Vec<(i16, Value)>),
    List(Vec<Value>),
    Set(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

impl Value {
    fn kind(&self) -> u8 {
        match self {
            Self::Bool(_) => 2,
            Self::Byte(_) => 3,
            Self::Double(_) => 4,
            Self::I16(_) => 6,
            Self::I32(_) => 8,
            Self::I64(_) => 10,
            Self::Bytes(_) => 11,
            Self::Struct(_) => 12,
            Self::Map(_) => 13,
            Self::Set(_) => 14,
            Self::List(_) => 15,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let size = |length: usize| (length as i32).to_be_bytes();
        match self {
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::Byte(value) => out.push(*value),
            Self::I16(value) => out.extend(value.to_be_bytes()),
            Self::I32(value) => out.extend(value.to_be_bytes()),
            Self::I64(value) => out.extend(value.to_be_bytes()),
            Self::Double(value) => out.extend(value.to_be_bytes()),
            Self::Bytes(value) => {
                out.extend(size(value.len()));
                out.extend(value);
            }
            Self::Struct(fields) => {
                for (id, value) in fields {
                    out.push(value.kind());
                    out.extend(id.to_be_bytes());
                    value.write(out);
                }
                out.push(0);
            }
            Self::List(values) | Self::Set(values) => {
                out.push(values.first().map_or(12, Self::kind));
                out.extend(size(values.len()));
                values.iter().for_each(|value| value.write(out));
            }
            Self::Map(entries) => {
                let (key, value) = entries.first().map_or((0, 0), |(key, value)| (key.kind(), value.kind()));
                out.extend([key, value]);
                out.extend(size(entries.len()));
                for (key, value) in entries {
                    key.write(out);
                    value.write(out);
                }
            }
        }
    }
}

/// A call or an answer.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) body: Value,
}

impl Message {
    pub(super) fn bytes(&self, strict: bool, framed: bool) -> Vec<u8> {
        let kind = match self.kind {
            Kind::Call => 1,
            Kind::Reply => 2,
            Kind::Exception => 3,
            Kind::OneWay => 4,
        };
        let mut bytes = Vec::new();
        if strict {
            bytes.extend([0x80, 0x01, 0, kind]);
        }
        bytes.extend((self.name.len() as i32).to_be_bytes());
        bytes.extend(self.name.as_bytes());
        if !strict {
            bytes.push(kind);
        }
        bytes.extend(77_i32.to_be_bytes());
        self.body.write(&mut bytes);
        if framed {
            bytes.splice(0..0, (bytes.len() as i32).to_be_bytes());
        }
        bytes
    }
}

pub(super) fn reply(name: &str, result: Value) -> Message {
    Message { kind: Kind::Reply, name: name.to_owned(), body: Value::Struct(vec![(0, result)]) }
}

pub(super) fn request(name: &str, arguments: Vec<(i16, Value)>) -> Message {
    Message { kind: Kind::Call, name: name.to_owned(), body: Value::Struct(arguments) }
}

pub(super) fn text(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

pub(super) fn map(entries: &[(&str, &str)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| (text(key), text(value))).collect())
}

/// What could be taken for a location, and is none.
const DECOYS: [&str; 2] = ["s3a://raw/hive/db/whole", "s3a://warehouse/db/whole"];

/// A `StorageDescriptor` that says its location twice, as Spark's do.
pub(super) fn storage(location: &str) -> Value {
    let column = Value::Struct(vec![(1, text("a")), (2, text("bigint")), (3, text(DECOYS[0]))]);
    let serde = Value::Struct(vec![
        (2, text("org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe")),
        (3, map(&[("serialization.format", "1"), ("path", location), ("htap", DECOYS[0]), ("path2", DECOYS[1])])),
    ]);
    Value::Struct(vec![
        (1, Value::List(vec![column.clone(), column])),
        (2, text(location)),
        (3, text("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat")),
        (5, Value::Bool(false)),
        (6, Value::I32(-1)),
        (7, serde),
        (8, Value::List(Vec::new())),
        (10, map(&[("path", DECOYS[0]), ("paths", DECOYS[1])])),
        (12, Value::Bool(false)),
    ])
}

pub(super) fn table(storage: Value, parameters: &[(&str, &str)], kind: &str) -> Value {
    Value::Struct(vec![
        (1, text("t")),
        (4, Value::I32(1)),
        (7, storage),
        (8, Value::List(Vec::new())),
        (9, map(parameters)),
        (12, text(kind)),
        (14, Value::Bool(false)),
    ])
}

pub(super) fn partition(location: &str) -> Value {
    Value::Struct(vec![
        (1, Value::List(vec![text("1")])),
        (2, text("db")),
        (4, Value::I32(7)),
        (6, storage(location)),
        (7, map(&[("numFiles", "3"), ("path", DECOYS[0])])),
        (10, Value::I64(-1)),
    ])
}
