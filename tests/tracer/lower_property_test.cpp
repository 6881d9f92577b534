// Every operator kind with a lowering: interpret(kernel) agrees with the row's reference on random small
// shapes and attributes, before and after canonicalisation.
#include <functional>

#include "ir/canonical.h"
#include "ir/interpret.h"
#include "ir/print.h"
#include "tests/tracer/random_values.h"
#include "tracer/op_table.h"
#include "tracer/ops/build.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

/// A graph of one operator, made with random attributes; `inputs` get random values.
struct Case {
  Graph graph;
  Rng& rng;
  std::vector<HostTensor> inputs;

  explicit Case(Rng& r) : rng(r) {}
  ValueId input(DType dtype, Ints shape, double low = -2, double high = 2) {
    inputs.push_back(random_tensor(rng, dtype, shape, low, high));
    return graph.add_input(fmt::format("x{}", inputs.size()), {dtype, to_shape(shape)});
  }
  std::int64_t pick(std::int64_t low, std::int64_t high) { return rng.between(low, high); }
  Ints shape(std::int64_t min_rank, std::int64_t max_rank, std::int64_t max_extent = 4) {
    Ints result(static_cast<std::size_t>(pick(min_rank, max_rank)));
    for (std::int64_t& extent : result) extent = pick(1, max_extent);
    return result;
  }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return list.begin()[rng.below(list.size())];
  }
};

HostTensor tensor_with_shape(const HostTensor& tensor, const ir::Buffer& buffer) {
  return tensor.reshaped(to_ints(ir::physical_shape(buffer)));
}

std::string check_kernel(const ir::Kernel& kernel, const std::vector<HostTensor>& inputs,
                         const std::vector<HostTensor>& want, double tolerance) {
  std::vector<HostTensor> physical;
  const auto arguments = ir::arguments(kernel);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    physical.push_back(tensor_with_shape(inputs[i], kernel.buffer(arguments[i])));
  const auto got = ir::interpret(kernel, physical);
  if (!got) return got.error().message;
  for (std::size_t o = 0; o < want.size(); ++o) {
    const auto problem = difference((*got)[o].reshaped(want[o].shape()), want[o], tolerance);
    if (!problem.empty()) return fmt::format("output {}: {}", o, problem);
  }
  return {};
}

ir::Kernel lower_alone(const Graph& graph, OpId id) {
  const Op& op = graph.op(id);
  KernelBuilder builder(std::string(to_string(op.kind)));
  std::vector<TensorView> views;
  for (std::size_t i = 0; i < op.inputs.size(); ++i) {
    const TensorType& type = graph.type(op.inputs[i]);
    views.push_back(builder.input(fmt::format("in{}", i), type.dtype, to_ints(type.shape), false));
  }
  const auto results = op_row(op.kind).lower(builder, views, op.attributes, op.outputs);
  for (std::size_t o = 0; o < results.size(); ++o) {
    EXPECT_EQ(results[o].shape, to_ints(op.outputs[o].shape));
    EXPECT_EQ(results[o].dtype, op.outputs[o].dtype);
    builder.output(fmt::format("out{}", o), results[o]);
  }
  return std::move(builder).finish();
}

using MakeCase = std::function<void(Case&)>;

void check(const char* name, int count, const MakeCase& make, double tolerance = 1e-5) {
  for (int round = 0; round < count; ++round) {
    const std::uint64_t seed = first_seed(static_cast<std::uint64_t>(round) + 1);
    Rng rng(seed);
    Case c(rng);
    make(c);
    // The builders leave out what changes nothing.
    if (c.graph.size() == c.graph.inputs().size()) continue;
    const OpId id{static_cast<std::uint32_t>(c.graph.size() - 1)};
    const Op& op = c.graph.op(id);
    std::vector<HostTensor> operands;
    for (ValueId input : op.inputs)
      for (std::size_t i = 0; i < c.inputs.size(); ++i)
        if (c.graph.inputs()[i] == input.op) operands.push_back(c.inputs[i]);
    ASSERT_EQ(operands.size(), op.inputs.size()) << name;
    const auto want = op_row(op.kind).reference(operands, op.attributes);
    const ir::Kernel kernel = lower_alone(c.graph, id);
    ASSERT_EQ(check_kernel(kernel, operands, want, tolerance), "") << name << " seed " << seed << "\n"
                                                                   << c.graph.print() << ir::print(kernel);
    const ir::Kernel canonical = ir::canonicalise(kernel);
    ASSERT_EQ(check_kernel(canonical, operands, want, tolerance), "")
        << name << " canonical, seed " << seed << "\n"
        << c.graph.print() << ir::print(kernel) << ir::print(canonical);
  }
}

