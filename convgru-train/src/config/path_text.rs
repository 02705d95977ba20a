//! Paths in TOML and JSON: text, and where a path is no text, the list of its bytes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path as it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

impl Written {
    fn of(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.into()),
            None => Self::Bytes(bytes(path)),
        }
    }

    fn path(self) -> Result<PathBuf, &'static str> {
        match self {
            Self::Text(text) => Ok(text.into()),
            Self::Bytes(bytes) => of_bytes(bytes),
        }
    }
}

#[cfg(unix)]
fn bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
fn of_bytes(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn of_bytes(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    String::from_utf8(bytes).map(Into::into).map_err(|_| "a path of bytes that are no text")
}

/// Writes a path.
pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    Written::of(path).serialize(serializer)
}

/// Reads a path.
pub(crate) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Written::deserialize(deserializer)?.path().map_err(serde::de::Error::custom)
}

/// Paths that may be absent.
pub(crate) mod optional {
    use super::*;

    /// Writes a path, if there is one.
    pub(crate) fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(Written::of).serialize(serializer)
    }

    /// Reads a path, if there is one.
    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        let written = Option::<Written>::deserialize(deserializer)?;
        written.map(Written::path).transpose().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::RunConfig;

    #[cfg(unix)]
    #[test]
    fn folders_of_any_bytes_survive_toml() {
        use std::os::unix::ffi::OsStrExt;
        for bytes in [&b"runs/data"[..], b"", b"d\xff\xfe/\x1b[31m\n", "gr\u{fc}n".as_bytes()] {
            let data_folder = std::ffi::OsStr::from_bytes(bytes).into();
            let config = RunConfig { data_folder, ..RunConfig::default() };
            let again = RunConfig::from_toml(&config.to_toml()).unwrap();
            assert_eq!(again, config);
            assert_eq!(again.hash(), RunConfig::default().hash());
        }
    }
}
