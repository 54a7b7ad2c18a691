//! The operator's requests, counted from the API server's audit log while it is written.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Instant,
};

use crate::support::metrics::Requests;

/// Follows the log of one user's requests. The API server begins a new file when one is large, so it must be read
/// now and then.
pub(crate) struct Audit {
    path: PathBuf,
    user: String,
    file: BufReader<File>,
    /// The beginning of a line that is still being written.
    partial: String,
    counts: Requests,
    newest: Instant,
}

impl Audit {
    pub(crate) fn follow(path: PathBuf, user: &str) -> Self {
        Self {
            file: BufReader::new(File::open(&path).expect("an audit log")),
            path,
            user: user.to_owned(),
            partial: String::new(),
            counts: Requests::default(),
            newest: Instant::now(),
        }
    }

    /// All requests so far: watches, which are open rather than asked, and the process's Lease left out.
    pub(crate) fn read(&mut self) -> Requests {
        loop {
            self.drain();
            let inode =
                |metadata: std::io::Result<std::fs::Metadata>| metadata.map(|metadata| metadata.ino());
            let (open, named) = (
                inode(self.file.get_ref().metadata()).expect("an open file"),
                inode(std::fs::metadata(&self.path)).unwrap_or_default(),
            );
            if named == 0 || open == named {
                return self.counts.clone();
            }
            // What came between the reading and the renaming.
            self.drain();
            self.file = BufReader::new(File::open(&self.path).expect("the next audit log"));
        }
    }

    /// When a request was last found.
    pub(crate) fn newest(&self) -> Instant {
        self.newest
    }

    fn drain(&mut self) {
        while self.file.read_line(&mut self.partial).expect("an audit log") > 0 {
            if !self.partial.ends_with('\n') {
                return;
            }
            let before = self.counts.total();
            self.counts.add_event(&self.partial, &self.user);
            self.counts.0.retain(|request, _| !request.ends_with(" leases"));
            if self.counts.total() > before {
                self.newest = Instant::now();
            }
            self.partial.clear();
        }
    }
}
