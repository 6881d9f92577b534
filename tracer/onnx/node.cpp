#include "tracer/onnx/node.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "tracer/onnx/tensor_proto.h"
#include "tracer/op_table.h"

namespace tunesmith::tracer {
namespace {

constexpr std::int64_t most_folded_elements = std::int64_t{1} << 24;
constexpr std::int64_t largest_number = std::int64_t{1} << 31;

}  // namespace

void require_size(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0) throw_user_error("the extent {} is negative", extent);
    if (extent > 0 && count > most_elements / extent)
      throw_user_error("a tensor [{}] has more than {} elements", fmt::join(shape, ", "), most_elements);
    count *= extent;
  }
}

std::variant<ConstantFolder::Results, OpId> ConstantFolder::results_or_operand(const Op& op) const {
  if (op.kind == OpKind::input) return Results{};
  if (op.kind == OpKind::constant) return Results{{op.data}};
  for (const TensorType& type : op.outputs) {
    if (!is_static(type.shape)) return Results{};
    std::int64_t count = 1;
    for (std::int64_t dim : to_ints(type.shape)) count *= dim;
    if (count > most_folded_elements) return Results{};
  }
  std::vector<HostTensor> operands;
  for (const ValueId input : op.inputs) {
    const auto operand = known_.find(input.op);
    if (operand == known_.end()) return input.op;
    if (!operand->second) return Results{};
    operands.push_back(operand->second->at(input.output));
  }
  return Results{evaluate_op(op, operands)};
}

std::optional<HostTensor> ConstantFolder::value_of(ValueId value) {
  std::vector<OpId> open;  // each waits for the next; a stack of its own, since models may be long
  if (!known_.contains(value.op)) open.push_back(value.op);
  while (!open.empty()) {
    auto found = results_or_operand(graph_.op(open.back()));
    if (const OpId* operand = std::get_if<OpId>(&found)) {
      open.push_back(*operand);
    } else {
      known_.emplace(open.back(), std::move(std::get<Results>(found)));
      open.pop_back();
    }
  }
  const Results& results = known_.at(value.op);
  if (!results) return std::nullopt;
  return results->at(value.output);
}

Node::Node(const onnx::NodeProto& proto, Graph& graph, ConstantFolder& folder, std::int64_t opset,
           std::string folder_path, std::vector<std::optional<ValueId>> inputs)
    : proto_(proto),
      graph_(graph),
      folder_(folder),
      opset_(opset),
      folder_path_(std::move(folder_path)),
      inputs_(std::move(inputs)),
      read_(inputs_.size(), false) {}

const std::string& Node::name() const {
  return proto_.name().empty() && proto_.output_size() > 0 ? proto_.output(0) : proto_.name();
}

std::string Node::where() const {
  return fmt::format("node '{}' ({}, opset {})", name(), proto_.op_type(), opset_);
}

ValueId Node::input(std::size_t i) const {
  if (!has_input(i)) refuse("operand {} is missing", i);
  read_[i] = true;
  return *inputs_[i];
}

std::optional<ValueId> Node::optional_input(std::size_t i) const {
  if (!has_input(i)) return std::nullopt;
  return input(i);
}

void Node::ignore(std::size_t i) const {
  if (i < read_.size()) read_[i] = true;
}

std::optional<std::size_t> Node::unread_input() const {
  for (std::size_t i = 0; i < inputs_.size(); ++i)
    if (inputs_[i] && !read_[i]) return i;
  return std::nullopt;
}

std::vector<ValueId> Node::all_inputs() const {
  std::vector<ValueId> values;
  for (std::size_t i = 0; i < inputs_.size(); ++i) values.push_back(input(i));
  return values;
}

std::vector<std::int64_t> Node::dims(std::size_t i) const {
  if (!is_static(type(i).shape))
    refuse("needs the shape of operand {}, which is dynamic; give the shapes of the model's inputs", i);
  return to_ints(type(i).shape);
}

HostTensor Node::constant(std::size_t i, std::string_view what) const {
  auto value = folder_.value_of(input(i));
  if (!value) refuse("{} (operand {}) is computed at run time; only constants are supported there", what, i);
  return std::move(*value);
}

