//! What the stories need: the real hub as a child process, a browser, corpora, and checks of the
//! source itself.

pub mod checks;
