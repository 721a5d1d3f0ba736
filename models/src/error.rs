//! Why a model file is refused.

use std::io::ErrorKind;

/// A model file that cannot be used. All variants name the file; whoever wrote it mends it and starts again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not TOML, a key is unknown or missing, or a value has the wrong type.
    #[error("{file}, line {line}: {message}")]
    Syntax {
        /// Name of the file.
        file: String,
        /// Line in the file, counted from 1.
        line: usize,
        /// What was expected and what was found; names the key.
        message: String,
    },
    /// The base of the model is none, or with it a key is unknown or missing or a value has the wrong type.
    #[error("{file}: {message}")]
    Base {
        /// Name of the file.
        file: String,
        /// What was expected and what was found.
        message: String,
    },
    /// The file reads well but says something that no meter can do.
    #[error("{file}: {key}: {message}")]
    Invalid {
        /// Name of the file.
        file: String,
        /// Path of the key, such as `profiles[0].columns[3].obis`.
        key: String,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// A file or the folder cannot be read.
    #[error("{file}: cannot be read ({kind}); check that it exists and that this user may read it")]
    Unreadable {
        /// Name of the file or folder.
        file: String,
        /// What the operating system answered.
        kind: ErrorKind,
    },
    /// A limit of this crate is reached.
    #[error("{file}: {what} is more than the limit of {limit}")]
    Limit {
        /// Name of the file or folder.
        file: String,
        /// What was counted, with its number.
        what: String,
        /// The limit.
        limit: usize,
    },
}
