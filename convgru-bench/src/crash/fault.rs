//! What goes wrong at a call of the file system.

use std::fmt;

/// The `ordinal`-th call of this name that a thread makes, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) ordinal: usize,
}

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Fault {
    /// The process is killed before the call is made.
    Kill,
    /// The disk fails.
    Eio,
    /// The disk is full.
    Enospc,
    /// The process has too many open files.
    Emfile,
}

impl Fault {
    pub(super) const ALL: [Self; 4] = [Self::Kill, Self::Eio, Self::Enospc, Self::Emfile];

    /// The name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Eio => "EIO",
            Self::Enospc => "ENOSPC",
            Self::Emfile => "EMFILE",
        }
    }

    /// Whether a file system answers a call of this name so. A file that is closed is closed, whatever the answer.
    pub(super) fn can_meet(self, call: &str) -> bool {
        let starts = |names: &[&str]| names.iter().any(|name| call.starts_with(name));
        match self {
            Self::Kill => true,
            Self::Eio => !starts(&["close", "lseek", "fcntl", "dup", "poll"]),
            Self::Enospc => starts(&[
                "open",
                "creat",
                "write",
                "pwrite",
                "mkdir",
                "rename",
                "link",
                "symlink",
                "fsync",
                "fdatasync",
                "sync",
                "fallocate",
                "ftruncate",
                "copy_file_range",
            ]),
            Self::Emfile => starts(&["open", "creat", "dup"]),
        }
    }
}

/// A fault at a call, as the rule that strace takes after `inject=`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Point {
    pub(super) call: Call,
    pub(super) fault: Fault,
}

impl Point {
    pub(super) fn rule(&self) -> String {
        let Call { name, ordinal } = &self.call;
        match self.fault {
            Fault::Kill => format!("inject={name}:signal=KILL:when={ordinal}"),
            error => format!("inject={name}:error={}:when={ordinal}", error.name()),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} {}", self.fault.name(), self.call.name, self.call.ordinal)
    }
}

/// Every fault at every call, and of each name `beyond` calls more than were counted: threads and clocks move them.
pub(super) fn points(calls: &[Call], beyond: usize) -> Vec<Point> {
    let mut all: Vec<Call> = calls.to_vec();
    for call in calls {
        let last = calls.iter().filter(|other| other.name == call.name).map(|other| other.ordinal).max();
        let last = last.unwrap_or(call.ordinal);
        let more = |ordinal| Call { name: call.name.clone(), ordinal };
        all.extend((last + 1..=last + beyond).map(more));
    }
    let mut seen = std::collections::HashSet::new();
    all.retain(|call| seen.insert(call.clone()));
    let met = |fault: Fault| all.iter().filter(move |call| fault.can_meet(&call.name));
    let at = |fault| met(fault).map(move |call| Point { call: call.clone(), fault });
    Fault::ALL.into_iter().flat_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, ordinal: usize) -> Call {
        Call { name: name.into(), ordinal }
    }

    #[test]
    fn every_call_is_met_by_what_it_can_meet() {
        let points = points(&[call("openat", 7), call("close", 3)], 1);
        let rules: Vec<String> = points.iter().map(Point::rule).collect();
        let kills = rules.iter().filter(|rule| rule.contains("signal=KILL")).count();
        assert_eq!(kills, 4, "two calls, and one more of each name: {rules:?}");
        assert!(rules.contains(&"inject=openat:error=EMFILE:when=8".into()), "{rules:?}");
        assert!(!rules.iter().any(|rule| rule.starts_with("inject=close:error")), "{rules:?}");
        assert_eq!(points[0].to_string(), "SIGKILL at openat 7");
    }
}
