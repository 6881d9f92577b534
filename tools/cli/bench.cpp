// tunesmith bench: times models and operators against the limit of the machine, against the untuned defaults
// and against other libraries. All competitors of a workload run in turn, in one process run, on the same
// data.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <thread>

#include "ir/canonical.h"
#include "runtime/compiled_model.h"
#include "tools/cli/commands.h"
#include "tools/cli/common.h"
#include "tools/cli/interrupt.h"
#include "tools/cli/progress.h"
#include "tools/cli/random_data.h"
#include "tools/peers/peer.h"
#include "tuner/limits.h"
#include "tuner/session.h"
#include "tuner/statistics.h"

namespace tunesmith::tools {
namespace {

using Clock = std::chrono::steady_clock;

/// A sample is at least this long: shorter runs are repeated inside it.
constexpr double sample_ns = 1e6;
/// Runs longer than this leave nothing of the competitor before them in the caches or on the cores.
constexpr double long_run_ns = 2e7;
/// Threads of a library may spin for so long after its run: they would take the cores of whoever comes next.
constexpr auto settling = std::chrono::milliseconds(5);
/// Largest difference from Tunesmith's default, relative to the largest output, at which a result still
/// counts.
constexpr double same_result = 1e-3;

struct BenchOptions {
  CommonOptions common;
  std::vector<std::string> against;
  std::int64_t rounds = 15;
  std::int64_t trials = 0;
};

/// Tunesmith behind the peers' interface.
class ModelRun final : public PeerRun {
 public:
  ModelRun(std::unique_ptr<runtime::CompiledModel> model, const std::vector<ir::HostTensor>& inputs)
      : model_(std::move(model)), inputs_(inputs), outputs_(model_->run(inputs_)) {
    for (const ir::HostTensor& input : inputs_) input_pointers_.push_back(input.bytes());
    for (ir::HostTensor& output : outputs_) output_pointers_.push_back(output.mutable_bytes());
  }

  Expected<double, Error> run(std::int64_t repeat) override {
    const auto start = Clock::now();
    for (std::int64_t i = 0; i < repeat; ++i) model_->run(input_pointers_, output_pointers_);
    return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
  }
  Expected<std::vector<ir::HostTensor>, Error> outputs() override { return outputs_; }
  const runtime::CompiledModel& model() const { return *model_; }

 private:
  std::unique_ptr<runtime::CompiledModel> model_;
  std::vector<ir::HostTensor> inputs_, outputs_;
  std::vector<const void*> input_pointers_;
  std::vector<void*> output_pointers_;
};

struct Entry {
  std::string name;
  std::unique_ptr<PeerRun> run;
  bool is_peer = false;
  bool failed = false;  // a peer that ended or refused to run: it takes no further part
  std::int64_t repeat = 1;
  std::vector<double> samples_ns;  // a run
  double max_rel_err = 0;

