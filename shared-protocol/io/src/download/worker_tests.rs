//! What a connection brings is verified as a group, and kept before it is one.

use std::collections::BTreeMap;

use shared_protocol::job::AssetSource;
use shared_protocol::{Allowed, Blake3, RelPath};

use super::super::chunk_scheduler::GroupSet;
use super::super::lines::Lines;
use super::super::partial_groups::{KeptBytes, PartialGroups};
use super::*;
use crate::confine::ConfinedFolder;

const SIZE: u64 = 2 * GROUP_BYTES;
const HALF: usize = 1 << 19;

struct Setup {
    _folder: tempfile::TempDir,
    shared: Arc<GroupedState>,
    bytes: Vec<u8>,
}

impl Setup {
    /// Two sources, and what an earlier run has left.
    fn new(earlier: &[KeptBytes]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let models = ConfinedFolder::open(folder.path()).unwrap();
        let bytes: Vec<u8> = (0..SIZE).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let blocks = bytes.chunks(2 * HALF).zip((0..).step_by(2 * HALF));
        let list = GroupList::new(SIZE, blocks.map(|(block, at)| group_value(at, block)).collect()).unwrap();
        let digest = Blake3::from_bytes(*blake3::hash(&bytes).as_bytes());
        let part = PartFile::open(&models, &RelPath::parse("x.safetensors").unwrap(), digest, SIZE).unwrap().unwrap();
        part.stretch().unwrap();
        let client = |host: &str| {
            let source = AssetSource::Public { url: format!("https://{host}/x"), bearer: None };
            Arc::new(SourceClient::new(&source, Allowed::PublicOnly, None, &Lines::default()).unwrap())
        };
        let shared = Arc::new(GroupedState {
            scheduler: Mutex::new(ChunkScheduler::new(GroupSet::none_of(2), PartialGroups::of_earlier(earlier), 2)),
            list,
            part: Arc::new(part),
            clients: vec![client("one.example"), client("two.example")],
            writing: GroupLocks::default(),
            settled: Arc::default(),
        });
        Self { _folder: folder, shared, bytes }
    }

    /// A connection to a source that goes on where it can; where it begins.
    fn worker(&self, source: usize, id: WorkerId) -> (WorkerSink, u64) {
        let sink = WorkerSink::new(Arc::clone(&self.shared), source, Arc::clone(&self.shared.clients[source]), id);
        let (from, _) = sink.claim(SIZE).unwrap();
        (sink, from)
    }

    fn counts(&self, source: usize) -> (u64, u64) {
        let client = &self.shared.clients[source];
        (client.verified.load(Ordering::Relaxed), client.wasted.load(Ordering::Relaxed))
    }

    fn there(&self) -> u64 {
        self.shared.scheduler.lock().held().n_held() * GROUP_BYTES
    }
}

/// Begins a block and takes what is there of it.
fn begin(sink: &WorkerSink, at: u64) -> (u64, Vec<u8>) {
    let mut kept = Vec::new();
    (sink.open_block(at, &mut kept).unwrap(), kept)
}

#[test]
fn a_block_is_counted_before_the_last_one_is_seen() {
    let setup = Setup::new(&[]);
    let (sink, _) = setup.worker(0, 1);
    for (offset, block) in (0..).step_by(2 * HALF).zip(setup.bytes.chunks(2 * HALF)) {
        sink.accept_block(offset, block).unwrap();
        assert_eq!(setup.counts(0).0, setup.there());
    }
    sink.accept_block(0, &setup.bytes[..2 * HALF]).unwrap();
    assert_eq!(setup.counts(0), (SIZE, GROUP_BYTES), "it is there already");
}

#[test]
fn what_one_source_began_another_one_ends() {
    let setup = Setup::new(&[]);
    let (first, _) = setup.worker(0, 1);
    begin(&first, 0);
    first.keep_beginning(0, &setup.bytes[..HALF]);
    drop(first);
    let (second, from) = setup.worker(1, 2);
    assert_eq!(from, HALF as u64);
    let (start, mut block) = begin(&second, from);
    assert_eq!((start, &block[..]), (0, &setup.bytes[..HALF]));
    block.extend_from_slice(&setup.bytes[HALF..2 * HALF]);
    second.accept_block(0, &block).unwrap();
    assert_eq!((setup.counts(0), setup.counts(1)), ((HALF as u64, 0), (HALF as u64, 0)), "each has its share");
    // What comes late is no more than what is there, and never written over it.
    second.keep_beginning(0, &vec![0; HALF]);
    let mut written = vec![0; 2 * HALF];
    setup.shared.part.read(0, &mut written).unwrap();
    assert_eq!(written, setup.bytes[..2 * HALF]);
}

#[test]
fn who_lied_is_found_where_several_had_a_share() {
    let setup = Setup::new(&[KeptBytes::counted(0, 9)]);
    let (first, from) = setup.worker(0, 1);
    assert_eq!(from, 9, "a new file is all zeros there");
    let (_, mut block) = begin(&first, from);
    block.extend_from_slice(&setup.bytes[9..2 * HALF]);
    first.accept_block(0, &block).unwrap();
    assert_eq!(setup.there(), 0, "nobody is blamed");
    drop(first);
    // The liar keeps a beginning, and the other one does not go on from it.
    let (liar, from) = setup.worker(1, 2);
    assert_eq!(from, 0);
    begin(&liar, from);
    liar.keep_beginning(0, &vec![1; HALF]);
    drop(liar);
    let (first, from) = setup.worker(0, 3);
    assert_eq!(from, 0);
    drop(first);
    let (liar, from) = setup.worker(1, 4);
    assert_eq!(from, HALF as u64);
    let (_, mut block) = begin(&liar, from);
    block.extend_from_slice(&setup.bytes[HALF..2 * HALF]);
    assert!(matches!(liar.accept_block(0, &block), Err(BlockError::Wrong)));
}

#[test]
fn a_group_is_written_by_one_at_a_time() {
    let (locks, n_inside) = (GroupLocks::default(), Mutex::new(BTreeMap::<u64, u32>::new()));
    std::thread::scope(|scope| {
        for i in 0..8_u64 {
            let (locks, n_inside) = (&locks, &n_inside);
            scope.spawn(move || {
                for _ in 0..100 {
                    let _guard = locks.lock(i % 2);
                    let n = n_inside.lock().insert(i % 2, 1);
                    assert!(n.is_none_or(|n| n == 0));
                    std::thread::yield_now();
                    n_inside.lock().insert(i % 2, 0);
                }
            });
        }
    });
}
