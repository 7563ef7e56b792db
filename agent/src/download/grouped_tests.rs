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
    let part = Part::open(&models, &RelPath::parse("x.safetensors").unwrap(), digest, SIZE).unwrap().unwrap();
    let mut board = Board::new(GroupSet::none_of(2), 2);
    board.claim(1).unwrap();
    let shared = Arc::new(Shared {
        board: Mutex::new(board),
        list: GroupList::new(SIZE, values).unwrap(),
        part: Arc::new(part),
    });
    let supply = Arc::new(Supply::new(&AssetSource::Hub, Allowed::with_private(false)).unwrap());
    let claimed = Claimed {
        shared: Arc::clone(&shared),
        supply: Arc::clone(&supply),
        worker: 1,
        has_brought: AtomicBool::new(false),
    };

    for (offset, block) in (0..).step_by(1 << 20).zip(&blocks) {
        assert!(claimed.accept(offset, block).unwrap());
        assert_eq!(supply.proved.load(Ordering::Relaxed), bytes_held(&shared));
    }
    assert!(shared.held().is_full());
    assert!(!claimed.accept(0, blocks.first().unwrap()).unwrap(), "it is there already");
    assert_eq!(supply.proved.load(Ordering::Relaxed), SIZE, "counted once");
}

fn bytes_held(shared: &Shared) -> u64 {
    bytes(&shared.held(), SIZE)
}
