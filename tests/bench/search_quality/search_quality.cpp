// search_quality: how many trials each strategy needs to come near the best schedule of a space.
//
// For each workload the space is sampled first (at random, and downhill from the best), then every strategy searches it
// with several seeds; all take their times from one truth table, which measures what is new to it. The best known is the
// fastest of everything that was measured, confirmed by three measurements. Tables are kept and read again.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <numeric>

#include "ir/canonical.h"
#include "ir/support/error.h"
#include "ir/support/hash.h"
#include "ir/support/rng.h"
#include "ir/support/whole_file.h"
#include "tests/bench/search_quality/contest.h"
#include "tests/bench/search_quality/report.h"
#include "tests/bench/search_quality/truth_table.h"
#include "schedules/apply.h"
#include "tools/cli/op_spec.h"
#include "tracer/program.h"
#include "tuner/statistics.h"
#include "tuner/worker/client.h"

namespace tunesmith::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// A workload and a similar one, whose records a shared database could hold.
struct Workload {
  const char* text;
  const char* similar;
};
constexpr Workload workloads[] = {
    {"matmul:m=256,n=256,k=256", "matmul:m=384,n=320,k=200"},
    {"matmul:m=127,n=129,k=131", "matmul:m=150,n=111,k=140"},
    {"matmul:m=33,n=65,k=129", "matmul:m=41,n=50,k=100"},
    {"matmul:m=8,n=512,k=512", "matmul:m=6,n=700,k=400"},
    {"matmul:m=64,n=512,k=256,constant=1,epilogue=bias+gelu", "matmul:m=50,n=600,k=200,constant=1,epilogue=bias+gelu"},
    {"conv2d:c=64,h=28,w=28,k=64,r=3,s=3,pad=1,nhwc=1,constant=1",
     "conv2d:c=96,h=24,w=24,k=48,r=3,s=3,pad=1,nhwc=1,constant=1"},
    {"conv2d:c=128,h=28,w=28,k=64,nhwc=1,constant=1", "conv2d:c=100,h=20,w=20,k=96,nhwc=1,constant=1"},
    {"conv2d:c=192,h=28,w=28,k=192,r=3,s=3,pad=1,groups=192,nhwc=1,constant=1",
     "conv2d:c=144,h=40,w=40,k=144,r=3,s=3,pad=1,groups=144,nhwc=1,constant=1"},
    {"conv2d:c=144,h=56,w=56,k=144,r=3,s=3,stride=2,pad=1,groups=144,nhwc=1,constant=1",
     "conv2d:c=96,h=80,w=80,k=96,r=3,s=3,stride=2,pad=1,groups=96,nhwc=1,constant=1"},
    {"softmax:rows=256,cols=384", "softmax:rows=400,cols=300"},
    {"layernorm:rows=512,cols=384", "layernorm:rows=300,cols=600"},
    {"sum:rows=512,cols=1000", "sum:rows=300,cols=1500"},
    {"transpose:rows=512,cols=512", "transpose:rows=700,cols=400"},
    {"chain:size=200000", "chain:size=300000"},
    {"attention:h=4,s=128,d=64", "attention:h=6,s=100,d=64"},
};

const std::vector<Contestant> contestants = {
    {"guided + database", "guided", "xgboost", true, true},
    {"guided", "guided", "xgboost", true, false},
    {"guided, analytic", "guided", "analytic", true, false},
    {"descent", "descent", "analytic", false, false},
    {"evolution, pack-sum", "evolution", "pack-sum", false, false},
    {"random", "random", "random", false, false},
};

constexpr std::array judged_models = {"xgboost", "analytic", "pack-sum"};
constexpr std::size_t rows_a_workload = 300;

struct Options {
  double seconds = 600;
  std::size_t trials = 128;
  std::uint64_t seeds = 5;
  std::string folder = "search_quality";
  std::vector<std::string> only;
  std::vector<std::string> strategies;
};

std::vector<std::string> contestant_names() {
  std::vector<std::string> names;
  for (const Contestant& contestant : contestants) names.push_back(contestant.name);
  return names;
}

/// The kernel of the operator that costs most.
ir::Kernel kernel_of(const std::string& text) {
  tracer::Program program = tracer::make_program(tools::parse_op_spec(text).graph);
  std::erase_if(program.steps, [](const tracer::ProgramStep& step) { return step.is_host; });
  const auto heaviest =
      std::ranges::max_element(program.steps, {}, [](const auto& step) { return ir::flop_count(step.kernel); });
  return std::move(heaviest->kernel);
}

class Quality {
 public:
  explicit Quality(const Options& options) : options_(options) {
    auto environment = tuner::host_environment(1, nullptr);
    if (!environment) throw UserError(environment.error().message);
    environment_ = std::move(*environment);
    auto worker = tuner::find_worker();
    if (!worker) throw UserError(worker.error().message);
    measurer_ = tuner::make_worker_measurer(environment_, *worker, {});
    results_.trials = options.trials;
    for (const Contestant& contestant : contestants)
      if (takes_part(contestant)) results_.contestants.push_back(contestant.name);
  }

