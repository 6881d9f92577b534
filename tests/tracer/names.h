// What the tests of the tracer call often; `using namespace testing` brings it in.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tracer/ops/build.h"

namespace tunesmith::tracer::testing {

using ir::BinaryOp;
using ir::UnaryOp;
using ops::Ints;
using ::testing::AllOf;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

}  // namespace tunesmith::tracer::testing
