// The measurer with a real worker: what is compared with the incumbent is compared in pairs.
#include "tuner/measurer.h"

#include <gtest/gtest.h>

#include "schedules/apply.h"
#include "schedules/space.h"
#include "tests/tuner/session_testing.h"
#include "tuner/worker/client.h"

namespace tunesmith::tuner {
namespace {

class MeasurerTest : public testing::SessionTest {
 protected:
  MeasurerTest() : environment_(open_environment(1)), measurer_(make_worker_measurer(environment_, *find_worker(), {})) {
    if (const auto ready = measurer_->begin_kernel(kernel_); !ready) throw std::runtime_error(ready.error().message);
  }

  codegen::Object compile(const std::string& schedule) const {
    const auto nest = schedules::apply(kernel_, schedules::parse_schedule(schedule).value());
    return environment_.backend->compile(nest.value()).value();
  }
  std::string default_schedule() const {
    const schedules::Space space = schedules::make_cpu_space(kernel_, environment_.machine(), 1);
    return schedules::print_schedule(space.to_schedule(space.default_candidate()));
  }

  Environment environment_;
  std::unique_ptr<Measurer> measurer_;
};

TEST_F(MeasurerTest, WhatComesNearTheIncumbentIsRacedAgainstIt) {
  const codegen::Object object = compile(default_schedule());
  const auto alone = measurer_->measure(object);
  ASSERT_TRUE(alone && alone->ok());
  // A time that only the ratio of a race can lead to.
  const double incumbent_ns = 3e6;
  ASSERT_LT(alone->median_ns, incumbent_ns / 10);
  measurer_->set_incumbent(object, incumbent_ns);
  const auto raced = measurer_->measure(object);
  ASSERT_TRUE(raced && raced->ok());
  EXPECT_NEAR(raced->median_ns / incumbent_ns, 1, 0.3);
  EXPECT_GE(raced->samples, 6);
}

TEST_F(MeasurerTest, ASlowerCandidateLosesTheRace) {
  measurer_->set_incumbent(compile(default_schedule()), 3e6);
  const auto slow = measurer_->measure(compile(""));  // no step at all: scalar
  ASSERT_TRUE(slow && slow->ok());
  EXPECT_GT(slow->median_ns, 1.5 * 3e6);
}

TEST_F(MeasurerTest, AnIncumbentThatDoesNotRunIsNoCandidatesFault) {
  codegen::Object broken = compile(default_schedule());
  const codegen::Object good = broken;
  broken.code.resize(broken.code.size() / 2);
  measurer_->set_incumbent(broken, 3e6);
  const auto measured = measurer_->measure(good);
  ASSERT_TRUE(measured && measured->ok());
  EXPECT_LT(measured->median_ns, 3e5) << "timed alone";
}

TEST_F(MeasurerTest, ANewKernelHasNoIncumbent) {
  measurer_->set_incumbent(compile(default_schedule()), 3e6);
  ASSERT_TRUE(measurer_->begin_kernel(kernel_));
  const auto measured = measurer_->measure(compile(default_schedule()));
  ASSERT_TRUE(measured && measured->ok());
  EXPECT_LT(measured->median_ns, 3e5);
}

}  // namespace
}  // namespace tunesmith::tuner
