//! ComfyUI on this machine: whether it is there, and which one. Read from its files; nothing is started.

use std::fs;
use std::path::Path;

use shared_io::linked;
use shared_protocol::facts::ComfyFacts;

/// Longest file that is read.
const MAX_FILE: u64 = 64 << 10;

/// Looks at ComfyUI's folder.
pub(super) fn look(comfy: &Path, models: &Path, allow_links: bool) -> ComfyFacts {
    let found = comfy.join("main.py").is_file();
    ComfyFacts {
        path: comfy.display().to_string(),
        models_path: models.display().to_string(),
        models_inside: is_same(models, &comfy.join("models")),
        linked_folders: linked::find(models).iter().map(|found| found.fact(allow_links)).collect(),
        found,
        version: found.then(|| text(&comfy.join("pyproject.toml"))).flatten().and_then(|text| version(&text)),
        commit: found.then(|| commit(comfy)).flatten(),
    }
}

/// Whether both lead to one place, through links too.
fn is_same(a: &Path, b: &Path) -> bool {
    a == b || matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn text(path: &Path) -> Option<String> {
    let is_short = fs::metadata(path).ok().is_some_and(|found| found.len() <= MAX_FILE);
    is_short.then(|| fs::read_to_string(path).ok()).flatten()
}

/// `version` of `[project]` in a `pyproject.toml`.
fn version(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != "[project]").skip(1);
    let value = lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| line.strip_prefix("version")?.trim_start().strip_prefix('='))?;
    let value = value.split('#').next()?.trim().trim_matches(['"', '\'']);
    (!value.is_empty() && value.len() <= 100).then(|| value.to_owned())
}

/// The commit that is checked out.
fn commit(comfy: &Path) -> Option<String> {
    let repository = git2::Repository::open(comfy).ok()?;
    let head = repository.head().ok()?.peel_to_commit().ok()?;
    Some(head.id().to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_project() {
        assert_eq!(version("[project]\nname = \"ComfyUI\"\nversion = \"0.3.67\"\n").as_deref(), Some("0.3.67"));
        assert_eq!(version("[project]\nversion='1' # x\n").as_deref(), Some("1"));
        assert_eq!(version("[tool]\nversion = \"9\"\n[project]\nname = \"x\"\n[other]\nversion = \"8\"\n"), None);
        assert_eq!(version("version = \"9\"\n"), None);
    }

    #[test]
    fn a_folder_of_models_alone_is_no_comfyui() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        fs::create_dir(&models).unwrap();
        let facts = look(folder.path(), &models, false);
        assert!(!facts.found && facts.models_inside && facts.version.is_none() && facts.commit.is_none());
        assert!(!look(folder.path(), &folder.path().join("elsewhere"), false).models_inside);
    }

    #[test]
    fn version_and_commit_are_those_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let repository = git2::Repository::init(folder.path()).unwrap();
        fs::write(folder.path().join("main.py"), "").unwrap();
        fs::write(folder.path().join("pyproject.toml"), "[project]\nversion = \"0.4.1\"\n").unwrap();
        let tree = repository.find_tree(repository.index().unwrap().write_tree().unwrap()).unwrap();
        let who = git2::Signature::now("x", "x@example.org").unwrap();
        let id = repository.commit(Some("HEAD"), &who, &who, "x", &tree, &[]).unwrap();
        let facts = look(folder.path(), &folder.path().join("models"), false);
        assert!(facts.found);
        assert_eq!(facts.version.as_deref(), Some("0.4.1"));
        assert_eq!(facts.commit, Some(id.to_string()));
    }
}
