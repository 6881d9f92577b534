#include "runtime/compiled_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>

#include "ir/buffer.h"
#include "runtime/memory_plan.h"
#include "tracer/op_table.h"

namespace tunesmith::runtime {
namespace {

using tracer::OpKind;
using tracer::Program;
using tracer::ValueId;

/// Bytes that a value takes in memory, in whatever order its layout says.
std::int64_t stored_bytes(const Program& program, ValueId value) {
  const tracer::TensorType& type = program.graph.type(value);
  ir::Buffer buffer;
  buffer.dtype = type.dtype;
  buffer.shape = type.shape;
  buffer.layout = program.layout_of(value);
  return ir::int_value(ir::element_count(buffer)) * static_cast<std::int64_t>(ir::size_bytes(type.dtype));
}

}  // namespace

Expected<std::unique_ptr<CompiledModel>, Error> CompiledModel::build(const tracer::Graph& graph,
                                                                     const ModelOptions& options) {
  return build(tracer::make_program(graph, options.fuse), options);
}

Expected<std::unique_ptr<CompiledModel>, Error> CompiledModel::build(tracer::Program program,
                                                                     const ModelOptions& options) {
  std::unique_ptr<CompiledModel> model(new CompiledModel(std::move(program)));
  if (auto loaded = model->load(options); !loaded) return Unexpected(loaded.error());
  model->place_values();
  model->prepare_constants();
  return model;
}

Expected<void, Error> CompiledModel::load(const ModelOptions& options) {
  auto kernels = load_kernels(program_.steps, options.environment, options.objects.get(), options.schedules);
  if (!kernels) return Unexpected(kernels.error());
  pool_ = options.pool ? options.pool : std::make_shared<codegen::ThreadPool>(options.environment.threads);
  context_ = std::make_unique<codegen::ExecutionContext>(*pool_);
  for (std::size_t i = 0; i < program_.steps.size(); ++i) {
    LoadedKernel& kernel = (*kernels)[i];
    if (kernel.executable)
      context_->reserve(kernel.executable->object().workspace_bytes,
                        kernel.executable->object().thread_scratch_bytes);
    step_infos_.push_back({program_.steps[i].name, program_.steps[i].is_host, kernel.origin, kernel.median_ns,
                           kernel.from_object_store});
    executables_.push_back(std::move(kernel.executable));
  }
  return {};
}

void CompiledModel::place_values() {
  const tracer::Graph& graph = program_.graph;
  std::map<ValueId, Place> places;

  for (std::size_t i = 0; i < graph.inputs().size(); ++i)
    places[ValueId{graph.inputs()[i], 0}] = {Place::Kind::input, i, 0, nullptr};

  // A value that a step computes is written straight to the first output that shows it.
  std::map<ValueId, std::int32_t> first_use, last_use;
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    for (ValueId value : program_.steps[s].outputs)
      first_use.emplace(program_.storage_of(value), static_cast<int>(s));
    for (ValueId value : program_.steps[s].outputs) last_use[program_.storage_of(value)] = static_cast<int>(s);
    for (ValueId value : program_.steps[s].inputs) last_use[program_.storage_of(value)] = static_cast<int>(s);
  }
  for (std::size_t o = 0; o < graph.outputs().size(); ++o) {
    const ValueId owner = program_.storage_of(graph.outputs()[o].value);
    if (first_use.contains(owner) && !places.contains(owner))
      places[owner] = {Place::Kind::output, o, 0, nullptr};
  }

  std::vector<Lifetime> lifetimes;
  std::vector<ValueId> in_arena;
  for (const auto& [value, first] : first_use) {
    if (places.contains(value)) continue;
    lifetimes.push_back({stored_bytes(program_, value), first, last_use.at(value)});
    in_arena.push_back(value);
  }
  const MemoryPlan plan = plan_memory(lifetimes);
  arena_bytes_ = plan.arena_bytes;
  arena_ = codegen::AlignedMemory(arena_bytes_);
  for (std::size_t i = 0; i < in_arena.size(); ++i)
    places[in_arena[i]] = {Place::Kind::arena, 0, plan.offsets[i], nullptr};

  auto place_of = [&](ValueId value) {
    const ValueId owner = program_.storage_of(value);
    if (const auto it = places.find(owner); it != places.end()) return it->second;
    const tracer::Op& op = graph.op(owner);
    TS_CHECK(op.kind == OpKind::constant, "a value that no step computes");
    return Place{Place::Kind::constant, 0, 0, op.data.bytes()};
  };
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    std::vector<void*>& pointers = arguments_.emplace_back();
    auto add = [&](ValueId value) {
      const Place place = place_of(value);
      switch (place.kind) {
        case Place::Kind::input: input_patches_.push_back({s, pointers.size(), place.index}); break;
        case Place::Kind::output: output_patches_.push_back({s, pointers.size(), place.index}); break;
        case Place::Kind::arena:
        case Place::Kind::constant: break;
      }
      // Generated code never writes through an input or constant argument.
      pointers.push_back(place.kind == Place::Kind::arena ? arena_.data() + place.offset
                                                          : const_cast<std::byte*>(place.constant));
    };
    for (ValueId value : program_.steps[s].inputs) add(value);
    for (ValueId value : program_.steps[s].outputs) add(value);
  }
  for (std::size_t o = 0; o < graph.outputs().size(); ++o) {
    const Place place = place_of(graph.outputs()[o].value);
    if (place.kind == Place::Kind::output && place.index == o) continue;
    output_copies_.push_back({place, o, stored_bytes(program_, graph.outputs()[o].value)});
  }
}

