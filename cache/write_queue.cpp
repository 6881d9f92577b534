#include "cache/write_queue.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "ir/support/log.h"

namespace tunesmith::cache {
namespace {

using std::chrono::steady_clock;

Error forked_error() {
  return Error{"the tuning database was opened before fork(); a child process must open it again"};
}

}  // namespace

WriteQueue::WriteQueue(Commit commit) : commit_(std::move(commit)), process_(getpid()) {
  thread_ = std::thread([this] { work(); });
}

WriteQueue::~WriteQueue() {
  if (process_ != getpid()) {
    thread_.detach();          // the thread exists in the parent only,
    (void)signals_.release();  // and destroying a condition that it waits on would wait for it for ever
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  signals_->wake.notify_all();
  thread_.join();
  if (!waiting_.empty())
    log(LogLevel::error, "{} measurements could not be stored: {}", waiting_.size(), last_failure_.message);
}

Expected<void, Error> WriteQueue::push(std::vector<Record> records) {
  if (process_ != getpid()) return Unexpected(forked_error());
  const std::lock_guard lock(mutex_);
  if (failing_) return Unexpected(last_failure_);
  if (waiting_.size() + records.size() > max_waiting_rows)
    return Unexpected(
        make_error("{} measurements wait to be written; the database is too slow", waiting_.size()));
  if (waiting_.empty()) oldest_ = steady_clock::now();
  waiting_.insert(waiting_.end(), std::make_move_iterator(records.begin()),
                  std::make_move_iterator(records.end()));
  accepted_ += records.size();
  signals_->wake.notify_one();
  return {};
}

Expected<void, Error> WriteQueue::flush() {
  if (process_ != getpid()) return Unexpected(forked_error());
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = accepted_;
  const std::uint64_t failures = failures_;
  if (committed_ >= wanted) return {};
  ++flushing_;
  retry_at_ = steady_clock::now();
  signals_->wake.notify_one();
  signals_->done.wait(lock, [&] { return committed_ >= wanted || failures_ > failures; });
  --flushing_;
  if (committed_ >= wanted) return {};
  return Unexpected(last_failure_);
}

bool WriteQueue::settle(std::chrono::milliseconds limit) {
  if (process_ != getpid()) return false;
  std::unique_lock lock(mutex_);
  const std::uint64_t wanted = accepted_;
  const std::uint64_t failures = failures_;
  if (committed_ >= wanted) return true;
  if (failing_) return false;
  const auto since = committing_since_.value_or(steady_clock::now());
  ++flushing_;
  signals_->wake.notify_one();
  signals_->done.wait_until(lock, since + limit,
                            [&] { return committed_ >= wanted || failures_ > failures; });
  --flushing_;
  return committed_ >= wanted;
}

bool WriteQueue::batch_is_due(steady_clock::time_point now) const {
  if (waiting_.empty()) return false;
  if (failing_) return now >= retry_at_;
  return flushing_ > 0 || waiting_.size() >= batch_rows || now >= oldest_ + batch_age;
}

steady_clock::time_point WriteQueue::next_wake() const {
  if (waiting_.empty()) return steady_clock::time_point::max();
  return failing_ ? retry_at_ : oldest_ + batch_age;
}

void WriteQueue::commit_batch(std::unique_lock<std::mutex>& lock) {
  const std::size_t count = std::min(waiting_.size(), max_commit_rows);
  // Only this thread removes rows, so that these stay where they are.
  const std::vector<Record> batch(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
  committing_since_ = steady_clock::now();
  lock.unlock();
  auto committed = commit_(batch);
  lock.lock();
  committing_since_.reset();
  if (committed) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    committed_ += count;
    failing_ = false;
    oldest_ = steady_clock::now();
  } else {
    if (!failing_) log(LogLevel::warning, "{}", committed.error().message);
    failing_ = true;
    last_failure_ = committed.error();
    ++failures_;
    retry_at_ = steady_clock::now() + retry_interval;
  }
  signals_->done.notify_all();
}

void WriteQueue::work() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (batch_is_due(steady_clock::now())) {
      commit_batch(lock);
    } else if (waiting_.empty()) {
      signals_->wake.wait(lock);
    } else {
      signals_->wake.wait_until(lock, next_wake());
    }
  }
  const std::uint64_t failures = failures_;
  while (!waiting_.empty() && failures_ == failures) commit_batch(lock);
}

}  // namespace tunesmith::cache
