#include "tracer/composites.h"

#include <cmath>
#include <limits>

#include "tests/tracer/reference_run.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;
using ::testing::Pointwise;

using Activation = std::function<ValueId(Graph&, ValueId)>;

struct ActivationCase {
  const char* name;
  Activation build;
  std::function<double(double)> formula;
  double at_plus_infinity, at_minus_infinity;
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return std::log(1 + std::exp(x)); }

const ActivationCase activations[] = {
    {"relu", [](Graph& g, ValueId x) { return ops::relu(g, x); }, [](double x) { return std::max(x, 0.0); },
     inf, 0},
    {"leaky_relu", [](Graph& g, ValueId x) { return ops::leaky_relu(g, x, 0.125); },
     [](double x) { return x < 0 ? 0.125 * x : x; }, inf, -inf},
    {"thresholded_relu", [](Graph& g, ValueId x) { return ops::thresholded_relu(g, x, 1.5); },
     [](double x) { return x > 1.5 ? x : 0; }, inf, 0},
    {"elu", [](Graph& g, ValueId x) { return ops::elu(g, x, 2); },
     [](double x) { return x < 0 ? 2 * (std::exp(x) - 1) : x; }, inf, -2},
    {"celu", [](Graph& g, ValueId x) { return ops::celu(g, x, 2); },
     [](double x) { return x < 0 ? 2 * (std::exp(x / 2) - 1) : x; }, inf, -2},
    {"selu", [](Graph& g, ValueId x) { return ops::selu(g, x, 2, 3); },
     [](double x) { return 3 * (x < 0 ? 2 * (std::exp(x) - 1) : x); }, inf, -6},
    {"sigmoid", [](Graph& g, ValueId x) { return ops::sigmoid(g, x); }, sigmoid, 1, 0},
    {"hard_sigmoid", [](Graph& g, ValueId x) { return ops::hard_sigmoid(g, x, 0.25, 0.5); },
     [](double x) { return std::clamp(0.25 * x + 0.5, 0.0, 1.0); }, 1, 0},
    {"hard_swish", [](Graph& g, ValueId x) { return ops::hard_swish(g, x); },
     [](double x) { return x * std::clamp(x / 6 + 0.5, 0.0, 1.0); }, inf, nan},
    {"silu", [](Graph& g, ValueId x) { return ops::silu(g, x); }, [](double x) { return x * sigmoid(x); },
     inf, nan},
    {"swish", [](Graph& g, ValueId x) { return ops::silu(g, x, 1.5); },
     [](double x) { return x * sigmoid(1.5 * x); }, inf, nan},
    {"gelu", [](Graph& g, ValueId x) { return ops::gelu(g, x); },
     [](double x) { return x / 2 * (1 + std::erf(x / std::sqrt(2))); }, inf, nan},
    {"gelu_tanh", [](Graph& g, ValueId x) { return ops::gelu(g, x, ops::GeluForm::tanh); },
     [](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }, inf,
     nan},
    {"softplus", [](Graph& g, ValueId x) { return ops::softplus(g, x); }, softplus, inf, 0},
    {"softsign", [](Graph& g, ValueId x) { return ops::softsign(g, x); },
     [](double x) { return x / (1 + std::abs(x)); }, nan, nan},
    {"mish", [](Graph& g, ValueId x) { return ops::mish(g, x); },
     [](double x) { return x * std::tanh(softplus(x)); }, inf, nan},
    {"shrink", [](Graph& g, ValueId x) { return ops::shrink(g, x, 0.25, 1); },
     [](double x) { return x > 1    ? x - 0.25
                           : x < -1 ? x + 0.25
                                    : 0; }, inf, -inf},
};

std::vector<double> apply(const ActivationCase& c, DType dtype, std::vector<double> x) {
  const auto n = static_cast<std::int64_t>(x.size());
  return eval({tensor(dtype, {n}, std::move(x))}, [&](Graph& g, const auto& v) { return c.build(g, v[0]); });
}

TEST(Activations, FollowTheirFormulas) {
  const std::vector<double> x{-8, -3, -1.5, -1, -0.5, -0.125, 0, 0.25, 1, 1.5, 2, 3, 9};
  for (const ActivationCase& c : activations) {
    std::vector<double> want;
    for (double v : x) want.push_back(c.formula(v));
    EXPECT_THAT(apply(c, DType::f64, x), Pointwise(DoubleNear(1e-12), want)) << c.name;
    EXPECT_THAT(apply(c, DType::f32, x), Pointwise(DoubleNear(2e-6), want)) << c.name;
  }
}

