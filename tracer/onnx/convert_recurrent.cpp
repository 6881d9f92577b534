// RNN, GRU, LSTM and linear attention, unrolled over the sequence, whose length must be known.
#include <algorithm>
#include <cmath>
#include <utility>

#include "tracer/composites.h"
#include "tracer/onnx/node.h"

namespace tunesmith::tracer {
namespace {

using ir::BinaryOp;
using Values = std::vector<ValueId>;
using Ints = std::vector<std::int64_t>;

ValueId add(Graph& g, ValueId a, ValueId b) { return ops::binary(g, BinaryOp::add, a, b); }
ValueId sub(Graph& g, ValueId a, ValueId b) { return ops::binary(g, BinaryOp::sub, a, b); }
ValueId mul(Graph& g, ValueId a, ValueId b) { return ops::binary(g, BinaryOp::mul, a, b); }

/// Element i of the first axis, which goes.
ValueId item(Graph& g, ValueId x, std::int64_t i) {
  return ops::squeeze(g, ops::slice_axis(g, x, 0, i, i + 1), {0});
}

ValueId matmul_transposed(Graph& g, ValueId a, ValueId b) {
  return ops::matmul(g, a, ops::swap_axes(g, b, -2, -1));
}

enum class Cell { rnn, gru, lstm };

struct CellForm {
  Cell cell;
  std::int64_t gates;
  std::vector<std::string> activations;
  std::size_t peephole, initial_c;  // operands; 0: none
};
const CellForm rnn_form{Cell::rnn, 1, {"Tanh"}, 0, 0};
const CellForm gru_form{Cell::gru, 3, {"Sigmoid", "Tanh"}, 0, 0};
const CellForm lstm_form{Cell::lstm, 4, {"Sigmoid", "Tanh", "Tanh"}, 7, 6};

/// One direction of a recurrent operator: its weights, and its steps. Weights [gates * H, …].
class Direction {
 public:
  Direction(const Node& n, const CellForm& form, std::int64_t index, std::int64_t hidden)
      : n_(n), g_(n.graph()), form_(form), index_(index), hidden_(hidden) {
    w_ = item(g_, n.input(1), index);
    r_ = item(g_, n.input(2), index);
    if (n.has_input(3)) {
      const ValueId both = item(g_, n.input(3), index);
      bias_w_ = ops::slice_axis(g_, both, 0, 0, form.gates * hidden);
      bias_r_ = ops::slice_axis(g_, both, 0, form.gates * hidden, 2 * form.gates * hidden);
    }
    if (form.peephole != 0 && n.has_input(form.peephole)) peephole_ = item(g_, n.input(form.peephole), index);
  }

  struct State {
    ValueId h, c;
  };

  /// The operands' part of all gates: [T, B, gates * H].
  ValueId project(ValueId x) const {
    const ValueId y = matmul_transposed(g_, x, w_);
    return bias_w_ ? add(g_, y, *bias_w_) : y;
  }

  State step(ValueId x, const State& s) const {
    switch (form_.cell) {
      case Cell::rnn: return {activate(0, add(g_, x, recurrent(s.h, 0, 1))), s.c};
      case Cell::gru: return {gru(x, s.h), s.c};
      case Cell::lstm: break;
    }
    return lstm(x, s);
  }

 private:
  ValueId rows(ValueId v, std::int64_t first, std::int64_t count) const {
    return ops::slice_axis(g_, v, 0, first * hidden_, (first + count) * hidden_);
  }
  ValueId gate(ValueId v, std::int64_t i) const {
    return ops::slice_axis(g_, v, -1, i * hidden_, (i + 1) * hidden_);
  }
  /// The state's part of some gates.
  ValueId recurrent(ValueId h, std::int64_t first, std::int64_t count) const {
    const ValueId y = matmul_transposed(g_, h, rows(r_, first, count));
    return bias_r_ ? add(g_, y, rows(*bias_r_, first, count)) : y;
  }

  ValueId activate(std::size_t i, ValueId x, bool clipped = true) const {
    if (clipped && n_.has("clip")) x = ops::clip(g_, x, -n_.real("clip", 0), n_.real("clip", 0));
    const std::vector<std::string> names = n_.texts("activations");
    const std::size_t at = static_cast<std::size_t>(index_) * form_.activations.size() + i;
    const std::string name = names.empty() ? form_.activations[i] : at < names.size() ? names[at] : "";
    if (name == "Sigmoid") return ops::sigmoid(g_, x);
    if (name == "Tanh") return ops::unary(g_, ir::UnaryOp::tanh, x);
    if (name == "Relu") return ops::relu(g_, x);
    if (name == "Softsign") return ops::softsign(g_, x);
    if (name == "Softplus") return ops::softplus(g_, x);
    n_.refuse("attribute 'activations' says '{}'; accepted: Sigmoid, Tanh, Relu, Softsign, Softplus", name);
  }

