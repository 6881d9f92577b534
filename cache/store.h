// Store: what is known of tuning, as records. Look-ups are queries over immutable measurements; "best" is
// one.
//
// Invariants: a measurement is never changed once stored; storing it again changes nothing. Records whose
// bytes do not match their hash are never returned: they count as absent and are logged.
//
// Thread safety: every function may be called from several threads at once. A store must not be used
// in a child process after fork(); it says so with an error.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/record.h"

namespace tunesmith::cache {

/// What a look-up is made under. Views must outlive the call.
struct Conditions {
  std::string_view target_kind = "cpu";
  std::string_view target;
  std::string_view toolchain;
  std::string_view protocol;
  int language_major = 0;
};

/// A schedule that may be served.
struct Served {
  Record record;
  bool stale = false;  // measured under another toolchain or protocol: re-measure in the background
};

/// A seed from the same family.
struct Neighbour {
  Record record;
  double distance = 0;  // squared distance of the log2 extents
};

struct NeighbourQuery {
  std::string_view family;
  std::span<const std::int64_t> extents;
  std::string_view target_kind = "cpu";
  std::string_view target;  // preferred where a workload was measured on several
  int language_major = 0;
  std::size_t limit = 8;  // neighbours; the fastest schedule of each
};

/// Which records visit() shows; empty fields match all.
struct Filter {
  std::optional<std::string> workload;
  std::optional<std::string> target_kind;
  std::optional<std::string> target;  // REQUIRES target_kind
  std::optional<Status> status;
  Trust least_trust = Trust::foreign;
  bool retracted = false;  // also those that were withdrawn
  bool by_hash = false;    // in order of the hashes (equal sets give equal sequences), else of insertion
};

/// How many of a set of records were new.
struct Added {
  std::size_t added = 0;
  std::size_t present = 0;
};

/// When put() returns.
enum class Durability {
  queued,   // at once; the rows are committed within 100 ms, or by flush()
  on_disk,  // when the rows are on disk
};

class Store {
 public:
  virtual ~Store() = default;

  /// Stores measurements made here. An error means that none of these rows was accepted, or, with on_disk, that they are
  /// not on disk yet; rows accepted that could not be written (full disk, locked database) stay queued and are tried
  /// again.
  virtual Expected<void, Error> put(std::span<const Record> records,
                                    Durability durability = Durability::queued) = 0;
  /// Writes what is queued. Success: all rows accepted before the call are on disk.
  virtual Expected<void, Error> flush() = 0;
  /// Stores records of others: trust becomes foreign, known records stay as they are. On disk on return.
  virtual Expected<Added, Error> import_records(std::span<const Record> records) = 0;
  /// Raises the trust of measurements (never lowers it). Unknown hashes are ignored.
  virtual Expected<void, Error> promote(std::span<const Digest> measurements, Trust trust) = 0;
  /// Withdraws records; retractions are kept and shared like records. On disk on return.
  virtual Expected<void, Error> retract(std::span<const Retraction> retractions) = 0;

  // Look-ups. They see what others committed and everything that this store accepted before, save rows that
  // cannot be written at present (put and flush say so) or within 250 ms (another process writes for long):
  // a look-up waits no longer than that and answers from what is committed.

  /// The compare-times rule: the fastest schedule by measurements made here whose workload, target, toolchain
  /// and protocol all equal. Several measurements of one schedule count as their median; near-ties inside the
  /// standard error of the median are decided by the schedule's bytes.
  virtual Expected<std::optional<Record>, Error> best(std::string_view workload,
                                                      const Conditions& conditions) = 0;
  /// The serve-a-schedule rule: workload, target and language major equal. The same toolchain and protocol
  /// where there is one, else the same protocol, else any; stale says which.
  virtual Expected<std::optional<Served>, Error> serve(std::string_view workload,
                                                       const Conditions& conditions) = 0;
  /// Everything tried for the workload on this target, failures included, oldest first (to resume a search).
  virtual Expected<std::vector<Record>, Error> records(std::string_view workload,
                                                       std::string_view target_kind,
                                                       std::string_view target) = 0;
  /// Seeds: the nearest workloads of the family on targets of this kind, nearest first. At most 64
  /// workloads are looked at.
  virtual Expected<std::vector<Neighbour>, Error> neighbours(const NeighbourQuery& query) = 0;
  /// Calls `each` for every matching record until it returns false. No lock is held during the calls, so that
  /// `each` may use the store; in order of insertion, records added meanwhile are not shown. Gives the number
  /// of damaged records that were left out.
  virtual Expected<std::size_t, Error> visit(const Filter& filter,
                                             const std::function<bool(const Record&)>& each) = 0;
  virtual Expected<std::vector<Retraction>, Error> retractions() = 0;

  /// One trained cost model per target and feature version; saving replaces. A damaged one is absent.
  virtual Expected<void, Error> save_model(std::string_view target_kind, std::string_view target,
                                           std::string_view feature_version,
                                           std::span<const std::byte> model) = 0;
  virtual Expected<std::optional<std::vector<std::byte>>, Error> load_model(
      std::string_view target_kind, std::string_view target, std::string_view feature_version) = 0;

  /// Where the records are, for messages.
  virtual const std::string& location() const = 0;

  /// serve() for the runtime: a failure is a miss, and is logged.
  std::optional<Served> find(std::string_view workload, const Conditions& conditions);
};

enum class OpenMode {
  read_only,   // never changes the file and never waits over 5 ms for a lock
  read_write,  // creates file and folders where they are missing
};

/// Opens a tuning database. Errors: another program's database, one of a newer version, damage, no
/// permission, a network file system (read_write), a missing file (read_only). The original is never changed
/// by a failed open.
Expected<std::unique_ptr<Store>, Error> open_sqlite(const std::string& path, OpenMode mode);

}  // namespace tunesmith::cache
