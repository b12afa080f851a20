//! The parts of the library that the command and the tests reach into. No version promises any of this: programs find
//! what they need at the root.

pub mod archive {
    pub use crate::archive::{Ending, EntryKind, MemberIndex, Reader, Scan, TarEntry, encode};
}

pub mod codec {
    pub use crate::codec::{Watch, decode, versions};
}

pub mod edit {
    pub use crate::edit::{check_healthcheck, check_variable, platform_part, port, signal};
}

pub mod flatten {
    pub use crate::flatten::{Change, ChangeKind, Flattened, FlattenedEntry, Options, Overlay};
}

pub mod image {
    pub use crate::image::layer_title;
}

pub mod limits {
    pub use crate::limits::MAX_DOCUMENT;
}

pub mod path {
    pub use crate::path::{EntryPath, escape_for_terminal, escape_path, is_deceptive, presentable};
}

pub mod spec {
    pub use crate::spec::{docker, json, oci, timestamp, v1};
}

pub mod words {
    pub use crate::words::{counted, list, size, whole_number};
}

pub mod stream {
    pub use crate::stream::skip::{Sequential, Skip};
    pub use crate::stream::source::Source;
    pub use crate::stream::{PathKey, duplicate, metadata, unfinished};
}
