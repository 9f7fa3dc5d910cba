//! Backups: made while the node serves, encrypted (age-encryption.org/v1), proven by reading them
//! back, and restored beside what this machine keeps for itself.
//!
//! A backup is a folder with three files. `public.age` has the logs, their register and the trust
//! lists; `personal.age` has the sealed disclosures and the submission tags, so that it can be
//! kept elsewhere or destroyed earlier; `manifest` says in clear what they are. Keys are in none
//! of them, and the high-water file is in no backup at all.

pub(crate) mod check;
pub mod command;
mod folder;
mod keys;
mod lock;
mod make;
mod manifest;
mod newest;
mod restore;
mod seal;

pub use keys::{KeysError, back_up_keys, restore_keys};
pub use lock::{Keys, Lock, LockError};
pub use make::{BackupError, back_up};
pub use manifest::{LogSize, Manifest, Part};
pub(crate) use newest::{Newest, newest};
pub use restore::{RestoreError, Wanted, restore, try_out};

use indicatif::{ProgressBar, ProgressStyle};

/// What people see of the work: nothing unless standard error is a terminal.
pub fn progress_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} {wide_msg} {human_pos}/{human_len}  {elapsed}");
    ProgressBar::no_length().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// Names the next step on a progress bar, which has `length` units.
pub(crate) fn step(progress: &ProgressBar, length: u64, message: &'static str) {
    progress.set_position(0);
    progress.set_length(length);
    progress.set_message(message);
}