  double median_ns() const { return tuner::median(samples_ns); }
};

struct NamedPeer {
  std::string name;
  std::unique_ptr<Peer> peer;
};

/// What became of one workload; the summary of a suite is made of these.
struct Outcome {
  std::string workload;
  double limit_share = 0;    // limit / our median
  double default_share = 0;  // our median / the default's median
  double against_best = 0;   // the fastest peer's median / our median; 0: no peer offers it
  bool same = true;          // all results agree
};

std::unique_ptr<ModelRun> compile(const Workload& workload, const std::vector<ir::HostTensor>& inputs,
                                  const runtime::ModelOptions& options, const CommonOptions& common) {
  return std::make_unique<ModelRun>(
      value_or_throw(runtime::CompiledModel::build(program_of(workload, common), options)), inputs);
}

PeerWork peer_work(const Workload& workload, const std::vector<ir::HostTensor>& inputs,
                   std::int32_t threads) {
  PeerWork work{.op = workload.op ? &*workload.op : nullptr,
                .graph = &workload.graph,
                .model_path = workload.model_path,
                .operands = {},
                .output_shapes = {},
                .threads = threads};
  const std::vector<tracer::OpId>& graph_inputs = workload.graph.inputs();
  for (std::size_t i = 0; i < inputs.size(); ++i)
    work.operands.push_back({workload.graph.op(graph_inputs[i]).name, inputs[i], false});
  for (const auto& [name, value] : workload.operands)
    if (workload.graph.op(value).kind == tracer::OpKind::constant)
      work.operands.push_back({name, workload.graph.op(value).data, true});
  for (const tracer::Graph::Output& output : workload.graph.outputs())
    work.output_shapes.push_back(tracer::to_ints(workload.graph.type(output.value).shape));
  return work;
}

/// Largest difference relative to the largest reference value; infinite where one is not finite and the other
/// is something else.
double largest_difference(const std::vector<ir::HostTensor>& outputs,
                          const std::vector<ir::HostTensor>& reference) {
  double worst = 0;
  for (std::size_t o = 0; o < reference.size(); ++o) {
    if (o >= outputs.size() || outputs[o].size() != reference[o].size()) return HUGE_VAL;
    double scale = 0, difference = 0;
    for (std::int64_t i = 0; i < reference[o].size(); ++i) {
      const double expected = reference[o].at(i), got = outputs[o].at(i);
      if (expected == got || (std::isnan(expected) && std::isnan(got))) {
        if (std::isfinite(expected)) scale = std::max(scale, std::abs(expected));
        continue;
      }
      if (!std::isfinite(expected) || !std::isfinite(got)) return HUGE_VAL;
      scale = std::max(scale, std::abs(expected));
      difference = std::max(difference, std::abs(got - expected));
    }
    if (difference > 0) worst = std::max(worst, difference / std::max(scale, 1e-30));
  }
  return worst;
}

class Bench {
 public:
  Bench(const BenchOptions& options, tuner::Environment environment, tuner::Limits limits,
        std::vector<NamedPeer> peers)
      : options_(options), environment_(std::move(environment)), limits_(limits), peers_(std::move(peers)) {
    model_options_.environment = environment_;
    model_options_.objects = open_object_store(options.common);
    model_options_.pool = std::make_shared<codegen::ThreadPool>(environment_.threads);
  }

  /// Nothing when the user ends the command meanwhile.
  std::optional<Json> run(const Workload& workload) {
    if (options_.trials > 0) tune(workload);
    if (interrupted_) return std::nullopt;
    const std::vector<ir::HostTensor> inputs = random_inputs(workload.graph, 1);
    std::vector<Entry> entries = enter(workload, inputs);
    const double limit = sum_limits(static_cast<const ModelRun&>(*entries[0].run).model());
    sample(entries);
    if (interrupted_) return std::nullopt;
    const std::vector<ir::HostTensor> reference = value_or_throw(entries[1].run->outputs());
    for (Entry& entry : entries) {
      auto outputs = entry.run->outputs();
      if (!outputs && !entry.is_peer) throw UserError(outputs.error().message);
      if (!outputs) fmt::print(stderr, "tunesmith: {} failed: {}\n", entry.name, outputs.error().message);
      entry.failed = !outputs;
      if (outputs) entry.max_rel_err = largest_difference(*outputs, reference);
    }
    std::erase_if(entries, [](const Entry& entry) { return entry.failed; });
    return report(workload, entries, limit);
  }

  const std::vector<Outcome>& outcomes() const { return outcomes_; }

 private:
  void tune(const Workload& workload) {
    std::vector<tuner::Task> tasks;
    for (tracer::ProgramStep& step : program_of(workload, options_.common).steps)
      if (!step.is_host) tasks.push_back({step.name, std::move(step.kernel), 1.0});
    tuner::SessionOptions session;
    session.trials_per_task = options_.trials;
    ProgressDisplay display;
    session.on_progress = [&](const tuner::Progress& progress) { display.update(progress); };
    session.stop = &interrupted_;
    auto outcome = tuner::tune(tasks, environment_, session);
    display.finish();
    const tuner::SessionReport report = value_or_throw(std::move(outcome));
    for (const tuner::TaskReport& task : report.tasks)
      if (!task.error.empty())
        fmt::print(stderr, "tunesmith: {} of {} stays untuned: {}\n", task.name, workload.name, task.error);
  }

  /// Tunesmith as tuned, as by default, then the peers that offer the workload.
  std::vector<Entry> enter(const Workload& workload, const std::vector<ir::HostTensor>& inputs) {
    std::vector<Entry> entries;
    auto add = [&](std::string name, std::unique_ptr<PeerRun> run, bool is_peer) {
      entries.push_back({std::move(name), std::move(run), is_peer, false, 1, {}, 0});
    };
    add("tunesmith", compile(workload, inputs, model_options_, options_.common), false);
    runtime::ModelOptions untuned = model_options_;
    untuned.environment.store = nullptr;
    add("tunesmith-default", compile(workload, inputs, untuned, options_.common), false);
    const PeerWork work = peer_work(workload, inputs, environment_.threads);
    for (NamedPeer& peer : peers_) {
      auto run = peer.peer->prepare(work);
      if (!run)
        fmt::print(stderr, "tunesmith: {} does not run {}: {}\n", peer.name, workload.name, run.error().message);
      else if (*run != nullptr) add(peer.name, std::move(*run), true);
    }
    return entries;
  }