std::vector<std::int64_t> Node::constant_ints(std::size_t i, std::string_view what, Range range) const {
  const HostTensor tensor = constant(i, what);
  if (!ir::is_integer(tensor.dtype())) refuse("{} (operand {}) must be integers", what, i);
  std::vector<std::int64_t> values;
  for (std::int64_t k = 0; k < tensor.size(); ++k) values.push_back(checked(tensor.int_at(k), what, range));
  return values;
}

std::int64_t Node::constant_int(std::size_t i, std::string_view what, Range range) const {
  const std::vector<std::int64_t> values = constant_ints(i, what, range);
  if (values.size() != 1) refuse("{} (operand {}) must be one number", what, i);
  return values[0];
}

bool Node::constant_bool(ValueId value, std::string_view what) const {
  const auto known = folder_.value_of(value);
  if (!known) refuse("{} is computed at run time; only constants are supported there", what);
  if (known->dtype() != DType::boolean || known->size() != 1)
    refuse("{} is {} [{}]; accepted: one bool", what, ir::to_string(known->dtype()),
           fmt::join(known->shape(), ", "));
  return known->int_at(0) != 0;
}

std::int64_t Node::checked(std::int64_t value, std::string_view name, Range range) const {
  if (range == Range::index && (value >= largest_number || value <= -largest_number))
    refuse("'{}' holds {}, which is out of range", name, value);
  return value;
}

double Node::constant_float(std::size_t i, std::string_view what) const {
  const HostTensor tensor = constant(i, what);
  if (tensor.size() != 1) refuse("{} (operand {}) must be one number", what, i);
  return ir::is_float(tensor.dtype()) ? tensor.at(0) : static_cast<double>(tensor.int_at(0));
}