TEST(LowerProperty, Unary) {
  for (int i = 0; i < ir::unary_op_count; ++i) {
    const auto op = static_cast<ir::UnaryOp>(i);
    if (op == ir::UnaryOp::logical_not || op == ir::UnaryOp::bit_not) continue;
    check(
        std::string(ir::to_string(op)).c_str(), 3,
        [&](Case& c) {
          const DType dtype = c.one_of({DType::f32, DType::f16, DType::bf16});
          const bool unit = op == ir::UnaryOp::asin || op == ir::UnaryOp::acos || op == ir::UnaryOp::atanh;
          ops::unary(c.graph, op, c.input(dtype, c.shape(0, 3), unit ? -0.9 : 0.1, unit ? 0.9 : 3));
        },
        2e-2);
  }
  check("bit_not", 3, [](Case& c) {
    ops::unary(c.graph, ir::UnaryOp::bit_not, c.input(DType::i32, {3, 2}));
  });
  check("logical_not", 3, [](Case& c) {
    ops::unary(c.graph, ir::UnaryOp::logical_not, c.input(DType::boolean, {3, 2}));
  });
}

Ints broadcast_part(Case& c, const Ints& shape) {
  Ints part(shape.begin() + c.pick(0, static_cast<std::int64_t>(shape.size())), shape.end());
  for (std::int64_t& extent : part)
    if (c.rng.below(4) == 0) extent = 1;
  return part;
}

TEST(LowerProperty, Binary) {
  for (int i = 0; i < ir::binary_op_count; ++i) {
    const auto op = static_cast<ir::BinaryOp>(i);
    const bool bits = op >= ir::BinaryOp::bit_and;
    const bool floats = op == ir::BinaryOp::atan2 || op == ir::BinaryOp::pow;
    check(
        std::string(ir::to_string(op)).c_str(), 6,
        [&](Case& c) {
          const Ints shape = c.shape(0, 4);
          const DType dtype = bits     ? DType::i32
                              : floats ? c.one_of({DType::f32, DType::bf16})
                                       : c.one_of({DType::f32, DType::f16, DType::i32, DType::i64});
          const ValueId a = c.input(dtype, shape, 1, 4), b = c.input(dtype, broadcast_part(c, shape), 1, 4);
          c.rng.below(2) ? ops::binary(c.graph, op, a, b) : ops::binary(c.graph, op, b, a);
        },
        2e-2);
  }
}

TEST(LowerProperty, WhereAndCasts) {
  check("where", 10, [](Case& c) {
    const Ints shape = c.shape(1, 3);
    ops::where(c.graph, c.input(DType::boolean, broadcast_part(c, shape)), c.input(DType::f32, shape),
               c.input(DType::f32, broadcast_part(c, shape)));
  });
  check("cast", 20, [](Case& c) {
    const DType from = c.one_of({DType::f32, DType::f16, DType::i32, DType::boolean, DType::i8});
    const DType to = c.one_of({DType::f64, DType::bf16, DType::i64, DType::u8, DType::boolean});
    if (from == to) return;
    ops::cast(c.graph, c.input(from, c.shape(0, 3), 0, 3), to);
  });
  check("bit_cast", 3, [](Case& c) { ops::bit_cast(c.graph, c.input(DType::f32, {2, 3}), DType::i32); });
}