  /// Nanoseconds of the runs. A peer that fails is told and leaves.
  double timed(Entry& entry, std::int64_t repeat) {
    if (entry.failed) return 0;
    auto ns = entry.run->run(repeat);
    if (ns) return *ns;
    if (!entry.is_peer) throw UserError(ns.error().message);
    if (!interrupted_) fmt::print(stderr, "tunesmith: {} failed: {}\n", entry.name, ns.error().message);
    entry.failed = true;
    return 0;
  }

  /// Runs the entries in turn, forwards and backwards, so that a drift of the machine hits all of them.
  void sample(std::vector<Entry>& entries) {
    for (Entry& entry : entries) {
      timed(entry, 1);
      entry.repeat = std::clamp<std::int64_t>(std::llround(sample_ns / std::max(1.0, timed(entry, 1))), 1, 100000);
    }
    for (std::int64_t round = 0; round < options_.rounds; ++round)
      for (std::size_t i = 0; i < entries.size() && !interrupted_; ++i) {
        Entry& entry = entries[round % 2 == 0 ? i : entries.size() - 1 - i];
        if (environment_.threads > 1) std::this_thread::sleep_for(settling);
        if (entry.samples_ns.empty() || entry.samples_ns.back() < long_run_ns) timed(entry, 1);
        entry.samples_ns.push_back(timed(entry, entry.repeat) / static_cast<double>(entry.repeat));
      }
    std::erase_if(entries, [](const Entry& entry) { return entry.failed; });
  }

  double sum_limits(const runtime::CompiledModel& model) {
    flops_ = bytes_ = 0;
    double limit = 0;
    for (const tracer::ProgramStep& step : model.program().steps) {
      if (step.is_host) continue;
      flops_ += ir::flop_count(step.kernel);
      bytes_ += ir::argument_bytes(step.kernel);
      limit += tuner::limit_ns(step.kernel, limits_);
    }
    return limit;
  }

  Json report(const Workload& workload, const std::vector<Entry>& entries, double limit) {
    Outcome outcome{.workload = workload.name};
    const double ours = entries[0].median_ns();
    outcome.limit_share = limit / ours;
    outcome.default_share = ours / entries[1].median_ns();
    double best_peer = 0;
    Json json_entries = Json::array();
    if (options_.common.json != "-") fmt::print("{}\n", workload.name);
    for (const Entry& entry : entries) {
      const double median_ns = entry.median_ns();
      const double mad_ns = tuner::median_absolute_deviation(entry.samples_ns);
      const bool same = entry.max_rel_err <= same_result;
      outcome.same = outcome.same && same;
      if (entry.is_peer && same) best_peer = best_peer == 0 ? median_ns : std::min(best_peer, median_ns);
      json_entries.push_back({{"name", entry.name},
                              {"median_ns", median_ns},
                              {"mad_ns", mad_ns},
                              {"n", entry.samples_ns.size()},
                              {"max_rel_err", entry.max_rel_err}});
      if (options_.common.json != "-")
        fmt::print("  {:<18} {:>9} +- {:>8}  {:>5.1f} % of limit {:>8.1f} GFLOP/s{}\n", entry.name,
                   format_time(median_ns), format_time(mad_ns), 100 * limit / median_ns, flops_ / median_ns,
                   same ? "" : fmt::format("  RESULT DIFFERS by {:.1e}", entry.max_rel_err));
    }
    if (best_peer > 0) outcome.against_best = best_peer / ours;
    outcomes_.push_back(outcome);
    return {{"workload", workload.name}, {"threads", environment_.threads},
            {"flops", flops_},           {"bytes", bytes_},
            {"limit_ns", limit},         {"entries", json_entries}};
  }