TEST(Activations, AtTheEnds) {
  for (const ActivationCase& c : activations) {
    const std::vector<double> y = apply(c, DType::f32, {nan, inf, -inf});
    // "nan" in the table: the limit is not what the formula gives at infinity.
    EXPECT_TRUE(std::isnan(y[0]) || std::string_view(c.name) == "shrink") << c.name << " of NaN is " << y[0];
    EXPECT_TRUE(std::isnan(c.at_plus_infinity) || y[1] == c.at_plus_infinity) << c.name << " " << y[1];
    EXPECT_TRUE(std::isnan(c.at_minus_infinity) || y[2] == c.at_minus_infinity) << c.name << " " << y[2];
  }
  EXPECT_THAT(apply(activations[13], DType::f32, {200, -200}), ElementsAre(200, DoubleNear(0, 1e-30)));
}

TEST(Activations, NarrowFloatsRoundOnce) {
  for (const ActivationCase& c : activations)
    for (double x : {-1.75, -0.5, 0.75, 2.5}) {
      ir::HostTensor once(DType::bf16, {1});
      once.set(0, static_cast<float>(c.formula(x)));
      const double tolerance =
          std::abs(once.at(0)) / 128;  // one unit: f32 may fall on the other side of a tie
      EXPECT_NEAR(apply(c, DType::bf16, {x})[0], once.at(0), tolerance) << c.name;
    }
}

TEST(Prelu, SlopeBroadcasts) {
  EXPECT_THAT(eval({tensor(DType::f32, {2, 2}, {-1, 2, -3, 4}), tensor(DType::f32, {2, 1}, {0.5, 2})},
                   [](Graph& g, const auto& x) { return ops::prelu(g, x[0], x[1]); }),
              ElementsAre(-0.5, 2, -6, 4));
}

TEST(Clip, BoundsMayBeAbsentOrCross) {
  const auto x = tensor(DType::i32, {3}, {-5, 0, 5});
  EXPECT_THAT(eval({x}, [](Graph& g, const auto& v) { return ops::clip(g, v[0], -2, 3); }),
              ElementsAre(-2, 0, 3));
  EXPECT_THAT(eval({x}, [](Graph& g, const auto& v) { return ops::clip(g, v[0], 3, -2); }),
              ElementsAre(-2, -2, -2));
  EXPECT_THAT(eval({x, tensor(DType::i32, {}, {1})},
                   [](Graph& g, const auto& v) { return ops::clip(g, v[0], v[1], {}); }),
              ElementsAre(1, 1, 5));
  EXPECT_TRUE(std::isnan(eval({tensor(DType::f32, {1}, {nan})},
                              [](Graph& g, const auto& v) { return ops::clip(g, v[0], 0, 1); })[0]));
}

TEST(Shapes, SqueezeUnsqueezeFlatten) {
  auto shape = [](Ints in, const testing::Build& build) { return run({counting(in)}, build).shape(); };
  EXPECT_EQ(shape({1, 3, 1}, [](Graph& g, const auto& x) { return ops::squeeze(g, x[0]); }), (Ints{3}));
  EXPECT_EQ(shape({1, 3, 1}, [](Graph& g, const auto& x) { return ops::squeeze(g, x[0], {-1}); }),
            (Ints{1, 3}));
  EXPECT_EQ(shape({2, 3},
                  [](Graph& g, const auto& x) {
                    return ops::unsqueeze(g, x[0], {0, -1});
                  }),
            (Ints{1, 2, 3, 1}));
  EXPECT_EQ(shape({2, 3, 4}, [](Graph& g, const auto& x) { return ops::flatten(g, x[0], 2); }), (Ints{6, 4}));
  EXPECT_EQ(shape({2, 3, 4}, [](Graph& g, const auto& x) { return ops::flatten(g, x[0], 3); }),
            (Ints{24, 1}));
  EXPECT_EQ(shape({2, 3, 4}, [](Graph& g, const auto& x) { return ops::flatten(g, x[0], 0); }),
            (Ints{1, 24}));
  EXPECT_EQ(
      type_of({{DType::f32, {-1, 3, 4}}}, [](Graph& g, const auto& x) { return ops::flatten(g, x[0]); }),
      "f32[a, 12]");
  EXPECT_EQ(
      type_of({{DType::f32, {-1, 3}}}, [](Graph& g, const auto& x) { return ops::unsqueeze(g, x[0], {1}); }),
      "f32[a, 1, 3]");
  EXPECT_THAT(
      refusal({{DType::f32, {2, 3}}}, [](Graph& g, const auto& x) { return ops::squeeze(g, x[0], {0}); }),
      HasSubstr("squeeze: axis 0"));
  EXPECT_THAT(refusal({{DType::f32, {2}}},
                      [](Graph& g, const auto& x) {
                        return ops::unsqueeze(g, x[0], {1, 1});
                      }),
              HasSubstr("unsqueeze: axis 1"));
  EXPECT_THAT(refusal({{DType::f32, {2}}}, [](Graph& g, const auto& x) { return ops::flatten(g, x[0], 2); }),
              HasSubstr("flatten: axis 2"));
}

