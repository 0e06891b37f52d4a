//! The metastore's calls that the benchmark makes, in Thrift's binary protocol.

/// A message or a part of one in the making.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn call(name: &str) -> Self {
        let mut writer = Self(vec![0x80, 0x01, 0, 1]);
        writer.string(name);
        writer.0.extend([0, 0, 0, 1]);
        writer
    }

    fn string(&mut self, text: &str) {
        self.0.extend((text.len() as i32).to_be_bytes());
        self.0.extend(text.as_bytes());
    }

    fn field(&mut self, kind: u8, id: i16) -> &mut Self {
        self.0.push(kind);
        self.0.extend(id.to_be_bytes());
        self
    }

    fn text(&mut self, id: i16, text: &str) {
        self.field(11, id).string(text);
    }

    fn number(&mut self, id: i16, number: i32) {
        self.field(8, id).0.extend(number.to_be_bytes());
    }

    /// A list's head.
    fn list(&mut self, id: i16, kind: u8, count: usize) {
        self.field(15, id).0.push(kind);
        self.0.extend((count as i32).to_be_bytes());
    }

    fn map(&mut self, id: i16, entries: &[(&str, &str)]) {
        self.field(13, id).0.extend([11, 11]);
        self.0.extend((entries.len() as i32).to_be_bytes());
        for (key, value) in entries {
            self.string(key);
            self.string(value);
        }
    }

    fn end(&mut self) {
        self.0.push(0);
    }

    fn column(&mut self, name: &str, kind: &str) {
        self.text(1, name);
        self.text(2, kind);
        self.end();
    }

    /// A `StorageDescriptor` of Parquet files with ten columns.
    fn storage(&mut self, id: i16, location: &str) {
        self.field(12, id);
        self.list(1, 12, 10);
        for at in 0..10 {
            self.column(&format!("column_{at}"), "bigint");
        }
        self.text(2, location);
        self.text(3, "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat");
        self.text(4, "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat");
        self.number(6, -1);
        self.field(12, 7);
        self.text(2, "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe");
        self.map(3, &[("serialization.format", "1"), ("path", location)]);
        self.end();
        self.list(8, 11, 0);
        self.list(9, 12, 0);
        self.map(10, &[]);
        self.end();
    }

    /// The message, its arguments ended.
    fn done(mut self) -> Vec<u8> {
        self.end();
        self.0
    }
}

pub(super) fn create_database() -> Vec<u8> {
    let mut call = Writer::call("create_database");
    call.field(12, 1);
    call.text(1, "bench");
    call.end();
    call.done()
}

pub(super) fn create_table(location: &str) -> Vec<u8> {
    let mut call = Writer::call("create_table");
    call.field(12, 1);
    call.text(1, "whole");
    call.text(2, "bench");
    call.text(3, "larder");
    call.storage(7, location);
    call.list(8, 12, 1);
    call.column("dt", "string");
    call.map(9, &[("EXTERNAL", "TRUE"), ("numRows", "1000000")]);
    call.text(12, "EXTERNAL_TABLE");
    call.end();
    call.done()
}

/// Partitions by their value and location.
pub(super) fn add_partitions(partitions: &[(String, String)]) -> Vec<u8> {
    let mut call = Writer::call("add_partitions");
    call.list(1, 12, partitions.len());
    for (value, location) in partitions {
        call.list(1, 11, 1);
        call.string(value);
        call.text(2, "bench");
        call.text(3, "whole");
        call.storage(6, location);
        call.map(7, &[("numFiles", "3"), ("totalSize", "123456789")]);
        call.end();
    }
    call.done()
}

pub(super) fn get_table() -> Vec<u8> {
    let mut call = Writer::call("get_table");
    call.text(1, "bench");
    call.text(2, "whole");
    call.done()
}

pub(super) fn get_partitions() -> Vec<u8> {
    let mut call = Writer::call("get_partitions");
    call.text(1, "bench");
    call.text(2, "whole");
    call.field(6, 3).0.extend((-1_i16).to_be_bytes());
    call.done()
}
