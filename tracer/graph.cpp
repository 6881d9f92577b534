#include "tracer/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

#include "ir/print.h"
#include "ir/simplify.h"
#include "ir/support/error.h"
#include "ir/traverse.h"
#include "tracer/op_table.h"

namespace tunesmith::tracer {
namespace {

std::uint64_t hash_of(const AttributeValue& value) {
  return std::visit(ir::Overloaded{[](std::int64_t v) { return mix64(static_cast<std::uint64_t>(v)); },
                                   [](double v) { return mix64(std::bit_cast<std::uint64_t>(v)); },
                                   [](const std::string& v) { return hash64(v); },
                                   [](const std::vector<std::int64_t>& v) {
                                     std::uint64_t h = v.size();
                                     for (std::int64_t x : v) h = combine64(h, static_cast<std::uint64_t>(x));
                                     return h;
                                   },
                                   [](const std::vector<double>& v) {
                                     std::uint64_t h = v.size();
                                     for (double x : v) h = combine64(h, std::bit_cast<std::uint64_t>(x));
                                     return h;
                                   }},
                    value);
}

/// Whether a symbolic extent is a longer expression than the walks over it should recurse into.
bool is_long(const Dim& dim) {
  constexpr int longest = 256;
  int nodes = 0;
  std::vector<Dim> open{dim};
  while (!open.empty() && nodes <= longest) {
    const Dim node = open.back();
    open.pop_back();
    ++nodes;
    ir::for_each_child(node, [&](const Dim& child) { open.push_back(child); });
  }
  return nodes > longest;
}

/// Few axes, no negative extent, and what is known of the element count is within what any memory holds.
void require_sizes(const TensorType& type, const ir::VarTable& symbols) {
  constexpr std::int64_t most = std::int64_t{1} << 48;
  constexpr std::size_t most_axes = 64;
  if (type.shape.size() > most_axes)
    throw_user_error("a tensor of {} axes is not supported; accepted: up to {}", type.shape.size(),
                     most_axes);
  std::int64_t count = 1;
  bool fits = true;
  for (const Dim& dim : type.shape) {
    const std::int64_t* extent = ir::as_int(dim);
    if (extent == nullptr || *extent == 0) continue;
    fits = fits && *extent > 0 && !__builtin_mul_overflow(count, *extent, &count) && count <= most;
  }
  if (!fits) throw_user_error("{} is no tensor that can be held", to_string(type, symbols));
}

std::uint64_t hash_of(const Op& op) {
  std::uint64_t h = combine64(static_cast<std::uint64_t>(op.kind), op.inputs.size());
  for (const ValueId input : op.inputs) h = combine64(combine64(h, index_of(input.op)), input.output);
  for (const auto& [name, value] : op.attributes.entries())
    h = combine64(combine64(combine64(h, hash64(name)), value.index()), hash_of(value));
  if (op.kind == OpKind::input) h = combine64(h, hash64(op.name));
  if (op.kind == OpKind::constant) {
    const std::string_view bytes(reinterpret_cast<const char*>(op.data.bytes()), op.data.byte_size());
    h = combine64(combine64(h, static_cast<std::uint64_t>(op.data.dtype())), hash64(bytes));
  }
  return h;
}

bool same(const Op& a, const Op& b) {
  if (a.kind != b.kind || a.inputs != b.inputs || !(a.attributes == b.attributes)) return false;
  if (a.kind == OpKind::input) return a.name == b.name;
  if (a.kind != OpKind::constant) return true;
  return a.data.dtype() == b.data.dtype() && a.data.shape() == b.data.shape() &&
         std::equal(a.data.bytes(), a.data.bytes() + a.data.byte_size(), b.data.bytes());
}

std::string print_value(const AttributeValue& value) {
  return std::visit(
      ir::Overloaded{
          [](std::int64_t v) { return fmt::format("{}", v); }, [](double v) { return fmt::format("{}", v); },
          [](const std::string& v) { return v; },
          [](const std::vector<std::int64_t>& v) { return fmt::format("[{}]", fmt::join(v, ",")); },
          [](const std::vector<double>& v) { return fmt::format("[{}]", fmt::join(v, ",")); }},
      value);
}

}  // namespace

Shape to_shape(const std::vector<std::int64_t>& dims) { return Shape(dims.begin(), dims.end()); }

std::vector<std::int64_t> to_ints(const Shape& shape) {
  std::vector<std::int64_t> dims;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const std::int64_t* value = ir::as_int(shape[d]);
    if (value == nullptr)
      throw_user_error("dimension {} is symbolic and has no value here; give the shape of the model's inputs",
                       d);
    dims.push_back(*value);
  }
  return dims;
}

