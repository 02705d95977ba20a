//! Files of weights from anywhere: safetensors, both forms of torch.save, MXNet.
//!
//! Whatever the bytes are, reading them ends with tensors or an error: no panic, no memory beyond some times the size of
//! the file, nothing executed. What is read goes on into the search for cells.
#![no_main]

use convgru_model::import::{layout, named_tensors, network};
use libfuzzer_sys::fuzz_target;

/// Numbers of all tensors together from which on the search is left out: it copies them.
const MOST: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = named_tensors(bytes) else { return };
    let numbers: usize = checkpoint.tensors.iter().map(|(_, tensor)| tensor.len()).sum();
    if numbers < MOST {
        let found = network::find(&checkpoint.tensors);
        layout::find(&found.rest);
    }
});