TEST(LowerProperty, ReshapeTransposeExpand) {
  check("reshape", 40, [](Case& c) {
    Ints from = c.shape(1, 4, 6), to;
    std::int64_t left = 1;
    for (std::int64_t extent : from) left *= extent;
    while (left > 1 && to.size() < 4) {
      std::int64_t factor = c.pick(1, left);
      while (left % factor != 0) --factor;
      to.push_back(factor);
      left /= factor;
    }
    to.push_back(left);
    ops::reshape(c.graph, c.input(DType::f32, from), to);
  });
  check("transpose", 20, [](Case& c) {
    const Ints shape = c.shape(1, 4);
    Ints perm;
    for (std::size_t d = 0; d < shape.size(); ++d)
      perm.insert(perm.begin() + c.pick(0, static_cast<std::int64_t>(perm.size())),
                  static_cast<std::int64_t>(d));
    ops::transpose(c.graph, c.input(DType::f32, shape), perm);
  });
  check("expand", 10, [](Case& c) {
    const Ints shape = c.shape(1, 4);
    ops::expand(c.graph, c.input(DType::f32, broadcast_part(c, shape)), shape);
  });
}

TEST(LowerProperty, ConcatSlicePadTile) {
  check("concat", 20, [](Case& c) {
    Ints shape = c.shape(1, 3);
    const std::int64_t axis = c.pick(0, static_cast<std::int64_t>(shape.size()) - 1);
    std::vector<ValueId> parts;
    for (std::int64_t p = c.pick(1, 4); p > 0; --p) {
      shape[static_cast<std::size_t>(axis)] = c.pick(1, 4);
      parts.push_back(c.input(DType::f32, shape));
    }
    ops::concat(c.graph, parts, axis);
  });
  check("slice", 20, [](Case& c) {
    const Ints shape = c.shape(1, 3, 8);
    Ints starts, sizes, steps;
    for (std::int64_t extent : shape) {
      steps.push_back(c.one_of<std::int64_t>({1, 2, -1, 3}));
      starts.push_back(c.pick(0, extent - 1));
      const std::int64_t room = steps.back() > 0 ? extent - 1 - starts.back() : starts.back();
      sizes.push_back(c.pick(1, room / std::abs(steps.back()) + 1));
    }
    ops::slice(c.graph, c.input(DType::f32, shape), starts, sizes, steps);
  });
  check("pad", 40, [](Case& c) {
    const Ints shape = c.shape(1, 3, 5);
    const std::string mode = c.one_of<std::string>({"constant", "reflect", "edge", "wrap"});
    Ints pads(shape.size() * 2);
    for (std::size_t i = 0; i < pads.size(); ++i) {
      const std::int64_t extent = shape[i % shape.size()];
      pads[i] = mode == "reflect" ? c.pick(0, extent - 1) : c.pick(0, 3);
      if (mode == "constant" && extent > 3 && c.rng.below(4) == 0) pads[i] = -1;
      if (mode == "wrap") pads[i] = std::min(pads[i], extent);
    }
    ops::pad(c.graph, c.input(DType::f32, shape), pads, mode, 1.5);
  });
  check("tile", 10, [](Case& c) {
    const Ints shape = c.shape(1, 3);
    Ints repeats;
    for (std::size_t d = 0; d < shape.size(); ++d) repeats.push_back(c.pick(1, 3));
    ops::tile(c.graph, c.input(DType::f32, shape), repeats);
  });
}

