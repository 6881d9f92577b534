// What the db commands share. One function a command; db.cpp puts them together.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/store.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"

namespace tunesmith::tools {

std::unique_ptr<cache::Store> open_store(const CommonOptions& options, cache::OpenMode mode);

/// Prints JSON or text, whichever was asked for, and gives the exit code back.
int finish(const CommonOptions& options, const Json& document, const std::string& text, int code = exit_ok);

/// A subcommand of db with --db and --json; `run` is what it does.
CLI::App& add_db_subcommand(CLI::App& db, Action& action, const char* name, const std::string& help,
                            CommonOptions& options, std::function<int()> run);

void add_db_exchange_commands(CLI::App& db, Action& action);  // export, import, merge
void add_db_care_commands(CLI::App& db, Action& action);      // backup, prune
void add_db_trust_commands(CLI::App& db, Action& action);     // list, promote, retract

/// What `tune --json` and `db stats` call a workload, and `db stats` a target: the digest of its text.
std::string text_id(const std::string& text);
/// Lower-case hexadecimal digits, at least 4. Throws a UserError that names `what`.
std::string parse_id_prefix(const std::string& what, const std::string& text);

}  // namespace tunesmith::tools
