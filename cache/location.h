// Where databases live on this machine, and on what kind of file system.
//
// Thread safety: reads the environment; safe while nobody changes it.
#pragma once

#include <optional>
#include <string>

#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::cache {

/// TUNESMITH_DB, else $XDG_DATA_HOME/tunesmith/tuning.db, else ~/.local/share/tunesmith/tuning.db.
/// Throws UserError where none of these is known.
std::string default_database_path();

/// Creates the folders above `path`.
Expected<void, Error> create_parent_folders(const std::string& path);

/// Name of the network or cluster file system that holds `path` (or the nearest folder that exists); empty
/// for a local one. SQLite's locks and shared memory are not safe on these.
std::optional<std::string> network_file_system(const std::string& path);

/// The same from the facts: `magic` of statfs, and the type in the table of mounts (for FUSE).
std::optional<std::string> network_file_system(long magic, const std::string& mount_type);

}  // namespace tunesmith::cache
