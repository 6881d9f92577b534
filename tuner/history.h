// History: what the database knows of a kernel, in the tuner's own terms. The only place that turns kernels,
// schedules and measurements into records and back.
//
// Thread safety: as the store's (several threads may call at once).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ir/kernel.h"
#include "tuner/environment.h"
#include "tuner/measurement.h"

namespace tunesmith::tuner {

struct KnownSchedule {
  std::string schedule;  // text
  Measurement measurement;
  bool same_toolchain = true;
};

/// Where the measurements that are added come from; part of their records.
struct Provenance {
  std::string seed;             // what proposed the schedules, as in cache::Record
  std::string source = "tune";  // who measures, as in cache::Record
};

class History {
 public:
  explicit History(const Environment& environment, Provenance provenance = {});

  /// The fastest schedule measured on this target that may be served; an equal toolchain is preferred.
  std::optional<KnownSchedule> best(const ir::Kernel& kernel) const;
  /// Every schedule that was measured for the kernel on this target with this toolchain, failures included.
  std::vector<KnownSchedule> known(const ir::Kernel& kernel) const;
  /// Good schedules of the nearest shapes of the same family, nearest first.
  std::vector<std::string> seeds(const ir::Kernel& kernel, std::size_t limit) const;

  /// Stores one measurement. The error says why the database refused; nothing that was stored before is lost.
  Expected<void, Error> add(const ir::Kernel& kernel, const std::string& schedule,
                            const Measurement& measurement);
  /// Everything added so far is on disk when it returns.
  Expected<void, Error> flush();

  /// Of a cost model of this name over the present features.
  std::optional<std::vector<std::byte>> load_model(const std::string& name) const;
  Expected<void, Error> save_model(const std::string& name, const std::vector<std::byte>& model);

 private:
  const Environment& environment_;
  Provenance provenance_;
  std::string target_, toolchain_, protocol_;
};

}  // namespace tunesmith::tuner
