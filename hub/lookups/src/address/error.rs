//! Why something pasted is no address to fetch from, with what to do.

use shared_protocol::source_url::UrlError;

/// Why a text is refused. Its words stand behind "This address can't be used: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing was pasted.
    #[error("it is empty: copy the address of the model's page or of its download button")]
    Empty,
    /// Not an address at all.
    #[error("it is no web address: copy the whole of it, beginning with https://")]
    Unreadable,
    /// Characters that are not seen, or that turn text around.
    #[error("it holds characters that can't be seen: copy it from the address bar, not from a text")]
    Invisible,
    /// `..`, a backslash, or an encoded slash: a path that leads elsewhere than it looks.
    #[error(
        "its path has parts that lead elsewhere (\"..\" or \"\\\"): copy it from the address bar of the file's page"
    )]
    Path,
    /// A host in letters that look like others.
    #[error("its host is not written in plain letters, which can look like another site: type the host in a to z")]
    Host,
    /// The rules for all addresses.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A page of a site that belongs to no model.
    #[error("it is a page of {0}, but not that of a model or file: open the model there and copy its address")]
    NotAModel(&'static str),
    /// `urn:air:` of a place that nothing is fetched from.
    #[error(
        "it names a resource of {0:?}: only AIRs of civitai and huggingface lead to a file, use the address of its page"
    )]
    AirSource(String),
    /// `urn:air:` that is not of the form.
    #[error("it is no whole AIR: expected urn:air:ECOSYSTEM:TYPE:civitai:MODEL@VERSION, as the model's page shows it")]
    Air,
    /// `hf://` that is not of the form.
    #[error("it is no whole hf:// address: expected hf://OWNER/REPOSITORY/FILE")]
    Hf,
}
