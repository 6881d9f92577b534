// WriteQueue: collects records and commits them in batches from one background thread.
//
// Invariants: rows leave the queue only after the commit function succeeded with them, in the order in which
// they came; a batch goes out when 32 rows wait, 100 ms after the first of them, or at flush(). After a
// failed commit the rows stay, new ones are refused, and the batch is tried again each second and at each
// flush.
//
// Thread safety: every function may be called from several threads. In a child process after fork() the queue
// is dead: push and flush give an error and nothing is waited for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "cache/record.h"

namespace tunesmith::cache {

class WriteQueue {
 public:
  /// Writes rows; all of them or, with an error, none. Called from the background thread only.
  using Commit = std::function<Expected<void, Error>(std::span<const Record>)>;

  static constexpr std::size_t batch_rows = 32;
  static constexpr std::size_t max_commit_rows = 1024;
  static constexpr std::size_t max_waiting_rows = 100000;
  static constexpr std::chrono::milliseconds batch_age{100};
  static constexpr std::chrono::milliseconds retry_interval{1000};

  explicit WriteQueue(Commit commit);
  /// Tries to write what waits; logs how many rows are lost where that fails.
  ~WriteQueue();
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  /// Accepts all rows or none.
  Expected<void, Error> push(std::vector<Record> records);
  /// Success: everything accepted before the call is committed.
  Expected<void, Error> flush();
  /// For look-ups: flush() that waits at most `limit`, counted from the start of a commit that is under way
  /// already, so that a series of look-ups waits once for a commit that does not end; after a failed commit
  /// it does not wait at all. True: everything accepted before the call is committed.
  bool settle(std::chrono::milliseconds limit);

 private:
  void work();
  bool batch_is_due(std::chrono::steady_clock::time_point now) const;
  std::chrono::steady_clock::time_point next_wake() const;
  void commit_batch(std::unique_lock<std::mutex>& lock);

  Commit commit_;
  const pid_t process_;
  std::mutex mutex_;
  struct Signals {
    std::condition_variable wake, done;
  };
  std::unique_ptr<Signals> signals_ = std::make_unique<Signals>();
  std::deque<Record> waiting_;
  std::chrono::steady_clock::time_point oldest_{};
  std::chrono::steady_clock::time_point retry_at_{};
  bool failing_ = false;
  Error last_failure_;
  std::uint64_t accepted_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t failures_ = 0;
  int flushing_ = 0;
  std::optional<std::chrono::steady_clock::time_point> committing_since_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tunesmith::cache
