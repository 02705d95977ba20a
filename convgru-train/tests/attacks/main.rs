//! Files that ask for more memory than they are worth: what a reader takes is at most four times the bytes of its files and of the
//! memory it is allowed, and 64 MiB. A counting allocator checks it.

#[cfg(test)]
mod counting;
#[cfg(test)]
mod files;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod weights;
