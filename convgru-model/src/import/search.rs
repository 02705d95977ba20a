//! The limit of a search for cells among tensors.

/// The most cells times tensors that a search looks through. A network of a hundred cells among forty thousand tensors has as
/// many; without a limit a small file could have names for hours.
const MAX_SEARCH: usize = 1 << 22;

/// Whether a search for cells among tensors is within its limit; otherwise the reason why there is none.
pub(super) fn expect_search(cells: usize, tensors: usize) -> std::result::Result<(), String> {
    if cells.saturating_mul(tensors) <= MAX_SEARCH {
        return Ok(());
    }
    Err(format!("{cells} cells among {tensors} tensors are more than are looked for"))
}
