//! The data path against a model: random operations by a seed, several at once, beside a plain map of what the objects
//! were. Every answer must be a part of one version that the bucket's rule allows, whatever fails underneath.

mod faulty;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::future::join_all;
use larder_model::admin::DropRequest;
use larder_model::{ByteSize, Location, SystemClock};
use object_store::{Attributes, ObjectStoreExt};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;

use self::faulty::FaultyOrigin;
use crate::engine::{Engine, EngineParts};
use crate::origin::{Origin, OriginError, Origins};
use crate::read::{Conditions, ReadBody, ReadError, ReadRequest, Wanted};
use crate::settings::{Admit, BucketSettings, CacheSettings, Consistency, Policy, SsdIo, SsdSettings};
use crate::ssd::Disk;
use crate::ssd::faulty::FaultyDisk;
use crate::write::PutCondition;

/// Operations of one seed.
const OPERATIONS: usize = 260_000;
/// Operations that run at once.
const AT_ONCE: usize = 8;
const KEYS: usize = 24;
const OBJECT_BYTES_MAX: usize = 200_000;

/// What the four buckets promise of objects that are overwritten at the origin.
const BUCKETS: [(&str, Consistency); 4] = [
    ("strict", Consistency::Strict),
    ("fresh", Consistency::Revalidate(Duration::ZERO)),
    ("stale", Consistency::Revalidate(Duration::from_secs(3600))),
    ("fixed", Consistency::Immutable),
];

#[derive(Debug)]
enum Op {
    Read {
        wanted: Option<Wanted>,
    },
    /// Through Larder.
    Write {
        version: Bytes,
    },
    /// At the origin, behind Larder's back.
    Overwrite {
        version: Bytes,
    },
    Delete,
    List,
    Drop,
}

/// What an object was, newest last; `None` while it was not there.
type History = Vec<Option<Bytes>>;

struct Model {
    origin: Arc<FaultyOrigin>,
    disk: Arc<FaultyDisk>,
    /// Of the disks of the starts before.
    disk_faults: u64,
    engine: Option<Arc<Engine>>,
    folder: tempfile::TempDir,
    objects: HashMap<(usize, usize), History>,
    dice: ChaCha8Rng,
    seed: u64,
    /// Whether reads may fail.
    faulty: bool,
    reads: u64,
    failed: u64,
}

impl Model {
    async fn new(seed: u64) -> Self {
        let (origin, folder) = (Arc::new(FaultyOrigin::new(seed)), tempfile::tempdir().expect("a folder"));
        let (engine, disk) = start(folder.path(), &origin, seed).await;
        let (engine, dice) = (Some(engine), ChaCha8Rng::seed_from_u64(seed));
        Self {
            origin,
            disk,
            disk_faults: 0,
            engine,
            folder,
            objects: HashMap::new(),
            dice,
            seed,
            faulty: false,
            reads: 0,
            failed: 0,
        }
    }

    fn engine(&self) -> &Arc<Engine> {
        self.engine.as_ref().expect("between restarts it runs")
    }

    fn op(&mut self, bucket: usize) -> Op {
        let immutable = BUCKETS[bucket].1 == Consistency::Immutable;
        match self.dice.random_range(0..1000) {
            0..30 => Op::Write { version: self.version() },
            30..45 if !immutable => Op::Overwrite { version: self.version() },
            45..52 => Op::Delete,
            52..60 => Op::List,
            60..64 => Op::Drop,
            _ => Op::Read { wanted: self.wanted() },
        }
    }

    /// Bytes that no other version has at the same place, mostly.
    fn version(&mut self) -> Bytes {
        let mut bytes = vec![0; self.dice.random_range(30_000..OBJECT_BYTES_MAX)];
        self.dice.fill(&mut bytes[..]);
        bytes.into()
    }

    fn wanted(&mut self) -> Option<Wanted> {
        let at = self.dice.random_range(0..OBJECT_BYTES_MAX as u64 / 4);
        let length = if self.dice.random_bool(0.8) { 4_000 } else { OBJECT_BYTES_MAX as u64 };
        let length = self.dice.random_range(1..length);
        match self.dice.random_range(0..10) {
            0 => None,
            1 => Some(Wanted::From(at)),
            2 => Some(Wanted::Last(length)),
            _ => Some(Wanted::Bounded(at, at + length)),
        }
    }

