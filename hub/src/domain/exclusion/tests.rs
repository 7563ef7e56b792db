//! Names that are left alone, and names that must stay in sight.
#![allow(clippy::unwrap_used, reason = "tests may unwrap")]

use super::*;

const FOLDERS: &[(ExclusionKind, &[&str])] = &[
    (
        ExclusionKind::Trash,
        &[
            ".Trash",
            ".Trash-1000",
            ".Trash-0",
            ".Trashes",
            ".recycle",
            "#recycle",
            "#Recycle",
            "@Recycle",
            "$RECYCLE.BIN",
            "$Recycle.Bin",
            "RECYCLER",
            ".Recycle.Bin",
            ".deleted",
            "Network Trash Folder",
            ".stversions",
            ".sync",
            ".debris",
        ],
    ),
    (
        ExclusionKind::Snapshots,
        &[
            ".snapshot",
            ".snapshots",
            "#snapshot",
            "~snapshot",
            "@Recently-Snapshot",
            ".zfs",
            ".snap",
            "@GMT-2024.05.01-00.00.00",
        ],
    ),
    (
        ExclusionKind::System,
        &[
            "System Volume Information",
            "lost+found",
            "LOST.DIR",
            "FOUND.000",
            "found.017",
            ".Spotlight-V100",
            ".fseventsd",
            ".DocumentRevisions-V100",
            ".TemporaryItems",
            "__MACOSX",
            "@tmp",
            "@SynoDrive",
            ".@__qini",
            ".stfolder",
            ".git",
            ".ipynb_checkpoints",
            ".huggingface",
        ],
    ),
    (ExclusionKind::Dropping, &["@eaDir", ".@__thumb", ".thumbnails"]),
    (ExclusionKind::HalfDownload, &["x.safetensors.download", ".rsync-partial", "._____temp"]),
    (ExclusionKind::Own, &[TRASH_FOLDER, ".comfy-hub-anything"]),
];

const FILES: &[(ExclusionKind, &[&str])] = &[
    (
        ExclusionKind::HalfDownload,
        &[
            "x.safetensors.incomplete",
            "x.tmp",
            "x.safetensors.TMP",
            "x.temp",
            "x.download",
            "x.safetensors.downloading",
            "x.partial",
            "x.part",
            "x.PART",
            "Unconfirmed 123.crdownload",
            "x.safetensors.!qB",
            "x.!ut",
            "x.bc!",
            "x.opdownload",
            "x.ffs_tmp",
            "x.fdmdownload",
            "x.filepart",
            "x.aria2",
            "x.safetensors.aria2__temp",
            "x.xltd",
            "x.part.met",
            "~syncthing~x.safetensors.tmp",
            "~syncthing~x.safetensors",
            ".syncthing.x.safetensors.tmp",
            ".syncthing.x.safetensors",
            ".x.safetensors.~4f3a",
            ".x.safetensors.Ab3dEf",
            ".x.safetensors.hub-17.part",
            ".x.safetensors.hub-17.part.journal",
            ".x.safetensors.hub-17.part.journal~",
            "tmpab12_xyz",
            ".goutputstream-AB12CD",
            ".com.google.Chrome.Ab12Cd",
        ],
    ),
    (
        ExclusionKind::System,
        &[
            ".nfs000000000000e2a300000001",
            ".fuse_hidden0000002a00000001",
            ".smbdeleteAAA1b2c3",
            "pagefile.sys",
            "x.safetensors@SynoEAStream",
            "snapraid.content",
            "sync.ffs_db",
            ".stignore",
            ".x.safetensors.icloud",
        ],
    ),
    (
        ExclusionKind::Dropping,
        &[
            "Thumbs.db",
            "ehthumbs.db",
            "thumbcache_256.db",
            "DESKTOP.INI",
            ".DS_Store",
            "._x.safetensors",
            ".apdisk",
            ".~lock.x.odt#",
            "~$x.docx",
        ],
    ),
    (
        ExclusionKind::Own,
        &[
            ROOT_MARKER,
            ".comfy-hub-root.json.1.part",
            EVICTIONS_FILE,
            ".comfy-hub-evictions.json.bak",
            SOURCES_FILE,
            ".model_sources.json.bak",
            ".model_sources.json.x.part",
        ],
    ),
];

