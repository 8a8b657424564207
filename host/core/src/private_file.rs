//! Files and folders of this user: written for it alone, and read only when no other user can have written them.

mod lock;
mod read;
mod write;

pub use self::lock::lock;
pub use self::read::{Readers, check_folder, check_log, is_there, read, read_from_anyone};
pub use self::write::write;
pub use self::write::{create, folder, nofollow};
