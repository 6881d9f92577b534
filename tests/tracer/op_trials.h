// Random operands and attributes for every operator kind: most are near-legal, some absurd.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "tests/tracer/random_values.h"
#include "tracer/op_table.h"

namespace tunesmith::tracer::testing {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : rng_(seed) {}

  Rng& rng() { return rng_; }
  bool rarely() { return rng_.below(12) == 0; }
  std::int64_t number(std::int64_t low, std::int64_t high) {
    constexpr std::int64_t extremes[] = {std::numeric_limits<std::int64_t>::min(),
                                         std::numeric_limits<std::int64_t>::max(),
                                         -1,
                                         std::int64_t{1} << 31,
                                         -(std::int64_t{1} << 40),
                                         std::int64_t{1} << 60};
    return rng_.below(60) == 0 ? extremes[rng_.below(6)] : rng_.between(low, high);
  }
  Ints numbers(std::size_t count, std::int64_t low, std::int64_t high) {
    if (rng_.below(40) == 0) count = rng_.below(5);
    Ints result(count);
    for (std::int64_t& value : result) value = number(low, high);
    return result;
  }
  std::vector<double> reals(std::size_t count) {
    std::vector<double> result(rng_.below(40) == 0 ? rng_.below(4) : count);
    for (double& value : result) value = rng_.below(30) == 0 ? 0 : 0.25 + rng_.unit() * 3;
    return result;
  }
  std::string text(std::initializer_list<const char*> choices) {
    return rng_.below(40) == 0 ? "nonsense" : choices.begin()[rng_.below(choices.size())];
  }
  DType dtype() {
    constexpr DType usual[] = {DType::f32, DType::f16, DType::f64, DType::i64,    DType::i32,
                               DType::i8,  DType::u8,  DType::u64, DType::boolean};
    return rarely() ? static_cast<DType>(rng_.below(ir::dtype_count)) : usual[rng_.below(9)];
  }
  Ints shape(std::size_t rank) {
    Ints result(rank);
    for (std::int64_t& extent : result) extent = rarely() ? 0 : rng_.between(1, 4);
    return result;
  }
  std::size_t rank(std::size_t low, std::size_t high) {
    return rarely() ? rng_.below(6)
                    : static_cast<std::size_t>(
                          rng_.between(static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)));
  }

 private:
  Rng rng_;
};

struct Operand {
  DType dtype;
  Ints shape;
};

/// Operands and attributes of one operator, which its rule may refuse.
struct Trial {
  std::vector<Operand> operands;
  Attributes attributes;
};

/// By kind; input and constant have none.
using TrialMaker = std::function<Trial(Draw&)>;
const std::map<OpKind, TrialMaker>& trial_makers();

/// Whether tensors of these types are of a size that tests handle.
bool are_small(const std::vector<TensorType>& types);

}  // namespace tunesmith::tracer::testing