  /// Gates z (update), r (reset), h (candidate).
  ValueId gru(ValueId x, ValueId h) const {
    const ValueId zr = recurrent(h, 0, 2);
    const ValueId z = activate(0, add(g_, gate(x, 0), gate(zr, 0)));
    const ValueId r = activate(0, add(g_, gate(x, 1), gate(zr, 1)));
    const bool after = n_.integer("linear_before_reset", 0) != 0;
    const ValueId inner = after ? mul(g_, r, recurrent(h, 2, 1)) : recurrent(mul(g_, r, h), 2, 1);
    const ValueId candidate = activate(1, add(g_, gate(x, 2), inner));
    return add(g_, candidate, mul(g_, z, sub(g_, h, candidate)));
  }

  /// Gates i (input), o (output), f (forget), c (cell).
  State lstm(ValueId x, const State& s) const {
    const ValueId all = add(g_, x, recurrent(s.h, 0, 4));
    auto peeped = [&](std::int64_t i, ValueId cell) {
      const ValueId value = gate(all, i);
      return peephole_ ? add(g_, value, mul(g_, rows(*peephole_, i, 1), cell)) : value;
    };
    const ValueId input = activate(0, peeped(0, s.c));
    const ValueId forget = n_.integer("input_forget", 0) != 0 ? sub(g_, ops::scalar_like(g_, input, 1), input)
                                                              : activate(0, peeped(2, s.c));
    const ValueId c = add(g_, mul(g_, forget, s.c), mul(g_, input, activate(1, gate(all, 3))));
    return {mul(g_, activate(0, peeped(1, c)), activate(2, c, false)), c};
  }

