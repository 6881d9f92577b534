#include "tests/schedules/space_kernels.h"

#include "ir/support/rng.h"

namespace tunesmith::schedules::test {

using namespace ir;
using i64 = std::int64_t;

namespace {

/// Short names for building one kernel.
class Builder {
 public:
  explicit Builder(std::string name) { kernel.name = std::move(name); }

  BufferId buffer(std::string name, std::vector<i64> shape, Role role, DType dtype = DType::f32) {
    Buffer b;
    b.name = std::move(name);
    b.dtype = dtype;
    for (i64 extent : shape) b.shape.emplace_back(extent);
    b.role = role;
    return kernel.add_buffer(std::move(b));
  }
  /// Adds an axis to the list and returns its variable as an expression.
  Expr axis(std::vector<Axis>& list, const std::string& name, i64 extent) {
    const VarId id = kernel.vars.add(name + std::to_string(kernel.vars.size()));
    list.push_back({id, Expr(extent)});
    return var(id);
  }
  std::vector<Expr> axes(std::vector<Axis>& list, const std::vector<i64>& shape) {
    std::vector<Expr> result;
    for (i64 extent : shape) result.push_back(axis(list, "i", extent));
    return result;
  }
  Expr at(BufferId id, std::vector<Expr> indices) const {
    return load(id, kernel.buffer(id).dtype, std::move(indices));
  }
  void add(Stage stage) { kernel.stages.push_back(std::move(stage)); }

  /// relu(source + bias[axes[channel]]) as two stages; the last writes `out`.
  void bias_relu(BufferId source, BufferId out, const std::vector<i64>& shape, std::size_t channel,
                 BufferId bias) {
    const DType dtype = kernel.buffer(source).dtype;
    const BufferId sum = buffer("biased", shape, Role::temp, dtype);
    Stage add_bias{"bias", {sum}, {}, {}, {}, {}};
    const auto i = axes(add_bias.spatial, shape);
    add_bias.values = {at(source, i) + at(bias, {i[channel]})};
    add(std::move(add_bias));
    Stage relu{"relu", {out}, {}, {}, {}, {}};
    const auto j = axes(relu.spatial, shape);
    relu.values = {max(at(sum, j), constant(0, dtype))};
    add(std::move(relu));
  }

