// Compiled models where values meet memory: aliases, empty tensors, operators of the host, packed constants,
// threads, wrong calls.
#include "runtime/compiled_model.h"

#include <gmock/gmock.h>

#include <thread>

#include "ir/canonical.h"
#include "ir/support/error.h"
#include "schedules/apply.h"
#include "schedules/space.h"
#include "tests/runtime/allocation_count.h"
#include "tests/runtime/model_testing.h"

namespace tunesmith::runtime {
namespace {

using testing::build_model;
using testing::expect_close;
using testing::expect_reference;
using testing::Graph;
using ::testing::HasSubstr;
using testing::HostTensor;
using testing::model_options;
using testing::random_inputs;
using testing::Tensor;
using tracer::DType;
using Tensors = std::vector<Tensor>;

constexpr DType f32 = DType::f32;

HostTensor random_constant(std::vector<std::int64_t> shape, std::uint64_t seed = 5) {
  Rng rng(seed);
  return tracer::testing::random_tensor(rng, f32, std::move(shape));
}

TEST(CompiledModel, OutputsThatAreInputs) {
  expect_reference([](Tensor x) { return x; }, {{f32, {3, 5}}});
  expect_reference([](Tensor x, Tensor y) { return Tensors{y, x, y}; }, {{f32, {7}}, {f32, {2, 2}}});
  expect_reference([](Tensor x) { return reshape(x, {15}); }, {{f32, {3, 5}}});
  expect_reference([](Tensor x) { return transpose(x, {1, 0}); }, {{f32, {3, 5}}});
  expect_reference([](Tensor x) { return Tensors{x, reshape(x, {5, 3}), relu(x)}; }, {{f32, {3, 5}}});
}

TEST(CompiledModel, OutputsThatAreShownTwice) {
  expect_reference([](Tensor x) { return Tensors(3, exp(x)); }, {{f32, {33}}});
  expect_reference(
      [](Tensor x) {
        const Tensor y = exp(x);
        return Tensors{reshape(y, {4, 6}), y, reshape(y, {24})};
      },
      {{f32, {2, 12}}});
  expect_reference(  // also read by a later step
      [](Tensor x) {
        const Tensor y = softmax(x);
        return Tensors{y, matmul(y, y), transpose(y, {1, 0})};
      },
      {{f32, {9, 9}}});
}

TEST(CompiledModel, OutputsThatAreConstants) {
  const HostTensor data = random_constant({2, 3});
  expect_reference([&](Tensor x) { return x.constant(data); }, {{f32, {4}}});
  expect_reference(
      [&](Tensor x) {
        return Tensors{x + 1.0, reshape(x.constant(data), {6}), x.constant(data) * 2.0};
      },
      {{f32, {4}}});
}

TEST(CompiledModel, EmptyAndScalarTensors) {
  expect_reference([](Tensor x) { return relu(x) + 1.0; }, {{f32, {0, 4}}});
  expect_reference(
      [](Tensor x, Tensor y) {
        return concat(Tensors{x, y}, 0);
      },
      {{f32, {0, 4}}, {f32, {3, 4}}});
  expect_reference([](Tensor x, Tensor y) { return matmul(x, y); }, {{f32, {3, 0}}, {f32, {0, 2}}});
  expect_reference([](Tensor x, Tensor y) { return matmul(x, y); }, {{f32, {0, 3}}, {f32, {3, 2}}});
  expect_reference([](Tensor x) { return Tensors{sum(x, {0}), prod(x, {0}), sum(x, {1})}; }, {{f32, {0, 4}}});
  expect_reference(
      [](Tensor x) {
        return Tensors{x, reshape(x, {0, 2}), transpose(x, {1, 0})};
      },
      {{f32, {2, 0}}});
  expect_reference([](Tensor x) { return exp(x) * 2.0; }, {{f32, {}}});
}

TEST(CompiledModel, OperatorsOfTheHostBetweenKernels) {
  expect_reference(
      [](Tensor x) {
        const auto [values, places] = top_k(exp(x), 3);
        return Tensors{values * 2.0, places, cumulative_sum(relu(x), 1), softmax(cumulative_sum(x, 0))};
      },
      {{f32, {6, 10}}});
}

TEST(CompiledModel, IndicesOutOfRangeReadTheNearestElement) {
  const Graph graph = tracer::trace(
      [](Tensor x, Tensor places) {
        const tracer::Attributes axis{{"axis", std::int64_t{0}}};
        return Tensor(x.graph(), x.graph().add(tracer::OpKind::gather, {x.value(), places.value()}, axis)) *
               2.0;
      },
      {{f32, {4}}, {DType::i64, {100}}});
  const HostTensor x = random_constant({4});
  HostTensor places(DType::i64, {100});
  auto place = [](std::int64_t i) { return (i - 50) * (std::int64_t{1} << 40); };
  for (std::int64_t i = 0; i < 100; ++i) places.set_int(i, place(i));
  const HostTensor y = build_model(graph, model_options(1))->run(std::vector{x, places}).at(0);
  for (std::int64_t i = 0; i < 100; ++i) EXPECT_EQ(y.at(i), 2 * x.at(place(i) > 0 ? 3 : 0)) << place(i);
}

TEST(CompiledModel, ImagesKeepTheirMeaningInEveryLayout) {
  const HostTensor w1 = random_constant({8, 3, 3, 3}), w2 = random_constant({8, 8, 1, 1}, 6);
  expect_reference(
      [&](Tensor x) {
        tracer::ops::ConvOptions same;
        same.pads = {1, 1, 1, 1};
        const Tensor a = relu(conv(x, x.constant(w1), {}, same));
        const Tensor b = conv(a, x.constant(w2));
        return Tensors{a + b, global_average_pool(b), reshape(a, {2, -1})};
      },
      {{f32, {2, 3, 9, 11}}});
}

/// A schedule of the kernel's space that packs a constant, as text; empty when there is none.
std::string packing_schedule(const ir::Kernel& kernel, const tuner::Environment& environment) {
  const schedules::Space space =
      schedules::make_cpu_space(kernel, environment.machine(), environment.threads);
  Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    const schedules::Schedule schedule = space.to_schedule(space.random_candidate(rng));
    const auto nest = schedules::apply(kernel, schedule);
    if (nest && nest->prepare) return schedules::print_schedule(schedule);
  }
  return {};
}

TEST(CompiledModel, PackedConstantsArePreparedForEachStep) {
  // Equal kernels with different weights share their code, never their packs.
  const HostTensor w1 = random_constant({64, 64}, 1), w2 = random_constant({64, 64}, 2);
  const Graph graph = tracer::trace(
      [&](Tensor x) { return matmul(matmul(x, x.constant(w1)), x.constant(w2)); }, {{f32, {32, 64}}});
  const auto inputs = random_inputs(graph);
  const auto want = tracer::evaluate_reference(graph, inputs);
  for (const std::int32_t threads : {1, 2}) {
    ModelOptions options = model_options(threads);
    for (const tracer::ProgramStep& step : tracer::make_program(graph).steps) {
      const std::string schedule = packing_schedule(step.kernel, options.environment);
      ASSERT_NE(schedule, "") << "the space of a product with a constant packs nothing";
      options.schedules[digest(ir::canonical_text(step.kernel)).hex()] = schedule;
    }
    const auto model = build_model(graph, options);
    EXPECT_GE(model->prepared_bytes(), 2 * 64 * 64 * 4);
    EXPECT_EQ(model->steps().at(0).origin, tuner::Origin::tuned) << "chosen";
    expect_close(model->run(inputs), want, 1e-3);
    expect_close(model->run(inputs), want, 1e-3);
  }
}

/// Something with several steps, an arena and two outputs.
Graph network() {
  const HostTensor w = random_constant({40, 40});
  return tracer::trace(
      [&](Tensor x) {
        const Tensor a = softmax(matmul(x, x.constant(w)) * 0.1);
        const Tensor b = layer_norm(matmul(a, x.constant(w)));
        return Tensors{a, matmul(b, transpose(a, {1, 0}))};
      },
      {{f32, {24, 40}}});
}

TEST(CompiledModel, TheSteadyStateAllocatesNothing) {
  const Graph graph = network();
  const auto inputs = random_inputs(graph);
  for (const std::int32_t threads : {1, 2}) {
    const auto model = build_model(graph, model_options(threads));
    EXPECT_GT(model->arena_bytes(), 0);
    std::vector<HostTensor> outputs = model->run(inputs);
    const void* in[] = {inputs[0].bytes()};
    void* out[] = {outputs[0].mutable_bytes(), outputs[1].mutable_bytes()};
    model->run(in, out);
    const std::int64_t before = testing::allocation_count();
    for (int i = 0; i < 50; ++i) model->run(in, out);
    EXPECT_EQ(testing::allocation_count(), before);
    expect_close(outputs, tracer::evaluate_reference(graph, inputs));
  }
}

TEST(CompiledModel, RunsFromManyThreadsDoNotMeet) {
  const Graph graph = network();
  ModelOptions sharing = model_options(2);
  sharing.pool = std::make_shared<codegen::ThreadPool>(2);
  const std::shared_ptr<CompiledModel> models[] = {build_model(graph, sharing), build_model(graph, sharing),
                                                   build_model(graph, model_options(2))};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 6; ++t)  // each model is run by two threads
    threads.emplace_back([&, t] {
      const auto inputs = random_inputs(graph, 100 + t);
      const auto want = tracer::evaluate_reference(graph, inputs);
      for (int i = 0; i < 30; ++i) expect_close(models[t % 3]->run(inputs), want);
    });
  for (std::thread& thread : threads) thread.join();
}

