//! What has come is counted when it is there, not when somebody asks the attempt that brought it.

use shared_protocol::job::AssetSource;
use shared_protocol::{Allowed, Blake3, RelPath};

use super::*;
use crate::confine::ConfinedFolder;

const SIZE: u64 = 2 * GROUP_BYTES;

#[test]
fn a_block_is_counted_before_the_last_one_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let models = ConfinedFolder::open(folder.path()).unwrap();
    let bytes = vec![7; usize::try_from(SIZE).unwrap()];
    let blocks: Vec<&[u8]> = bytes.chunks(usize::try_from(GROUP_BYTES).unwrap()).collect();
    let values = blocks.iter().zip((0..).step_by(1 << 20)).map(|(block, at)| group_value(at, block)).collect();
    let digest = Blake3::from_bytes(*blake3::hash(&bytes).as_bytes());
    let part = PartFile::open(&models, &RelPath::parse("x.safetensors").unwrap(), digest, SIZE).unwrap().unwrap();
    let mut scheduler = ChunkScheduler::new(GroupSet::none_of(2), 2);
    scheduler.claim(1).unwrap();
    let shared = Arc::new(GroupedState {
        scheduler: Mutex::new(scheduler),
        list: GroupList::new(SIZE, values).unwrap(),
        part: Arc::new(part),
    });
    let source = AssetSource::Public { url: "https://models.example/x".to_owned(), bearer: None };
    let client = Arc::new(SourceClient::new(&source, Allowed::PublicOnly, None).unwrap());
    let sink = WorkerSink {
        shared: Arc::clone(&shared),
        client: Arc::clone(&client),
        worker: 1,
        has_brought: AtomicBool::new(false),
    };

    for (offset, block) in (0..).step_by(1 << 20).zip(&blocks) {
        assert!(sink.accept_block(offset, block).unwrap());
        assert_eq!(client.verified.load(Ordering::Relaxed), held_bytes(&shared));
    }
    assert!(shared.held().is_full());
    assert!(!sink.accept_block(0, blocks.first().unwrap()).unwrap(), "it is there already");
    assert_eq!(client.verified.load(Ordering::Relaxed), SIZE, "counted once");
}

fn held_bytes(shared: &GroupedState) -> u64 {
    super::bytes_held(&shared.held(), SIZE)
}
