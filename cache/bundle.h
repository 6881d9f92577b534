// Bundles: records as JSON lines, for exchange between machines and people.
//
// Format: a header line {"tunesmith_bundle":1}; one object a line, its keys sorted, without spaces: a record
// with its hash (see docs in the README of this room) or a retraction; a last line {"end":N,"digest":HEX}
// with the number of lines between and the chained BLAKE2b of them. Byte strings that are not UTF-8 are
// {"hex":"..."}. Records come in order of their hashes, so that equal sets give equal bytes. Trust is not
// written: it is the reader's to give.
//
// Import keeps every good line and reports every bad one by its number. Each record is hashed again, comes in
// as foreign, and may be refused by the caller (who replays its schedule).
//
// Thread safety: as the store's.
#pragma once

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "cache/store.h"

namespace tunesmith::cache {

/// Why a record is refused; empty: it may come in.
using Refuse = std::function<std::optional<std::string>(const Record&)>;

struct ExportReport {
  std::size_t records = 0;
  std::size_t retractions = 0;
  std::size_t damaged = 0;  // left out, because they differ from their hash
};

struct LineIssue {
  std::size_t line = 0;  // from 1
  std::string message;
};

struct ImportReport {
  std::size_t added = 0;
  std::size_t present = 0;  // known already
  std::size_t retractions = 0;
  std::size_t rejected = 0;       // lines that were not taken
  std::vector<LineIssue> issues;  // the first max_issues
  static constexpr std::size_t max_issues = 1000;
};

/// More than the longest record in its longest spelling.
inline constexpr std::size_t max_line_bytes = 40 * max_payload_bytes;

/// True when the file begins as a bundle does.
bool is_bundle_file(const std::string& path);

/// Writes the records of `filter` (its order is ignored) and all retractions.
Expected<ExportReport, Error> export_bundle(Store& store, const Filter& filter, std::ostream& out);
/// The same to a file, which appears whole or not at all.
Expected<ExportReport, Error> export_bundle_file(Store& store, const Filter& filter, const std::string& path);

/// Reads a bundle, or several one after another. Errors: not a bundle at all, a newer bundle, reading or
/// storing failed; what was stored before the error stays.
Expected<ImportReport, Error> import_bundle(Store& store, std::istream& in, const Refuse& refuse = {});
Expected<ImportReport, Error> import_bundle_file(Store& store, const std::string& path,
                                                 const Refuse& refuse = {});

}  // namespace tunesmith::cache
