//! How much memory a call may ask for.
//!
//! Linux promises more memory than there is and ends the process later, when it uses it. So sizes that come from a caller are
//! compared with the memory of the machine before anything is taken.

use std::sync::OnceLock;

use crate::error::{Error, Result};

/// What a call may ask for where the system does not tell its memory: 1 TiB.
const MOST_BYTES: u128 = 1 << 40;

/// Allocations of at least as many bytes are tried before they are made: a failed one would end the process.
const TRIED_FROM: usize = 16 << 20;

/// Bytes that a call may ask for: the memory of the machine with what it swaps to.
pub(crate) fn most_bytes() -> u128 {
    static MOST: OnceLock<u128> = OnceLock::new();
    *MOST.get_or_init(|| of_machine().unwrap_or(MOST_BYTES))
}

#[cfg(target_os = "linux")]
fn of_machine() -> Option<u128> {
    let info = rustix::system::sysinfo();
    let units = u128::from(info.totalram) + u128::from(info.totalswap);
    Some(units * u128::from(info.mem_unit.max(1))).filter(|&bytes| bytes > 0)
}

#[cfg(not(target_os = "linux"))]
fn of_machine() -> Option<u128> {
    None
}

/// Bytes of numbers of a shape; a product beyond any memory is the largest number there is.
pub(crate) fn bytes_of<T>(shape: &[usize]) -> u128 {
    shape.iter().fold(size_of::<T>() as u128, |bytes, &dimension| bytes.saturating_mul(dimension as u128))
}

/// Fails if `what` would need more bytes than a call may ask for.
pub(crate) fn expect_bytes(what: &str, bytes: u128) -> Result<()> {
    let most = most_bytes();
    if bytes <= most {
        return Ok(());
    }
    Err(Error::TooLarge { what: what.into(), bytes, most })
}

/// Fails if `count` values of `what` cannot be had.
pub(crate) fn expect_room<V>(what: &str, count: usize) -> Result<()> {
    let bytes = bytes_of::<V>(&[count]);
    expect_bytes(what, bytes)?;
    let there = bytes < TRIED_FROM as u128 || Vec::<V>::new().try_reserve_exact(count).is_ok();
    if there { Ok(()) } else { Err(Error::TooLarge { what: what.into(), bytes, most: most_bytes() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_the_bytes() {
        expect_bytes("a frame", 1 << 20).unwrap();
        expect_room::<f32>("a frame", 1 << 20).unwrap();
        let error = expect_bytes("a frame", bytes_of::<f64>(&[1 << 40, 1 << 30])).unwrap_err().to_string();
        assert!(error.starts_with("a frame would need 9444732965739290427392 bytes"), "{error}");
        expect_room::<f32>("a frame", usize::MAX).unwrap_err();
        assert_eq!(bytes_of::<f64>(&[usize::MAX; 3]), u128::MAX);
    }
}