  const BenchOptions& options_;
  const std::atomic<bool>& interrupted_ = catch_interrupts();
  tuner::Environment environment_;
  tuner::Limits limits_;
  std::vector<NamedPeer> peers_;
  runtime::ModelOptions model_options_;
  std::vector<Outcome> outcomes_;
  double flops_ = 0, bytes_ = 0;  // of the workload at hand
};

/// Geometric mean and least value of one figure over the outcomes that have it.
void print_figure(const char* what, const std::vector<Outcome>& outcomes, double Outcome::*figure) {
  double logs = 0;
  std::size_t count = 0;
  const Outcome* least = nullptr;
  for (const Outcome& outcome : outcomes) {
    if (outcome.*figure <= 0) continue;
    logs += std::log(outcome.*figure);
    ++count;
    if (least == nullptr || outcome.*figure < least->*figure) least = &outcome;
  }
  if (count > 0)
    fmt::print("{:<28} geometric mean {:.3f} of {}, least {:.3f} ({})\n", what,
               std::exp(logs / static_cast<double>(count)), count, least->*figure, least->workload);
}

std::vector<NamedPeer> open_peers(const std::vector<std::string>& names) {
  std::vector<NamedPeer> peers;
  for (const std::string& name : names) {
    auto peer = open_peer(name);
    if (peer)
      peers.push_back({name, std::move(*peer)});
    else
      fmt::print(stderr, "tunesmith: {} does not take part: {}\n", name, peer.error().message);
  }
  return peers;
}

int run_bench(const BenchOptions& options) {
  const std::vector<std::string> texts = workload_texts(options.common);
  std::vector<NamedPeer> peers = open_peers(options.against);
  const tuner::Environment environment =
      open_environment(options.common, options.trials > 0 ? DatabaseUse::write : DatabaseUse::read);
  const tuner::Limits limits = value_or_throw(tuner::measure_limits(environment));
  Json versions = Json::object();
  for (const NamedPeer& peer : peers) versions[peer.name] = peer.peer->version();
  Bench bench(options, environment, limits, std::move(peers));
  Json results = Json::array();
  std::size_t left_out = 0;
  for (const std::string& text : texts) {
    std::optional<Json> result;
    try {
      result = bench.run(load_workload(text, options.common));
    } catch (const UserError& error) {
      if (texts.size() == 1) throw;
      fmt::print(stderr, "tunesmith: {} is left out: {}\n", text, error.what());
      ++left_out;
      continue;
    }
    if (!result) break;
    results.push_back(std::move(*result));
  }
  const bool stopped = results.size() + left_out < texts.size();
  if (stopped)
    fmt::print(stderr, "Stopped after {} of {}; what trials measured is kept.\n", results.size(),
               plural(texts.size(), "workload"));
  if (!options.common.json.empty())
    write_json({{"schema", 1},
                {"machine",
                 {{"cpu", environment.target.microarchitecture},
                  {"cores", environment.target.cores},
                  {"peak_gflops", limits.flops_per_ns},
                  {"bandwidth_gb_s", limits.bytes_per_ns},
                  {"peers", versions}}},
                {"stopped", stopped},
                {"results", results}},
               options.common);
  const std::vector<Outcome>& outcomes = bench.outcomes();
  if (options.common.json != "-" && outcomes.size() > 1) {
    print_figure("fraction of the limit:", outcomes, &Outcome::limit_share);
    print_figure("default's speed / tuned:", outcomes, &Outcome::default_share);
    print_figure("speed / best peer's:", outcomes, &Outcome::against_best);
  }
  note_missing_database(options.common);
  return left_out == 0 && std::ranges::all_of(outcomes, &Outcome::same) ? exit_ok : exit_check_failed;
}

}  // namespace

void add_bench_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand(
      "bench",
      "time the tuned and the default kernels and other libraries, in turn, against the machine's limit");
  add_workload_options(*command, options->common);
  command
      ->add_option(
          "--against", options->against,
          fmt::format("other libraries to run in turn, where installed: {}", fmt::join(peer_names(), ",")))
      ->type_name("NAME,…")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_option("--rounds", options->rounds, "samples of each competitor")
      ->type_name("N")
      ->check(CLI::Range(3, 1000000))
      ->capture_default_str();
  command
      ->add_option("--trials", options->trials,
                   "tune each workload first, with at most N candidates a kernel")
      ->type_name("N")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  add_environment_options(*command, options->common);
  add_model_options(*command, options->common);
  add_json_option(*command, options->common);
  command->callback([options, &action] { action = [options] { return run_bench(*options); }; });
}

}  // namespace tunesmith::tools