    /// A few operations at once, on objects that no other of them touches unless it only reads.
    async fn step(&mut self) {
        let mut ops = Vec::new();
        for _ in 0..AT_ONCE {
            let object = (self.dice.random_range(0..BUCKETS.len()), self.dice.random_range(0..KEYS));
            let op = self.op(object.0);
            // Two writes at once have no order that the model could know.
            let writes = |op: &Op| matches!(op, Op::Write { .. } | Op::Overwrite { .. } | Op::Delete);
            if !writes(&op) || !ops.iter().any(|(other, op)| *other == object && writes(op)) {
                ops.push((object, op));
            }
        }
        let mut allowed = HashMap::new();
        for (object, _) in &ops {
            let history = self.objects.entry(*object).or_insert_with(|| vec![None]);
            // With hour-old metadata, all that was since the last write through Larder may be served.
            let since = if BUCKETS[object.0].0 == "stale" { 0 } else { history.len() - 1 };
            allowed.insert(*object, history[since..].to_vec());
        }
        for (object, op) in &ops {
            let next = match op {
                Op::Write { version } | Op::Overwrite { version } => Some(version.clone()),
                Op::Delete => None,
                _ => continue,
            };
            allowed.get_mut(object).expect("it was inserted").push(next.clone());
            let history = self.objects.get_mut(object).expect("it was inserted");
            if !matches!(op, Op::Overwrite { .. }) {
                history.clear();
            }
            history.push(next);
        }
        let (engine, origin) = (Arc::clone(self.engine()), Arc::clone(&self.origin));
        let reads = join_all(ops.iter().map(|(object, op)| run(&engine, &origin, *object, op))).await;
        for ((object, op), read) in ops.iter().zip(reads) {
            if let (Op::Read { wanted }, Some(read)) = (op, read) {
                self.reads += 1;
                self.check(*object, *wanted, read, &allowed[object]);
            }
        }
    }

    fn check(
        &mut self,
        object: (usize, usize),
        wanted: Option<Wanted>,
        read: Result<Answer, ReadError>,
        allowed: &History,
    ) {
        let whole = |version: &Bytes| match wanted {
            None => Some(version.clone()),
            Some(wanted) => {
                let range = wanted.resolve(version.len() as u64)?;
                Some(version.slice(range.start as usize..range.end as usize))
            }
        };
        let faulty = self.faulty;
        let right = match &read {
            Ok(Answer { bytes, error: None }) => {
                allowed.iter().flatten().any(|version| whole(version).as_ref() == Some(bytes))
            }
            Ok(Answer { bytes, error: Some(_) }) => {
                let begins = |version: &Bytes| whole(version).is_some_and(|whole| whole.starts_with(bytes));
                // A version that moves under a body that has begun ends it.
                let lied_to = |version: &Bytes| faulty && begins_by_the_lie(wanted, version, bytes);
                (faulty || allowed.len() > 1) && allowed.iter().flatten().any(|v| begins(v) || lied_to(v))
            }
            Err(ReadError::Origin(OriginError::NotFound { .. })) => allowed.contains(&None),
            Err(ReadError::Range { .. }) => allowed.iter().flatten().any(|version| whole(version).is_none()) || faulty,
            Err(_) => faulty || allowed.len() > 1,
        };
        self.failed += u64::from(!matches!(read, Ok(Answer { error: None, .. })));
        assert!(
            right,
            "seed {}, read {}: {object:?} {wanted:?} gave {:?}, allowed are {:?}",
            self.seed,
            self.reads,
            read.map(|answer| (answer.bytes.len(), answer.error)),
            allowed.iter().map(|version| version.as_ref().map(Bytes::len)).collect::<Vec<_>>()
        );
    }

    /// Stops, flips bits on the SSD, and starts again.
    async fn restart(&mut self) {
        self.engine.take().expect("it runs").close(Duration::from_secs(5)).await;
        for form in std::fs::read_dir(self.folder.path().join("ssd")).expect("the tier").flatten() {
            for file in std::fs::read_dir(form.path()).into_iter().flatten().flatten() {
                let mut held = std::fs::read(file.path()).expect("a file");
                let flips = if held.is_empty() { 0 } else { self.dice.random_range(0..20) };
                for _ in 0..flips {
                    let at = self.dice.random_range(0..held.len());
                    held[at] ^= 1 << self.dice.random_range(0..8);
                }
                std::fs::write(file.path(), held).expect("a file");
            }
        }
        self.disk_faults += self.disk.faults.load(Ordering::SeqCst);
        let (engine, disk) = start(self.folder.path(), &self.origin, self.dice.random()).await;
        (self.engine, self.disk) = (Some(engine), disk);
        // What was known of objects is forgotten, except of those that never change.
        for ((bucket, _), history) in &mut self.objects {
            if BUCKETS[*bucket].0 == "stale" {
                history.drain(..history.len() - 1);
            }
        }
    }
}

async fn start(folder: &Path, origin: &Arc<FaultyOrigin>, seed: u64) -> (Arc<Engine>, Arc<FaultyDisk>) {
    let bucket = |(name, consistency): (&str, Consistency)| BucketSettings {
        consistency,
        // Stalls are some of the faults.
        stall: Duration::from_millis(50),
        ..BucketSettings::new(name, format!("s3://lake/{name}"))
    };
    let mut origins = Origins::open(&BUCKETS.map(bucket)).expect("origins");
    for (name, _) in BUCKETS {
        origins.replace_store(name, origin.clone());
    }
    // Each start reads from the SSD in one of the ways.
    let io = if seed.is_multiple_of(2) { SsdIo::Uring } else { SsdIo::Threads };
    // And whatever goes, no policy may change what is answered.
    let policy = if seed % 4 < 2 { Policy::S3Fifo } else { Policy::Lrfu };
    let cache = CacheSettings {
        // Both tiers are too small for what is read, so that they evict all the time.
        memory: ByteSize::mib(1),
        ssd: SsdSettings {
            path: folder.join("ssd"),
            capacity: SsdSettings::CAPACITY_MIN,
            io,
            policy,
            ..SsdSettings::default()
        },
        admit: Admit::All,
        block: ByteSize::kib(16),
        fill: ByteSize::kib(64),
        ..CacheSettings::default()
    };
    let (_, whitelist) = watch::channel(None);
    let access_log = Some(folder.join("access"));
    let parts = EngineParts { cache, origins, clock: Arc::new(SystemClock), whitelist, access_log, worker: "w".into() };
    let mut faulty = None;
    let through = |disk| {
        let disk = Arc::new(FaultyDisk::new(disk, seed));
        faulty = Some(Arc::clone(&disk));
        disk as Arc<dyn Disk>
    };
    let engine = Engine::start_through(parts, through).await.expect("the engine starts");
    (engine, faulty.expect("the disk was wrapped"))
}

