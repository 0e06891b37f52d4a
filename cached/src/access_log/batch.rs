//! Accesses of one day in columns, as they wait to become one Parquet file.

use std::borrow::Cow;
use std::io::Write;
use std::sync::{Arc, LazyLock};

use larder_model::access::columns;
use larder_model::{AccessKind, TableName};
use parquet::basic::{Compression, Encoding};
use parquet::data_type::{DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, Type};

use super::repeated::{Encoder, Repeated, Run, Texts};
use super::{AccessRecord, Client};
use crate::metadata::ObjectMeta;

/// The columns, in the order of [`columns`].
static SCHEMA: LazyLock<Arc<Type>> = LazyLock::new(|| {
    let text = "
        message access {
            required int64 time (TIMESTAMP(MICROS, true));
            required binary worker (STRING);
            required binary kind (STRING);
            required binary bucket (STRING);
            required binary key (STRING);
            required binary version (STRING);
            required int64 offset (INTEGER(64, false));
            required int64 length (INTEGER(64, false));
            optional binary table_name (STRING);
            required binary partition (STRING);
            required binary route (STRING);
            required int64 bytes_memory (INTEGER(64, false));
            required int64 bytes_ssd (INTEGER(64, false));
            required int64 bytes_peer (INTEGER(64, false));
            required int64 bytes_origin (INTEGER(64, false));
            required double seconds;
            required binary principal (STRING);
            required binary engine (STRING);
        }";
    Arc::new(parse_message_type(text).expect("a schema"))
});

/// How the columns are written whose values hardly ever repeat.
static PROPERTIES: LazyLock<WriterPropertiesPtr> = LazyLock::new(|| {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_compression(Compression::SNAPPY)
        // Times almost only grow, by little: as differences they need no more.
        .set_column_encoding(ColumnPath::from(columns::TIME), Encoding::DELTA_BINARY_PACKED)
        .set_column_statistics_enabled(ColumnPath::from(columns::TIME), EnabledStatistics::Chunk);
    Arc::new(properties.build())
});

/// What was read of an object.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sums {
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) bytes_hit: u64,
    pub(super) seconds: f64,
}

