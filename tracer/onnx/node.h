// What a conversion function sees of one ONNX node, and the table of conversions. Internal to tracer/onnx.
#pragma once

#include <onnx.pb.h>

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "ir/support/error.h"
#include "tracer/graph.h"
#include "tracer/onnx/tensor_proto.h"
#include "tracer/ops/build.h"

namespace tunesmith::tracer {

/// Values of a graph that depend on constants only, evaluated when somebody needs them.
class ConstantFolder {
 public:
  explicit ConstantFolder(const Graph& graph) : graph_(graph) {}
  /// The value's elements, or nullopt when it depends on an input or is too large.
  std::optional<HostTensor> value_of(ValueId value);

 private:
  using Results = std::optional<std::vector<HostTensor>>;
  /// What `op` gives; or, where the value of an operand is not settled yet, that operand's operator.
  std::variant<Results, OpId> results_or_operand(const Op& op) const;

  const Graph& graph_;
  std::unordered_map<OpId, Results> known_;
};

/// Throws a UserError when a tensor of that shape would be larger, or an extent is negative.
void require_size(std::span<const std::int64_t> shape);

/// The most rounds of a loop, and the longest sequence, that are written out.
inline constexpr std::int64_t most_rounds = 4096;

/// Which whole numbers of an attribute or a constant operand are accepted. `index`: below 2^31 in magnitude,
/// so that arithmetic on them cannot overflow; any other is refused. `any`: every number of 64 bits.
enum class Range { index, any };

/// A node, with its operands, while it is converted.
class Node {
 public:
  Node(const onnx::NodeProto& proto, Graph& graph, ConstantFolder& folder, std::int64_t opset,
       std::string folder_path, std::vector<std::optional<ValueId>> inputs);

  Graph& graph() const { return graph_; }
  std::int64_t opset() const { return opset_; }
  const onnx::NodeProto& proto() const { return proto_; }

  std::size_t input_count() const { return inputs_.size(); }
  bool has_input(std::size_t i) const { return i < inputs_.size() && inputs_[i].has_value(); }
  /// A required operand; refuses the node when it is absent.
  ValueId input(std::size_t i) const;
  std::optional<ValueId> optional_input(std::size_t i) const;
  std::vector<ValueId> all_inputs() const;
  /// Says that operand `i` has no influence on the result. An operand that a conversion neither reads nor
  /// ignores is refused.
  void ignore(std::size_t i) const;
  /// The first operand that nobody asked for.
  std::optional<std::size_t> unread_input() const;
  const TensorType& type(std::size_t i) const { return graph_.type(input(i)); }
  std::size_t rank(std::size_t i) const { return type(i).shape.size(); }
  std::vector<std::int64_t> dims(std::size_t i) const;
  std::size_t output_count() const { return static_cast<std::size_t>(proto_.output_size()); }

  /// The elements of an operand that must be known when the model is imported.
  HostTensor constant(std::size_t i, std::string_view what) const;
  std::vector<std::int64_t> constant_ints(std::size_t i, std::string_view what,
                                          Range range = Range::index) const;
  std::int64_t constant_int(std::size_t i, std::string_view what, Range range = Range::index) const;
  /// One bool that must be known when the model is imported; any other type or size is refused.
  bool constant_bool(ValueId value, std::string_view what) const;
  double constant_float(std::size_t i, std::string_view what) const;
  std::optional<HostTensor> known(ValueId value) const { return folder_.value_of(value); }

  // Attributes; the table says which names an operator takes.
  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::int64_t integer(std::string_view name, std::int64_t otherwise, Range range = Range::index) const;
  std::int64_t required_integer(std::string_view name) const;
  double real(std::string_view name, double otherwise) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  std::vector<std::int64_t> integers(std::string_view name, std::vector<std::int64_t> otherwise = {},
                                     Range range = Range::index) const;
  std::vector<double> reals(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  /// REQUIRES: has(name).
  HostTensor tensor(std::string_view name) const;
  const onnx::GraphProto& subgraph(std::string_view name) const;

  /// Throws a UserError; the importer adds node, operator and operator set.
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    throw UserError(fmt::format(format, std::forward<Args>(args)...));
  }
  /// The dtype to compute in where an attribute asks for a float type at least as precise: f64 where it does,
  /// else f32, which no narrower one exceeds.
  DType computing_dtype(std::string_view attribute) const;
  /// The node's name; of a node without one, its first result's.
  const std::string& name() const;
  std::string where() const;

 private:
  std::int64_t checked(std::int64_t value, std::string_view name, Range range) const;
  const onnx::AttributeProto* find(std::string_view name) const;
  const onnx::AttributeProto* find(std::string_view name, onnx::AttributeProto_AttributeType type) const;

  const onnx::NodeProto& proto_;
  Graph& graph_;
  ConstantFolder& folder_;
  std::int64_t opset_;
  std::string folder_path_;
  std::vector<std::optional<ValueId>> inputs_;
  mutable std::vector<bool> read_;  // by input
};

/// Whether `names`, separated by spaces, has `name`.
bool lists(std::string_view names, std::string_view name);

using ConvertFn = std::vector<ValueId> (*)(const Node& node);

/// One ONNX operator. `attributes` are those that it takes, separated by spaces, each with the operator sets
/// that have it: "k@13" from 13 on, "k<13" before 13, "k@2<11" both, "k" always. "#1@13": operand 1 from 13
/// on; operands that are not listed are those of every operator set.
struct Conversion {
  std::string_view name;
  std::int64_t since;  // the operator set that brought it
  std::string_view attributes;
  ConvertFn convert;
  std::int64_t until = std::numeric_limits<std::int64_t>::max();  // the operator set that removed it
};
/// Refuses a node whose operator, attributes or operands its operator set does not have, or whose attributes
/// the row does not list.
void require_listed(const Node& node, const Conversion& row);

std::span<const Conversion> attention_conversions();
std::span<const Conversion> elementwise_conversions();
std::span<const Conversion> movement_conversions();
std::span<const Conversion> network_conversions();
std::span<const Conversion> recurrent_conversions();
std::span<const Conversion> reduction_conversions();
std::span<const Conversion> resize_conversions();
std::span<const Conversion> quantize_conversions();

/// The row of an operator, or null.
const Conversion* find_conversion(std::string_view name);

}  // namespace tunesmith::tracer