/// What a read sent, and how it broke off.
struct Answer {
    bytes: Bytes,
    error: Option<ReadError>,
}

async fn run(
    engine: &Arc<Engine>,
    faulty: &FaultyOrigin,
    (bucket, key): (usize, usize),
    op: &Op,
) -> Option<Result<Answer, ReadError>> {
    let (bucket, key) = (BUCKETS[bucket].0, format!("t/{key}"));
    let origin: &Arc<Origin> = engine.origins.get(bucket).expect("it is served");
    match op {
        Op::Read { wanted } => return Some(read(engine, origin, key, *wanted).await),
        Op::Write { version } => {
            let body = futures::stream::iter([Ok(version.clone())]);
            engine
                .put(origin, &key, body, Attributes::default(), PutCondition::None)
                .await
                .expect("writes do not fail");
        }
        Op::Overwrite { version } => {
            let path = format!("{bucket}/{key}").into();
            faulty.inner.put(&path, version.clone().into()).await.expect("memory takes it");
        }
        Op::Delete => engine.delete(origin, &key).await.expect("deletes do not fail"),
        Op::List => {
            let request = crate::origin::ListRequest { keys_max: 1000, ..Default::default() };
            engine.list(origin, &request).await.expect("listings do not fail");
        }
        Op::Drop => {
            let locations = vec![Location { bucket: bucket.into(), prefix: key }];
            engine.drop_locations(&DropRequest { locations }).await;
        }
    }
    None
}

async fn read(
    engine: &Arc<Engine>,
    origin: &Arc<Origin>,
    key: String,
    wanted: Option<Wanted>,
) -> Result<Answer, ReadError> {
    let conditions = Conditions::default();
    let request = ReadRequest { key, range: wanted, conditions, client: Arc::default() };
    let read = engine.read(origin, request).await?;
    let mut body = match read.body {
        ReadBody::Whole(bytes) => return Ok(Answer { bytes, error: None }),
        ReadBody::Stream(body) => body,
    };
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => return Ok(Answer { bytes: bytes.freeze(), error: Some(error) }),
        }
    }
    Ok(Answer { bytes: bytes.freeze(), error: None })
}

/// Whether a body that broke off is the beginning of the last bytes of an object one byte longer: what an origin that lies
/// about its size makes them.
fn begins_by_the_lie(wanted: Option<Wanted>, version: &Bytes, bytes: &Bytes) -> bool {
    let Some(Wanted::Last(length)) = wanted else { return false };
    let start = (version.len() as u64 + 1).saturating_sub(length) as usize;
    version.get(start..).is_some_and(|rest| rest.starts_with(bytes))
}

/// Runs one seed: quiet at first, then with faults, then quiet again, with restarts throughout.
async fn operate(seed: u64) {
    let mut model = Model::new(seed).await;
    let steps = OPERATIONS / AT_ONCE;
    for step in 0..steps {
        let faults = steps / 4..steps / 4 * 3;
        model.origin.on.store(faults.contains(&step), Ordering::SeqCst);
        model.disk.per_mille.store(if faults.contains(&step) { 20 } else { 0 }, Ordering::SeqCst);
        // A fill outlives the read that began it.
        model.faulty = (faults.start..faults.end + 100).contains(&step);
        if step > 0 && step % (steps / 12) == 0 {
            model.restart().await;
        }
        model.step().await;
    }
    assert!(model.origin.faults.load(Ordering::SeqCst) > 100, "the origin's faults were on");
    assert!(model.disk_faults > 100, "the disk's faults were on");
    assert!(model.failed < model.reads / 2, "{} of {} reads failed", model.failed, model.reads);
    model.engine.take().expect("it runs").close(Duration::from_secs(5)).await;
}

macro_rules! seeds {
    ($($name:ident: $seed:expr,)*) => {$(
        #[tokio::test]
        async fn $name() {
            operate($seed).await;
        }
    )*};
}

seeds! {
    every_answer_is_one_allowed_version_1: 1,
    every_answer_is_one_allowed_version_2: 2,
    every_answer_is_one_allowed_version_3: 3,
    every_answer_is_one_allowed_version_4: 4,
}
