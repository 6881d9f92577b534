#include "ir/evaluator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "ir/affine.h"
#include "ir/support/check.h"
#include "ir/traverse.h"

namespace tunesmith::ir {
namespace {

constexpr std::size_t max_rank = 16;

/// The value of a symbol that makes an extent c * symbol + d of the buffer what the tensor has.
std::optional<std::int64_t> symbol_value(VarId symbol, const Buffer& buffer, const HostTensor& tensor) {
  const std::vector<Expr> extents = physical_shape(buffer);
  for (std::size_t d = 0; d < extents.size() && d < tensor.shape().size(); ++d) {
    const Affine affine = to_affine(extents[d]);
    const std::int64_t factor = affine.coefficient(symbol);
    const std::int64_t rest = tensor.shape()[d] - affine.constant;
    if (affine.terms.size() == 1 && factor != 0 && rest % factor == 0) return rest / factor;
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::int64_t> Storage::set_shape(const Buffer& buffer, std::vector<std::int64_t> logical_shape) {
  Buffer concrete = buffer;
  for (std::size_t d = 0; d < logical_shape.size(); ++d) concrete.shape[d] = logical_shape[d];
  std::vector<std::int64_t> physical;
  for (const Expr& extent : physical_shape(concrete)) physical.push_back(int_value(extent));
  dtype_ = buffer.dtype;
  is_float_ = is_float(dtype_);
  element_bytes_ = size_bytes(dtype_);
  shape_ = std::move(logical_shape);
  dims_.clear();
  const std::vector<ir::PhysicalDim> dims = physical_dims(concrete);
  std::int64_t stride = 1;
  for (std::size_t p = physical.size(); p-- > 0;) {
    dims_.push_back({static_cast<std::size_t>(dims[p].dim), dims[p].stride, dims[p].block, stride});
    stride *= physical[p];
  }
  return physical;
}

void Storage::bind(const Buffer& buffer, std::vector<std::int64_t> logical_shape, HostTensor contents) {
  const auto physical = set_shape(buffer, std::move(logical_shape));
  TS_CHECK(physical == contents.shape() && contents.dtype() == dtype_,
           "contents that do not fit their buffer");
  tensor_ = std::move(contents);
  data_ = const_cast<std::byte*>(tensor_.bytes());  // never written: read_only_
  read_only_ = true;
  live_ = true;
  written_.clear();
}

void Storage::allocate(const Buffer& buffer, std::vector<std::int64_t> logical_shape) {
  const bool reusable = data_ != nullptr && !read_only_ && shape_ == logical_shape;
  if (!reusable) {
    tensor_ = HostTensor(buffer.dtype, set_shape(buffer, std::move(logical_shape)));
    data_ = tensor_.mutable_bytes();
  }
  read_only_ = false;
  live_ = true;
  written_.assign(static_cast<std::size_t>(tensor_.size()) + 1, 0);  // + 1: never empty
}

std::int64_t Storage::place(std::span<const std::int64_t> index) const {
  for (std::size_t d = 0; d < index.size(); ++d)
    if (index[d] < 0 || index[d] >= shape_[d]) return -1;
  std::int64_t flat = 0;
  for (const PhysicalDim& p : dims_) {
    std::int64_t i = index[p.dim];
    if (p.divisor != 1) i /= p.divisor;
    if (p.block != 0) i %= p.block;
    flat += i * p.stride;
  }
  return flat;
}

Scalar Storage::read(std::int64_t place) const {
  const std::byte* element = data_ + static_cast<std::size_t>(place) * element_bytes_;
  Scalar value;
  if (is_float_)
    value.f = load_double(dtype_, element);
  else
    value.i = load_integer(dtype_, element);
  return value;
}

void Storage::write(std::int64_t place, Scalar value) {
  std::byte* element = data_ + static_cast<std::size_t>(place) * element_bytes_;
  if (is_float_)
    store_double(dtype_, element, value.f);
  else
    store_integer(dtype_, element, value.i);
  written_[static_cast<std::size_t>(place)] = 1;
}

Evaluator::Evaluator(const VarTable& vars, const std::vector<Buffer>& buffers, bool flat_indices)
    : buffers_(buffers), flat_indices_(flat_indices), values_(vars.size()), storage_(buffers.size()) {}

void Evaluator::fail(std::string message) {
  if (error_.empty()) error_ = std::move(message);
}

Evaluator::Program Evaluator::compile(const Expr& e) {
  std::unordered_map<const ExprNode*, std::uint32_t> done;
  return add(e, done);
}

std::uint32_t Evaluator::add(const Expr& e, std::unordered_map<const ExprNode*, std::uint32_t>& done) {
  if (auto found = done.find(&e.node()); found != done.end()) {
    nodes_[found->second].shared = true;
    return found->second;
  }
  Node node = translate(e, done);
  nodes_.push_back(std::move(node));
  const auto id = static_cast<std::uint32_t>(nodes_.size() - 1);
  done.emplace(&e.node(), id);
  return id;
}

void Evaluator::check_operator(bool known, std::string_view name, DType dtype) {
  if (!known) fail(fmt::format("{} has no operator {}", to_string(dtype), name));
}

Evaluator::Node Evaluator::translate(const Expr& e,
                                     std::unordered_map<const ExprNode*, std::uint32_t>& done) {
  using Kind = Node::Kind;
  Node node;
  node.dtype = e.dtype();
  match(
      e, [&](const IntImm& n) { node.value.i = n.value; }, [&](const FloatImm& n) { node.value.f = n.value; },
      [&](const Var& n) {
        node.kind = Kind::variable;
        node.a = index_of(n.id);
        if (node.a >= values_.size()) fail(fmt::format("variable #{} is not in the table", node.a));
      },
      [&](const Unary& n) {
        check_operator(has_operator(n.op, n.a.dtype()), to_string(n.op), n.a.dtype());
        node.kind = Kind::unary;
        node.unary = n.op;
        node.operand = n.a.dtype();
        node.a = add(n.a, done);
      },
      [&](const Binary& n) {
        check_operator(has_operator(n.op, n.a.dtype()), to_string(n.op), n.a.dtype());
        node.kind = Kind::binary;
        node.binary = n.op;
        node.operand = n.a.dtype();
        node.a = add(n.a, done);
        node.b = add(n.b, done);
      },
      [&](const Select& n) {
        node.kind = Kind::select;
        node.c = add(n.condition, done);
        node.a = add(n.yes, done);
        node.b = add(n.no, done);
      },
      [&](const Cast& n) {
        node.kind = Kind::cast;
        node.operand = n.a.dtype();
        node.a = add(n.a, done);
      },
      [&](const BitCast& n) {
        node.kind = Kind::bit_cast;
        node.operand = n.a.dtype();
        node.a = add(n.a, done);
      },
      [&](const Load& n) {
        node.kind = Kind::load;
        node.a = index_of(n.buffer);
        for (const Expr& index : n.indices) node.indices.push_back(add(index, done));
        const std::size_t rank = node.a < buffers_.size() ? buffers_[node.a].shape.size() : 0;
        if (node.a >= buffers_.size())
          fail(fmt::format("buffer #{} is not in the list", node.a));
        else if (node.indices.size() != (flat_indices_ ? 1 : rank) || rank > max_rank)
          fail(fmt::format("a read of buffer '{}' has {} indices", buffers_[node.a].name,
                           node.indices.size()));
      });
  return node;
}

Scalar Evaluator::run(Program program) {
  ++stamp_;
  return failed() ? Scalar{} : value_of(static_cast<std::uint32_t>(program));
}

Scalar Evaluator::value_of(std::uint32_t id) {
  Node& node = nodes_[id];
  if (node.kind == Node::Kind::constant) return node.value;
  if (node.kind == Node::Kind::variable) return values_[node.a];
  if (!node.shared) return compute(node);
  if (node.stamp != stamp_) {
    node.value = compute(node);
    node.stamp = stamp_;
  }
  return node.value;
}

Scalar Evaluator::compute(const Node& node) {
  switch (node.kind) {
    case Node::Kind::constant:
    case Node::Kind::variable: break;
    case Node::Kind::unary: return scalar_unary(node.unary, node.operand, value_of(node.a));
    case Node::Kind::binary: {
      const Scalar a = value_of(node.a);
      const auto result = scalar_binary(node.binary, node.operand, a, value_of(node.b));
      if (!result) fail("integer division by zero");
      return result.value_or(Scalar{});
    }
    case Node::Kind::select: return value_of(value_of(node.c).i ? node.a : node.b);
    case Node::Kind::cast: return scalar_cast(node.dtype, node.operand, value_of(node.a));
    case Node::Kind::bit_cast: return scalar_bit_cast(node.dtype, node.operand, value_of(node.a));
    case Node::Kind::load: return load(node);
  }
  TS_UNREACHABLE("a node without operands has no computation");
}

Scalar Evaluator::load(const Node& node) {
  std::array<std::int64_t, max_rank> index;
  for (std::size_t d = 0; d < node.indices.size(); ++d) index[d] = value_of(node.indices[d]).i;
  const std::int64_t place = checked_place(BufferId{node.a}, {index.data(), node.indices.size()}, false);
  return place < 0 ? Scalar{} : storage_[node.a].read(place);
}

std::int64_t Evaluator::checked_place(BufferId buffer, std::span<const std::int64_t> index, bool is_store) {
  if (failed()) return -1;
  const Storage& storage = storage_[index_of(buffer)];
  const char* action = is_store ? "write" : "read";
  auto describe = [&] {
    return fmt::format("{} of '{}' at [{}]", action, buffers_[index_of(buffer)].name, fmt::join(index, ", "));
  };
  if (!storage.live()) {
    fail(describe() + ": the buffer is not allocated here");
    return -1;
  }
  std::int64_t place = -1;
  if (!flat_indices_)
    place = storage.place(index);
  else if (index[0] >= 0 && index[0] < storage.size())
    place = index[0];
  if (place < 0)
    fail(fmt::format("{}: out of range, {} is [{}]", describe(),
                     flat_indices_ ? "the logical shape" : "the shape", fmt::join(storage.shape(), ", ")));
  else if (is_store && storage.read_only())
    fail(describe() + ": the buffer is an input");
  else if (!is_store && !storage.written(place))
    fail(describe() + ": the element was never written");
  return failed() ? -1 : place;
}

void Evaluator::store(BufferId buffer, std::span<const std::int64_t> index, Scalar value) {
  const std::int64_t place = checked_place(buffer, index, true);
  if (place >= 0) storage_[index_of(buffer)].write(place, value);
}

std::vector<std::int64_t> Evaluator::shape_of(const Buffer& buffer) {
  std::vector<std::int64_t> shape;
  for (const Expr& extent : buffer.shape) shape.push_back(evaluate_int(extent));
  for (std::int64_t extent : shape)
    if (extent < 0) fail(fmt::format("buffer '{}' has a negative extent", buffer.name));
  return failed() ? std::vector<std::int64_t>(buffer.shape.size()) : shape;
}

void bind_arguments(Evaluator& evaluator, const std::vector<Buffer>& buffers, const VarTable& vars,
                    std::span<const Symbol> symbols, std::span<const BufferId> inputs,
                    std::span<const HostTensor> tensors) {
  if (inputs.size() != tensors.size())
    return evaluator.fail(fmt::format("{} inputs are wanted, {} were given", inputs.size(), tensors.size()));
  for (const Symbol& symbol : symbols) {
    std::optional<std::int64_t> value;
    for (std::size_t i = 0; i < inputs.size() && !value; ++i)
      value = symbol_value(symbol.var, buffers[index_of(inputs[i])], tensors[i]);
    if (!value)
      return evaluator.fail(fmt::format("no input's shape says what symbol '{}' is", vars.name(symbol.var)));
    evaluator.set_int(symbol.var, *value);
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Buffer& buffer = buffers[index_of(inputs[i])];
    std::vector<std::int64_t> physical;
    for (const Expr& extent : physical_shape(buffer)) physical.push_back(evaluator.evaluate_int(extent));
    if (tensors[i].dtype() != buffer.dtype || tensors[i].shape() != physical)
      return evaluator.fail(fmt::format("input {} ('{}') is {}[{}], not {}[{}]", i, buffer.name,
                                        to_string(tensors[i].dtype()), fmt::join(tensors[i].shape(), ", "),
                                        to_string(buffer.dtype), fmt::join(physical, ", ")));
    evaluator.storage(inputs[i]).bind(buffer, evaluator.shape_of(buffer), tensors[i]);
  }
}

}  // namespace tunesmith::ir
