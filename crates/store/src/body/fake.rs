//! A disk for tests: it fails on demand, counts syncs, and can lose what was not synced.
//!
//! Files live in memory, each as it is and as it was at its last sync; folders remember which
//! names were synced. Every step that changes something is numbered. `cut_at(n)` lets the power go
//! at step n: that step (torn, if asked) and all later ones fail, and [`FakeDisk::after_cut`] is
//! the disk as the next start finds it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::disk::{Disk, DiskFile};

#[derive(Debug, Default, Clone)]
struct Bytes {
    now: Vec<u8>,
    synced: Vec<u8>,
    name_synced: bool,
}

/// What is to go wrong.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Writes find no room.
    pub(crate) full: bool,
    /// Syncs fail.
    pub(crate) sync: bool,
    /// Nothing can be written.
    pub(crate) read_only: bool,
    /// Octets that there is room for in a file; half of a write that needs more gets through.
    pub(crate) room: Option<usize>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, Arc<Mutex<Bytes>>>,
    faults: Faults,
    steps: u64,
    syncs: u64,
    cut_at: Option<u64>,
    torn: bool,
}

/// The disk; clones share it.
#[derive(Debug, Default, Clone)]
pub(crate) struct FakeDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct FakeFile {
    disk: FakeDisk,
    bytes: Arc<Mutex<Bytes>>,
}

impl FakeDisk {
    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn fail(&self, faults: Faults) {
        self.state(|state| state.faults = faults);
    }

    /// Lets the power go at step `step`; `torn` lets half of that step's bytes get through.
    pub(crate) fn cut_at(&self, step: u64, torn: bool) {
        self.state(|state| (state.cut_at, state.torn) = (Some(step), torn));
    }

    pub(crate) fn steps(&self) -> u64 {
        self.state(|state| state.steps)
    }

    /// Syncs of files, without those of folders.
    pub(crate) fn syncs(&self) -> u64 {
        self.state(|state| state.syncs)
    }

    /// Changes stored bytes behind the store's back.
    pub(crate) fn damage(&self, path: &Path, at: usize) {
        let file = self.state(|state| Arc::clone(&state.files[path]));
        let mut bytes = file.lock().unwrap();
        bytes.now[at] ^= 0xff;
        bytes.synced[at] ^= 0xff;
    }

    /// The disk after the power came back: only what was synced, and with `torn` half of what was
    /// written behind it.
    pub(crate) fn after_cut(&self, torn: bool) -> Self {
        let files = self.state(|state| {
            let mut files = BTreeMap::new();
            for (path, file) in &state.files {
                let bytes = file.lock().unwrap();
                if !bytes.name_synced {
                    continue;
                }
                let mut left = bytes.synced.clone();
                if torn && bytes.now.len() > left.len() {
                    let half = left.len() + (bytes.now.len() - left.len()) / 2;
                    left.extend_from_slice(&bytes.now[left.len()..half]);
                }
                let bytes = Bytes { now: left.clone(), synced: left, name_synced: true };
                files.insert(path.clone(), Arc::new(Mutex::new(bytes)));
            }
            files
        });
        Self(Arc::new(Mutex::new(State { files, ..State::default() })))
    }

    /// Counts a step; an error when the power is gone or a fault is set.
    fn step(&self, writes: bool) -> io::Result<Option<u64>> {
        self.state(|state| {
            if state.faults.read_only {
                return Err(io::ErrorKind::ReadOnlyFilesystem.into());
            }
            if state.faults.full && writes {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.steps += 1;
            match state.cut_at {
                Some(at) if state.steps == at && state.torn => Ok(Some(at)),
                Some(at) if state.steps >= at => Err(io::Error::other("the power is gone")),
                _ => Ok(None),
            }
        })
    }
}

impl Disk for FakeDisk {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        // The quarantine is written with the real file system.
        std::fs::create_dir_all(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.step(true)?;
        let bytes = Arc::new(Mutex::new(Bytes::default()));
        self.state(|state| state.files.insert(path.to_owned(), Arc::clone(&bytes)));
        Ok(Arc::new(FakeFile { disk: self.clone(), bytes }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let bytes = self.state(|state| state.files.get(path).map(Arc::clone));
        let bytes = bytes.ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(FakeFile { disk: self.clone(), bytes }))
    }

    fn open_to_cut(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let name = |path: &PathBuf| {
            let here = path.parent() == Some(folder);
            here.then(|| path.file_name().unwrap().to_string_lossy().into_owned())
        };
        Ok(self.state(|state| state.files.keys().filter_map(name).collect()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        let gone = self.state(|state| state.files.remove(path));
        gone.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(false)?;
        self.state(|state| {
            for (path, file) in &state.files {
                if path.parent() == Some(folder) {
                    file.lock().unwrap().name_synced = true;
                }
            }
        });
        Ok(())
    }
}

impl DiskFile for FakeFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let torn = self.disk.step(true)?;
        let through = if torn.is_some() { bytes.len() / 2 } else { bytes.len() };
        let from = usize::try_from(offset).unwrap();
        let room = self.disk.state(|state| state.faults.room);
        let is_full = room.is_some_and(|room| from + bytes.len() > room);
        let through = if is_full { bytes.len() / 2 } else { through };
        let mut file = self.bytes.lock().unwrap();
        let end = file.now.len().max(from + through);
        file.now.resize(end, 0);
        file.now[from..from + through].copy_from_slice(&bytes[..through]);
        if is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        torn.map_or(Ok(()), |_| Err(io::Error::other("the power is gone")))
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        let file = self.bytes.lock().unwrap();
        let part = file.now.get(from..from + bytes.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(part);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        if self.disk.step(false)?.is_some() {
            return Err(io::Error::other("the power is gone"));
        }
        if self.disk.state(|state| state.faults.sync) {
            return Err(io::Error::other("sync"));
        }
        self.disk.state(|state| state.syncs += 1);
        let mut file = self.bytes.lock().unwrap();
        file.synced = file.now.clone();
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.bytes.lock().unwrap().now.len()).unwrap())
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.disk.step(false)?;
        self.bytes.lock().unwrap().now.truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}
