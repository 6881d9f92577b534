// Every operator on every type as CUDA text: what the emulator computes is what the interpreter computes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "codegen/cuda/nvrtc.h"
#include "codegen/cuda/prelude.h"
#include "codegen/cuda/program.h"
#include "ir/interpret.h"
#include "ir/scalar_ops.h"
#include "ir/support/rng.h"
#include "schedules/apply.h"
#include "tests/codegen/emulator.h"

namespace tunesmith::codegen::cuda {
namespace {

using ir::DType;
using ir::Expr;
using testing::EmulatedModule;

constexpr std::int64_t size = 64;

/// z[i] = value(x[i], y[i])
template <class Value>
ir::Kernel kernel_of(std::string name, DType in, const Value& value) {
  ir::Kernel kernel;
  kernel.name = std::move(name);
  const ir::BufferId x = kernel.add_buffer({"x", in, {Expr(size)}, ir::Role::input, ir::Scope::global, {}});
  const ir::BufferId y = kernel.add_buffer({"y", in, {Expr(size)}, ir::Role::input, ir::Scope::global, {}});
  const ir::VarId i = kernel.vars.add("i");
  const Expr result = value(ir::load(x, in, {ir::var(i)}), ir::load(y, in, {ir::var(i)}));
  const ir::BufferId z = kernel.add_buffer({"z", result.dtype(), {Expr(size)}, ir::Role::output, ir::Scope::global, {}});
  ir::Stage stage;
  stage.name = "z";
  stage.outputs = {z};
  stage.spatial = {{i, Expr(size)}};
  stage.values = {result};
  kernel.stages.push_back(std::move(stage));
  return kernel;
}

std::vector<ir::Kernel> kernels_of(DType dtype) {
  std::vector<ir::Kernel> kernels;
  for (int op = 0; op < ir::unary_op_count; ++op) {
    const auto unary = static_cast<ir::UnaryOp>(op);
    if (ir::has_operator(unary, dtype))
      kernels.push_back(kernel_of(std::string(ir::to_string(unary)), dtype, [&](const Expr& a, const Expr&) { return ir::unary(unary, a); }));
  }
  for (int op = 0; op < ir::binary_op_count; ++op) {
    const auto binary = static_cast<ir::BinaryOp>(op);
    if (ir::has_operator(binary, dtype))
      kernels.push_back(kernel_of(std::string(ir::to_string(binary)), dtype, [&](const Expr& a, const Expr& b) { return ir::binary(binary, a, b); }));
  }
  for (const DType to : {DType::f16, DType::bf16, DType::f32, DType::f64, DType::i8, DType::i16, DType::i32, DType::i64, DType::u8, DType::u16,
                         DType::u32, DType::u64, DType::boolean})
    if (to != dtype) kernels.push_back(kernel_of(fmt::format("to_{}", ir::to_string(to)), dtype, [&](const Expr& a, const Expr&) { return ir::cast(to, a); }));
  kernels.push_back(kernel_of("choose", dtype, [&](const Expr& a, const Expr& b) {
    return ir::select(a < b, a, dtype == DType::boolean ? b : ir::constant(3, dtype));
  }));
  return kernels;
}

class CudaOperators : public ::testing::TestWithParam<DType> {};

TEST_P(CudaOperators, ComputeWhatTheInterpreterDoes) {
  const DType dtype = GetParam();
  const auto schedule = schedules::parse_schedule("split(s0.a0, 16, mask); block_x(s0.a0.0); thread_x(s0.a0.1)");
  std::string source;
  std::vector<EmulatedModule::Function> functions;
  std::vector<ir::Kernel> kernels = kernels_of(dtype);
  std::vector<std::pair<ir::LoopNest, CudaProgram>> programs;
  for (const ir::Kernel& kernel : kernels) {
    auto nest = schedules::apply(kernel, *schedule).value();
    auto program = make_program(nest);
    ASSERT_TRUE(program) << program.error().message;
    source += fmt::format("namespace p{} {{\n{}}}\n", programs.size(), program->source);
    functions.push_back({fmt::format("p{}::{}", programs.size(), program->run.at(0).kernel), program->run.at(0).buffers.size()});
    programs.emplace_back(std::move(nest), std::move(*program));
  }
  const auto module = EmulatedModule::compile(source, functions);
  ASSERT_TRUE(module) << module.error().message;
  ir::HostTensor x(dtype, {size}), y(dtype, {size});
  Rng rng(4);
  for (std::int64_t i = 0; i < size; ++i) {
    if (ir::is_float(dtype)) {
      x.set(i, i == 0 ? 0 : i == 1 ? -0.5 : 8 * rng.unit() - 4);
      y.set(i, 0.25 + 3 * rng.unit());
    } else if (dtype == DType::boolean) {
      x.set_int(i, rng.between(0, 1));
      y.set_int(i, rng.between(0, 1));
    } else {  // overflow, shifts by too much
      const int bits = ir::bit_width(dtype);
      x.set_int(i, i % 3 == 0 ? static_cast<std::int64_t>(rng.next() >> (64 - bits)) : rng.between(ir::is_signed_integer(dtype) ? -100 : 0, 100));
      y.set_int(i, rng.between(1, 70));
    }
  }
  const std::vector<ir::HostTensor> inputs{x, y};
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    SCOPED_TRACE(kernels[k].name + " of " + std::string(ir::to_string(dtype)));
    const auto want = ir::interpret(kernels[k], inputs);
    ASSERT_TRUE(want) << want.error().message;
    const auto got = testing::emulate(programs[k].first, programs[k].second, *module, inputs, testing::ThreadOrder::forwards, 1, k);
    ASSERT_TRUE(got) << got.error().message << programs[k].second.source;
    const DType out = want->at(0).dtype();
    const double unit = out == DType::f64 ? 1e-13 : out == DType::f32 ? 1e-6 : out == DType::f16 ? 2e-3 : out == DType::bf16 ? 1.6e-2 : 0;
    for (std::int64_t i = 0; i < size; ++i) {
      if (!ir::is_float(out)) {
        ASSERT_EQ(got->at(0).int_at(i), want->at(0).int_at(i)) << i << ": x " << x.at(i) << ", y " << y.at(i) << "\n" << programs[k].second.source;
        continue;
      }
      const double g = got->at(0).at(i), w = want->at(0).at(i);
      if (g == w || (std::isnan(g) && std::isnan(w))) continue;
      ASSERT_LE(std::abs(g - w), unit * std::max(1.0, std::abs(w))) << i << ": x " << x.at(i) << ", y " << y.at(i) << "\n" << programs[k].second.source;
    }
  }
  const auto nvrtc = Nvrtc::load();
  if (!nvrtc) return;
  // Names of kernels are not in namespaces there: one program each is enough to see that the compiler takes it.
  for (const std::size_t k : {std::size_t{0}, kernels.size() / 2, kernels.size() - 1}) {
    const auto cubin = nvrtc->compile(device_prelude() + programs[k].second.source, "sm_80");
    EXPECT_TRUE(cubin) << cubin.error().message << programs[k].second.source;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaOperators,
                         ::testing::Values(DType::f16, DType::bf16, DType::f32, DType::f64, DType::i8, DType::i16, DType::i32, DType::i64,
                                           DType::u8, DType::u16, DType::u32, DType::u64, DType::boolean),
                         [](const auto& info) { return std::string(ir::to_string(info.param)); });

}  // namespace
}  // namespace tunesmith::codegen::cuda
