#include "tuner/promote.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/canonical.h"
#include "tuner/history.h"
#include "tuner/replay.h"

namespace tunesmith::tuner {
namespace {

class Promoter {
 public:
  Promoter(const Environment& environment, Measurer& measurer)
      : environment_(environment), measurer_(measurer) {}

  Expected<Promotion, Error> promote(const cache::Record& record) {
    Promotion promotion;
    promotion.record = cache::measurement_hash(record);
    if (record.status != cache::Status::ok) {
      promotion.refused =
          fmt::format("it is a failure ({}): there is nothing to serve", cache::to_string(record.status));
      return promotion;
    }
    auto replayed = replay(record);
    if (!replayed) {
      promotion.refused = replayed.error().message;
      return promotion;
    }
    History history(environment_, {fmt::format("record={}", promotion.record.hex()), "import"});
    for (const KnownSchedule& known : history.known(replayed->kernel))
      if (known.schedule == record.schedule) {
        promotion.known = true;
        promotion.measurement = known.measurement;
        return promotion;
      }
    auto measured = measure(*replayed, record.workload);
    if (!measured) return Unexpected(measured.error());
    if (!kernel_error_.empty()) {
      promotion.refused = kernel_error_;
      return promotion;
    }
    promotion.measurement = *std::move(measured);
    if (auto added = history.add(replayed->kernel, record.schedule, promotion.measurement); !added)
      return Unexpected(added.error());
    if (promotion.promoted())
      if (auto raised = environment_.store->promote(std::span(&promotion.record, 1), cache::Trust::verified);
          !raised)
        return Unexpected(raised.error());
    return promotion;
  }

 private:
  Expected<Measurement, Error> measure(const Replayed& replayed, const std::string& workload) {
    if (workload != workload_) {
      workload_ = workload;
      const auto ready = measurer_.begin_kernel(replayed.kernel);
      kernel_error_ = ready ? "" : ready.error().message;
    }
    Measurement measurement;
    if (!kernel_error_.empty()) return measurement;
    auto object = environment_.backend->compile(*replayed.nest);
    if (object) return measurer_.measure(*object);
    measurement.status = Status::compile;
    measurement.message = object.error().message;
    return measurement;
  }

  const Environment& environment_;
  Measurer& measurer_;
  std::string workload_;      // that the measurer is ready for
  std::string kernel_error_;  // why it is not
};

}  // namespace

Expected<std::vector<Promotion>, Error> promote(std::span<const cache::Record> records,
                                                const Environment& environment, Measurer& measurer,
                                                const std::function<bool(const Promotion&)>& each) {
  Promoter promoter(environment, measurer);
  std::vector<Promotion> promotions;
  for (const cache::Record& record : records) {
    auto promotion = promoter.promote(record);
    if (!promotion) {
      (void)environment.store->flush();  // the error at hand is the one to tell
      return Unexpected(promotion.error());
    }
    promotions.push_back(*std::move(promotion));
    if (each && !each(promotions.back())) break;
  }
  if (auto flushed = environment.store->flush(); !flushed) return Unexpected(flushed.error());
  return promotions;
}

}  // namespace tunesmith::tuner
