#include "tests/tracer/op_trials.h"

#include <algorithm>

namespace tunesmith::tracer::testing {

namespace {

std::int64_t flag(Draw& d) { return static_cast<std::int64_t>(d.rng().below(2)); }
std::int64_t axis(Draw& d, std::size_t rank) {
  return d.number(-static_cast<std::int64_t>(rank), static_cast<std::int64_t>(rank) - 1);
}

Trial elementwise(Draw& d, std::size_t count) {
  const DType dtype = d.dtype();
  const Ints shape = d.shape(d.rank(0, 3));
  Trial trial;
  for (std::size_t i = 0; i < count; ++i) {
    Ints own = shape;
    for (std::int64_t& extent : own)
      if (d.rng().below(4) == 0) extent = 1;
    if (!own.empty() && d.rng().below(4) == 0) own.erase(own.begin());
    trial.operands.push_back({d.rarely() ? d.dtype() : dtype, own});
  }
  return trial;
}

Trial unary(Draw& d) {
  Trial trial = elementwise(d, 1);
  const auto op = static_cast<ir::UnaryOp>(d.rng().below(ir::unary_op_count));
  trial.attributes = {{"op", d.rarely() ? d.text({"exp"}) : std::string(ir::to_string(op))}};
  return trial;
}

Trial binary(Draw& d) {
  Trial trial = elementwise(d, 2);
  const auto op = static_cast<ir::BinaryOp>(d.rng().below(ir::binary_op_count));
  trial.attributes = {{"op", std::string(ir::to_string(op))}};
  return trial;
}

Trial where(Draw& d) {
  Trial trial = elementwise(d, 3);
  if (!d.rarely()) trial.operands[0].dtype = DType::boolean;
  return trial;
}

Trial cast(Draw& d) {
  Trial trial = elementwise(d, 1);
  const std::string to = d.rarely() ? d.text({"f32", "bool"}) : std::string(ir::to_string(d.dtype()));
  trial.attributes = {{"to", to}, {"saturate", flag(d)}};
  return trial;
}

/// One operand of some shape, and the attributes that `attributes` draws for its rank.
Trial moved(Draw& d, const std::function<Attributes(std::size_t rank)>& attributes, std::size_t low = 0) {
  const std::size_t rank = d.rank(low, 3);
  return {{{d.dtype(), d.shape(rank)}}, attributes(rank)};
}

Trial concat(Draw& d) {
  Trial trial = elementwise(d, 1 + d.rng().below(3));
  trial.attributes = {{"axis", axis(d, trial.operands[0].shape.size())}};
  return trial;
}

Trial indexed(Draw& d, bool axis_attribute, bool updates) {
  const std::size_t rank = d.rank(1, 3);
  const Ints shape = d.shape(rank), places = d.shape(d.rarely() ? d.rank(0, 3) : rank);
  Trial trial{{{d.dtype(), shape}, {d.rarely() ? d.dtype() : DType::i64, places}}, {}};
  if (updates) trial.operands.push_back({trial.operands[0].dtype, d.rarely() ? d.shape(rank) : places});
  if (updates) trial.attributes.set("reduction", d.text({"none", "add", "mul", "min", "max"}));
  if (axis_attribute) trial.attributes.set("axis", axis(d, rank));
  return trial;
}

Trial resize(Draw& d) {
  const Ints shape = d.shape(d.rank(0, 3));
  const std::vector<double> scales = d.reals(shape.size());
  Ints sizes = d.numbers(shape.size(), 0, 5);
  if (!d.rarely())
    for (std::size_t i = 0; i < std::min({shape.size(), scales.size(), sizes.size()}); ++i)
      sizes[i] = static_cast<std::int64_t>(static_cast<double>(shape[i]) * scales[i]);
  return {{{d.dtype(), shape}},
          {{"sizes", sizes},
           {"scales", scales},
           {"mode", d.text({"nearest", "linear", "cubic"})},
           {"coordinates", d.text({"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric",
                                   "align_corners", "tf_crop_and_resize"})},
           {"nearest", d.text({"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"})},
           {"cubic_a", -0.75},
           {"exclude_outside", flag(d)},
           {"antialias", flag(d)},
           {"extrapolation", 0.5},
           {"roi", d.reals(2 * shape.size())}}};
}

Trial matmul(Draw& d) {
  const DType dtype = d.dtype();
  Ints a = d.shape(d.rank(1, 3)), b = d.shape(d.rank(1, 3));
  if (!a.empty() && !b.empty() && !d.rarely()) b[b.size() > 1 ? b.size() - 2 : 0] = a.back();
  return {{{dtype, a}, {d.rarely() ? d.dtype() : dtype, b}}, {}};
}

Attributes window(Draw& d, std::size_t spatial) {
  return {{"strides", d.numbers(spatial, 1, 3)},
          {"dilations", d.numbers(spatial, 1, 2)},
          {"pads", d.numbers(2 * spatial, -1, 2)}};
}

Trial conv(Draw& d, bool transpose) {
  const std::size_t spatial = d.rank(1, 3);
  const std::int64_t groups = d.rng().between(1, 2), channels = d.rng().between(1, 2),
                     members = d.rng().between(1, 2);
  const DType dtype = d.dtype();
  Ints x = d.shape(spatial), w = d.shape(spatial);
  x.insert(x.begin(), {d.rng().between(1, 2), channels * groups});
  w.insert(w.begin(), {transpose ? channels * groups : members * groups, transpose ? members : channels});
  Trial trial{{{dtype, x}, {dtype, w}}, window(d, spatial)};
  if (d.rng().below(2)) trial.operands.push_back({dtype, {d.rarely() ? d.number(0, 3) : members * groups}});
  for (std::int64_t& extent : trial.operands.back().shape) extent = extent < 0 || extent > 9 ? 3 : extent;
  trial.attributes.set("groups", d.rarely() ? d.number(0, 3) : groups);
  if (transpose) trial.attributes.set("output_padding", d.numbers(spatial, 0, 1));
  return trial;
}

Trial winograd_input(Draw& d) {
  const std::int64_t tile = d.rarely() ? d.number(0, 5) : 2 * d.rng().between(1, 2);
  Ints x = d.shape(2), pads = d.numbers(4, 0, 1);
  for (std::size_t i : {0, 1}) {
    const std::int64_t places = std::max<std::int64_t>(1, tile) * d.rng().between(1, 2);
    x.push_back(d.rarely() || pads.size() < 4 ? d.number(0, 9) : places + 2 - pads[i] - pads[2 + i]);
  }
  for (std::int64_t& extent : x) extent = extent < 0 || extent > 20 ? 3 : extent;
  return {{{d.rarely() ? d.dtype() : DType::f32, x}}, {{"tile", tile}, {"pads", pads}}};
}

Trial winograd_output(Draw& d) {
  const std::int64_t tile = d.rarely() ? d.number(0, 5) : 2 * d.rng().between(1, 2);
  Ints x = d.shape(4);
  x.insert(x.begin(), 2, d.rarely() ? 3 : tile + 2);
  for (std::int64_t& extent : x) extent = extent < 0 || extent > 20 ? 3 : extent;
  return {{{d.rarely() ? d.dtype() : DType::f32, x}}, {{"tile", tile}}};
}

Trial pool(Draw& d) {
  const std::size_t spatial = d.rank(1, 2);
  Trial trial{{{d.rng().below(3) ? DType::f32 : d.dtype(), d.shape(spatial + 2)}}, window(d, spatial)};
  trial.attributes.set("op", d.text({"max", "average", "lp"}))
      .set("kernel", d.numbers(spatial, 1, 3))
      .set("ceil_mode", flag(d));
  trial.attributes.set("count_include_pad", flag(d)).set("p", d.number(1, 3)).set("column_major", flag(d));
  trial.attributes.set("with_indices", flag(d));
  return trial;
}

Trial reduce(Draw& d) {
  return moved(d, [&](std::size_t rank) {
    return Attributes{{"op", d.text({"sum", "mean", "prod", "min", "max", "sum_square", "l1", "l2", "log_sum",
                                     "log_sum_exp"})},
                      {"axes", d.rng().below(3) ? Ints{axis(d, rank)} : Ints{}},
                      {"keepdims", flag(d)}};
  });
}

Trial norm(Draw& d, std::size_t most) {
  Trial trial = moved(
      d,
      [&](std::size_t rank) {
        return Attributes{{"axis", axis(d, rank)}, {"epsilon", 1e-5}};
      },
      1);
  const Operand x = trial.operands[0];
  for (std::size_t i = d.rng().below(most); i > 0 && !x.shape.empty(); --i)
    trial.operands.push_back(
        {d.rarely() ? d.dtype() : x.dtype, d.rarely() ? d.shape(1) : Ints{x.shape.back()}});
  return trial;
}

Trial group_norm(Draw& d) {
  Trial trial = moved(
      d,
      [&](std::size_t) {
        return Attributes{{"groups", d.number(1, 2)}, {"epsilon", 1e-5}};
      },
      2);
  const Operand x = trial.operands[0];
  if (x.shape.size() > 1) trial.operands.resize(3, {x.dtype, {x.shape[1]}});
  return trial;
}

}  // namespace

const std::map<OpKind, TrialMaker>& trial_makers() {
  static const std::map<OpKind, TrialMaker> table{
      {OpKind::unary, unary},
      {OpKind::binary, binary},
      {OpKind::where, where},
      {OpKind::cast, cast},
      {OpKind::bit_cast, cast},
      {OpKind::reshape,
       [](Draw& d) {
         return moved(d, [&](std::size_t rank) { return Attributes{{"shape", d.numbers(rank, -1, 4)}}; });
       }},
      {OpKind::transpose,
       [](Draw& d) {
         return moved(d, [&](std::size_t rank) {
           return Attributes{{"perm", d.numbers(rank, 0, static_cast<std::int64_t>(rank) - 1 + (rank == 0))}};
         });
       }},
      {OpKind::expand,
       [](Draw& d) {
         return moved(d, [&](std::size_t rank) { return Attributes{{"shape", d.numbers(rank, -1, 4)}}; });
       }},
      {OpKind::concat, concat},
      {OpKind::slice,
       [](Draw& d) {
         return moved(d, [&](std::size_t rank) {
           return Attributes{{"starts", d.numbers(rank, 0, 3)},
                             {"sizes", d.numbers(rank, -1, 3)},
                             {"steps", d.numbers(rank, -2, 2)}};
         });
       }},
      {OpKind::pad,
       [](Draw& d) {
         return moved(d, [&](std::size_t rank) {
           return Attributes{{"pads", d.numbers(2 * rank, -1, 3)},
                             {"mode", d.text({"constant", "reflect", "edge", "wrap"})},
                             {"value", 1.5}};
         });
       }},
      {OpKind::tile,
       [](Draw& d) {
         return moved(d, [&](std::size_t rank) { return Attributes{{"repeats", d.numbers(rank, 0, 3)}}; });
       }},
      {OpKind::gather, [](Draw& d) { return indexed(d, true, false); }},
      {OpKind::gather_elements, [](Draw& d) { return indexed(d, true, false); }},
      {OpKind::gather_nd,
       [](Draw& d) {
         Trial t = indexed(d, false, false);
         t.attributes.set("batch_dims", d.number(0, 1));
         return t;
       }},
      {OpKind::iota,
       [](Draw& d) {
         const std::size_t rank = d.rank(1, 3);
         return Trial{{},
                      {{"shape", d.numbers(rank, 0, 3)},
                       {"axis", axis(d, rank)},
                       {"dtype", std::string(ir::to_string(d.dtype()))}}};
       }},
      {OpKind::resize, resize},
      {OpKind::matmul, matmul},
      {OpKind::conv, [](Draw& d) { return conv(d, false); }},
      {OpKind::conv_transpose, [](Draw& d) { return conv(d, true); }},
      {OpKind::winograd_input, winograd_input},
      {OpKind::winograd_output, winograd_output},
      {OpKind::pool, pool},
      {OpKind::reduce, reduce},
      {OpKind::arg_reduce,
       [](Draw& d) {
         return moved(
             d,
             [&](std::size_t rank) {
               return Attributes{{"op", d.text({"min", "max"})},
                                 {"axis", axis(d, rank)},
                                 {"keepdims", flag(d)},
                                 {"select_last", flag(d)}};
             },
             1);
       }},
      {OpKind::softmax, [](Draw& d) { return norm(d, 1); }},
      {OpKind::log_softmax, [](Draw& d) { return norm(d, 1); }},
      {OpKind::layer_norm, [](Draw& d) { return norm(d, 3); }},
      {OpKind::rms_norm, [](Draw& d) { return norm(d, 2); }},
      {OpKind::group_norm, group_norm},
      {OpKind::lrn,
       [](Draw& d) {
         return moved(
             d,
             [&](std::size_t) {
               return Attributes{{"size", d.number(1, 4)}, {"alpha", 0.1}, {"beta", 0.75}, {"bias", 1.0}};
             },
             2);
       }},
      {OpKind::cumulate,
       [](Draw& d) {
         return moved(
             d,
             [&](std::size_t rank) {
               return Attributes{{"op", d.text({"sum", "prod"})},
                                 {"axis", axis(d, rank)},
                                 {"exclusive", flag(d)},
                                 {"reverse", flag(d)}};
             },
             1);
       }},
      {OpKind::scatter_elements, [](Draw& d) { return indexed(d, true, true); }},
      {OpKind::scatter_nd, [](Draw& d) { return indexed(d, false, true); }},
      {OpKind::top_k,
       [](Draw& d) {
         return moved(
             d,
             [&](std::size_t rank) {
               return Attributes{{"axis", axis(d, rank)}, {"k", d.number(0, 3)}, {"largest", flag(d)}};
             },
             1);
       }},
  };
  return table;
}

bool are_small(const std::vector<TensorType>& types) {
  constexpr std::int64_t most_elements = 4096, most_where_empty = std::int64_t{1} << 48;
  for (const TensorType& type : types) {
    const Ints shape = to_ints(type.shape);
    std::int64_t rest = std::ranges::find(shape, 0) == shape.end() ? most_elements : most_where_empty;
    for (const std::int64_t extent : shape) rest = extent < 0 ? 0 : rest / std::max<std::int64_t>(1, extent);
    if (rest == 0) return false;
  }
  return true;
}

}  // namespace tunesmith::tracer::testing
