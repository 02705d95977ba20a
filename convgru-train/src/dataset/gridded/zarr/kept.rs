//! Unpacked chunks that are kept, since neighbouring frames may share them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::codecs::Unpacked;

/// The chunks that were read last.
#[derive(Default)]
pub(super) struct Kept {
    /// The one that was read longest ago comes first.
    chunks: VecDeque<(Vec<u64>, Arc<Unpacked>)>,
    bytes: u64,
}

impl Kept {
    /// The chunk at a place.
    pub(super) fn get(&mut self, place: &[u64]) -> Option<Arc<Unpacked>> {
        let at = self.chunks.iter().position(|(own, _)| own == place)?;
        let found = self.chunks.remove(at)?;
        let chunk = found.1.clone();
        self.chunks.push_back(found);
        Some(chunk)
    }

    /// Keeps a chunk, and as many of those before it as have room in `most` bytes.
    pub(super) fn put(&mut self, place: &[u64], chunk: &Arc<Unpacked>, most: u64) {
        // Another thread may have read it too.
        if self.chunks.iter().any(|(own, _)| own == place) {
            return;
        }
        self.bytes += chunk.bytes.len() as u64;
        self.chunks.push_back((place.to_vec(), chunk.clone()));
        while self.bytes > most {
            let Some((_, oldest)) = self.chunks.pop_front() else { return };
            self.bytes -= oldest.bytes.len() as u64;
        }
    }
}
