// What sessions and programs ask the database: history and serving.
#include "tuner/history.h"

#include <gmock/gmock.h>

#include "schedules/apply.h"
#include "schedules/space.h"
#include "schedules/version.h"
#include "tests/tuner/session_testing.h"
#include "tuner/serve.h"

namespace tunesmith::tuner {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class HistoryTest : public testing::SessionTest {
 protected:
  HistoryTest() : environment_(open_environment(1)), history_(environment_) {
    const schedules::Space space = schedules::make_cpu_space(kernel_, environment_.machine(), 1);
    Rng rng(1);
    default_ = schedules::print_schedule(space.to_schedule(space.default_candidate()));
    while (other_.empty() || other_ == default_)
      other_ = schedules::print_schedule(space.to_schedule(space.random_candidate(rng)));
  }

  static Measurement timed(double ns) { return {Status::ok, ns, 1, 10, 1e-7, ""}; }
  static Measurement failed(Status status) { return {status, 0, 0, 0, 0, "it did not go well"}; }
  void add(const std::string& schedule, const Measurement& measurement) {
    const auto added = history_.add(kernel_, schedule, measurement);
    ASSERT_TRUE(added) << added.error().message;
  }
  /// The same machine with another code generator or way of timing.
  class OtherBackend final : public codegen::Backend {
   public:
    std::string toolchain() const override { return "another one"; }
    Expected<codegen::Object, Error> compile(const ir::LoopNest&) const override {
      return Unexpected(make_error("not for compiling"));
    }
    Expected<std::unique_ptr<codegen::Executable>, Error> load(codegen::Object) const override {
      return Unexpected(make_error("not for loading"));
    }
    Expected<std::string, Error> source(const ir::LoopNest&) const override { return std::string(); }
    Expected<std::string, Error> assembly(const ir::LoopNest&) const override { return std::string(); }
  };
  Environment other_toolchain() const {
    Environment other = environment_;
    other.backend = std::make_shared<OtherBackend>();
    return other;
  }

  Environment environment_;
  History history_;
  std::string default_, other_;
};

TEST_F(HistoryTest, KnownIsEverythingThatWasTriedHere) {
  EXPECT_TRUE(history_.known(kernel_).empty());
  EXPECT_FALSE(history_.best(kernel_));
  add(default_, timed(500));
  add(other_, failed(Status::crash));
  const std::vector<KnownSchedule> known = history_.known(kernel_);
  ASSERT_EQ(known.size(), 2u);
  EXPECT_EQ(known[0].schedule, default_);
  EXPECT_EQ(known[0].measurement.median_ns, 500);
  EXPECT_EQ(known[1].measurement.status, Status::crash);
  EXPECT_EQ(known[1].measurement.message, "it did not go well");
  EXPECT_TRUE(history_.known(matmul_kernel(1, 2, 3)).empty());
}

TEST_F(HistoryTest, TheBestIsTheFastestThatWorked) {
  add(other_, failed(Status::wrong));
  EXPECT_FALSE(history_.best(kernel_)) << "failures are not served";
  add(default_, timed(500));
  EXPECT_EQ(history_.best(kernel_)->schedule, default_);
  EXPECT_TRUE(history_.best(kernel_)->same_toolchain);
}

TEST_F(HistoryTest, OtherToolchainsAndThreadCountsAreNotKnown) {
  add(default_, timed(500));
  const Environment toolchain = other_toolchain();
  EXPECT_TRUE(History(toolchain).known(kernel_).empty()) << "to be measured again";
  ASSERT_TRUE(History(toolchain).best(kernel_)) << "but good enough to run meanwhile";
  EXPECT_FALSE(History(toolchain).best(kernel_)->same_toolchain);
  Environment threads = environment_;
  threads.threads = 2;
  EXPECT_TRUE(History(threads).known(kernel_).empty());
}

TEST_F(HistoryTest, SeedsComeFromTheNearestShape) {  // of those as divisible as this one
  add(default_, timed(500));
  ASSERT_TRUE(history_.add(matmul_kernel(16 * 251, 64, 32), other_, timed(9000)));
  EXPECT_THAT(history_.seeds(matmul_kernel(16 * 5, 64, 32), 1), ElementsAre(default_));
  EXPECT_THAT(history_.seeds(matmul_kernel(16 * 249, 64, 32), 1), ElementsAre(other_));
  EXPECT_THAT(history_.seeds(matmul_kernel(16 * 5, 64, 32), 8), SizeIs(2));
}

TEST_F(HistoryTest, LongMessagesAreCutNotRefused) {
  Measurement measurement = failed(Status::compile);
  measurement.message.assign(100000, 'x');
  add(default_, measurement);
  EXPECT_EQ(history_.known(kernel_).at(0).measurement.message.size(), cache::max_message_bytes);
}

TEST_F(HistoryTest, ModelsAreKept) {
  EXPECT_FALSE(history_.load_model("xgboost"));
  const std::vector<std::byte> model(100, std::byte{7});
  ASSERT_TRUE(history_.save_model("xgboost", model));
  EXPECT_EQ(history_.load_model("xgboost"), model);
}

TEST_F(HistoryTest, WithoutADatabaseNothingIsKnownAndNothingFails) {
  environment_.store = nullptr;
  EXPECT_TRUE(history_.add(kernel_, default_, timed(500)));
  EXPECT_TRUE(history_.flush());
  EXPECT_TRUE(history_.known(kernel_).empty());
  EXPECT_TRUE(history_.seeds(kernel_, 8).empty());
  EXPECT_FALSE(history_.best(kernel_));
  EXPECT_FALSE(history_.load_model("xgboost"));
  EXPECT_EQ(serve(kernel_, environment_).origin, Origin::fallback);
}

TEST_F(HistoryTest, ServesTheBestThatIsKnown) {
  const Served fallback = serve(kernel_, environment_);
  EXPECT_EQ(fallback.origin, Origin::fallback);
  EXPECT_EQ(schedules::print_schedule(fallback.schedule), default_);
  EXPECT_FALSE(fallback.median_ns);

  add(other_, timed(300));
  const Served tuned = serve(kernel_, environment_);
  EXPECT_EQ(tuned.origin, Origin::tuned);
  EXPECT_EQ(schedules::print_schedule(tuned.schedule), other_);
  EXPECT_EQ(tuned.median_ns, 300);

  const Served stale = serve(kernel_, other_toolchain());
  EXPECT_EQ(stale.origin, Origin::stale);
  EXPECT_EQ(schedules::print_schedule(stale.schedule), other_);
}

TEST_F(HistoryTest, RecordsThatDoNotApplyArePassedOver) {
  for (const char* schedule : {"this is no schedule", "split nosuchaxis 4 tail=mask"}) {
    add(schedule, timed(1));
    const Served served = serve(kernel_, environment_);
    EXPECT_EQ(served.origin, Origin::fallback) << schedule;
    EXPECT_EQ(schedules::print_schedule(served.schedule), default_);
  }
}

}  // namespace
}  // namespace tunesmith::tuner