TEST(Split, BySizesAndEvenly) {
  const auto parts =
      run_all({counting({2, 5})}, [](Graph& g, const auto& x) { return ops::split_evenly(g, x[0], 1, 2); });
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_THAT(values(parts[0]), ElementsAre(0, 1, 2, 5, 6, 7));
  EXPECT_THAT(values(parts[1]), ElementsAre(3, 4, 8, 9));
  const auto sized = run_all({counting({4})}, [](Graph& g, const auto& x) {
    return ops::split(g, x[0], -1, {1, 0, 3});
  });
  EXPECT_EQ(sized[1].size(), 0);
  EXPECT_THAT(values(sized[2]), ElementsAre(1, 2, 3));
  EXPECT_THAT(refusal({{DType::f32, {4}}},
                      [](Graph& g, const auto& x) {
                        return ops::split(g, x[0], 0, {1, 2})[0];
                      }),
              HasSubstr("split: the sizes [1, 2]"));
}

TEST(Trilu, KeepsATriangle) {
  auto trilu = [](bool upper, std::int64_t k) {
    return [=](Graph& g, const auto& x) { return ops::trilu(g, x[0], upper, k); };
  };
  const auto x = tensor(DType::i32, {2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_THAT(eval({x}, trilu(true, 0)), ElementsAre(1, 2, 3, 0, 5, 6));
  EXPECT_THAT(eval({x}, trilu(true, 1)), ElementsAre(0, 2, 3, 0, 0, 6));
  EXPECT_THAT(eval({x}, trilu(false, 0)), ElementsAre(1, 0, 0, 4, 5, 0));
  EXPECT_THAT(eval({x}, trilu(false, -1)), ElementsAre(0, 0, 0, 4, 0, 0));
  EXPECT_THAT(refusal({{DType::f32, {3}}}, trilu(true, 0)), HasSubstr("trilu: [3]"));
}

TEST(OneHot, MarksPlaces) {
  auto hot = [](std::int64_t axis) {
    return [=](Graph& g, const auto& x) {
      return ops::one_hot(g, x[0], 3, ops::scalar(g, DType::f32, 5), ops::scalar(g, DType::f32, 1), axis);
    };
  };
  EXPECT_THAT(eval({tensor(DType::i64, {3}, {1, -1, 7})}, hot(-1)), ElementsAre(1, 5, 1, 1, 1, 5, 1, 1, 1));
  EXPECT_THAT(eval({tensor(DType::i32, {2}, {0, 2})}, hot(0)), ElementsAre(5, 1, 1, 1, 1, 5));
}

TEST(Gemm, ScalesTransposesAndAdds) {
  const auto a = counting({3, 2}), b = counting({2, 3}), c = tensor(DType::f32, {2}, {100, 200});
  EXPECT_THAT(eval({a, b, c},
                   [](Graph& g, const auto& x) {
                     return ops::gemm(g, x[0], x[1], x[2],
                                      {.alpha = 2, .beta = 0.5, .transpose_a = true, .transpose_b = true});
                   }),
              ElementsAre(50 + 2 * 10, 100 + 2 * 28, 50 + 2 * 13, 100 + 2 * 40));
  EXPECT_THAT(refusal({{DType::f32, {2}}, {DType::f32, {2, 2}}},
                      [](Graph& g, const auto& x) { return ops::gemm(g, x[0], x[1], {}); }),
              HasSubstr("gemm: A has 1 dimensions"));
}

TEST(BatchNorm, NormalisesChannels) {
  auto vector = [](double a, double b) { return tensor(DType::f64, {2}, {a, b}); };
  EXPECT_THAT(
      eval({tensor(DType::f64, {1, 2, 2}, {1, 2, 3, 4}), vector(2, 1), vector(0, 10), vector(1, 3),
            vector(4, 0.25)},
           [](Graph& g, const auto& x) { return ops::batch_norm(g, x[0], x[1], x[2], x[3], x[4], 0); }),
      ElementsAre(0, 1, 10, 12));
  EXPECT_EQ(type_of({{DType::f16, {-1, 2, -2}}, {DType::f32, {2}}},
                    [](Graph& g, const auto& x) { return ops::batch_norm(g, x[0], x[1], x[1], x[1], x[1]); }),
            "f16[a, 2, b]");
}

TEST(InstanceNorm, NormalisesEachChannelOfEachItem) {
  EXPECT_THAT(eval({tensor(DType::f64, {1, 2, 2}, {1, 3, 10, 30}), tensor(DType::f64, {2}, {1, 2}),
                    tensor(DType::f64, {2}, {0, 5})},
                   [](Graph& g, const auto& x) { return ops::instance_norm(g, x[0], x[1], x[2], 0); }),
              ElementsAre(-1, 1, 3, 7));
}

TEST(LpNormalization, ZeroRowsStayZero) {
  EXPECT_THAT(eval({tensor(DType::f64, {2, 2}, {3, -4, 0, 0})},
                   [](Graph& g, const auto& x) { return ops::lp_normalization(g, x[0]); }),
              ElementsAre(0.6, -0.8, 0, 0));
  EXPECT_THAT(eval({tensor(DType::f64, {2}, {1, -3})},
                   [](Graph& g, const auto& x) { return ops::lp_normalization(g, x[0], 0, 1); }),
              ElementsAre(0.25, -0.75));
  EXPECT_THAT(refusal({{DType::f32, {2}}},
                      [](Graph& g, const auto& x) { return ops::lp_normalization(g, x[0], 0, 3); }),
              HasSubstr("p=3"));
}

/// Attention by its definition; `allowed(i, j)` says which keys a query sees.
std::vector<double> attention_by_hand(const ir::HostTensor& q, const ir::HostTensor& k,
                                      const ir::HostTensor& v,
                                      const std::function<bool(std::int64_t, std::int64_t)>& allowed) {
  const Ints &qs = q.shape(), &ks = k.shape(), &vs = v.shape();
  std::vector<double> result;
  for (std::int64_t b = 0; b < qs[0]; ++b)
    for (std::int64_t h = 0; h < qs[1]; ++h)
      for (std::int64_t i = 0; i < qs[2]; ++i) {
        const std::int64_t group = b * ks[1] + h / (qs[1] / ks[1]);
        std::vector<double> weights;
        double total = 0;
        for (std::int64_t j = 0; j < ks[2]; ++j) {
          double score = 0;
          for (std::int64_t d = 0; d < qs[3]; ++d)
            score += q.at(((b * qs[1] + h) * qs[2] + i) * qs[3] + d) * k.at((group * ks[2] + j) * qs[3] + d);
          weights.push_back(allowed(i, j) ? std::exp(score / std::sqrt(static_cast<double>(qs[3]))) : 0);
          total += weights.back();
        }
        for (std::int64_t e = 0; e < vs[3]; ++e) {
          double sum = 0;
          for (std::int64_t j = 0; j < ks[2]; ++j)
            sum += weights[static_cast<std::size_t>(j)] / total * v.at((group * vs[2] + j) * vs[3] + e);
          result.push_back(sum);
        }
      }
  return result;
}

ir::HostTensor wave(Ints shape) {
  ir::HostTensor result(DType::f64, std::move(shape));
  for (std::int64_t i = 0; i < result.size(); ++i) result.set(i, std::sin(static_cast<double>(i) * 1.7));
  return result;
}

TEST(Attention, PlainCausalGroupedMasked) {
  const auto q = wave({2, 4, 3, 2}), k = wave({2, 4, 5, 2}), v = wave({2, 4, 5, 3});
  const auto k2 = wave({2, 2, 5, 2}), v2 = wave({2, 2, 5, 3});
  auto with = [](ops::AttentionOptions options) {
    return [=](Graph& g, const auto& x) {
      ops::AttentionOptions own = options;
      if (x.size() > 3) own.mask = x[3];
      return ops::attention(g, x[0], x[1], x[2], own);
    };
  };
  auto all = [](std::int64_t, std::int64_t) { return true; };
  EXPECT_THAT(eval({q, k, v}, with({})), Pointwise(DoubleNear(1e-12), attention_by_hand(q, k, v, all)));
  EXPECT_THAT(eval({q, k2, v2}, with({})), Pointwise(DoubleNear(1e-12), attention_by_hand(q, k2, v2, all)));
  EXPECT_THAT(
      eval({q, k, v}, with({.causal = true})),
      Pointwise(DoubleNear(1e-12), attention_by_hand(q, k, v, [](auto i, auto j) { return j <= i; })));
  EXPECT_THAT(
      eval({q, k2, v2}, with({.causal = true, .causal_offset = 2})),
      Pointwise(DoubleNear(1e-12), attention_by_hand(q, k2, v2, [](auto i, auto j) { return j <= i + 2; })));
  auto odd = [](std::int64_t i, std::int64_t j) { return (i + j) % 2 == 1; };
  ir::HostTensor mask(DType::boolean, {3, 5}), bias(DType::f32, {1, 4, 3, 5});
  for (std::int64_t n = 0; n < 60; ++n) bias.set(n, odd(n / 5 % 3, n % 5) ? 0 : -inf);
  for (std::int64_t n = 0; n < 15; ++n) mask.set_int(n, odd(n / 5, n % 5));
  EXPECT_THAT(eval({q, k2, v2, mask}, with({})),
              Pointwise(DoubleNear(1e-12), attention_by_hand(q, k2, v2, odd)));
  EXPECT_THAT(eval({q, k2, v2, bias}, with({})),
              Pointwise(DoubleNear(1e-12), attention_by_hand(q, k2, v2, odd)));
}

TEST(Attention, ScaleAndSoftcap) {
  const auto q = wave({1, 1, 2, 2}), k = wave({1, 1, 3, 2}), v = wave({1, 1, 3, 2});
  // A scale of 0 makes every key equal; so does a cap of almost nothing.
  const double mean0 = (v.at(0) + v.at(2) + v.at(4)) / 3, mean1 = (v.at(1) + v.at(3) + v.at(5)) / 3;
  EXPECT_THAT(
      eval({q, k, v},
           [](Graph& g, const auto& x) { return ops::attention(g, x[0], x[1], x[2], {.scale = 0.0}); }),
      Pointwise(DoubleNear(1e-12), std::vector{mean0, mean1, mean0, mean1}));
  EXPECT_THAT(
      eval({q, k, v},
           [](Graph& g, const auto& x) { return ops::attention(g, x[0], x[1], x[2], {.softcap = 1e-9}); }),
      Pointwise(DoubleNear(1e-8), std::vector{mean0, mean1, mean0, mean1}));
}

TEST(Attention, Refusals) {
  auto attention = [](Graph& g, const auto& x) { return ops::attention(g, x[0], x[1], x[2]); };
  const testing::InputType q{DType::f32, {1, 4, 3, 2}};
  EXPECT_THAT(refusal({{DType::f32, {4, 3, 2}}, q, q}, attention),
              HasSubstr("attention: Q has 3 dimensions"));
  EXPECT_THAT(refusal({q, {DType::f32, {1, 3, 3, 2}}, {DType::f32, {1, 3, 3, 2}}}, attention),
              HasSubstr("3 heads of K"));
  EXPECT_THAT(refusal({q, {DType::f32, {1, 4, 3, 5}}, q}, attention), HasSubstr("those of K 5"));
  EXPECT_THAT(refusal({q, {DType::f32, {1, 4, 7, 2}}, q}, attention), HasSubstr("K has 7 positions, V 3"));
  EXPECT_THAT(refusal({q, {DType::f32, {2, 4, 3, 2}}, {DType::f32, {2, 4, 3, 2}}}, attention),
              HasSubstr("batches 1, 2 and 2"));
}

}  // namespace
}  // namespace tunesmith::tracer