std::string to_string(const TensorType& type, const ir::VarTable& symbols) {
  std::vector<std::string> dims;
  for (const Dim& dim : type.shape) dims.push_back(ir::print(dim, symbols, {}));
  return fmt::format("{}[{}]", ir::to_string(type.dtype), fmt::join(dims, ", "));
}

bool is_static(const Shape& shape) {
  return std::ranges::all_of(shape, [](const Dim& dim) { return ir::as_int(dim) != nullptr; });
}

std::string_view to_string(OpKind kind) { return op_row(kind).name; }

std::string describe(OpKind kind, std::string_view name) {
  return name.empty() ? std::string(to_string(kind)) : fmt::format("{} '{}'", to_string(kind), name);
}

Attributes::Attributes(std::initializer_list<std::pair<std::string, AttributeValue>> list) {
  for (const auto& [name, value] : list) set(name, value);
}

Attributes& Attributes::set(std::string name, AttributeValue value) {
  const auto place =
      std::ranges::lower_bound(entries_, name, {}, [](const auto& entry) { return entry.first; });
  if (place != entries_.end() && place->first == name)
    place->second = std::move(value);
  else
    entries_.insert(place, {std::move(name), std::move(value)});
  return *this;
}

const AttributeValue* Attributes::find(std::string_view name) const {
  const auto place = std::ranges::lower_bound(
      entries_, name, {}, [](const auto& entry) { return std::string_view(entry.first); });
  return place != entries_.end() && place->first == name ? &place->second : nullptr;
}

bool Attributes::has(std::string_view name) const { return find(name) != nullptr; }

template <class T>
const T& Attributes::get(std::string_view name) const {
  const AttributeValue* value = find(name);
  TS_CHECK(value != nullptr && std::holds_alternative<T>(*value), name);
  return std::get<T>(*value);
}

std::int64_t Attributes::get_int(std::string_view name) const { return get<std::int64_t>(name); }
double Attributes::get_float(std::string_view name) const { return get<double>(name); }
const std::string& Attributes::get_text(std::string_view name) const { return get<std::string>(name); }
const std::vector<std::int64_t>& Attributes::get_ints(std::string_view name) const {
  return get<std::vector<std::int64_t>>(name);
}
const std::vector<double>& Attributes::get_floats(std::string_view name) const {
  return get<std::vector<double>>(name);
}
std::int64_t Attributes::get_int_or(std::string_view name, std::int64_t otherwise) const {
  return has(name) ? get_int(name) : otherwise;
}

Dim Graph::symbol(std::string name) {
  for (std::size_t i = 0; i < symbols_.size(); ++i)
    if (symbols_.name(ir::VarId{static_cast<std::uint32_t>(i)}) == name)
      return ir::var(ir::VarId{static_cast<std::uint32_t>(i)});
  return ir::var(symbols_.add(std::move(name)));
}

ValueId Graph::intern(Op op) {
  const std::uint64_t key = hash_of(op);
  const auto [first, last] = interned_.equal_range(key);
  for (auto it = first; it != last; ++it)
    if (same(ops_[index_of(it->second)], op)) return {it->second, 0};
  const OpId id{static_cast<std::uint32_t>(ops_.size())};
  ops_.push_back(std::move(op));
  interned_.emplace(key, id);
  return {id, 0};
}

