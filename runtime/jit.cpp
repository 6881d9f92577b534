#include "runtime/jit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "cache/location.h"
#include "cache/object_store.h"
#include "ir/support/error.h"
#include "ir/support/log.h"
#include "runtime/compiled_model.h"
#include "tuner/session.h"

namespace tunesmith {
namespace runtime {
namespace {

/// Dtypes and shapes as text.
std::string signature_of(std::span<const Array> inputs) {
  std::string text;
  for (const Array& input : inputs)
    text += fmt::format("{}[{}];", ir::to_string(input.dtype()), fmt::join(input.shape(), ","));
  return text;
}

std::vector<tracer::TensorSpec> specs_of(std::span<const Array> inputs) {
  std::vector<tracer::TensorSpec> specs;
  for (const Array& input : inputs) {
    tracer::TensorSpec spec{input.dtype(), {}, {}};
    for (const std::int64_t extent : input.shape()) spec.shape.emplace_back(extent);
    specs.push_back(std::move(spec));
  }
  return specs;
}

std::string database_path(const JitOptions& options) {
  return options.database.empty() ? cache::default_database_path() : options.database;
}

std::shared_ptr<cache::Store> open_store(const JitOptions& options) {
  if (!options.use_database) return nullptr;
  const std::string path = database_path(options);
  const bool writes = options.background_seconds > 0;
  if (!writes && !std::filesystem::exists(path)) return nullptr;
  auto store = cache::open_sqlite(path, writes ? cache::OpenMode::read_write : cache::OpenMode::read_only);
  if (!store) throw UserError(store.error().message);
  return std::move(*store);
}

/// Null where there is none: compiled code is only a cache, without it everything is compiled again.
std::shared_ptr<cache::ObjectStore> open_objects(const JitOptions& options) {
  if (!options.use_database) return nullptr;
  auto objects = cache::open_object_store(cache::object_store_path(database_path(options)));
  if (objects) return std::move(*objects);
  log(LogLevel::warning, "compiled code is not kept: {}", objects.error().message);
  return nullptr;
}

tuner::Environment open_environment(const JitOptions& options) {
  auto environment = tuner::host_environment(options.threads, open_store(options));
  if (!environment) throw UserError(environment.error().message);
  return std::move(*environment);
}

}  // namespace

struct JitCore::State {
  /// One signature. `model` is replaced as a whole; calls keep the one that they began with alive.
  struct Entry {
    tracer::Program program;
    std::shared_ptr<CompiledModel> model;
    bool tuned = false;  // `model` has been replaced
  };

  TraceFn trace;
  JitOptions options;
  ModelOptions model_options;

  std::mutex first_call;     // held while a signature is traced and compiled; taken before `mutex`
  mutable std::mutex mutex;  // of all below
  std::map<std::string, std::shared_ptr<Entry>> entries;
  std::vector<std::shared_ptr<Entry>> waiting;  // for background tuning, oldest first
  std::condition_variable changed;
  bool tuning = false;
  std::atomic<bool> stop{false};
  std::thread background;
  std::optional<tuner::Limits> limits;  // of the machine, once measured; the background thread's own

  State(TraceFn trace_fn, JitOptions jit_options)
      : trace(std::move(trace_fn)), options(std::move(jit_options)) {
    model_options.environment = open_environment(options);
    model_options.objects = open_objects(options);
    model_options.pool = std::make_shared<codegen::ThreadPool>(model_options.environment.threads);
  }

  std::shared_ptr<Entry> find(const std::string& signature) {
    const std::scoped_lock lock(mutex);
    const auto it = entries.find(signature);
    return it != entries.end() ? it->second : nullptr;
  }

  std::shared_ptr<Entry> entry_for(std::span<const Array> inputs) {
    const std::string signature = signature_of(inputs);
    if (auto known = find(signature)) return known;
    // One at a time: threads that meet here with one signature compile it once, and the user's function is
    // never run by two threads.
    const std::scoped_lock first(first_call);
    if (auto known = find(signature)) return known;
    auto entry = std::make_shared<Entry>();
    entry->program = tracer::make_program(trace(specs_of(inputs)), model_options.fuse);
    entry->model = compile(entry->program);
    const std::scoped_lock lock(mutex);
    entries.emplace(signature, entry);
    if (options.background_seconds > 0) {
      waiting.push_back(entry);
      if (!background.joinable()) background = std::thread([this] { tune_in_background(); });
      changed.notify_all();
    }
    return entry;
  }