/// Names of models and of their folders that only resemble one above.
const MODELS: &[&str] = &[
    "x.safetensors",
    "part",
    "apart",
    "recycle",
    "recycled",
    "Recycler",
    "trash",
    "snapshots",
    "snapshot",
    "git",
    ".gitignore",
    ".hidden",
    "x.tmp.safetensors",
    "x.part.safetensors",
    "x.part1.rar",
    "x.download.gguf",
    "x.aria2.safetensors",
    "my.trash.safetensors",
    ".trash.safetensors",
    "my .Trash-1000",
    "lost and found",
    "lost+found.safetensors",
    "Lost+Found lora.safetensors",
    "found.safetensors",
    "found.00",
    "temp",
    "tmp",
    "tmp12345678.safetensors",
    "tmp-lora",
    "template",
    "tempfile",
    "downloading",
    "incomplete",
    "partial",
    "é.part_",
    "zfs.safetensors",
    "syncthing.safetensors",
    "@author lora.safetensors",
    "@apple",
    "#hashtag.safetensors",
    "$style.safetensors",
    ".x.safetensors.backup",
    ".x.safetensors.BACKUP",
    ".x.safetensors.123456",
    "x.safetensors.Ab3dEf",
    "x.~4f3a",
    "system volume",
    "thumbs",
    "thumbcache.db",
    "huggingface",
    ".cache",
    "data.bin",
    "hub-data",
    "model_sources.json",
    "comfy-hub-root.json",
];

#[test]
fn what_is_no_library_is_known_by_its_name() {
    for (entry, table) in [(NameKind::Folder, FOLDERS), (NameKind::File, FILES)] {
        for (kind, names) in table {
            for name in *names {
                let found = of_entry(None, name, entry).map(|exclusion| exclusion.kind);
                assert_eq!(found, Some(*kind), "{name}");
                assert!(of_entry(Some("loras"), name, NameKind::Either).is_some(), "{name}, not looked at");
            }
        }
    }
}

#[test]
fn models_stay_in_sight() {
    for name in MODELS {
        for entry in [NameKind::File, NameKind::Folder, NameKind::Either] {
            assert_eq!(of_entry(None, name, entry), None, "{name}");
        }
        let path = RelPath::parse(&format!("{name}/{name}"));
        assert!(path.is_err() || of_path(&path.unwrap(), NameKind::Either).is_none(), "{name}");
    }
    // A folder is not what only a file is, and the other way round.
    for name in ["x.part", "loras.tmp", "old.download", ".nfs1"] {
        assert_eq!(of_entry(None, name, NameKind::Folder), None, "{name}");
    }
    for name in ["lost+found", ".trash", "#recycle", ".zfs", "@tmp"] {
        assert_eq!(of_entry(None, name, NameKind::File), None, "{name}");
    }
}

#[test]
fn a_path_is_what_the_folders_around_it_are() {
    let of = |path: &str| {
        of_path(&RelPath::parse(path).unwrap(), NameKind::File).map(|found| (found.place, found.exclusion.kind))
    };
    assert_eq!(of("loras/x.safetensors"), None);
    assert_eq!(of(".Trash-1000/files/x.safetensors"), Some((".Trash-1000".to_owned(), ExclusionKind::Trash)));
    assert_eq!(of("loras/#recycle/a/x.safetensors"), Some(("loras/#recycle".to_owned(), ExclusionKind::Trash)));
    assert_eq!(of("loras/x.part"), Some(("loras/x.part".to_owned(), ExclusionKind::HalfDownload)));
    assert_eq!(
        of(".cache/huggingface/download/x.incomplete"),
        Some((".cache/huggingface".to_owned(), ExclusionKind::System))
    );
    assert_eq!(of("huggingface/x.safetensors"), None);
    assert_eq!(of(".local/share/Trash/files/x"), Some((".local/share/Trash".to_owned(), ExclusionKind::Trash)));
    let said = of_path(&RelPath::parse("a/.zfs/snapshot/x").unwrap(), NameKind::File).unwrap().to_string();
    assert_eq!(said, "a/.zfs is no part of the library: it holds snapshots: the same files as they were earlier");
}

#[test]
fn an_empty_file_holds_its_name_for_the_download_beside_it() {
    assert!(is_held_for("x.safetensors", "x.safetensors.part"));
    assert!(is_held_for("x.safetensors", "x.Ab12Cd34.safetensors.part"));
    assert!(!is_held_for("x.safetensors", "xy.safetensors.part"));
    assert!(!is_held_for("x.safetensors", "y.part"));
    assert!(!is_held_for(".x", "anything.part"));
}
