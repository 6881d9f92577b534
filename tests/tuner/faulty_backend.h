// A back end whose code does what no code should: each new loop nest gets the next fault of a list, then good
// code follows.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cache/record.h"
#include "codegen/backend.h"

namespace tunesmith::tuner::testing {

enum class Fault {
  crash,            // stores far outside of everything
  hang,             // computes for years
  wrong_value,      // one element is off
  nan,              // one element is not a number
  too_little,       // leaves all elements but one as they were
  overrun,          // writes right behind the output
  writes_input,     // overwrites what it reads
  scratch_overrun,  // writes right behind its workspace
  wrong_later,      // right at first, wrong when run again
  counts_on_zeros,  // takes its workspace to be zeroed
  too_much_memory,  // asks for more scratch than any machine has
  unloadable,       // no object file
  no_entry,         // an object file without the kernel
  not_compiled,     // the compiler refuses
  compiler_throws,
};
inline constexpr int fault_count = static_cast<int>(Fault::compiler_throws) + 1;

/// The class that a candidate with this fault must be recorded as.
cache::Status expected_status(Fault fault);

/// Thread-safe, as back ends are.
class FaultyBackend final : public codegen::Backend {
 public:
  FaultyBackend(std::shared_ptr<const codegen::Backend> good, std::vector<Fault> faults)
      : good_(std::move(good)), faults_(std::move(faults)) {}

  std::string toolchain() const override { return good_->toolchain(); }
  Expected<codegen::Object, Error> compile(const ir::LoopNest& nest) const override;
  Expected<std::unique_ptr<codegen::Executable>, Error> load(codegen::Object object) const override {
    return good_->load(std::move(object));
  }
  Expected<std::string, Error> source(const ir::LoopNest& nest) const override { return good_->source(nest); }
  Expected<std::string, Error> assembly(const ir::LoopNest& nest) const override {
    return good_->assembly(nest);
  }

  /// How often code with a fault was asked for, by class.
  std::map<std::string, std::int64_t> faults_compiled() const;
  /// Whether this nest's code is bad.
  bool is_faulty(const ir::LoopNest& nest) const;

 private:
  std::shared_ptr<const codegen::Backend> good_;
  std::vector<Fault> faults_;  // given out in order
  mutable std::mutex mutex_;   // of what follows
  mutable std::size_t given_ = 0;
  mutable std::map<std::string, int> fault_of_;  // by the nest's text; -1: none
  mutable std::map<std::string, std::int64_t> compiled_;
};

}  // namespace tunesmith::tuner::testing
