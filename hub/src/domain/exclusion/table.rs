//! The table. A new program is a line here and one in the tests.

use super::pattern::Pattern::{self, Begins, Ends, Exactly, Inside, Is, Like};
use super::pattern::{
    is_cloud_part, is_part_of_a_hub, is_python_temporary, is_rescued, is_rsync_part, is_thumbnail_cache,
};
use super::{Exclusion, ExclusionKind, NameKind, ROOT_MARKER, SOURCES_FILE};

/// Names that are excluded for one reason.
struct Rule {
    kind: ExclusionKind,
    /// Files, folders or both.
    on: NameKind,
    why: &'static str,
    names: &'static [Pattern],
}

/// The first that fits counts.
const TABLE: &[Rule] = &[
    Rule {
        kind: ExclusionKind::Own,
        on: NameKind::Either,
        why: "it is the hub's own",
        names: &[Begins(".comfy-hub-"), Begins(ROOT_MARKER), Begins(SOURCES_FILE)],
    },
    // Droppings.
    Rule {
        kind: ExclusionKind::Dropping,
        on: NameKind::Either,
        why: "a file manager or a NAS has left it there",
        names: &[
            Is("thumbs.db"),
            Is("ehthumbs.db"),
            Is("ehthumbs_vista.db"),
            Is("iconcache.db"),
            Like(is_thumbnail_cache),
            Is("desktop.ini"),
            Is(".ds_store"),
            Is(".apdisk"),
            Is(".lsoverride"),
            Is(".localized"),
            Is("@eadir"),
            Is(".@__thumb"),
            Is("@__thumb"),
            Is(".directory"),
            Is(".thumbnails"),
            Begins(".~lock."),
            Begins("~$"),
        ],
    },
    // Trashes.
    Rule {
        kind: ExclusionKind::Trash,
        on: NameKind::Folder,
        why: "it is a trash: what lies there was deleted and goes when someone empties it",
        names: &[
            // Freedesktop, macOS.
            Is(".trash"),
            Begins(".trash-"),
            Is(".trashes"),
            Inside("share", "Trash"),
            Is(".mobilebackups.trash"),
            // Windows.
            Is("$recycle.bin"),
            Exactly("RECYCLER"),
            Exactly("RECYCLED"),
            // Samba, Synology, QNAP, Asustor, TrueNAS, OpenMediaVault, Unraid.
            Is(".recycle"),
            Is("#recycle"),
            Is("@recycle"),
            Is(".recycle.bin"),
            Is(".recyclebin"),
            Is(".deleted"),
            Is("network trash folder"),
            // MEGA.
            Is(".debris"),
        ],
    },
    Rule {
        kind: ExclusionKind::Trash,
        on: NameKind::Folder,
        why: "a sync program keeps deleted files and old versions in it",
        names: &[Is(".stversions"), Is(".sync"), Is(".dropbox.cache")],
    },
    // Snapshots.
    Rule {
        kind: ExclusionKind::Snapshots,
        on: NameKind::Folder,
        why: "it holds snapshots: the same files as they were earlier",
        names: &[
            Is(".snapshot"),
            Is(".snapshots"),
            Is("#snapshot"),
            Is("#snapshots"),
            Is("~snapshot"),
            Is("@recently-snapshot"),
            Is("@sharesnap"),
            Is(".snap"),
            Is(".zfs"),
            Begins("@gmt-"),
            Is("backups.backupdb"),
            Is(".mobilebackups"),
        ],
    },
    // Folders and files of systems.
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::Folder,
        why: "it is a folder of the operating system",
        names: &[
            Is("system volume information"),
            Is("$extend"),
            Is("$winreagent"),
            Is("$sysreset"),
            Is("$windows.~bt"),
            Is("$windows.~ws"),
            Is("config.msi"),
            Is("dfsrprivate"),
            Is(".spotlight-v100"),
            Is(".fseventsd"),
            Is(".documentrevisions-v100"),
            Is(".temporaryitems"),
            Is("temporary items"),
            Is(".pkinstallsandboxmanager"),
            Is(".appledouble"),
            Is(".appledb"),
            Is(".appledesktop"),
            Is("thevolumesettingsfolder"),
            Is("thefindbycontentfolder"),
            Is("__macosx"),
        ],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::Folder,
        why: "a check of the disk puts what it rescues there",
        names: &[Exactly("lost+found"), Is("lost.dir"), Like(is_rescued)],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::File,
        why: "it is a file of the operating system",
        names: &[
            Is("pagefile.sys"),
            Is("swapfile.sys"),
            Is("hiberfil.sys"),
            Is("dumpstack.log"),
            Is("dumpstack.log.tmp"),
            Begins(".com.apple.timemachine."),
            Is(".volumeicon.icns"),
            Is(".metadata_never_index"),
        ],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::File,
        why: "the file system keeps this deleted file until the last program has closed it",
        names: &[Begins(".nfs"), Begins(".fuse_hidden"), Begins(".smbdelete"), Begins(".__smb")],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::Folder,
        why: "it is a folder of the NAS",
        names: &[
            Is("@tmp"),
            Is("@s2s"),
            Begins("@syno"),
            Is("@appstore"),
            Is("@appconf"),
            Is("@appdata"),
            Is("@apphome"),
            Is("@appshare"),
            Is("@apptemp"),
            Is("@appentry"),
            Is("@database"),
            Is("@docker"),
            Is("@img_bkp_cache"),
            Is(".synologyworkingdirectory"),
            Is("@transcode"),
            Begins(".@"),
            Is(".wdmc"),
            Is(".wdcache"),
            Is(".streams"),
            Is(".beeshome"),
        ],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::File,
        why: "it is a file of the NAS",
        names: &[Ends("@synoeastream"), Ends("@synoresource"), Begins("snapraid.content"), Begins("snapraid.parity")],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::Either,
        why: "a sync program keeps its state in it",
        names: &[
            Is(".stfolder"),
            Begins(".stfolder "),
            Is(".stignore"),
            Is(".tmp.drivedownload"),
            Is(".tmp.driveupload"),
            Is(".dropbox"),
            Is(".dropbox.attr"),
            Is(".seafile-data"),
            Is(".unison"),
            Is(".megaignore"),
            Begins(".sync_"),
            Begins("._sync_"),
            Begins(".csync_journal.db"),
            Is(".owncloudsync.log"),
            Is(".nextcloudsync.log"),
            Ends(".ffs_db"),
            Ends(".ffs_lock"),
        ],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::File,
        why: "its content is in iCloud and not on this disk",
        names: &[Ends(".icloud")],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::Either,
        why: "it belongs to a version control system",
        names: &[Is(".git"), Is(".hg"), Is(".svn")],
    },
    Rule {
        kind: ExclusionKind::System,
        on: NameKind::Folder,
        why: "it is the cache of a program",
        names: &[Inside(".cache", "huggingface"), Is(".huggingface"), Is("__pycache__"), Is(".ipynb_checkpoints")],
    },
    // Half downloads.
    Rule {
        kind: ExclusionKind::HalfDownload,
        on: NameKind::File,
        why: "a hub has not ended this copy",
        names: &[Like(is_part_of_a_hub)],
    },
    Rule {
        kind: ExclusionKind::HalfDownload,
        on: NameKind::File,
        why: "a sync program has not ended it",
        names: &[
            Begins("~syncthing~"),
            Begins(".syncthing."),
            Ends(".ffs_tmp"),
            Ends(".!sync"),
            Ends(".bts"),
            Like(is_cloud_part),
            Like(is_rsync_part),
        ],
    },
    Rule {
        kind: ExclusionKind::HalfDownload,
        on: NameKind::Folder,
        why: "it holds what has not been downloaded or copied whole",
        names: &[
            Ends(".download"),
            Ends(".crdownload"),
            Is(".rsync-partial"),
            Is(".~tmp~"),
            Is("._____temp"),
            Is(".incomplete"),
        ],
    },
    Rule {
        kind: ExclusionKind::HalfDownload,
        on: NameKind::File,
        why: "its download has not ended",
        names: &[
            // Browsers.
            Ends(".crdownload"),
            Ends(".part"),
            Ends(".partial"),
            Ends(".download"),
            Ends(".opdownload"),
            Begins(".com.google.chrome."),
            Begins(".org.chromium.chromium."),
            // Downloaders of models and others.
            Ends(".incomplete"),
            Ends(".downloading"),
            Ends(".aria2"),
            Ends(".aria2__temp"),
            Ends(".lftp-pget-status"),
            Ends(".fdmdownload"),
            Ends(".filepart"),
            Ends(".dtapart"),
            Ends(".getright"),
            Ends(".ytdl"),
            Ends(".xltd"),
            Ends(".xltd.cfg"),
            Ends(".td.cfg"),
            // Torrents and other networks.
            Ends(".!qb"),
            Ends(".!ut"),
            Ends(".!bt"),
            Ends(".bc!"),
            Ends(".jc!"),
            Ends(".az!"),
            Ends(".dctmp"),
            Ends(".part.met"),
        ],
    },
    Rule {
        kind: ExclusionKind::HalfDownload,
        on: NameKind::File,
        why: "it is a temporary file: the program that writes it has not ended, or broke off",
        names: &[Ends(".tmp"), Ends(".temp"), Ends(".~tmp"), Begins(".goutputstream-"), Like(is_python_temporary)],
    },
    // Last, because others begin like this, too.
    Rule {
        kind: ExclusionKind::Dropping,
        on: NameKind::Either,
        why: "macOS keeps what another file system can't store in it",
        names: &[Begins("._")],
    },
];

/// Stands for what the table says: an index that was made by another one is looked through once more.
pub fn fingerprint() -> String {
    let mut hasher = blake3::Hasher::new();
    for rule in TABLE {
        hasher.update(format!("{:?} {:?}", rule.kind, rule.on).as_bytes());
        for name in rule.names {
            // A function is told apart by nothing but its place among the others.
            let text = if let Like(_) = name { "like".to_owned() } else { format!("{name:?}") };
            hasher.update(text.as_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// The first rule that fits.
pub(super) fn find(parent: Option<&str>, name: &str, entry: NameKind) -> Option<Exclusion> {
    let applies = |rule: &&Rule| entry == NameKind::Either || rule.on == NameKind::Either || rule.on == entry;
    TABLE
        .iter()
        .filter(applies)
        .find(|rule| rule.names.iter().any(|pattern| pattern.matches(parent, name, entry)))
        .map(|rule| Exclusion { kind: rule.kind, why: rule.why })
}
