// TruthTable: what each schedule of one kernel takes on this machine, measured once and then looked up, so that
// strategies are compared on the same numbers.
#pragma once

#include <map>
#include <string>

#include "tuner/environment.h"
#include "tuner/measurer.h"
#include "tuner/strategy.h"

namespace tunesmith::bench {

class TruthTable {
 public:
  struct Entry {
    double ns = 0;         // infinite: the candidate failed
    double seconds = 0;    // that compiling, verifying and timing it took
    int measurements = 0;  // that `ns` is the median of
  };

  /// Begins the kernel of `measurer`. Results of earlier runs are read from `path`, where there is such a file. Throws a
  /// UserError when the kernel cannot be measured.
  TruthTable(std::string path, const ir::Kernel& kernel, const tuner::Environment& environment,
             tuner::Measurer& measurer);

  const Entry& at(const std::string& schedule, const ir::LoopNest& nest);
  /// Measures the fastest again until the fastest is one that was measured three times: a lucky sample is no truth.
  void confirm_best(const ir::Kernel& kernel);
  double best_ns() const;
  std::size_t size() const { return entries_.size(); }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  void save() const;

 private:
  Entry measure(const ir::LoopNest& nest);

  std::string path_;
  const tuner::Environment& environment_;
  tuner::Measurer& measurer_;
  std::map<std::string, Entry> entries_;  // by schedule text
};

}  // namespace tunesmith::bench