  /// `show` is called after each workload: an interrupted run has said what it knows.
  void run(const std::function<void(const Results&)>& show) {
    std::vector<Workload> chosen;
    for (const std::string& part : options_.only)
      if (std::ranges::none_of(workloads, [&](const Workload& workload) { return has(workload, part); }))
        throw_user_error("--only {}: no workload has that in its text", part);
    for (const Workload& workload : workloads)
      if (options_.only.empty() ||
          std::ranges::any_of(options_.only, [&](const std::string& part) { return has(workload, part); }))
        chosen.push_back(workload);
    const Clock::time_point start = Clock::now();
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const double left = options_.seconds - std::chrono::duration<double>(Clock::now() - start).count();
      contest(chosen[i], left / static_cast<double>(chosen.size() - i));
      judge_models();
      show(results_);
    }
  }

 private:
  static bool has(const Workload& workload, const std::string& part) {
    return std::string_view(workload.text).find(part) != std::string_view::npos;
  }
  bool takes_part(const Contestant& contestant) const {
    return options_.strategies.empty() || std::ranges::find(options_.strategies, contestant.name) != options_.strategies.end();
  }

  schedules::Space space_of(const ir::Kernel& kernel) const {
    return schedules::make_cpu_space(kernel, environment_.machine(), environment_.threads);
  }
  std::string table_path(const ir::Kernel& kernel) const {
    return (std::filesystem::path(options_.folder) / (digest(ir::canonical_text(kernel)).hex() + ".json")).string();
  }

  /// What 64 guided trials of a similar kernel leave behind.
  Similar tune_similar(const std::string& text) {
    const schedules::Space space = space_of(kernel_of(text));
    TruthTable table(table_path(space.kernel()), space.kernel(), environment_, *measurer_);
    Similar similar;
    similar.rows = run_contest(contestants[1], space, 1, 64, {}, table).rows;
    table.save();
    std::vector<std::pair<double, std::string>> ranked;
    for (const auto& [schedule, entry] : table.entries())
      if (std::isfinite(entry.ns)) ranked.emplace_back(entry.ns, schedule);
    std::ranges::sort(ranked);
    for (std::size_t i = 0; i < std::min<std::size_t>(4, ranked.size()); ++i) similar.best.push_back(ranked[i].second);
    return similar;
  }

  void contest(const Workload& workload, double seconds) {
    const Similar similar = tune_similar(workload.similar);
    const schedules::Space space = space_of(kernel_of(workload.text));
    TruthTable table(table_path(space.kernel()), space.kernel(), environment_, *measurer_);
    sample(space, workload.text, table, seconds / 3);
    std::vector<Run> runs;
    for (const Contestant& contestant : contestants)
      for (std::uint64_t seed = 1; seed <= options_.seeds && takes_part(contestant); ++seed) {
        fmt::print(stderr, "\r{}: {} seed {}, {} candidates    ", workload.text, contestant.name, seed, table.size());
        runs.push_back(run_contest(contestant, space, seed, options_.trials, similar, table));
        runs.back().workload = workload.text;
      }
    fmt::print(stderr, "\n");
    table.confirm_best(space.kernel());
    table.save();
    results_.best_ns[workload.text] = table.best_ns();
    results_.sampled[workload.text] = table.size();
    for (Run& run : runs) {
      settle(run, table);
      results_.runs.push_back(std::move(run));
    }
  }

  /// Random candidates for half of the time, then what surrounds the best ones.
  void sample(const schedules::Space& space, const std::string& workload, TruthTable& table, double seconds) {
    const Clock::time_point start = Clock::now();
    auto spent = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    Rng rng(1);
    std::vector<std::pair<double, schedules::Candidate>> measured;
    auto measure = [&](const schedules::Candidate& candidate) {
      const schedules::Schedule schedule = space.to_schedule(candidate);
      if (const auto nest = schedules::apply(space.kernel(), schedule))
        measured.emplace_back(table.at(schedules::print_schedule(schedule), *nest).ns, candidate);
    };
    for (const schedules::RankedCandidate& ranked : space.class_representatives()) measure(ranked.candidate);
    for (int i = 0; spent() < seconds / 2 && i < 4000; ++i) measure(space.random_candidate(rng));
    keep_rows(space, workload, measured);
    for (std::size_t stale = 0; spent() < seconds && stale < std::min<std::size_t>(8, measured.size());) {
      std::ranges::stable_sort(measured, {}, &std::pair<double, schedules::Candidate>::first);
      const std::size_t before = table.size();
      for (const schedules::Candidate& candidate : space.neighbours(measured[stale].second))
        if (spent() < seconds) measure(candidate);
      stale = table.size() > before ? 0 : stale + 1;
    }
  }

  /// Training rows of the first candidates, for judge_models; in no order, so that ties tell nothing.
  void keep_rows(const schedules::Space& space, const std::string& workload,
                 std::vector<std::pair<double, schedules::Candidate>> measured) {
    measured.resize(std::min(rows_a_workload, measured.size()));
    Rng rng(2);
    for (std::size_t i = measured.size(); i > 1; --i) std::swap(measured[i - 1], measured[rng.below(i)]);
    double best = std::numeric_limits<double>::infinity();
    for (const auto& [ns, candidate] : measured) best = std::min(best, ns);
    for (const auto& [ns, candidate] : measured) {
      if (!std::isfinite(ns)) continue;
      const auto nest = schedules::apply(space.kernel(), space.to_schedule(candidate)).value();
      const auto cost = schedules::analytic_cost(nest, space.machine(), space.threads());
      for (const char* name : judged_models) {
        const auto features = tuner::make_cost_model(name, 1)->features(nest, cost, space.machine(), space.threads());
        rows_[name][workload].push_back({{features, cost.time_ns, hash64(workload)}, ns, best / ns});
      }
    }
  }

  void judge_models() {
    results_.models.clear();
    if (results_.best_ns.size() < 2) return;  // nothing to learn from
    for (const char* name : judged_models)
      for (const auto& [held_out, rows] : rows_[name]) {
        std::vector<tuner::TrainingRow> others;
        for (const auto& [workload, other] : rows_[name])
          if (workload != held_out) others.insert(others.end(), other.begin(), other.end());
        const auto model = tuner::make_cost_model(name, 1);
        model->train(others);
        results_.models.push_back(judge(*model, rows));
        results_.models.back().workload = held_out;
        results_.models.back().cost_model = name;
      }
  }

  static ModelQuality judge(const tuner::CostModel& model, const std::vector<tuner::TrainingRow>& rows) {
    std::vector<tuner::Sample> samples;
    std::vector<double> measured, predicted;
    for (const tuner::TrainingRow& row : rows) samples.push_back(row.sample);
    for (const tuner::TrainingRow& row : rows) measured.push_back(row.ns);
    for (const tuner::Prediction& prediction : model.predict(samples)) predicted.push_back(prediction.log_ns);
    auto fastest = [](const std::vector<double>& times) {
      std::vector<std::size_t> order(times.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::ranges::stable_sort(order, {}, [&](std::size_t i) { return times[i]; });
      order.resize(std::min<std::size_t>(8, order.size()));
      return order;
    };
    const std::vector<std::size_t> truly = fastest(measured), chosen = fastest(predicted);
    ModelQuality quality;
    quality.rank_correlation = tuner::rank_correlation(predicted, measured);
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t i : chosen) {
      best = std::min(best, measured[i]);
      quality.recall_of_8 += std::ranges::count(truly, i) > 0 ? 1.0 / static_cast<double>(truly.size()) : 0;
    }
    quality.best_of_8 = measured[truly.front()] / best;
    return quality;
  }

  using Rows = std::map<std::string, std::vector<tuner::TrainingRow>>;  // by workload

  Options options_;
  tuner::Environment environment_;
  std::unique_ptr<tuner::Measurer> measurer_;
  Results results_;
  std::map<std::string, Rows> rows_;  // by cost model
};

