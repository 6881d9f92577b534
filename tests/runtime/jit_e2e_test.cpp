// jit() as a program uses it: the first call at once, one trace a signature, better kernels swapped in
// meanwhile, threads, errors, and the end of everything at any time.
#include "runtime/jit.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cache/store.h"
#include "ir/support/error.h"
#include "tests/runtime/model_testing.h"

namespace tunesmith {
namespace {

using runtime::testing::expect_close;
using ::testing::HasSubstr;

Array random_array(std::vector<std::int64_t> shape, std::uint64_t seed) {
  Rng rng(seed);
  return tracer::testing::random_tensor(rng, DType::f32, std::move(shape));
}

JitOptions without_database(std::int32_t threads = 2) {
  JitOptions options;
  options.threads = threads;
  options.use_database = false;
  return options;
}

/// relu(x w + 1), counting how often it is traced.
struct Layer {
  std::shared_ptr<std::atomic<int>> traces = std::make_shared<std::atomic<int>>(0);
  Tensor operator()(const Tensor& x, const Tensor& w) const {
    ++*traces;
    return relu(matmul(x, w) + 1.0);
  }
};

Array reference(const Array& x, const Array& w) {
  auto specs = std::vector<tracer::TensorSpec>(2);
  for (const std::int64_t extent : x.shape()) specs[0].shape.emplace_back(extent);
  for (const std::int64_t extent : w.shape()) specs[1].shape.emplace_back(extent);
  return tracer::evaluate_reference(tracer::trace(Layer(), specs), std::vector{x, w}).at(0);
}

void expect_right(const Array& got, const Array& x, const Array& w) {
  expect_close({got}, {reference(x, w)}, 1e-3);
}

/// Inputs of a product of the given extents.
struct Operands {
  Array x, w;
  Operands(std::int64_t m, std::int64_t k, std::int64_t n, std::uint64_t seed = 1)
      : x(random_array({m, k}, seed)), w(random_array({k, n}, seed + 1)) {}
};

TEST(Jit, TracesOnceASignature) {
  const Layer layer;
  const auto f = jit(layer, without_database());
  EXPECT_EQ(*layer.traces, 0) << "nothing is traced before the first call";
  const Operands a(5, 7, 3), b(5, 7, 3, 9), c(4, 7, 3);
  expect_right(f(a.x, a.w), a.x, a.w);
  EXPECT_EQ(*layer.traces, 1);
  expect_right(f(b.x, b.w), b.x, b.w);
  EXPECT_EQ(*layer.traces, 1) << "equal dtypes and shapes";
  expect_right(f(c.x, c.w), c.x, c.w);
  EXPECT_EQ(*layer.traces, 2) << "another shape";
  expect_right(f(a.x, a.w), a.x, a.w);
  EXPECT_EQ(*layer.traces, 2) << "the first signature is kept";
  EXPECT_EQ(f.signature_count(), 2u);
  EXPECT_EQ(f.tuned_count(), 0u);

  const auto twice = jit([](Tensor x) { return x + x; }, without_database());
  Array integers(DType::i32, {2});
  integers.set_int(1, 21);
  EXPECT_EQ(twice(integers).int_at(1), 42);
  EXPECT_EQ(twice(make_array({2}, std::vector<float>{0, 21})).at(1), 42);
  EXPECT_EQ(twice.signature_count(), 2u) << "another dtype";
}

TEST(Jit, SeveralResultsComeAsAList) {
  const auto f = jit([](Tensor x) { return std::pair{x * 2.0, sum(x)}; }, without_database());
  const std::vector<Array> y = f(make_array({3}, std::vector<float>{1, 2, 3}));
  ASSERT_EQ(y.size(), 2u);
  EXPECT_EQ(y[0].at(2), 6);
  EXPECT_EQ(y[1].at(0), 6);
}

TEST(Jit, ThreadsThatMeetAtTheFirstCallTraceOnce) {
  const Layer layer;
  const auto f = jit(layer, without_database());
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      const Operands mine(6 + static_cast<std::int64_t>(t % 2), 8, 4, 10 * t);
      for (int i = 0; i < 20; ++i) expect_right(f(mine.x, mine.w), mine.x, mine.w);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*layer.traces, 2);
}

TEST(Jit, ErrorsOfTheFunctionReachTheCallerAndAreForgotten) {
  const Layer layer;
  const auto f = jit(layer, without_database());
  const Operands good(5, 7, 3), other(4, 6, 3);
  try {
    (void)f(good.x, other.w);
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("matmul"));
  }
  EXPECT_EQ(f.signature_count(), 0u);
  expect_right(f(good.x, good.w), good.x, good.w);

  bool broken = true;
  const auto g = jit(
      [&](Tensor x) {
        if (broken) throw std::logic_error("not today");
        return exp(x);
      },
      without_database());
  EXPECT_THROW((void)g(good.x), std::logic_error);
  broken = false;
  EXPECT_EQ(g(Array(DType::f32, {1})).at(0), 1);
}