ValueId Graph::add_input(std::string name, TensorType type) {
  require_sizes(type, symbols_);
  Op op;
  op.kind = OpKind::input;
  op.name = name;
  op.outputs = {std::move(type)};
  const std::size_t before = ops_.size();
  const ValueId value = intern(std::move(op));
  if (ops_.size() == before) throw_user_error("input '{}' is declared twice", name);
  inputs_.push_back(value.op);
  return value;
}

ValueId Graph::add_constant(HostTensor data, std::string name) {
  Op op;
  op.kind = OpKind::constant;
  op.outputs = {{data.dtype(), to_shape(data.shape())}};
  require_sizes(op.outputs[0], symbols_);
  op.data = std::move(data);
  op.name = std::move(name);
  return intern(std::move(op));
}

ValueId Graph::add(OpKind kind, std::vector<ValueId> inputs, Attributes attributes, std::string name) {
  const OpRow& row = op_row(kind);
  TS_CHECK(row.infer != nullptr, "inputs and constants have functions of their own");
  const std::string where = describe(kind, name);
  const int count = static_cast<int>(inputs.size());
  if (count < row.min_inputs || (row.max_inputs >= 0 && count > row.max_inputs))
    throw_user_error("{}: takes {} to {} operands, {} were given", where, row.min_inputs, row.max_inputs,
                     count);
  std::vector<TensorType> types;
  for (const ValueId input : inputs) {
    TS_CHECK(index_of(input.op) < ops_.size() && input.output < op(input).outputs.size(),
             "operand of another graph");
    types.push_back(type(input));
  }
  Op op;
  op.kind = kind;
  try {
    op.outputs = row.infer(types, attributes);
    for (TensorType& output : op.outputs) {
      require_sizes(output, symbols_);
      for (Dim& dim : output.shape) {
        if (ir::as_int(dim) != nullptr) continue;
        dim = ir::simplify(dim);  // one spelling of equal symbolic extents, so that they compare equal
        if (is_long(dim))
          throw_user_error("an extent is too long an expression; give the shapes of the graph's inputs");
      }
    }
  } catch (const UserError& error) {
    std::vector<std::string> operands;
    for (const TensorType& operand : types) operands.push_back(to_string(operand, symbols_));
    throw UserError(fmt::format("{}: {} (operands: {})", where, error.what(),
                                operands.empty() ? "none" : fmt::format("{}", fmt::join(operands, ", "))));
  }
  op.inputs = std::move(inputs);
  op.attributes = std::move(attributes);
  op.name = name.empty() ? scope_name_ : std::move(name);
  return intern(std::move(op));
}

void Graph::add_output(std::string name, ValueId value) { outputs_.push_back({std::move(name), value}); }

std::string Graph::print() const {
  std::string text;
  auto value_name = [](ValueId value) {
    return value.output == 0 ? fmt::format("%{}", index_of(value.op))
                             : fmt::format("%{}.{}", index_of(value.op), value.output);
  };
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Op& op = ops_[i];
    std::vector<std::string> operands, types, attributes;
    for (const ValueId input : op.inputs) operands.push_back(value_name(input));
    for (const TensorType& type : op.outputs) types.push_back(to_string(type, symbols_));
    for (const auto& [name, value] : op.attributes.entries())
      attributes.push_back(fmt::format("{}={}", name, print_value(value)));
    text += fmt::format("%{}: {} = {}({}){}{}\n", i, fmt::join(types, ", "), to_string(op.kind),
                        fmt::join(operands, ", "),
                        attributes.empty() ? "" : fmt::format(" {{{}}}", fmt::join(attributes, ", ")),
                        op.name.empty() ? "" : fmt::format("  # {}", op.name));
  }
  for (const Output& output : outputs_)
    text += fmt::format("return {} = {}\n", output.name, value_name(output.value));
  return text;
}

}  // namespace tunesmith::tracer