/// Accesses in columns. Objects and clients are known by their addresses, which nobody else gets while they are held here.
#[derive(Debug, Default)]
pub(super) struct Batch {
    time: Vec<i64>,
    offset: Vec<i64>,
    seconds: Vec<f64>,
    kind: Repeated<&'static str>,
    route: Repeated<&'static str>,
    object: Repeated<usize>,
    objects: Vec<Arc<ObjectMeta>>,
    client: Repeated<usize>,
    clients: Vec<Option<Arc<Client>>>,
    length: Repeated<u64>,
    bytes_memory: Repeated<u64>,
    bytes_ssd: Repeated<u64>,
    bytes_peer: Repeated<u64>,
    bytes_origin: Repeated<u64>,
    /// By object, since they were last taken.
    sums: Vec<Sums>,
    /// The objects with sums.
    summed_up: Vec<u32>,
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.time.len()
    }

    /// When the first began, in microseconds since 1970.
    pub(super) fn begins_us(&self) -> i64 {
        self.time.first().copied().unwrap_or_default()
    }

    pub(super) fn push(&mut self, access: AccessRecord) {
        self.time.push(access.time.timestamp_micros());
        self.offset.push(access.range.start.cast_signed());
        self.seconds.push(access.seconds);
        self.kind.push(access.kind.as_str());
        self.route.push(access.route.as_str());
        self.length.push(access.range.len());
        self.bytes_memory.push(access.bytes_memory);
        self.bytes_ssd.push(access.bytes_ssd);
        self.bytes_peer.push(access.bytes_peer);
        self.bytes_origin.push(access.bytes_origin);
        let (object, new) = self.object.push(Arc::as_ptr(&access.object).addr());
        if access.kind == AccessKind::Get {
            self.sum_up(object, &access);
        }
        if new {
            self.objects.push(access.object);
        }
        let (_, new) = self.client.push(access.client.as_ref().map_or(0, |client| Arc::as_ptr(client).addr()));
        if new {
            self.clients.push(access.client);
        }
    }

    fn sum_up(&mut self, object: u32, access: &AccessRecord) {
        let at = object as usize;
        if self.sums.len() <= at {
            self.sums.resize(at + 1, Sums::default());
        }
        let sums = &mut self.sums[at];
        if sums.requests == 0 {
            self.summed_up.push(object);
        }
        let hit = access.bytes_memory + access.bytes_ssd;
        sums.requests += 1;
        sums.bytes += hit + access.bytes_peer + access.bytes_origin;
        sums.bytes_hit += hit;
        sums.seconds += access.seconds;
    }

    /// Hands out what clients read since the last time, by object.
    pub(super) fn take_sums(&mut self, mut take: impl FnMut(&TableName, Sums)) {
        for object in self.summed_up.drain(..) {
            let sums = std::mem::take(&mut self.sums[object as usize]);
            if let Some(attribution) = &self.objects[object as usize].attribution {
                take(&attribution.table, sums);
            }
        }
    }

    /// Writes all of it as one file of Parquet.
    pub(super) fn write<W: Write + Send>(&self, file: W, worker: &str) -> Result<W, ParquetError> {
        let mut writer = SerializedFileWriter::new(file, Arc::clone(&SCHEMA), Arc::clone(&PROPERTIES))?;
        let descriptions = writer.schema_descr().columns().to_vec();
        let mut encoder = Encoder::new()?;
        let mut rows = writer.next_row_group()?;
        for column in descriptions {
            let chunk = match column.name() {
                columns::TIME => {
                    plain::<_, Int64Type>(&mut rows, &self.time)?;
                    continue;
                }
                columns::OFFSET => {
                    plain::<_, Int64Type>(&mut rows, &self.offset)?;
                    continue;
                }
                columns::SECONDS => {
                    plain::<_, DoubleType>(&mut rows, &self.seconds)?;
                    continue;
                }
                columns::LENGTH => self.length.encode(&mut encoder, column),
                columns::BYTES_MEMORY => self.bytes_memory.encode(&mut encoder, column),
                columns::BYTES_SSD => self.bytes_ssd.encode(&mut encoder, column),
                columns::BYTES_PEER => self.bytes_peer.encode(&mut encoder, column),
                columns::BYTES_ORIGIN => self.bytes_origin.encode(&mut encoder, column),
                name => {
                    let (texts, runs) = self.texts(name, worker);
                    Texts::new(texts.iter().map(Option::as_deref)).encode(&mut encoder, column, &runs)
                }
            }?;
            rows.append_column(&chunk.bytes, chunk.close)?;
        }
        rows.close()?;
        writer.into_inner()
    }

    /// The texts of a column, for the entries of the one that it follows from, and that one's runs.
    fn texts<'a>(&'a self, column: &str, worker: &'a str) -> (Vec<Option<Cow<'a, str>>>, Cow<'a, [Run]>) {
        let of_objects = |text: fn(&ObjectMeta) -> Option<Cow<'_, str>>| {
            (self.objects.iter().map(|object| text(object)).collect(), self.object.runs().into())
        };
        let of_clients = |text: fn(&Client) -> &str| {
            let text = |client: &'a Option<Arc<Client>>| Some(client.as_deref().map_or("", text).into());
            (self.clients.iter().map(text).collect(), self.client.runs().into())
        };
        let words = |words: &'a Repeated<&'static str>| {
            (words.values().iter().map(|word| Some(Cow::Borrowed(*word))).collect(), words.runs().into())
        };
        match column {
            columns::WORKER => (vec![Some(worker.into())], vec![Run { entry: 0, times: self.len() as u32 }].into()),
            columns::KIND => words(&self.kind),
            columns::ROUTE => words(&self.route),
            columns::BUCKET => of_objects(|object| Some(object.name.bucket.as_str().into())),
            columns::KEY => of_objects(|object| Some(object.name.key.as_str().into())),
            columns::VERSION => of_objects(|object| Some(object.state.version.as_str().into())),
            columns::TABLE => of_objects(|object| Some(object.attribution.as_ref()?.table.to_string().into())),
            columns::PARTITION => of_objects(|object| {
                Some(object.attribution.as_ref().map_or("", |attribution| &attribution.partition).into())
            }),
            columns::PRINCIPAL => of_clients(|client| &client.principal),
            columns::ENGINE => of_clients(|client| &client.engine),
            other => unreachable!("there is no column {other}"),
        }
    }
}