void CompiledModel::prepare_constants() {
  for (std::size_t s = 0; s < executables_.size(); ++s) {
    if (!executables_[s] || !executables_[s]->object().has_prepare) continue;
    const codegen::Object& object = executables_[s]->object();
    for (std::int32_t i = object.argument_count - object.prepared_count; i < object.argument_count; ++i) {
      const std::int64_t bytes = object.argument_bytes.at(static_cast<std::size_t>(i));
      prepared_bytes_ += bytes;
      prepared_.emplace_back(bytes);
      arguments_[s].push_back(prepared_.back().data());
    }
    executables_[s]->prepare(arguments_[s].data(), nullptr, context_->get());
  }
}

void CompiledModel::run_host_step(std::size_t s) {
  const tracer::ProgramStep& step = program_.steps[s];
  const tracer::Op& op = program_.graph.op(step.host_op);
  std::vector<ir::HostTensor> inputs;
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const tracer::TensorType& type = program_.graph.type(step.inputs[i]);
    ir::HostTensor tensor(type.dtype, tracer::to_ints(type.shape));
    std::memcpy(tensor.mutable_bytes(), arguments_[s][i], tensor.byte_size());
    inputs.push_back(std::move(tensor));
  }
  const auto results = tracer::evaluate_op(op, inputs);
  for (std::size_t i = 0; i < step.outputs.size(); ++i)
    std::memcpy(arguments_[s][step.inputs.size() + i], results.at(step.outputs[i].output).bytes(),
                results.at(step.outputs[i].output).byte_size());
}

void CompiledModel::check_pointers(std::span<const void* const> inputs,
                                   std::span<void* const> outputs) const {
  const tracer::Graph& graph = program_.graph;
  if (inputs.size() != graph.inputs().size() || outputs.size() != graph.outputs().size())
    throw_user_error("the model takes {} inputs and gives {} outputs; memory for {} and {} was given",
                     graph.inputs().size(), graph.outputs().size(), inputs.size(), outputs.size());
  auto check = [&](const void* pointer, tracer::ValueId value, std::string_view what,
                   const std::string& name) {
    if (pointer == nullptr && stored_bytes(program_, value) > 0)
      throw_user_error("{} '{}' has no memory", what, name);
    if (reinterpret_cast<std::uintptr_t>(pointer) % arena_alignment != 0)
      throw_user_error("{} '{}' lies at {}, which is no multiple of {} bytes", what, name, fmt::ptr(pointer),
                       arena_alignment);
  };
  for (std::size_t i = 0; i < inputs.size(); ++i)
    check(inputs[i], {graph.inputs()[i], 0}, "input", graph.op(graph.inputs()[i]).name);
  for (std::size_t o = 0; o < outputs.size(); ++o)
    check(outputs[o], graph.outputs()[o].value, "output", graph.outputs()[o].name);
}

void CompiledModel::run_step(std::size_t s) {
  if (executables_[s])
    executables_[s]->run(arguments_[s].data(), nullptr, context_->get());
  else
    run_host_step(s);
}

void CompiledModel::run(std::span<const void* const> inputs, std::span<void* const> outputs,
                        std::span<double> step_ns) {
  check_pointers(inputs, outputs);
  TS_CHECK(step_ns.empty() || step_ns.size() == executables_.size(), "one time a step");
  const std::scoped_lock lock(run_mutex_);
  for (const Patch& patch : input_patches_)
    arguments_[patch.step][patch.argument] = const_cast<void*>(inputs[patch.index]);
  for (const Patch& patch : output_patches_) arguments_[patch.step][patch.argument] = outputs[patch.index];
  for (std::size_t s = 0; s < executables_.size(); ++s) {
    if (step_ns.empty()) {
      run_step(s);
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    run_step(s);
    step_ns[s] = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  }
  for (const OutputCopy& copy : output_copies_) {
    const void* source = nullptr;
    switch (copy.source.kind) {
      case Place::Kind::input: source = inputs[copy.source.index]; break;
      case Place::Kind::output: source = outputs[copy.source.index]; break;
      case Place::Kind::constant: source = copy.source.constant; break;
      case Place::Kind::arena: source = arena_.data() + copy.source.offset; break;
    }
    std::memcpy(outputs[copy.output], source, static_cast<std::size_t>(copy.bytes));
  }
}

std::vector<ir::HostTensor> CompiledModel::run(std::span<const ir::HostTensor> inputs) {
  const tracer::Graph& graph = program_.graph;
  if (inputs.size() != graph.inputs().size())
    throw_user_error("the model takes {} inputs, {} were given", graph.inputs().size(), inputs.size());
  std::vector<const void*> input_pointers;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const tracer::Op& op = graph.op(graph.inputs()[i]);
    const std::vector<std::int64_t> want = tracer::to_ints(op.outputs[0].shape);
    if (inputs[i].dtype() != op.outputs[0].dtype || inputs[i].shape() != want)
      throw_user_error("input '{}' takes {}[{}], given was {}[{}]", op.name,
                       ir::to_string(op.outputs[0].dtype), fmt::join(want, ", "),
                       ir::to_string(inputs[i].dtype()), fmt::join(inputs[i].shape(), ", "));
    input_pointers.push_back(inputs[i].bytes());
  }
  std::vector<ir::HostTensor> outputs;
  std::vector<void*> output_pointers;
  for (const auto& output : graph.outputs()) {
    const tracer::TensorType& type = graph.type(output.value);
    outputs.emplace_back(type.dtype, tracer::to_ints(type.shape));
  }
  for (ir::HostTensor& output : outputs) output_pointers.push_back(output.mutable_bytes());
  run(input_pointers, output_pointers);
  return outputs;
}

}  // namespace tunesmith::runtime