TEST(LowerProperty, Gathers) {
  check("gather", 15, [](Case& c) {
    const Ints shape = c.shape(1, 3, 5);
    const std::int64_t axis = c.pick(0, static_cast<std::int64_t>(shape.size()) - 1);
    const auto extent = static_cast<double>(shape[static_cast<std::size_t>(axis)]);
    const ValueId data = c.input(DType::f32, shape);
    ops::gather(c.graph, data, c.input(DType::i64, c.shape(0, 2), -extent, extent), axis);
  });
  check("gather_elements", 15, [](Case& c) {
    const Ints shape = c.shape(1, 3, 5);
    Ints places = shape;
    const std::int64_t axis = c.pick(0, static_cast<std::int64_t>(shape.size()) - 1);
    const auto extent = static_cast<double>(shape[static_cast<std::size_t>(axis)]);
    places[static_cast<std::size_t>(axis)] = c.pick(1, 4);
    const ValueId data = c.input(DType::f32, shape);
    ops::gather_elements(c.graph, data, c.input(DType::i32, places, -extent, extent), axis);
  });
  check("gather_nd", 15, [](Case& c) {
    const std::int64_t batch = c.pick(0, 1), depth = c.pick(1, 2);
    const ValueId data = c.input(DType::f32, {3, 3, 3});
    Ints places = batch ? Ints{3, 2, depth} : Ints{2, depth};
    ops::gather_nd(c.graph, data, c.input(DType::i64, places, -3, 3), batch);
  });
}

TEST(LowerProperty, Iota) {
  for (const std::int64_t axis : {0, 1}) {
    Graph graph;
    const ValueId value = ops::iota(graph, DType::i64, {3, 4}, axis);
    const auto want = op_row(OpKind::iota).reference({}, graph.op(value).attributes);
    EXPECT_EQ(check_kernel(lower_alone(graph, value.op), {}, want, 0), "");
  }
}