void write(const std::string& path, const std::string& text) {
  WholeFile file(path);
  file.stream() << text;
  if (const int error = file.commit(); error != 0) throw_user_error("cannot write '{}': {}", path, std::strerror(error));
}

int run_program(const Options& options) {
  std::string text;
  Quality(options).run([&](const Results& results) {
    text = text_of(results);
    const std::filesystem::path folder = options.folder;
    write((folder / "report.md").string(), text);
    write((folder / "report.svg").string(), svg_of(results));
    write((folder / "report.json").string(), json_of(results).dump(1) + "\n");
  });
  fmt::print("{}", text);
  return 0;
}

}  // namespace
}  // namespace tunesmith::bench

int main(int argc, char** argv) {
  using namespace tunesmith;
  bench::Options options;
  CLI::App app("how many trials each search strategy needs to come near the best schedule of a space");
  app.add_option("--seconds", options.seconds, "for sampling and searching, spread over the workloads; searches run to their end")
      ->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--trials", options.trials, "of each search")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--seeds", options.seeds, "searches of each strategy and workload")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--folder", options.folder, "for the tables of measured times and the reports")->capture_default_str();
  app.add_option("--only", options.only, "workloads that have one of these in their text (default: all)");
  app.add_option("--strategy", options.strategies, "contestants (default: all)")->check(CLI::IsMember(bench::contestant_names()));
  CLI11_PARSE(app, argc, argv);
  try {
    return bench::run_program(options);
  } catch (const UserError& error) {
    fmt::print(stderr, "search_quality: {}\n", error.what());
    return 2;
  }
}