  Kernel kernel;
};

DType accumulator(DType dtype) {
  if (dtype == DType::f16 || dtype == DType::bf16) return DType::f32;
  return dtype == DType::i8 || dtype == DType::u8 ? DType::i32 : dtype;
}

i64 out_extent(i64 in, i64 window, const ConvShape& s) {
  return (in + 2 * s.pad - s.dilation * (window - 1) - 1) / s.stride + 1;
}

/// A convolution's input at a position in the padded image.
Expr padded_load(const Builder& b, BufferId x, const ConvShape& s, const Expr& n, const Expr& c,
                 const Expr& y, const Expr& x_position, i64 fill = 0) {
  const Expr row = y - s.pad;
  const Expr column = x_position - s.pad;
  const Expr value =
      b.at(x, s.nhwc ? std::vector<Expr>{n, row, column, c} : std::vector<Expr>{n, c, row, column});
  if (s.pad == 0) return value;
  const Expr inside = logical_and(logical_and(row >= 0, row < s.h), logical_and(column >= 0, column < s.w));
  return select(inside, value, constant(static_cast<double>(fill), value.dtype()));
}

}  // namespace

Kernel matmul(const MatmulShape& s) {
  Builder b("matmul");
  auto batched = [&](std::vector<i64> shape) {
    if (s.batch > 0) shape.insert(shape.begin(), s.batch);
    return shape;
  };
  const DType acc = accumulator(s.dtype);
  const BufferId a = b.buffer("a", batched(s.transpose_a ? std::vector{s.k, s.m} : std::vector{s.m, s.k}),
                              Role::input, s.dtype);
  const BufferId w = b.buffer("b", batched(s.transpose_b ? std::vector{s.n, s.k} : std::vector{s.k, s.n}),
                              s.constant_b ? Role::constant : Role::input, s.dtype);
  const BufferId bias = s.bias_relu ? b.buffer("bias", {s.n}, Role::constant, acc) : BufferId{};
  const BufferId out = b.buffer("out", batched({s.m, s.n}), Role::output, acc);
  const BufferId product = s.bias_relu ? b.buffer("product", batched({s.m, s.n}), Role::temp, acc) : out;

  Stage stage{"matmul", {product}, {}, {}, {}, plain_combiner(CombinerKind::sum, acc)};
  std::vector<Expr> prefix;
  if (s.batch > 0) prefix.push_back(b.axis(stage.spatial, "b", s.batch));
  const Expr m = b.axis(stage.spatial, "m", s.m);
  const Expr n = b.axis(stage.spatial, "n", s.n);
  const Expr k = b.axis(stage.reduce, "k", s.k);
  auto index = [&](const Expr& x, const Expr& y) {
    std::vector<Expr> result = prefix;
    result.push_back(x);
    result.push_back(y);
    return result;
  };
  stage.values = {cast(acc, b.at(a, s.transpose_a ? index(k, m) : index(m, k))) *
                  cast(acc, b.at(w, s.transpose_b ? index(n, k) : index(k, n)))};
  b.add(std::move(stage));
  if (s.bias_relu) b.bias_relu(product, out, batched({s.m, s.n}), s.batch > 0 ? 2 : 1, bias);
  return std::move(b.kernel);
}

Kernel conv2d(const ConvShape& s) {
  Builder b("conv2d");
  const i64 oh = out_extent(s.h, s.r, s), ow = out_extent(s.w, s.s, s);
  const i64 cg = s.c / s.groups, kg = s.k / s.groups;
  const std::vector<i64> out_shape = s.nhwc ? std::vector{s.n, oh, ow, s.k} : std::vector{s.n, s.k, oh, ow};
  BufferId x =
      b.buffer("x", s.nhwc ? std::vector{s.n, s.h, s.w, s.c} : std::vector{s.n, s.c, s.h, s.w}, Role::input);
  const BufferId w =
      b.buffer("w", s.nhwc ? std::vector{s.r, s.s, cg, s.k} : std::vector{s.k, cg, s.r, s.s}, Role::constant);
  const BufferId bias = s.bias_relu ? b.buffer("bias", {s.k}, Role::constant) : BufferId{};
  const BufferId out = b.buffer("out", out_shape, Role::output);
  ConvShape inner = s;
  if (s.pad_stage) {
    const i64 ph = s.h + 2 * s.pad, pw = s.w + 2 * s.pad;
    const std::vector<i64> shape = s.nhwc ? std::vector{s.n, ph, pw, s.c} : std::vector{s.n, s.c, ph, pw};
    const BufferId padded = b.buffer("padded", shape, Role::temp);
    Stage pad{"pad", {padded}, {}, {}, {}, {}};
    const auto i = b.axes(pad.spatial, shape);
    pad.values = {s.nhwc ? padded_load(b, x, s, i[0], i[3], i[1], i[2])
                         : padded_load(b, x, s, i[0], i[1], i[2], i[3])};
    b.add(std::move(pad));
    x = padded;
    inner.pad = 0;
  }
  const BufferId product = s.bias_relu ? b.buffer("product", out_shape, Role::temp) : out;
  Stage stage{"conv", {product}, {}, {}, {}, plain_combiner(CombinerKind::sum, DType::f32)};
  const auto i = b.axes(stage.spatial, out_shape);
  const Expr channel = s.nhwc ? i[3] : i[1];
  const Expr row = s.nhwc ? i[1] : i[2];
  const Expr column = s.nhwc ? i[2] : i[3];
  const Expr c = b.axis(stage.reduce, "c", cg);
  const Expr r = b.axis(stage.reduce, "r", s.r);
  const Expr q = b.axis(stage.reduce, "s", s.s);
  const Expr in_channel = s.groups == 1 ? c : floor_div(channel, Expr(kg)) * cg + c;
  stage.values = {
      padded_load(b, x, inner, i[0], in_channel, row * s.stride + r * s.dilation,
                  column * s.stride + q * s.dilation) *
      b.at(w, s.nhwc ? std::vector<Expr>{r, q, c, channel} : std::vector<Expr>{channel, c, r, q})};
  b.add(std::move(stage));
  if (s.bias_relu) b.bias_relu(product, out, out_shape, s.nhwc ? 3 : 1, bias);
  return std::move(b.kernel);
}

namespace {

/// A window over each channel: depthwise convolution or pooling.
Kernel window(const ConvShape& s, bool has_filter) {
  Builder b(has_filter ? "depthwise" : "max_pool");
  const i64 oh = out_extent(s.h, s.r, s), ow = out_extent(s.w, s.s, s);
  const std::vector<i64> out_shape = s.nhwc ? std::vector{s.n, oh, ow, s.c} : std::vector{s.n, s.c, oh, ow};
  const BufferId x =
      b.buffer("x", s.nhwc ? std::vector{s.n, s.h, s.w, s.c} : std::vector{s.n, s.c, s.h, s.w}, Role::input);
  const BufferId w =
      has_filter
          ? b.buffer("w", s.nhwc ? std::vector{s.r, s.s, s.c} : std::vector{s.c, s.r, s.s}, Role::constant)
          : BufferId{};
  const BufferId out = b.buffer("out", out_shape, Role::output);
  Stage stage{"window", {out},
              {},       {},
              {},       plain_combiner(has_filter ? CombinerKind::sum : CombinerKind::max, DType::f32)};
  const auto i = b.axes(stage.spatial, out_shape);
  const Expr channel = s.nhwc ? i[3] : i[1];
  const Expr row = s.nhwc ? i[1] : i[2];
  const Expr column = s.nhwc ? i[2] : i[3];
  const Expr r = b.axis(stage.reduce, "r", s.r);
  const Expr q = b.axis(stage.reduce, "s", s.s);
  Expr value = padded_load(b, x, s, i[0], channel, row * s.stride + r * s.dilation,
                           column * s.stride + q * s.dilation, has_filter ? 0 : -1000);
  if (has_filter)
    value = value * b.at(w, s.nhwc ? std::vector<Expr>{r, q, channel} : std::vector<Expr>{channel, r, q});
  stage.values = {value};
  b.add(std::move(stage));
  return std::move(b.kernel);
}

}  // namespace

Kernel depthwise(const ConvShape& shape) { return window(shape, true); }
Kernel max_pool(const ConvShape& shape) { return window(shape, false); }

Kernel softmax(i64 rows, i64 cols) {
  Builder b("softmax");
  const BufferId x = b.buffer("x", {rows, cols}, Role::input);
  const BufferId out = b.buffer("out", {rows, cols}, Role::output);
  const BufferId top = b.buffer("top", {rows}, Role::temp);
  const BufferId e = b.buffer("e", {rows, cols}, Role::temp);
  const BufferId total = b.buffer("total", {rows}, Role::temp);
  Stage find{"max", {top}, {}, {}, {}, plain_combiner(CombinerKind::max, DType::f32)};
  const Expr i0 = b.axis(find.spatial, "i", rows), j0 = b.axis(find.reduce, "j", cols);
  find.values = {b.at(x, {i0, j0})};
  b.add(std::move(find));
  Stage exp{"exp", {e}, {}, {}, {}, {}};
  const Expr i1 = b.axis(exp.spatial, "i", rows), j1 = b.axis(exp.spatial, "j", cols);
  exp.values = {unary(UnaryOp::exp, b.at(x, {i1, j1}) - b.at(top, {i1}))};
  b.add(std::move(exp));
  Stage sum{"sum", {total}, {}, {}, {}, plain_combiner(CombinerKind::sum, DType::f32)};
  const Expr i2 = b.axis(sum.spatial, "i", rows), j2 = b.axis(sum.reduce, "j", cols);
  sum.values = {b.at(e, {i2, j2})};
  b.add(std::move(sum));
  Stage divide{"divide", {out}, {}, {}, {}, {}};
  const Expr i3 = b.axis(divide.spatial, "i", rows), j3 = b.axis(divide.spatial, "j", cols);
  divide.values = {b.at(e, {i3, j3}) / b.at(total, {i3})};
  b.add(std::move(divide));
  return std::move(b.kernel);
}

Kernel layer_norm(i64 rows, i64 cols) {
  Builder b("layer_norm");
  const BufferId x = b.buffer("x", {rows, cols}, Role::input);
  const BufferId scale = b.buffer("scale", {cols}, Role::constant);
  const BufferId out = b.buffer("out", {rows, cols}, Role::output);
  const BufferId mean = b.buffer("mean", {rows}, Role::temp);
  const BufferId variance = b.buffer("variance", {rows}, Role::temp);
  Stage first{"mean", {mean}, {}, {}, {}, plain_combiner(CombinerKind::sum, DType::f32)};
  const Expr i0 = b.axis(first.spatial, "i", rows), j0 = b.axis(first.reduce, "j", cols);
  first.values = {b.at(x, {i0, j0})};
  b.add(std::move(first));
  Stage second{"variance", {variance}, {}, {}, {}, plain_combiner(CombinerKind::sum, DType::f32)};
  const Expr i1 = b.axis(second.spatial, "i", rows), j1 = b.axis(second.reduce, "j", cols);
  const Expr centred = b.at(x, {i1, j1}) - b.at(mean, {i1}) * constant(1.0 / 64, DType::f32);
  second.values = {centred * centred};
  b.add(std::move(second));
  Stage norm{"norm", {out}, {}, {}, {}, {}};
  const Expr i2 = b.axis(norm.spatial, "i", rows), j2 = b.axis(norm.spatial, "j", cols);
  norm.values = {(b.at(x, {i2, j2}) - b.at(mean, {i2}) * constant(1.0 / 64, DType::f32)) *
                 unary(UnaryOp::rsqrt, b.at(variance, {i2}) + constant(1, DType::f32)) * b.at(scale, {j2})};
  b.add(std::move(norm));
  return std::move(b.kernel);
}

Kernel reduction(const std::vector<i64>& shape, const std::vector<bool>& reduced, CombinerKind kind,
                 DType dtype) {
  Builder b("reduction");
  std::vector<i64> kept;
  for (std::size_t a = 0; a < shape.size(); ++a)
    if (!reduced[a]) kept.push_back(shape[a]);
  const BufferId x = b.buffer("x", shape, Role::input, dtype);
  const BufferId out = b.buffer("out", kept, Role::output, dtype);
  Stage stage{"reduce", {out}, {}, {}, {}, plain_combiner(kind, dtype)};
  std::vector<Expr> index;
  for (std::size_t a = 0; a < shape.size(); ++a)
    index.push_back(b.axis(reduced[a] ? stage.reduce : stage.spatial, reduced[a] ? "r" : "i", shape[a]));
  stage.values = {b.at(x, index)};
  b.add(std::move(stage));
  return std::move(b.kernel);
}

Kernel transpose(const std::vector<i64>& shape, const std::vector<std::int32_t>& permutation) {
  Builder b("transpose");
  std::vector<i64> out_shape;
  for (std::int32_t p : permutation) out_shape.push_back(shape[static_cast<std::size_t>(p)]);
  const BufferId x = b.buffer("x", shape, Role::input);
  const BufferId out = b.buffer("out", out_shape, Role::output);
  Stage stage{"transpose", {out}, {}, {}, {}, {}};
  const auto i = b.axes(stage.spatial, out_shape);
  std::vector<Expr> index(shape.size());
  for (std::size_t a = 0; a < shape.size(); ++a) index[static_cast<std::size_t>(permutation[a])] = i[a];
  stage.values = {b.at(x, index)};
  b.add(std::move(stage));
  return std::move(b.kernel);
}

Kernel elementwise(i64 rows, i64 cols, DType dtype) {
  Builder b("elementwise");
  const BufferId x = b.buffer("x", {rows, cols}, Role::input, dtype);
  const BufferId y = b.buffer("y", {cols}, Role::input, dtype);
  const BufferId z = b.buffer("z", {rows, 1}, Role::input, dtype);
  const BufferId out = b.buffer("out", {rows, cols}, Role::output, dtype);
  Stage stage{"map", {out}, {}, {}, {}, {}};
  const auto i = b.axes(stage.spatial, {rows, cols});
  stage.values = {max(b.at(x, i) + b.at(y, {i[1]}) * b.at(z, {i[0], 0}), constant(0, dtype))};
  b.add(std::move(stage));
  return std::move(b.kernel);
}

Kernel map_chain(i64 size) {
  Builder b("map_chain");
  const BufferId x = b.buffer("x", {size}, Role::input);
  const BufferId first = b.buffer("first", {size}, Role::temp);
  const BufferId second = b.buffer("second", {size}, Role::temp);
  const BufferId out = b.buffer("out", {size}, Role::output);
  Stage s0{"first", {first}, {}, {}, {}, {}};
  const auto i = b.axes(s0.spatial, {size});
  s0.values = {b.at(x, i) * constant(2, DType::f32)};
  b.add(std::move(s0));
  Stage s1{"second", {second}, {}, {}, {}, {}};
  const auto j = b.axes(s1.spatial, {size});
  s1.values = {max(b.at(first, j), constant(0, DType::f32))};
  b.add(std::move(s1));
  Stage s2{"third", {out}, {}, {}, {}, {}};
  const auto k = b.axes(s2.spatial, {size});
  s2.values = {b.at(second, k) + b.at(first, k)};
  b.add(std::move(s2));
  return std::move(b.kernel);
}

Kernel concat(i64 rows, i64 a, i64 c) {
  Builder b("concat");
  const BufferId x = b.buffer("x", {rows, a}, Role::input);
  const BufferId y = b.buffer("y", {rows, c}, Role::input);
  const BufferId out = b.buffer("out", {rows, a + c}, Role::output);
  Stage stage{"concat", {out}, {}, {}, {}, {}};
  const auto i = b.axes(stage.spatial, {rows, a + c});
  stage.values = {select(i[1] < a, b.at(x, {i[0], i[1]}), b.at(y, {i[0], i[1] - a}))};
  b.add(std::move(stage));
  return std::move(b.kernel);
}

Kernel pad2d(i64 h, i64 w, i64 pad) {
  Builder b("pad");
  ConvShape s;
  s.h = h;
  s.w = w;
  s.pad = pad;
  const BufferId x = b.buffer("x", {1, 1, h, w}, Role::input);
  const std::vector<i64> shape{1, 1, h + 2 * pad, w + 2 * pad};
  const BufferId out = b.buffer("out", shape, Role::output);
  Stage stage{"pad", {out}, {}, {}, {}, {}};
  const auto i = b.axes(stage.spatial, shape);
  stage.values = {padded_load(b, x, s, i[0], i[1], i[2], i[3])};
  b.add(std::move(stage));
  return std::move(b.kernel);
}

Kernel gather_rows(i64 table, i64 rows, i64 cols) {
  Builder b("gather");
  const BufferId x = b.buffer("x", {table, cols}, Role::input);
  const BufferId ids = b.buffer("ids", {rows}, Role::input, DType::i64);
  const BufferId out = b.buffer("out", {rows, cols}, Role::output);
  Stage stage{"gather", {out}, {}, {}, {}, {}};
  const auto i = b.axes(stage.spatial, {rows, cols});
  const Expr row = max(min(b.at(ids, {i[0]}), Expr(table - 1)), Expr(0));
  stage.values = {b.at(x, {row, i[1]})};
  b.add(std::move(stage));
  return std::move(b.kernel);
}

Kernel argmax(i64 rows, i64 cols) {
  Builder b("argmax");
  const BufferId x = b.buffer("x", {rows, cols}, Role::input);
  const BufferId best = b.buffer("best", {rows}, Role::temp);
  const BufferId where = b.buffer("where", {rows}, Role::output, DType::i64);
  Stage stage{"argmax", {best, where}, {}, {}, {}, Combiner{}};
  const Expr i = b.axis(stage.spatial, "i", rows);
  const Expr j = b.axis(stage.reduce, "j", cols);
  stage.values = {b.at(x, {i, j}), j};
  Combiner& c = *stage.combiner;
  c.kind = CombinerKind::tuple;
  c.identity = {plain_combiner(CombinerKind::max, DType::f32).identity[0], int_imm(0)};
  auto name = [&](const char* text) { return b.kernel.vars.add(text); };
  c.state = {name("s0"), name("s1")};
  c.value = {name("v0"), name("v1")};
  const Expr s0 = var(c.state[0], DType::f32), s1 = var(c.state[1]);
  const Expr v0 = var(c.value[0], DType::f32), v1 = var(c.value[1]);
  // The first of equal elements wins, in whatever order partial states are joined.
  const Expr wins = logical_or(v0 > s0, logical_and(logical_and(v0 <= s0, v0 >= s0), v1 < s1));
  c.update = {select(wins, v0, s0), select(wins, v1, s1)};
  b.add(std::move(stage));
  return std::move(b.kernel);
}

Kernel mlp(i64 m, i64 k, i64 hidden, i64 n) {
  Builder b("mlp");
  const BufferId x = b.buffer("x", {m, k}, Role::input);
  const BufferId w1 = b.buffer("w1", {k, hidden}, Role::constant);
  const BufferId w2 = b.buffer("w2", {hidden, n}, Role::constant);
  const BufferId h = b.buffer("h", {m, hidden}, Role::temp);
  const BufferId a = b.buffer("a", {m, hidden}, Role::temp);
  const BufferId out = b.buffer("out", {m, n}, Role::output);
  auto contract = [&](const char* name, BufferId left, BufferId right, BufferId to, i64 cols, i64 depth) {
    Stage stage{name, {to}, {}, {}, {}, plain_combiner(CombinerKind::sum, DType::f32)};
    const auto i = b.axes(stage.spatial, {m, cols});
    const Expr r = b.axis(stage.reduce, "k", depth);
    stage.values = {b.at(left, {i[0], r}) * b.at(right, {r, i[1]})};
    b.add(std::move(stage));
  };
  contract("first", x, w1, h, hidden, k);
  Stage relu{"relu", {a}, {}, {}, {}, {}};
  const auto i = b.axes(relu.spatial, {m, hidden});
  relu.values = {max(b.at(h, i), constant(0, DType::f32))};
  b.add(std::move(relu));
  contract("second", a, w2, out, n, hidden);
  return std::move(b.kernel);
}

Kernel tile_transform(i64 rows, i64 cols, i64 channels, bool tiles_first) {
  Builder b("tile_transform");
  const BufferId x = b.buffer("x", {2 * rows, 2 * cols + 2, channels}, Role::input);
  const BufferId half = b.buffer("half", {rows, cols, 2, 4, channels}, Role::temp);
  const std::vector<i64> shape =
      tiles_first ? std::vector{rows, cols, i64{2}, i64{2}, channels} : std::vector{i64{2}, i64{2}, rows, cols, channels};
  const BufferId out = b.buffer("out", shape, Role::output);
  auto choice = [](const Expr& place, const auto& element) {
    const Expr first = element(0) * constant(2, DType::f32) + element(1) - element(2);
    return select(binary(BinaryOp::eq, place, Expr(0)), first, element(1) + element(2) - element(3));
  };
  Stage by_rows{"rows", {half}, {}, {}, {}, {}};
  const auto i = b.axes(by_rows.spatial, {rows, cols, 2, 4, channels});
  by_rows.values = {choice(i[2], [&](i64 a) {  // the last row of tiles reads below the image
    const Expr row = i[0] * 2 + a;
    return select(row < Expr(2 * rows), b.at(x, {row, i[1] * 2 + i[3], i[4]}), constant(0, DType::f32));
  })};
  b.add(std::move(by_rows));
  Stage columns{"columns", {out}, {}, {}, {}, {}};
  const auto j = b.axes(columns.spatial, shape);
  const auto tile = tiles_first ? std::vector{j[0], j[1], j[2], j[3]} : std::vector{j[2], j[3], j[0], j[1]};
  columns.values = {choice(
      tile[3], [&](i64 a) { return b.at(half, {tile[0], tile[1], tile[2], Expr(a), j[4]}); })};
  b.add(std::move(columns));
  return std::move(b.kernel);
}

std::vector<NamedKernel> family_kernels() {
  const auto sum = CombinerKind::sum;
  std::vector<NamedKernel> all;
  auto add = [&](std::string name, Kernel kernel) { all.push_back({std::move(name), std::move(kernel)}); };
  add("matmul_ragged", matmul({.m = 13, .n = 37, .k = 19}));
  add("matmul_tiny", matmul({.m = 2, .n = 3, .k = 1}));
  add("matmul_even", matmul({.m = 24, .n = 64, .k = 32}));
  add("matmul_row", matmul({.m = 1, .n = 40, .k = 33}));
  add("matmul_column", matmul({.m = 33, .n = 1, .k = 20}));
  add("matmul_ta", matmul({.m = 17, .n = 33, .k = 9, .transpose_a = true}));
  add("matmul_tb", matmul({.m = 9, .n = 21, .k = 40, .transpose_b = true}));
  add("matmul_tab", matmul({.m = 9, .n = 21, .k = 18, .transpose_a = true, .transpose_b = true}));
  add("matmul_batched", matmul({.m = 7, .n = 18, .k = 11, .batch = 3}));
  add("matmul_epilogue", matmul({.m = 14, .n = 33, .k = 17, .constant_b = true, .bias_relu = true}));
  add("matmul_f64", matmul({.m = 9, .n = 17, .k = 8, .dtype = DType::f64}));
  add("matmul_bf16", matmul({.m = 9, .n = 35, .k = 8, .dtype = DType::bf16}));
  add("matmul_f16", matmul({.m = 9, .n = 18, .k = 8, .constant_b = true, .dtype = DType::f16}));
  add("matmul_i8", matmul({.m = 9, .n = 35, .k = 12, .dtype = DType::i8}));
  add("conv1x1", conv2d({.c = 8, .h = 5, .w = 5, .k = 20}));
  add("conv3x3", conv2d({.c = 3, .h = 9, .w = 10, .k = 7, .r = 3, .s = 3, .pad = 1, .bias_relu = true}));
  add("conv3x3_nhwc",
      conv2d({.c = 4, .h = 7, .w = 6, .k = 20, .r = 3, .s = 3, .pad = 1, .nhwc = true, .bias_relu = true}));
  add("conv_pad_stage",
      conv2d({.c = 4, .h = 8, .w = 18, .k = 6, .r = 3, .s = 3, .pad = 1, .pad_stage = true}));
  add("conv_stride",
      conv2d({.n = 2, .c = 3, .h = 9, .w = 11, .k = 5, .r = 3, .s = 3, .stride = 2, .pad = 1}));
  add("conv_dilated",
      conv2d({.c = 2, .h = 12, .w = 12, .k = 4, .r = 3, .s = 3, .pad = 2, .dilation = 2, .nhwc = true}));
  add("conv_grouped", conv2d({.c = 8, .h = 6, .w = 6, .k = 12, .r = 3, .s = 3, .pad = 1, .groups = 4}));
  add("depthwise", depthwise({.c = 5, .h = 9, .w = 17, .r = 3, .s = 3, .pad = 1}));
  add("depthwise_nhwc",
      depthwise({.c = 19, .h = 6, .w = 7, .r = 3, .s = 3, .stride = 2, .pad = 1, .nhwc = true}));
  add("max_pool", max_pool({.c = 3, .h = 8, .w = 9, .r = 2, .s = 2, .stride = 2}));
  add("max_pool_nhwc",
      max_pool({.c = 18, .h = 7, .w = 7, .r = 3, .s = 3, .stride = 2, .pad = 1, .nhwc = true}));
  add("softmax", softmax(5, 37));
  add("softmax_one", softmax(1, 16));
  add("layer_norm", layer_norm(6, 33));
  add("sum_last", reduction({7, 41}, {false, true}, sum));
  add("sum_first", reduction({23, 19}, {true, false}, sum));
  add("sum_middle", reduction({3, 14, 17}, {false, true, false}, sum));
  add("sum_outer_inner", reduction({4, 6, 9}, {true, false, true}, sum));
  add("max_all", reduction({6, 35}, {true, true}, CombinerKind::max));
  add("prod_i32", reduction({5, 12}, {false, true}, CombinerKind::prod, DType::i32));
  add("min_f16", reduction({5, 40}, {false, true}, CombinerKind::min, DType::f16));
  add("transpose", transpose({19, 35}, {1, 0}));
  add("transpose_3d", transpose({4, 9, 18}, {2, 0, 1}));
  add("transpose_inner_kept", transpose({3, 5, 20}, {1, 0, 2}));
  add("elementwise", elementwise(9, 35));
  add("elementwise_i64", elementwise(4, 11, DType::i64));
  add("elementwise_bf16", elementwise(4, 40, DType::bf16));
  add("elementwise_one", elementwise(1, 1));
  add("map_chain", map_chain(100));
  add("concat", concat(5, 13, 20));
  add("pad", pad2d(7, 13, 2));
  add("gather", gather_rows(9, 12, 21));
  add("argmax", argmax(6, 29));
  add("tiles_first", tile_transform(3, 2, 37, true));
  add("tiles_last", tile_transform(2, 3, 16, false));
  add("tiles_tiny", tile_transform(1, 1, 3, false));
  add("mlp", mlp(9, 12, 20, 18));
  // Layouts: permuted and blocked, of inputs and outputs.
  auto with_layout = [](Kernel kernel, std::size_t buffer, std::vector<LayoutDim> order) {
    kernel.buffers[buffer].layout.order = std::move(order);
    return kernel;
  };
  add("elementwise_blocked_in", with_layout(elementwise(5, 32), 0, {{1, 0}, {0, 0}, {1, 16}}));
  add("elementwise_blocked_out", with_layout(elementwise(5, 32), 3, {{1, 0}, {0, 0}, {1, 16}}));
  add("matmul_out_transposed", with_layout(matmul({.m = 18, .n = 9, .k = 7}), 2, {{1, 0}, {0, 0}}));
  add("matmul_out_blocked", with_layout(matmul({.m = 6, .n = 32, .k = 7}), 2, {{1, 0}, {0, 0}, {1, 16}}));
  add("conv_blocked", with_layout(with_layout(conv2d({.c = 16, .h = 5, .w = 6, .k = 16, .r = 3, .s = 3}), 0,
                                              {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {1, 8}}),
                                  2, {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {1, 8}}));
  return all;
}

double tolerance_of(DType dtype) {
  switch (dtype) {
    case DType::f64: return 1e-12;
    case DType::f32: return 1e-4;
    case DType::f16: return 4e-3;
    case DType::bf16: return 3e-2;
    default: return 0;
  }
}

std::vector<HostTensor> random_inputs(const Kernel& kernel, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<HostTensor> result;
  for (BufferId id : arguments(kernel)) {
    const Buffer& buffer = kernel.buffer(id);
    if (buffer.role == Role::output) continue;
    std::vector<i64> shape;
    for (const Expr& extent : physical_shape(buffer)) shape.push_back(int_value(extent));
    HostTensor tensor(buffer.dtype, shape);
    for (i64 i = 0; i < tensor.size(); ++i)
      is_float(buffer.dtype) ? tensor.set(i, static_cast<double>(rng.between(-4, 4)))
                             : tensor.set_int(i, rng.between(is_unsigned_integer(buffer.dtype) ? 0 : -2, 3));
    result.push_back(std::move(tensor));
  }
  return result;
}

}  // namespace tunesmith::schedules::test