  std::shared_ptr<CompiledModel> compile(const tracer::Program& program) {
    auto model = CompiledModel::build(program, model_options);
    if (!model) throw UserError(model.error().message);
    return std::move(*model);
  }

  void tune_in_background() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stop || !waiting.empty(); });
      if (stop) return;
      const std::shared_ptr<Entry> entry = waiting.front();
      waiting.erase(waiting.begin());
      tuning = true;
      lock.unlock();
      std::shared_ptr<CompiledModel> better = tune(entry->program);
      lock.lock();
      if (better) {
        entry->model = std::move(better);
        entry->tuned = true;
      }
      tuning = false;
      changed.notify_all();
    }
  }

  /// The model with what tuning found; null when there is none (a failure is logged): the default goes on
  /// serving.
  std::shared_ptr<CompiledModel> tune(const tracer::Program& program) {
    try {
      auto model = tuned(program);
      if (model) return std::move(*model);  // null: nothing to swap in
      log(LogLevel::warning, "background tuning failed: {}", model.error().message);
    } catch (const std::exception& error) {
      log(LogLevel::warning, "background tuning failed: {}", error.what());
    }
    return nullptr;
  }

  Expected<std::unique_ptr<CompiledModel>, Error> tuned(const tracer::Program& program) {
    std::vector<tuner::Task> tasks;
    for (const tracer::ProgramStep& step : program.steps)
      if (!step.is_host) tasks.push_back({step.name, step.kernel, 1.0});
    if (tasks.empty()) return std::unique_ptr<CompiledModel>();
    if (!limits) {
      const auto measured = tuner::measure_limits(model_options.environment);
      if (!measured) return Unexpected(measured.error());
      limits = *measured;
    }
    tuner::SessionOptions session;
    session.budget_seconds = options.background_seconds;
    session.limits = limits;
    session.source = "jit";
    session.stop = &stop;
    const auto report = tuner::tune(tasks, model_options.environment, session);
    if (!report) return Unexpected(report.error());
    if (stop) return std::unique_ptr<CompiledModel>();
    ModelOptions with_found = model_options;
    for (const tuner::TaskReport& task : report->tasks)
      if (task.best_ns > 0) with_found.schedules[task.workload] = task.best_schedule;
    return CompiledModel::build(program, with_found);
  }
};

JitCore::JitCore(TraceFn trace, JitOptions options)
    : state_(std::make_unique<State>(std::move(trace), std::move(options))) {}

JitCore::~JitCore() {
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stop = true;
  }
  state_->changed.notify_all();
  if (state_->background.joinable()) state_->background.join();
}

std::vector<Array> JitCore::call(std::span<const Array> inputs) {
  const auto entry = state_->entry_for(inputs);
  std::shared_ptr<CompiledModel> model;
  {
    const std::scoped_lock lock(state_->mutex);
    model = entry->model;
  }
  return model->run(inputs);
}

void JitCore::wait() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->waiting.empty() && !state_->tuning; });
}

std::size_t JitCore::signature_count() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->entries.size();
}

std::size_t JitCore::tuned_count() const {
  const std::scoped_lock lock(state_->mutex);
  return static_cast<std::size_t>(
      std::ranges::count_if(state_->entries, [](const auto& named) { return named.second->tuned; }));
}

std::size_t JitCore::reused_kernel_count() const {
  const std::scoped_lock lock(state_->mutex);
  std::size_t count = 0;
  for (const auto& [signature, entry] : state_->entries)
    count +=
        static_cast<std::size_t>(std::ranges::count_if(entry->model->steps(), &StepInfo::from_object_store));
  return count;
}

}  // namespace runtime

Array make_array(std::vector<std::int64_t> shape, std::span<const float> values) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape)
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count))
      throw_user_error("make_array: no array has the shape [{}]", fmt::join(shape, ", "));
  if (count != static_cast<std::int64_t>(values.size()))
    throw_user_error("make_array: the shape [{}] takes {} values, {} were given", fmt::join(shape, ", "),
                     count, values.size());
  return Array::from_bytes(DType::f32, std::move(shape), std::as_bytes(values));
}

}  // namespace tunesmith
