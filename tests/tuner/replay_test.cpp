#include "tuner/replay.h"

#include <gmock/gmock.h>

#include "schedules/apply.h"
#include "schedules/space.h"
#include "schedules/version.h"
#include "tests/tuner/test_kernels.h"

namespace tunesmith::tuner {
namespace {

using ::testing::HasSubstr;

const ir::Kernel& kernel() {
  static const ir::Kernel kernel = matmul_kernel(24, 32, 16);
  return kernel;
}

/// A record as another machine would send it.
cache::Record foreign_record() {
  const schedules::Space space = schedules::make_cpu_space(kernel(), schedules::Machine{}, 1);
  cache::Record record;
  record.workload = ir::canonical_text(kernel());
  record.schedule = schedules::print_schedule(space.to_schedule(space.default_candidate()));
  record.language_major = schedules::language_major;
  record.median_ns = 100;
  return record;
}

/// Why a record is refused; empty when it is taken.
std::string refusal(const cache::Record& record) { return refuse_unplayable(record).value_or(""); }

/// A record whose workload had `from` replaced once by `to`.
std::string refusal_with(const std::string& from, const std::string& to) {
  cache::Record record = foreign_record();
  const std::size_t at = record.workload.find(from);
  EXPECT_NE(at, std::string::npos) << record.workload;
  if (at != std::string::npos) record.workload.replace(at, from.size(), to);
  return refusal(record);
}

TEST(Replay, TakesWhatAppliesToItsOwnKernel) { EXPECT_EQ(refusal(foreign_record()), ""); }

TEST(Replay, RefusesOtherLanguages) {
  cache::Record record = foreign_record();
  record.language_major = schedules::language_major + 1;
  EXPECT_THAT(refusal(record), HasSubstr("schedule language"));
}

TEST(Replay, RefusesWorkloadsThatAreNone) {
  cache::Record record = foreign_record();
  const std::string first_line = record.workload.substr(0, record.workload.find('\n'));
  EXPECT_THAT(refusal_with(first_line, "canon 999"), HasSubstr("not of the form"));
  for (const std::string text : {"", "\n", "canon", first_line.c_str()}) {
    record.workload = text;
    EXPECT_THAT(refusal(record), HasSubstr("not of the form")) << text;
  }
  record.workload = first_line + "\n";
  EXPECT_NE(refusal(record), "") << "an empty kernel";
  record.workload = first_line + "\nrm -rf /";
  EXPECT_THAT(refusal(record), HasSubstr("does not parse"));
  EXPECT_NE(refusal_with("24", "-24"), "");
}

TEST(Replay, RefusesEveryTruncation) {
  const cache::Record whole = foreign_record();
  for (std::size_t size = 0; size < whole.workload.size(); size += 3) {
    cache::Record record = whole;
    record.workload.resize(size);
    (void)refusal(record);  // whatever it says, it says it
    if (size < whole.workload.size() / 2) {
      EXPECT_NE(refusal(record), "") << size;
    }
  }
}

TEST(Replay, RefusesSchedulesThatDoNotParseOrApply) {
  cache::Record record = foreign_record();
  record.schedule = "brew coffee";
  EXPECT_THAT(refusal(record), HasSubstr("the schedule does not parse"));
  record.status = cache::Status::crash;
  EXPECT_THAT(refusal(record), HasSubstr("the schedule does not parse")) << "of failures too";
}

TEST(Replay, FailuresNeedNotApply) {
  // The schedule of a kernel with other axes.
  const schedules::Space space =
      schedules::make_cpu_space(gather_kernel(9, 20, 40, ir::DType::i32,
                                              [](const ir::Expr& e) { return ir::cast(ir::index_dtype, e); }),
                                schedules::Machine{}, 1);
  cache::Record record = foreign_record();
  record.schedule = schedules::print_schedule(space.to_schedule(space.default_candidate()));
  ASSERT_FALSE(schedules::apply(kernel(), *schedules::parse_schedule(record.schedule))) << record.schedule;
  EXPECT_THAT(refusal(record), HasSubstr("does not apply"));
  record.status = cache::Status::verify;
  EXPECT_EQ(refusal(record), "");
}

}  // namespace
}  // namespace tunesmith::tuner