fn plain<W: Write + Send, T: DataType>(
    rows: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let mut column = rows.next_column()?.expect("the schema has it");
    column.typed::<T>().write_batch(values, None, None)?;
    column.close()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{DataType as Arrow, Float64Type, TimeUnit, TimestampMicrosecondType, UInt64Type};
    use bytes::Bytes;
    use chrono::{DateTime, Utc};
    use larder_model::{ByteRange, Route};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::origin::{ObjectState, Origin, Origins};
    use crate::settings::BucketSettings;

    fn origin() -> Arc<Origin> {
        let folder = tempfile::tempdir().expect("a folder");
        let bucket = BucketSettings::new("lake", format!("file://{}", folder.path().display()));
        Arc::clone(Origins::open(&[bucket]).expect("an origin").get("lake").expect("its bucket"))
    }

    fn object(origin: &Origin, key: &str) -> Arc<ObjectMeta> {
        let state = object_store::ObjectMeta {
            location: key.into(),
            last_modified: DateTime::UNIX_EPOCH,
            size: 100,
            e_tag: Some(format!("\"{key}-1\"")),
            version: None,
        };
        Arc::new(ObjectMeta::new(origin, key, ObjectState::new(&state), None, Instant::now()))
    }

    fn time(n: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_700_000_000_000_000 + n).expect("a time")
    }

    #[test]
    fn every_access_is_read_back_with_all_its_columns() {
        let origin = origin();
        let objects =
            [object(&origin, "hive/db/t/dt=1/a"), object(&origin, "hive/db/t/dt=2/b"), object(&origin, ".loose")];
        let clients =
            ["alice", "bob"].map(|name| Some(Arc::new(Client { principal: name.to_owned(), engine: "trino".into() })));
        let access = |n: u64| AccessRecord {
            kind: if n.is_multiple_of(7) { AccessKind::Fill } else { AccessKind::Get },
            route: if n.is_multiple_of(3) { Route::Direct } else { Route::Cached },
            bytes_memory: n % 2,
            bytes_ssd: n,
            bytes_peer: 0,
            bytes_origin: 1 << (n % 40),
            seconds: n as f64 / 8.0,
            client: if n.is_multiple_of(7) { None } else { clients[(n / 10 % 2) as usize].clone() },
            ..AccessRecord::new(
                AccessKind::Get,
                &objects[(n / 5 % 3) as usize],
                ByteRange::new(n * 3, n * 3 + 1 + n % 4),
                time(n as i64 * 11),
            )
        };
        let mut batch = Batch::default();
        (0..2000).for_each(|n| batch.push(access(n)));
        assert_eq!((batch.len(), batch.begins_us()), (2000, time(0).timestamp_micros()));
        let file = Bytes::from(batch.write(Vec::new(), "worker-1").expect("memory takes it"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a file").with_batch_size(4096);
        let read = reader.build().expect("a reader").next().expect("rows").expect("a batch");
        assert_eq!(read.num_rows(), 2000);

        let schema = read.schema();
        let (text, number) = (Arrow::Utf8, Arrow::UInt64);
        let types: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), field.data_type().clone(), field.is_nullable()))
            .collect();
        let expected = [
            (columns::TIME, Arrow::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
            (columns::WORKER, text.clone(), false),
            (columns::KIND, text.clone(), false),
            (columns::BUCKET, text.clone(), false),
            (columns::KEY, text.clone(), false),
            (columns::VERSION, text.clone(), false),
            (columns::OFFSET, number.clone(), false),
            (columns::LENGTH, number.clone(), false),
            (columns::TABLE, text.clone(), true),
            (columns::PARTITION, text.clone(), false),
            (columns::ROUTE, text.clone(), false),
            (columns::BYTES_MEMORY, number.clone(), false),
            (columns::BYTES_SSD, number.clone(), false),
            (columns::BYTES_PEER, number.clone(), false),
            (columns::BYTES_ORIGIN, number, false),
            (columns::SECONDS, Arrow::Float64, false),
            (columns::PRINCIPAL, text.clone(), false),
            (columns::ENGINE, text, false),
        ];
        assert_eq!(types, expected);

        let texts = |name: &str, row: usize| {
            let column = read.column_by_name(name).expect("the column").as_string::<i32>();
            column.is_valid(row).then(|| column.value(row).to_owned())
        };
        let numbers = |name: &str, row: usize| {
            read.column_by_name(name).expect("the column").as_primitive::<UInt64Type>().value(row)
        };
        for row in 0..2000 {
            let access = access(row as u64);
            let (object, client) = (&access.object, access.client.as_deref());
            let attribution = object.attribution.as_ref();
            let begun = read.column(0).as_primitive::<TimestampMicrosecondType>().value(row);
            assert_eq!(begun, access.time.timestamp_micros());
            for (name, expected) in [
                (columns::WORKER, Some("worker-1".to_owned())),
                (columns::KIND, Some(access.kind.as_str().to_owned())),
                (columns::BUCKET, Some("lake".to_owned())),
                (columns::KEY, Some(object.name.key.clone())),
                (columns::VERSION, Some(object.state.version.as_str().to_owned())),
                (columns::TABLE, attribution.map(|attribution| attribution.table.to_string())),
                (columns::PARTITION, Some(attribution.map_or("", |attribution| &attribution.partition).to_owned())),
                (columns::ROUTE, Some(access.route.as_str().to_owned())),
                (columns::PRINCIPAL, Some(client.map_or("", |client| &client.principal).to_owned())),
                (columns::ENGINE, Some(client.map_or("", |client| &client.engine).to_owned())),
            ] {
                assert_eq!(texts(name, row), expected, "{name} of row {row}");
            }
            for (name, expected) in [
                (columns::OFFSET, access.range.start),
                (columns::LENGTH, access.range.len()),
                (columns::BYTES_MEMORY, access.bytes_memory),
                (columns::BYTES_SSD, access.bytes_ssd),
                (columns::BYTES_PEER, access.bytes_peer),
                (columns::BYTES_ORIGIN, access.bytes_origin),
            ] {
                assert_eq!(numbers(name, row), expected, "{name} of row {row}");
            }
            let seconds = read.column_by_name(columns::SECONDS).expect("the column").as_primitive::<Float64Type>();
            assert_eq!(seconds.value(row), access.seconds);
        }
        assert!((0..2000).any(|row| texts(columns::TABLE, row).is_none()));
        assert!((0..2000).any(|row| texts(columns::TABLE, row).is_some()));
    }

    #[test]
    fn reads_are_summed_up_by_table_and_fills_are_not() {
        let origin = origin();
        let (table, loose) = (object(&origin, "hive/db/t/dt=1/a"), object(&origin, ".loose"));
        let mut batch = Batch::default();
        let access = |kind, object: &Arc<ObjectMeta>| AccessRecord {
            bytes_memory: 5,
            bytes_origin: 2,
            seconds: 0.5,
            ..AccessRecord::new(kind, object, ByteRange::new(0, 7), time(0))
        };
        for kind in [AccessKind::Get, AccessKind::Fill, AccessKind::Get, AccessKind::Preload] {
            batch.push(access(kind, &table));
            batch.push(access(kind, &loose));
        }
        let mut taken = Vec::new();
        let mut take = |batch: &mut Batch| {
            batch.take_sums(|table, sums| {
                taken.push((table.to_string(), sums.requests, sums.bytes, sums.bytes_hit, sums.seconds));
            });
            std::mem::take(&mut taken)
        };
        let name = table.attribution.as_ref().expect("it is of a table").table.to_string();
        assert_eq!(take(&mut batch), [(name.clone(), 2, 14, 10, 1.0)]);
        assert!(take(&mut batch).is_empty(), "what is taken is not taken again");
        batch.push(access(AccessKind::Get, &table));
        assert_eq!(take(&mut batch), [(name, 1, 7, 5, 0.5)]);
    }
}