  const Node& n_;
  Graph& g_;
  const CellForm& form_;
  std::int64_t index_, hidden_;
  ValueId w_, r_;
  std::optional<ValueId> bias_w_, bias_r_, peephole_;
};

void require_whole_sequences(const Node& n, std::int64_t length) {
  if (!n.has_input(4)) return;
  for (std::int64_t given : n.constant_ints(4, "sequence_lens"))
    if (given != length)
      n.refuse("sequence_lens holds {}; only the whole length {} is supported", given, length);
}

std::vector<bool> reversed_directions(const Node& n) {
  const std::string direction = n.text("direction", "forward");
  if (direction == "forward") return {false};
  if (direction == "reverse") return {true};
  if (direction == "bidirectional") return {false, true};
  n.refuse("attribute 'direction' is '{}'; accepted: forward, reverse, bidirectional", direction);
}

void require_length(const Node& n, std::int64_t length) {
  if (length == 0) n.refuse("the sequence has no elements");
  if (length > most_rounds)
    n.refuse("the sequence has {} elements; accepted: up to {}, which are written out", length, most_rounds);
}

/// Y [T, D, B, H], Y_h [D, B, H] and Y_c; with layout 1 the batch is in front.
Values recurrent(const Node& n, const CellForm& form) {
  Graph& g = n.graph();
  const bool batch_first = n.integer("layout", 0) != 0;
  auto sequence_first = [&](ValueId x) { return batch_first ? ops::swap_axes(g, x, 0, 1) : x; };
  if (n.rank(0) != 3 || n.rank(1) != 3 || n.rank(2) != 3) n.refuse("X, W and R must have 3 dimensions");
  const ValueId x = sequence_first(n.input(0));
  const Ints dims = to_ints(g.type(x).shape);  // [T, B, I]
  const std::int64_t length = dims[0], hidden = n.dims(2)[2];
  require_length(n, length);
  require_whole_sequences(n, length);
  const std::vector<bool> reversed = reversed_directions(n);
  if (n.dims(1)[0] != static_cast<std::int64_t>(reversed.size()) || n.dims(2)[0] != n.dims(1)[0])
    n.refuse("W has weights for {} directions, attribute 'direction' says {}", n.dims(1)[0], reversed.size());
  const ValueId zeros = ops::expand(g, ops::scalar_like(g, x, 0), {dims[1], hidden});
  auto initial = [&](std::size_t operand, std::int64_t d) {
    return operand != 0 && n.has_input(operand) ? item(g, sequence_first(n.input(operand)), d) : zeros;
  };
  Values last_h, last_c;
  std::vector<Values> steps(static_cast<std::size_t>(length));  // [T][D] of [1, 1, B, H]
  for (std::size_t d = 0; d < reversed.size(); ++d) {
    const auto index = static_cast<std::int64_t>(d);
    const Direction direction(n, form, index, hidden);
    const ValueId projected = direction.project(x);
    Direction::State state{initial(5, index), initial(form.initial_c, index)};
    for (std::int64_t i = 0; i < length; ++i) {
      const std::int64_t t = reversed[d] ? length - 1 - i : i;
      state = direction.step(item(g, projected, t), state);
      steps[static_cast<std::size_t>(t)].push_back(ops::unsqueeze(g, state.h, {0, 1}));
    }
    last_h.push_back(ops::unsqueeze(g, state.h, {0}));
    last_c.push_back(ops::unsqueeze(g, state.c, {0}));
  }
  Values times;
  for (const Values& directions : steps) times.push_back(ops::concat(g, directions, 1));
  ValueId y = ops::concat(g, times, 0);
  if (batch_first) y = ops::transpose(g, y, {2, 0, 1, 3});
  Values out{y, sequence_first(ops::concat(g, last_h, 0))};
  if (form.cell == Cell::lstm) out.push_back(sequence_first(ops::concat(g, last_c, 0)));
  return out;
}

template <const CellForm& form>
Values unrolled(const Node& n) {
  return recurrent(n, form);
}

/// [B, T, heads * D] as [T, B, heads, D], in f32.
ValueId by_time(Graph& g, ValueId x, std::int64_t heads) {
  const Ints dims = to_ints(g.type(x).shape);
  const ValueId split = ops::reshape(g, x, {dims[0], dims[1], heads, dims[2] / heads});
  return ops::cast(g, ops::transpose(g, split, {1, 0, 2, 3}), DType::f32);
}

/// A state [B, heads, K, V] that decays, is corrected towards the values and read by the queries.
Values linear_attention(const Node& n) {
  Graph& g = n.graph();
  const std::string rule = n.text("update_rule", "gated_delta");
  const bool gated = rule == "gated" || rule == "gated_delta",
             delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear")
    n.refuse("attribute 'update_rule' is '{}'; accepted: linear, gated, delta, gated_delta", rule);
  const std::int64_t query_heads = n.required_integer("q_num_heads"),
                     heads = n.required_integer("kv_num_heads");
  if (n.rank(0) != 3 || n.rank(1) != 3 || n.rank(2) != 3) n.refuse("Q, K and V must have 3 dimensions");
  if ((gated && n.rank(4) != 3) || (delta && n.rank(5) != 3))
    n.refuse("the decay and beta must have 3 dimensions");
  const Ints q_dims = n.dims(0), v_dims = n.dims(2);
  if (heads <= 0 || query_heads <= 0 || query_heads % heads != 0 || q_dims[2] % query_heads != 0 ||
      v_dims[2] % heads != 0 || n.dims(1)[2] % heads != 0)
    n.refuse("{} and {} heads do not fit to the operands", query_heads, heads);
  const std::int64_t batch = q_dims[0], length = q_dims[1], shared = query_heads / heads;
  require_length(n, length);
  const std::int64_t depth = q_dims[2] / query_heads, width = v_dims[2] / heads;
  const double given = n.real("scale", 0);
  const ValueId scale =
      ops::scalar(g, DType::f32, given == 0 ? 1 / std::sqrt(static_cast<double>(depth)) : given);
  const ValueId queries = by_time(g, n.input(0), query_heads), keys = by_time(g, n.input(1), heads),
                values = by_time(g, n.input(2), heads);
  std::optional<ValueId> decay, beta;
  if (gated) decay = by_time(g, n.input(4), heads);
  if (delta) beta = by_time(g, n.input(5), n.dims(5)[2] == 1 ? 1 : heads);
  const DType state_dtype = n.has_input(3) ? n.type(3).dtype : n.type(0).dtype;
  ValueId state = n.has_input(3)
                      ? ops::cast(g, n.input(3), DType::f32)
                      : ops::expand(g, ops::scalar(g, DType::f32, 0), {batch, heads, depth, width});
  Values outputs;
  for (std::int64_t t = 0; t < length; ++t) {
    const ValueId key = ops::unsqueeze(g, item(g, keys, t), {3});  // [B, heads, K, 1]
    ValueId value = ops::unsqueeze(g, item(g, values, t), {2});    // [B, heads, 1, V]
    if (decay)
      state = mul(g, state, ops::unary(g, ir::UnaryOp::exp, ops::unsqueeze(g, item(g, *decay, t), {3})));
    if (beta) {
      const ValueId known = ops::matmul(g, ops::swap_axes(g, key, 2, 3), state);
      value = mul(g, ops::unsqueeze(g, item(g, *beta, t), {2}), sub(g, value, known));
    }
    state = add(g, state, mul(g, key, value));
    const ValueId query = ops::reshape(g, item(g, queries, t), {batch, heads, shared, depth});
    const ValueId read = mul(g, ops::matmul(g, query, state), scale);
    outputs.push_back(ops::reshape(g, read, {batch, 1, query_heads * width}));
  }
  return {ops::cast(g, ops::concat(g, outputs, 1), n.type(0).dtype), ops::cast(g, state, state_dtype)};
}

constexpr Conversion table[] = {
    {"GRU", 1, "activations clip direction hidden_size layout@14 linear_before_reset@3", unrolled<gru_form>},
    {"LSTM", 1, "activations clip direction hidden_size input_forget layout@14", unrolled<lstm_form>},
    {"LinearAttention", 27, "chunk_size kv_num_heads q_num_heads scale update_rule", linear_attention},
    {"RNN", 1, "activations clip direction hidden_size layout@14", unrolled<rnn_form>},
};

}  // namespace

std::span<const Conversion> recurrent_conversions() { return table; }

}  // namespace tunesmith::tracer