const onnx::AttributeProto* Node::find(std::string_view name) const {
  for (const onnx::AttributeProto& attribute : proto_.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

const onnx::AttributeProto* Node::find(std::string_view name, onnx::AttributeProto_AttributeType type) const {
  const onnx::AttributeProto* attribute = find(name);
  if (attribute == nullptr) return nullptr;
  if (!attribute->ref_attr_name().empty())
    refuse("attribute '{}' refers to an attribute of a function, which is not supported", name);
  // Files of the first versions do not state the type.
  if (attribute->type() != onnx::AttributeProto::UNDEFINED && attribute->type() != type)
    refuse("attribute '{}' has type {}; accepted: {}", name,
           onnx::AttributeProto_AttributeType_Name(attribute->type()),
           onnx::AttributeProto_AttributeType_Name(type));
  return attribute;
}

std::int64_t Node::integer(std::string_view name, std::int64_t otherwise, Range range) const {
  const auto* attribute = find(name, onnx::AttributeProto::INT);
  return attribute != nullptr ? checked(attribute->i(), name, range) : otherwise;
}

std::int64_t Node::required_integer(std::string_view name) const {
  if (!has(name)) refuse("attribute '{}' is missing", name);
  return integer(name, 0);
}

double Node::real(std::string_view name, double otherwise) const {
  const auto* attribute = find(name, onnx::AttributeProto::FLOAT);
  return attribute != nullptr ? static_cast<double>(attribute->f()) : otherwise;
}

std::string Node::text(std::string_view name, std::string_view otherwise) const {
  const auto* attribute = find(name, onnx::AttributeProto::STRING);
  return attribute != nullptr ? attribute->s() : std::string(otherwise);
}

std::vector<std::int64_t> Node::integers(std::string_view name, std::vector<std::int64_t> otherwise,
                                         Range range) const {
  const auto* attribute = find(name, onnx::AttributeProto::INTS);
  if (attribute == nullptr) return otherwise;
  for (std::int64_t value : attribute->ints()) checked(value, name, range);
  return {attribute->ints().begin(), attribute->ints().end()};
}

std::vector<double> Node::reals(std::string_view name) const {
  const auto* attribute = find(name, onnx::AttributeProto::FLOATS);
  if (attribute == nullptr) return {};
  return {attribute->floats().begin(), attribute->floats().end()};
}

std::vector<std::string> Node::texts(std::string_view name) const {
  const auto* attribute = find(name, onnx::AttributeProto::STRINGS);
  if (attribute == nullptr) return {};
  return {attribute->strings().begin(), attribute->strings().end()};
}

HostTensor Node::tensor(std::string_view name) const {
  return tensor_of(find(name, onnx::AttributeProto::TENSOR)->t(), folder_path_);
}

const onnx::GraphProto& Node::subgraph(std::string_view name) const {
  const auto* attribute = find(name, onnx::AttributeProto::GRAPH);
  if (attribute == nullptr) refuse("attribute '{}' is missing", name);
  return attribute->g();
}

DType Node::computing_dtype(std::string_view attribute) const {
  const std::int64_t type = integer(attribute, 1);
  switch (type) {
    case 1:
    case 10:
    case 16: return DType::f32;
    case 11: return DType::f64;
    default:
      refuse("attribute '{}' is {}; accepted: 1 (f32), 10 (f16), 11 (f64), 16 (bf16)", attribute, type);
  }
}

namespace {

/// "name@since<until" taken apart.
struct ListedAttribute {
  std::string_view name;
  std::int64_t since = 0;
  std::int64_t until = std::numeric_limits<std::int64_t>::max();
};

std::int64_t number_behind(std::string_view text, char sign, std::int64_t otherwise) {
  const std::size_t at = text.find(sign);
  if (at != std::string_view::npos)
    std::from_chars(text.data() + at + 1, text.data() + text.size(), otherwise);
  return otherwise;
}

std::optional<ListedAttribute> find_listed(std::string_view attributes, std::string_view name) {
  while (!attributes.empty()) {
    const std::size_t space = std::min(attributes.find(' '), attributes.size());
    const std::string_view entry = attributes.substr(0, space);
    ListedAttribute listed;
    listed.name = entry.substr(0, entry.find_first_of("@<"));
    if (listed.name == name) {
      listed.since = number_behind(entry, '@', listed.since);
      listed.until = number_behind(entry, '<', listed.until);
      return listed;
    }
    attributes.remove_prefix(std::min(space + 1, attributes.size()));
  }
  return std::nullopt;
}

}  // namespace

void require_listed(const Node& node, const Conversion& row) {
  if (node.opset() < row.since)
    node.refuse("this operator exists since opset {}, the model declares opset {}", row.since, node.opset());
  if (node.opset() >= row.until)
    node.refuse("this operator exists before opset {} only, the model declares opset {}", row.until,
                node.opset());
  for (std::size_t i = 0; i < node.input_count(); ++i)
    if (const auto listed = find_listed(row.attributes, fmt::format("#{}", i));
        listed && node.has_input(i) && node.opset() < listed->since)
      node.refuse("operand {} exists since opset {}, the model declares opset {}", i, listed->since,
                  node.opset());
  for (const onnx::AttributeProto& attribute : node.proto().attribute()) {
    const auto listed = find_listed(row.attributes, attribute.name());
    if (!listed || attribute.name().starts_with('#'))
      node.refuse("attribute '{}' is not supported", attribute.name());
    if (node.opset() < listed->since)
      node.refuse("attribute '{}' exists since opset {}, the model declares opset {}", attribute.name(),
                  listed->since, node.opset());
    if (node.opset() >= listed->until)
      node.refuse("attribute '{}' exists before opset {} only, the model declares opset {}", attribute.name(),
                  listed->until, node.opset());
  }
}

bool lists(std::string_view names, std::string_view name) {
  while (!names.empty()) {
    const std::size_t space = names.find(' ');
    if (names.substr(0, space) == name) return true;
    if (space == std::string_view::npos) break;
    names.remove_prefix(space + 1);
  }
  return false;
}

const Conversion* find_conversion(std::string_view name) {
  for (const auto table :
       {attention_conversions(), elementwise_conversions(), movement_conversions(), network_conversions(),
        quantize_conversions(), recurrent_conversions(), reduction_conversions(), resize_conversions()})
    for (const Conversion& row : table)
      if (row.name == name) return &row;
  return nullptr;
}

}  // namespace tunesmith::tracer