TEST(LowerProperty, Resize) {
  check(
      "resize", 120,
      [](Case& c) {
        const Ints shape{1, c.pick(1, 2), c.pick(1, 6), c.pick(1, 6)};
        ops::ResizeOptions options;
        options.sizes = shape;
        options.scales = {1, 1, 1, 1};
        for (std::size_t d = 2; d < 4; ++d) {
          options.scales[d] = c.one_of({1.0, 2.0, 3.0, 0.5, 1.5, 2.6, 0.7});
          options.sizes[d] =
              static_cast<std::int64_t>(std::floor(static_cast<double>(shape[d]) * options.scales[d]));
          if (options.sizes[d] == 0) options.sizes[d] = 1;
        }
        options.mode = c.one_of<std::string>({"nearest", "linear", "cubic"});
        options.coordinates = c.one_of<std::string>(
            {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric"});
        options.nearest = c.one_of<std::string>({"floor", "ceil", "round_prefer_floor", "round_prefer_ceil"});
        options.exclude_outside = options.mode == "cubic" && c.rng.below(2);
        ops::resize(c.graph, c.input(DType::f32, shape), options);
      },
      1e-4);
}

TEST(LowerProperty, Matmul) {
  check(
      "matmul", 40,
      [](Case& c) {
        const DType dtype = c.one_of({DType::f32, DType::f32, DType::f16, DType::bf16, DType::i8});
        const std::int64_t m = c.pick(1, 5), k = c.pick(1, 6), n = c.pick(1, 5);
        Ints a = c.shape(0, 2, 3), b = broadcast_part(c, a);
        const bool a_vector = a.empty() && c.rng.below(4) == 0, b_vector = b.empty() && c.rng.below(4) == 0;
        if (!a_vector) a.push_back(m);
        a.push_back(k);
        b.push_back(k);
        if (!b_vector) b.push_back(n);
        const ValueId x = c.input(dtype, a);
        ops::matmul(c.graph, x, c.input(dtype, b));
      },
      2e-2);
}

struct WindowCase {
  std::int64_t n, c, k, groups;
  Ints x, w;
  ops::ConvOptions options;
};

WindowCase random_window(Case& c, bool transposed) {
  const auto rank = static_cast<std::size_t>(c.pick(1, 2));
  WindowCase result;
  result.groups = c.one_of<std::int64_t>({1, 1, 2, 3});
  const std::int64_t in = c.pick(1, 3), out = c.pick(1, 3);
  result.n = c.pick(1, 2);
  result.c = in * result.groups;
  result.k = out * result.groups;
  result.x = {result.n, result.c};
  result.w = transposed ? Ints{result.c, out} : Ints{result.k, in};
  result.options.groups = result.groups;
  result.options.pads.resize(2 * rank);
  for (std::size_t d = 0; d < rank; ++d) {
    const std::int64_t kernel = c.pick(1, 4), stride = c.pick(1, 3);
    const std::int64_t dilation = c.rng.below(3) == 0 ? 2 : 1;
    result.options.strides.push_back(stride);
    result.options.dilations.push_back(dilation);
    result.options.output_padding.push_back(transposed ? c.pick(0, stride - 1) : 0);
    const std::int64_t span = (kernel - 1) * dilation + 1;
    result.options.pads[d] = c.pick(0, transposed ? std::min<std::int64_t>(span - 1, 2) : 2);
    result.options.pads[rank + d] = c.pick(0, transposed ? std::min<std::int64_t>(span - 1, 2) : 2);
    result.x.push_back(c.pick(transposed ? 3 : std::max<std::int64_t>(1, span), 8));
    result.w.push_back(kernel);
  }
  return result;
}

TEST(LowerProperty, Conv) {
  check(
      "conv", 80,
      [](Case& c) {
        const WindowCase w = random_window(c, false);
        const DType dtype = c.one_of({DType::f32, DType::f32, DType::f16, DType::i8});
        const ValueId x = c.input(dtype, w.x), weight = c.input(dtype, w.w);
        ops::ConvOptions options = w.options;
        options.output_padding.clear();
        std::optional<ValueId> bias;
        if (dtype != DType::i8 && c.rng.below(2)) bias = c.input(dtype, {w.k});
        ops::conv(c.graph, x, weight, bias, options);
      },
      3e-2);
}

TEST(LowerProperty, ConvTranspose) {
  check("conv_transpose", 120, [](Case& c) {
    const WindowCase w = random_window(c, true);
    const ValueId x = c.input(DType::f32, w.x), weight = c.input(DType::f32, w.w);
    std::optional<ValueId> bias;
    if (c.rng.below(2)) bias = c.input(DType::f32, {w.k});
    ops::conv_transpose(c.graph, x, weight, bias, w.options);
  });
}

TEST(LowerProperty, WinogradTransforms) {
  check("winograd", 60, [](Case& c) {
    const std::int64_t tile = c.one_of<std::int64_t>({2, 4}), rows = c.pick(1, 3), columns = c.pick(1, 3);
    const std::int64_t n = c.pick(1, 2), channels = c.pick(1, 5);
    if (c.rng.below(2)) {
      const ValueId x = c.input(DType::f32, {tile + 2, tile + 2, n, rows, columns, channels});
      c.graph.add(OpKind::winograd_output, {x}, {{"tile", tile}});
      return;
    }
    Ints pads, shape{n, channels};
    for (int i = 0; i < 4; ++i) pads.push_back(c.pick(0, 1));
    for (std::size_t d : {0, 1}) shape.push_back((d ? columns : rows) * tile + 2 - pads[d] - pads[2 + d]);
    c.graph.add(OpKind::winograd_input, {c.input(DType::f32, shape)}, {{"tile", tile}, {"pads", pads}});
  });
}

TEST(LowerProperty, Pool) {
  check(
      "pool", 150,
      [](Case& c) {
        const auto rank = static_cast<std::size_t>(c.pick(1, 2));
        ops::PoolOptions options;
        Ints shape{c.pick(1, 2), c.pick(1, 2)};
        options.pads.resize(2 * rank);
        for (std::size_t d = 0; d < rank; ++d) {
          const std::int64_t kernel = c.pick(1, 3), dilation = c.rng.below(3) == 0 ? 2 : 1;
          options.kernel.push_back(kernel);
          options.strides.push_back(c.pick(1, 3));
          options.dilations.push_back(dilation);
          options.pads[d] = c.pick(0, kernel - 1);
          options.pads[rank + d] = c.pick(0, kernel - 1);
          shape.push_back(c.pick((kernel - 1) * dilation + 1, 8));
        }
        options.ceil_mode = c.rng.below(2);
        options.count_include_pad = c.rng.below(2);
        options.p = c.pick(1, 3);
        const ValueId x = c.input(c.one_of({DType::f32, DType::f16}), shape);
        switch (c.rng.below(4)) {
          case 0: ops::max_pool(c.graph, x, options); break;
          case 1: ops::average_pool(c.graph, x, options); break;
          case 2: ops::lp_pool(c.graph, x, options); break;
          default: options.column_major = c.rng.below(2); ops::max_pool_with_indices(c.graph, x, options);
        }
      },
      5e-3);
}

TEST(LowerProperty, Reduce) {
  check(
      "reduce", 120,
      [](Case& c) {
        const Ints shape = c.shape(1, 4);
        Ints axes;
        for (std::size_t d = 0; d < shape.size(); ++d)
          if (c.rng.below(2)) axes.push_back(static_cast<std::int64_t>(d));
        const std::string op = c.one_of<std::string>(
            {"sum", "mean", "prod", "min", "max", "sum_square", "l1", "l2", "log_sum", "log_sum_exp"});
        const double low = op == "log_sum" ? 0.5 : -2;
        ops::reduce(c.graph, op, c.input(c.one_of({DType::f32, DType::f16}), shape, low), axes,
                    c.rng.below(2));
      },
      5e-3);
}

TEST(LowerProperty, ArgReduce) {
  check("arg_reduce", 40, [](Case& c) {
    const Ints shape = c.shape(1, 3, 5);
    const std::int64_t axis =
        c.pick(-static_cast<std::int64_t>(shape.size()), static_cast<std::int64_t>(shape.size()) - 1);
    const ValueId x = c.input(c.one_of({DType::i32, DType::f32}), shape, 0, 3);
    const bool keep = c.rng.below(2), last = c.rng.below(2);
    c.rng.below(2) ? ops::arg_max(c.graph, x, axis, keep, last) : ops::arg_min(c.graph, x, axis, keep, last);
  });
}

TEST(LowerProperty, SoftmaxAndNorms) {
  check(
      "softmax", 30,
      [](Case& c) {
        const Ints shape = c.shape(1, 4);
        const std::int64_t axis = c.pick(-1, static_cast<std::int64_t>(shape.size()) - 1);
        const ValueId x = c.input(c.one_of({DType::f32, DType::f16}), shape);
        c.rng.below(2) ? ops::softmax(c.graph, x, axis) : ops::log_softmax(c.graph, x, axis);
      },
      5e-3);
  check(
      "layer_norm", 30,
      [](Case& c) {
        const Ints shape = c.shape(2, 4, 6);
        const std::int64_t axis = c.pick(1, static_cast<std::int64_t>(shape.size()) - 1);
        const Ints rest(shape.begin() + axis, shape.end());
        const ValueId x = c.input(DType::f32, shape);
        std::optional<ValueId> scale, bias;
        if (c.rng.below(2)) scale = c.input(DType::f32, rest);
        if (scale && c.rng.below(2)) bias = c.input(DType::f32, rest);
        if (c.rng.below(3) == 0)
          ops::rms_norm(c.graph, x, bias ? std::nullopt : scale, axis);
        else
          ops::layer_norm(c.graph, x, scale, bias, axis);
      },
      1e-3);
  check(
      "group_norm", 20,
      [](Case& c) {
        const std::int64_t groups = c.pick(1, 3), members = c.pick(1, 3);
        const ValueId x = c.input(DType::f32, {2, groups * members, c.pick(2, 4), c.pick(1, 3)});
        const ValueId scale = c.input(DType::f32, {groups * members});
        ops::group_norm(c.graph, x, scale, c.input(DType::f32, {groups * members}), groups);
      },
      1e-3);
  check("lrn", 20, [](Case& c) {
    const ValueId x = c.input(DType::f32, {2, c.pick(1, 6), 3, 2});
    ops::lrn(c.graph, x, c.pick(1, 5), 0.3, c.one_of({0.75, 0.5, 1.0, 0.6}), 1.5);
  });
}

}  // namespace
}  // namespace tunesmith::tracer
