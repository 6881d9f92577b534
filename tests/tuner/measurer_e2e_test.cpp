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

TEST_F(MeasurerTest, EmptyCachesTakeLonger) {
  const codegen::Object object = compile(default_schedule());
  const auto warm = measurer_->measure(object);
  Environment cold_environment = environment_;
  cold_environment.cold = true;
  const auto cold_measurer = make_worker_measurer(cold_environment, *find_worker(), {});
  ASSERT_TRUE(cold_measurer->begin_kernel(kernel_));
  const auto cold = cold_measurer->measure(object);
  ASSERT_TRUE(warm && warm->ok() && cold && cold->ok());
  EXPECT_GT(cold->median_ns, warm->median_ns);
  EXPECT_GE(cold->samples, 3);
  // Both sides of a race find them empty.
  cold_measurer->set_incumbent(object, cold->median_ns);
  const auto raced = cold_measurer->measure(object);
  ASSERT_TRUE(raced && raced->ok());
  EXPECT_GT(raced->median_ns, warm->median_ns);
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

TEST_F(MeasurerTest, AReferenceThatTakesLongCanBeGivenUp) {
  MeasureOptions options;
  options.should_stop = [] { return true; };
  const auto measurer = make_worker_measurer(environment_, *find_worker(), options);
  const auto ready = measurer->begin_kernel(matmul_kernel(1536, 1536, 1536));  // seconds without a schedule
  ASSERT_FALSE(ready);
  EXPECT_NE(ready.error().message.find("interrupted"), std::string::npos) << ready.error().message;
  EXPECT_TRUE(measurer->begin_kernel(kernel_)) << "the next one gets a worker";
}

/// y[i] = x[i] < 1e30: true everywhere.
ir::Kernel comparison_kernel(std::int64_t size) {
  ir::Kernel kernel;
  kernel.name = "compare";
  using ir::Expr;
  const ir::BufferId x = kernel.add_buffer({"x", ir::DType::f32, {Expr(size)}, ir::Role::input, ir::Scope::global, {}});
  const ir::BufferId y =
      kernel.add_buffer({"y", ir::DType::boolean, {Expr(size)}, ir::Role::output, ir::Scope::global, {}});
  const ir::VarId i = kernel.vars.add("i");
  ir::Stage stage;
  stage.name = "y";
  stage.outputs = {y};
  stage.spatial = {{i, Expr(size)}};
  stage.values = {ir::load(x, ir::DType::f32, {ir::var(i)}) < ir::constant(1e30, ir::DType::f32)};
  kernel.stages.push_back(std::move(stage));
  return ir::canonicalise(kernel);
}

TEST_F(MeasurerTest, BooleansThatAreNotWrittenAreSeen) {
  const ir::Kernel half = comparison_kernel(128), whole = comparison_kernel(256);
  const codegen::Object writes_half = environment_.backend->compile(schedules::apply(half, {}).value()).value();
  const codegen::Object writes_all = environment_.backend->compile(schedules::apply(whole, {}).value()).value();
  ASSERT_TRUE(measurer_->begin_kernel(whole));
  EXPECT_EQ(measurer_->measure(writes_all)->status, Status::ok);
  EXPECT_EQ(measurer_->measure(writes_half)->status, Status::wrong);
}

/// y[i] = exp(x[i]), of no more than `most` where given.
ir::Kernel exponential_kernel(std::optional<double> most) {
  ir::Kernel kernel;
  kernel.name = "exponential";
  using ir::Expr;
  const ir::BufferId x = kernel.add_buffer({"x", ir::DType::f32, {Expr(5000)}, ir::Role::input, ir::Scope::global, {}});
  const ir::BufferId y = kernel.add_buffer({"y", ir::DType::f32, {Expr(5000)}, ir::Role::output, ir::Scope::global, {}});
  const ir::VarId i = kernel.vars.add("i");
  ir::Stage stage;
  stage.name = "y";
  stage.outputs = {y};
  stage.spatial = {{i, Expr(5000)}};
  Expr value = ir::load(x, ir::DType::f32, {ir::var(i)});
  if (most) value = ir::binary(ir::BinaryOp::min, value, ir::constant(*most, ir::DType::f32));
  stage.values = {ir::unary(ir::UnaryOp::exp, value)};
  kernel.stages.push_back(std::move(stage));
  return ir::canonicalise(kernel);
}

TEST_F(MeasurerTest, WhatIsRightOnPlainValuesOnlyIsWrong) {
  const ir::Kernel kernel = exponential_kernel(std::nullopt);
  ASSERT_TRUE(measurer_->begin_kernel(kernel));
  auto code = [&](const ir::Kernel& of) { return environment_.backend->compile(schedules::apply(of, {}).value()).value(); };
  const auto bad = measurer_->measure(code(exponential_kernel(1)));
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->status, Status::wrong);
  EXPECT_NE(bad->message.find("on awkward values, output 0: element"), std::string::npos) << bad->message;
  const auto good = measurer_->measure(code(kernel));
  ASSERT_TRUE(good);
  EXPECT_TRUE(good->ok()) << "the plain inputs are back: " << good->message;
  measurer_->set_incumbent(code(kernel), good->median_ns / 100);
  EXPECT_TRUE(measurer_->measure(code(exponential_kernel(1)))->ok()) << "of no use, and not looked at closely";
}

}  // namespace
}  // namespace tunesmith::tuner
