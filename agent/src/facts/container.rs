//! Which container this is, if any. There is no one way to tell; the signs are those that the programs
//! which make containers leave themselves.

use std::path::Path;

/// Variables that rented machines set, and what they are called.
const CLOUDS: &[(&str, &str)] = &[
    ("RUNPOD_POD_ID", "runpod"),
    ("VAST_CONTAINERLABEL", "vast.ai"),
    ("PAPERSPACE_METRIC_URL", "paperspace"),
    ("KUBERNETES_SERVICE_HOST", "kubernetes"),
];

/// The container's name, if this is one.
pub(super) fn container() -> Option<String> {
    detect(Path::new("/"), &|name| std::env::var(name).ok())
}

fn detect(root: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let cloud = CLOUDS.iter().find(|(name, _)| variable(name).is_some());
    if let Some((_, cloud)) = cloud {
        return Some((*cloud).to_owned());
    }
    if root.join(".dockerenv").exists() {
        return Some("docker".to_owned());
    }
    if root.join("run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    // systemd's convention, kept by LXC and nspawn.
    let named = std::fs::read_to_string(root.join("run/systemd/container")).ok().or_else(|| variable("container"));
    if let Some(name) = named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) {
        return Some(name.chars().take(40).collect());
    }
    let groups = std::fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
    let signs = [("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("lxc", "lxc")];
    signs.into_iter().find(|(sign, _)| groups.contains(sign)).map(|(_, name)| name.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may unwrap")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_sign_is_read() {
        let in_root = |files: &[(&str, &str)], variables: &[(&str, &str)]| {
            let root = tempfile::tempdir().unwrap();
            for (file, text) in files {
                let path = root.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            detect(root.path(), &|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(in_root(&[], &[]), None);
        assert_eq!(in_root(&[("proc/1/cgroup", "0::/init.scope\n")], &[]), None);
        assert_eq!(in_root(&[(".dockerenv", "")], &[]).as_deref(), Some("docker"));
        assert_eq!(in_root(&[(".dockerenv", "")], &[("RUNPOD_POD_ID", "x")]).as_deref(), Some("runpod"));
        assert_eq!(in_root(&[("run/.containerenv", "")], &[]).as_deref(), Some("podman"));
        assert_eq!(in_root(&[("run/systemd/container", "lxc\n")], &[]).as_deref(), Some("lxc"));
        assert_eq!(in_root(&[], &[("container", "systemd-nspawn")]).as_deref(), Some("systemd-nspawn"));
        assert_eq!(in_root(&[("proc/1/cgroup", "1:x:/kubepods/y\n")], &[]).as_deref(), Some("kubernetes"));
    }
}
