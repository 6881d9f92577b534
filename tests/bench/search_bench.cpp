// What the search does for each candidate before anything is compiled: the quick estimate, apply, the
// analytic model, the features, the learned model's prediction; and the zero-trial default of a kernel. A
// session looks at some thousands of candidates for each one that it compiles.
#include <benchmark/benchmark.h>

#include <cmath>

#include "schedules/analytic.h"
#include "tests/bench/bench_kernels.h"
#include "tuner/cost_model.h"
#include "tuner/features.h"

namespace tunesmith::bench {
namespace {

const schedules::Space& matmul_space() {
  static const schedules::Space space =
      schedules::make_cpu_space(matmul_kernel(), environment().machine(), 1);
  return space;
}

void quick_estimate(benchmark::State& state) {
  Rng rng(1);
  for (auto _ : state)
    benchmark::DoNotOptimize(matmul_space().estimate_ns(matmul_space().random_candidate(rng)));
}
BENCHMARK(quick_estimate);

void apply_schedule(benchmark::State& state) {
  Rng rng(1);
  const ir::Kernel& kernel = matmul_space().kernel();
  for (auto _ : state) {
    auto nest = schedules::apply(kernel, matmul_space().to_schedule(matmul_space().random_candidate(rng)));
    benchmark::DoNotOptimize(nest);
  }
}
BENCHMARK(apply_schedule)->Unit(benchmark::kMicrosecond);

void analytic_model_and_features(benchmark::State& state) {
  const schedules::Machine machine = environment().machine();
  const auto nest = schedules::apply(matmul_space().kernel(),
                                     matmul_space().to_schedule(matmul_space().default_candidate()));
  for (auto _ : state)
    benchmark::DoNotOptimize(tuner::features_of(schedules::analytic_cost(*nest, machine, 1), machine));
}
BENCHMARK(analytic_model_and_features)->Unit(benchmark::kMicrosecond);

std::vector<tuner::TrainingRow> rows(std::size_t count) {
  Rng rng(1);
  std::vector<tuner::TrainingRow> result;
  for (std::size_t i = 0; i < count; ++i) {
    tuner::TrainingRow row;
    for (std::size_t f = 0; f < tuner::feature_names().size(); ++f)
      row.sample.features.push_back(static_cast<float>(rng.unit()));
    const std::vector<float>& f = row.sample.features;
    row.sample.analytic_ns = 1000;
    row.ns = 1000 * std::exp(f[0] - f[1] * f[2]);
    result.push_back(std::move(row));
  }
  return result;
}

void train_cost_model(benchmark::State& state) {
  const auto model = tuner::make_cost_model("xgboost", 1);
  const auto data = rows(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) model->train(data);
}
BENCHMARK(train_cost_model)->Arg(64)->Arg(1024)->Unit(benchmark::kMillisecond);

void predict_512_candidates(benchmark::State& state) {
  const auto model = tuner::make_cost_model("xgboost", 1);
  model->train(rows(256));
  std::vector<tuner::Sample> candidates;
  for (tuner::TrainingRow& row : rows(512)) candidates.push_back(std::move(row.sample));
  for (auto _ : state) benchmark::DoNotOptimize(model->predict(candidates));
}
BENCHMARK(predict_512_candidates)->Unit(benchmark::kMicrosecond);

void default_candidate(benchmark::State& state, const ir::Kernel& kernel) {
  for (auto _ : state) {
    const schedules::Space space = schedules::make_cpu_space(kernel, environment().machine(), 1);
    benchmark::DoNotOptimize(space.default_candidate());
  }
}
BENCHMARK_CAPTURE(default_candidate, matmul, matmul_kernel())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(default_candidate, conv, conv_kernel())->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(default_candidate, softmax, softmax_kernel())->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tunesmith::bench
