//! Files that are read again and again, of which some stay open.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{FramesConfig, Reader};
use crate::Result;
use crate::dataset::source::{self, FrameSource, Given};
use crate::read_budget::ReadBudget;

/// Files that stay open: fewer than a system lets a program have.
const MOST_OPEN: usize = 64;

/// Files of frames, by number.
pub(super) struct OpenFiles {
    paths: Vec<PathBuf>,
    config: FramesConfig,
    budget: ReadBudget,
    given: Given,
    /// Those that were read last, the latest at the end.
    opened: Mutex<VecDeque<(usize, Arc<dyn FrameSource>)>>,
}

impl OpenFiles {
    /// Files that are read as a reader reads them.
    pub(super) fn new(paths: Vec<PathBuf>, reader: &Reader<'_>) -> Self {
        let (config, budget) = (reader.config.clone(), reader.budget.clone());
        Self { paths, config, budget, given: reader.given, opened: Mutex::default() }
    }

    /// The path of a file.
    pub(super) fn path(&self, file: usize) -> &Path {
        &self.paths[file]
    }

    /// A file, opened.
    ///
    /// # Errors
    /// The errors of opening it.
    pub(super) fn source(&self, file: usize) -> Result<Arc<dyn FrameSource>> {
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let found = {
            let mut opened = opened();
            let at = opened.iter().position(|(own, _)| *own == file);
            at.and_then(|at| opened.remove(at))
        };
        let source = match found {
            Some((_, source)) => source,
            None => Arc::from(source::open_as(&self.paths[file], &self.config, &self.budget, self.given)?),
        };
        let mut opened = opened();
        opened.retain(|(own, _)| *own != file);
        opened.push_back((file, source.clone()));
        if opened.len() > MOST_OPEN {
            opened.pop_front();
        }
        Ok(source)
    }
}