TEST(Jit, BetterKernelsAreSwappedInWhileCallsGoOn) {
  JitOptions options = without_database();
  options.background_seconds = 5;
  const auto f = jit(Layer(), options);
  const Operands a(48, 64, 32), b(17, 33, 9);
  expect_right(f(a.x, a.w), a.x, a.w);
  expect_right(f(b.x, b.w), b.x, b.w);
  EXPECT_EQ(f.tuned_count(), 0u) << "the first call waits for no search";
  std::atomic<bool> done{false};
  std::thread caller([&] {
    while (!done) {
      expect_right(f(a.x, a.w), a.x, a.w);
      expect_right(f(b.x, b.w), b.x, b.w);
    }
  });
  f.wait();
  done = true;
  caller.join();
  EXPECT_EQ(f.tuned_count(), 2u);
  expect_right(f(a.x, a.w), a.x, a.w);
  expect_right(f(b.x, b.w), b.x, b.w);
}

TEST(Jit, MakeArrayRefusesShapesThatNoArrayHas) {
  const std::vector<float> values(4, 1);
  auto told = [&](std::vector<std::int64_t> shape) -> std::string {
    try {
      (void)make_array(std::move(shape), values);
    } catch (const UserError& error) {
      return error.what();
    }
    return "accepted";
  };
  constexpr std::int64_t huge = std::int64_t{1} << 32;
  EXPECT_EQ(told({2, 2}), "accepted");
  EXPECT_THAT(told({-2, -2}), HasSubstr("no array has the shape [-2, -2]"));
  EXPECT_THAT(told({huge, huge, 4}), HasSubstr("no array has the shape"));
  EXPECT_THAT(told({2, 3}), HasSubstr("takes 6 values, 4 were given"));
}

class JitDatabase : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "tunesmith-jit-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  JitOptions options(double background_seconds = 0) const {
    JitOptions options;
    options.threads = 2;
    options.database = path();
    options.background_seconds = background_seconds;
    return options;
  }
  std::string path() const { return (folder_ / "tuning.db").string(); }
  std::size_t record_count() const {
    const auto store = cache::open_sqlite(path(), cache::OpenMode::read_only);
    if (!store) return 0;
    std::size_t count = 0;
    EXPECT_TRUE((*store)->visit({}, [&](const cache::Record&) { return ++count > 0; }));
    return count;
  }
  std::filesystem::path folder_;
};

TEST_F(JitDatabase, TuningIsKeptForLaterPrograms) {
  const Operands a(48, 64, 32);
  {
    const auto f = jit(Layer(), options(5));
    expect_right(f(a.x, a.w), a.x, a.w);
    f.wait();
    EXPECT_EQ(f.tuned_count(), 1u);
  }
  const std::size_t kept = record_count();
  EXPECT_GT(kept, 0u);
  EXPECT_TRUE((*cache::open_sqlite(path(), cache::OpenMode::read_only))->visit({}, [](const cache::Record& record) {
    EXPECT_EQ(record.source, "jit");
    EXPECT_EQ(record.seed, "guided seed=1");
    return true;
  }));
  const auto later = jit(Layer(), options());
  expect_right(later(a.x, a.w), a.x, a.w);
  EXPECT_EQ(record_count(), kept) << "nothing is searched when nothing is asked for";
}

TEST_F(JitDatabase, CompiledCodeIsKeptForLaterPrograms) {
  const Operands a(5, 7, 3);
  const auto first = jit(Layer(), options()), second = jit(Layer(), options());
  expect_right(first(a.x, a.w), a.x, a.w);
  EXPECT_EQ(first.reused_kernel_count(), 0u);
  expect_right(second(a.x, a.w), a.x, a.w);
  EXPECT_EQ(second.reused_kernel_count(), 1u);

  JitOptions without = options();
  without.use_database = false;
  const auto third = jit(Layer(), without);
  expect_right(third(a.x, a.w), a.x, a.w);
  EXPECT_EQ(third.reused_kernel_count(), 0u);
}

TEST_F(JitDatabase, ReadingMakesNoDatabaseAndDamageIsNamed) {
  const Operands a(5, 7, 3);
  const auto f = jit(Layer(), options());
  expect_right(f(a.x, a.w), a.x, a.w);
  EXPECT_FALSE(std::filesystem::exists(path()));

  std::ofstream(path())
      << "a letter to my grandmother, of more than a hundred bytes, so that it may pass for a file "
         "of some other program";
  try {
    (void)jit(Layer(), options());
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(path()));
  }
}

TEST_F(JitDatabase, TheEndMayComeAtAnyTime) {
  const Operands a(64, 96, 64), b(63, 95, 33);
  for (const int milliseconds : {0, 5, 400}) {
    const auto begin = std::chrono::steady_clock::now();
    {
      const auto f = jit(Layer(), options(600));
      expect_right(f(a.x, a.w), a.x, a.w);
      expect_right(f(b.x, b.w), b.x, b.w);
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    EXPECT_LT(seconds, 60) << "the search is left, not waited for";
  }
}

TEST(Jit, WithoutAWorkerTheDefaultGoesOnServing) {
  ::setenv("TUNESMITH_WORKER", "/nonexistent/worker", 1);
  JitOptions options = without_database();
  options.background_seconds = 1;
  const auto f = jit(Layer(), options);
  const Operands a(5, 7, 3);
  expect_right(f(a.x, a.w), a.x, a.w);
  f.wait();
  ::unsetenv("TUNESMITH_WORKER");
  EXPECT_EQ(f.tuned_count(), 0u);
  expect_right(f(a.x, a.w), a.x, a.w);
}

}  // namespace
}  // namespace tunesmith