/// The message of the UserError that a call throws.
template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const UserError& error) {
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

TEST(CompiledModel, WrongCallsAreRefusedByName) {
  const Graph graph = network();
  const auto model = build_model(graph, model_options(1));
  const auto run = [&](std::vector<HostTensor> inputs) { return refusal([&] { (void)model->run(inputs); }); };
  EXPECT_THAT(run({}), HasSubstr("takes 1 inputs, 0 were given"));
  EXPECT_THAT(run({HostTensor(f32, {24, 40}), HostTensor(f32, {1})}), HasSubstr("2 were given"));
  EXPECT_THAT(run({HostTensor(f32, {40, 24})}),
              HasSubstr("input 'x0' takes f32[24, 40], given was f32[40, 24]"));
  EXPECT_THAT(run({HostTensor(DType::i32, {24, 40})}), HasSubstr("i32[24, 40]"));

  HostTensor x(f32, {24, 40}), a(f32, {24, 40}), b(f32, {24, 24});
  const auto run_raw = [&](std::vector<const void*> in, std::vector<void*> out) {
    return refusal([&] { model->run(in, out); });
  };
  EXPECT_THAT(run_raw({x.bytes()}, {a.mutable_bytes()}), HasSubstr("gives 2 outputs"));
  EXPECT_THAT(run_raw({nullptr}, {a.mutable_bytes(), b.mutable_bytes()}),
              HasSubstr("input 'x0' has no memory"));
  EXPECT_THAT(run_raw({x.bytes() + 4}, {a.mutable_bytes(), b.mutable_bytes()}), HasSubstr("multiple of 64"));
  EXPECT_THAT(run_raw({x.bytes()}, {a.mutable_bytes(), b.mutable_bytes() + 8}), HasSubstr("output 'y1'"));
}

TEST(CompiledModel, AFailureOfTheHostLeavesTheModelUsable) {
  const Graph graph = tracer::trace(
      [](Tensor x, Tensor places) {
        tracer::Graph& g = x.graph();
        tracer::Attributes axis{{"axis", std::int64_t{0}}, {"reduction", std::string("none")}};
        return Tensor(g, g.add(tracer::OpKind::scatter_elements,
                               {x.value(), places.value(), (x * 2.0).value()}, axis, "put")) +
               1.0;
      },
      {{f32, {4}}, {DType::i64, {4}}});
  const auto model = build_model(graph, model_options(1));
  std::vector<HostTensor> inputs = {random_constant({4}), HostTensor(DType::i64, {4})};
  for (std::int64_t i = 0; i < 4; ++i) inputs[1].set_int(i, 3 - i);
  expect_close(model->run(inputs), tracer::evaluate_reference(graph, inputs));
  std::vector<HostTensor> bad = inputs;
  bad[1].set_int(2, 99);
  EXPECT_THAT(refusal([&] { (void)model->run(bad); }), HasSubstr("scatter_elements 'put': index 99"));
  expect_close(model->run(inputs), tracer::evaluate_reference(graph, inputs));
}

}  // namespace
}  // namespace tunesmith::runtime
