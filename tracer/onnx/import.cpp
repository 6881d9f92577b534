#include "tracer/onnx/import.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include "tracer/onnx/node.h"
#include "tracer/onnx/tensor_proto.h"

namespace tunesmith::tracer {
namespace {

constexpr std::int64_t oldest_opset = 7, newest_opset = 26;
constexpr int deepest_call = 16;  // of local functions

using Scope = std::map<std::string, ValueId>;

class Importer {
 public:
  Importer(const onnx::ModelProto& model, std::string folder, const ImportOptions& options)
      : model_(model), folder_path_(std::move(folder)), options_(options) {}

  Graph run() {
    opset_ = opset_of(model_.opset_import());
    const onnx::GraphProto& proto = model_.graph();
    if (proto.node_size() == 0 && proto.output_size() == 0) throw_user_error("the file holds no graph");
    if (proto.sparse_initializer_size() > 0) throw_user_error("sparse initializers are not supported");
    Scope scope;
    for (const onnx::TensorProto& tensor : proto.initializer())
      define(scope, tensor.name(), graph_.add_constant(tensor_of(tensor, folder_path_), tensor.name()));
    for (const onnx::ValueInfoProto& input : proto.input())
      if (!scope.contains(input.name())) define(scope, input.name(), add_input(input));
    for (const auto& [name, shape] : options_.shapes)
      if (std::ranges::none_of(graph_.inputs(), [&](OpId id) { return graph_.op(id).name == name; }))
        throw_user_error("the model has no input '{}'; its inputs are: {}", name, input_names());
    add_nodes(proto.node(), scope, opset_, 0);
    for (const onnx::ValueInfoProto& output : proto.output()) {
      const auto it = scope.find(output.name());
      if (it == scope.end()) throw_user_error("output '{}' is computed by no node", output.name());
      graph_.add_output(output.name(), it->second);
    }
    return std::move(graph_);
  }

 private:
  template <class Imports>
  std::int64_t opset_of(const Imports& imports) const {
    for (const auto& import : imports)
      if (import.domain().empty() || import.domain() == "ai.onnx") {
        if (import.version() < oldest_opset || import.version() > newest_opset)
          throw_user_error("operator set {} is not supported; accepted: {} to {}", import.version(),
                           oldest_opset, newest_opset);
        return import.version();
      }
    throw_user_error("the model does not say which operator set it uses");
  }

  static void define(Scope& scope, const std::string& name, ValueId value) {
    if (!scope.emplace(name, value).second) throw_user_error("value '{}' is defined twice", name);
  }

  std::string input_names() const {
    std::string names;
    for (const OpId id : graph_.inputs()) names += (names.empty() ? "" : ", ") + graph_.op(id).name;
    return names;
  }

  ValueId add_input(const onnx::ValueInfoProto& input) {
    if (!input.type().has_tensor_type()) throw_user_error("input '{}' is not a tensor", input.name());
    const auto& type = input.type().tensor_type();
    const DType dtype = dtype_of(type.elem_type());
    const auto given = options_.shapes.find(input.name());
    if (!type.has_shape() && given == options_.shapes.end())
      throw_user_error("input '{}' has no shape; give it", input.name());
    if (given != options_.shapes.end() && type.has_shape() &&
        static_cast<int>(given->second.size()) != type.shape().dim_size())
      throw_user_error("input '{}' has {} dimensions, the given shape {}", input.name(),
                       type.shape().dim_size(), given->second.size());
    Shape shape;
    if (!type.has_shape()) return graph_.add_input(input.name(), {dtype, to_shape(given->second)});
    for (int d = 0; d < type.shape().dim_size(); ++d) {
      const auto& dim = type.shape().dim(d);
      const bool fixed = dim.has_dim_value() && dim.dim_value() > 0;
      if (given != options_.shapes.end()) {
        const std::int64_t value = given->second[static_cast<std::size_t>(d)];
        if (fixed && value != dim.dim_value())
          throw_user_error("input '{}': dimension {} is {}, the given shape says {}", input.name(), d,
                           dim.dim_value(), value);
        shape.emplace_back(value);
      } else if (fixed || (dim.has_dim_value() && dim.dim_value() == 0)) {
        shape.emplace_back(dim.dim_value());
      } else {
        const std::string name = dim.has_dim_param() && dim.dim_param() != "?" && !dim.dim_param().empty()
                                     ? dim.dim_param()
                                     : fmt::format("{}.{}", input.name(), d);
        const auto bound = options_.symbols.find(name);
        shape.push_back(bound != options_.symbols.end() ? Dim(bound->second) : graph_.symbol(name));
      }
    }
    return graph_.add_input(input.name(), {dtype, std::move(shape)});
  }

  template <class Nodes>
  void add_nodes(const Nodes& nodes, Scope& scope, std::int64_t opset, int depth) {
    for (const onnx::NodeProto& node : nodes) {
      std::vector<std::optional<ValueId>> inputs;
      for (const std::string& name : node.input()) {
        if (name.empty()) {
          inputs.emplace_back();
          continue;
        }
        const auto it = scope.find(name);
        if (it == scope.end())
          throw_user_error("node '{}' ({}): operand '{}' is defined by no earlier node", node.name(),
                           node.op_type(), name);
        inputs.emplace_back(it->second);
      }
      while (!inputs.empty() && !inputs.back()) inputs.pop_back();
      const std::vector<ValueId> results = convert(node, std::move(inputs), scope, opset, depth);
      for (int i = 0; i < node.output_size(); ++i) {
        if (node.output(i).empty()) continue;
        if (static_cast<std::size_t>(i) >= results.size())
          throw_user_error("node '{}' ({}): output {} ('{}') is not supported", node.name(), node.op_type(),
                           i, node.output(i));
        define(scope, node.output(i), results[static_cast<std::size_t>(i)]);
      }
    }
  }

  std::vector<ValueId> convert(const onnx::NodeProto& proto, std::vector<std::optional<ValueId>> inputs,
                               Scope& scope, std::int64_t opset, int depth) {
    const Node node(proto, graph_, folder_, opset, folder_path_, std::move(inputs));
    try {
      if (const onnx::FunctionProto* function = find_function(proto)) return call(*function, node, depth);
      if (!proto.domain().empty() && proto.domain() != "ai.onnx")
        node.refuse("operators of domain '{}' are not supported", proto.domain());
      if (proto.op_type() == "If") return take_branch(node, scope, opset, depth);
      const Conversion* row = find_conversion(proto.op_type());
      if (row == nullptr) node.refuse("this operator is not supported");
      for (const onnx::AttributeProto& attribute : proto.attribute())
        if (!takes(row->attributes, attribute.name()))
          node.refuse("attribute '{}' is not supported", attribute.name());
      return row->convert(node);
    } catch (const UserError& error) {
      const std::string message = error.what();
      if (message.starts_with("node '")) throw;
      throw UserError(fmt::format("{}: {}", node.where(), message));
    }
  }

  static bool takes(std::string_view names, std::string_view name) {
    while (!names.empty()) {
      const std::size_t space = names.find(' ');
      if (names.substr(0, space) == name) return true;
      if (space == std::string_view::npos) break;
      names.remove_prefix(space + 1);
    }
    return false;
  }

  const onnx::FunctionProto* find_function(const onnx::NodeProto& node) const {
    for (const onnx::FunctionProto& function : model_.functions())
      if (function.name() == node.op_type() && function.domain() == node.domain()) return &function;
    return nullptr;
  }

  /// A local function, inlined.
  std::vector<ValueId> call(const onnx::FunctionProto& function, const Node& node, int depth) {
    if (depth >= deepest_call) node.refuse("local functions call each other more than {} deep", deepest_call);
    if (function.attribute_size() > 0) node.refuse("local functions with attributes are not supported");
    Scope inner;
    for (int i = 0; i < function.input_size(); ++i)
      if (node.has_input(static_cast<std::size_t>(i)))
        define(inner, function.input(i), node.input(static_cast<std::size_t>(i)));
    add_nodes(function.node(), inner, opset_of(function.opset_import()), depth + 1);
    std::vector<ValueId> results;
    for (const std::string& name : function.output()) {
      const auto it = inner.find(name);
      if (it == inner.end()) node.refuse("the function's output '{}' is computed by no node", name);
      results.push_back(it->second);
    }
    return results;
  }

  /// If with a condition that is known at import: the branch taken replaces it.
  std::vector<ValueId> take_branch(const Node& node, const Scope& scope, std::int64_t opset, int depth) {
    if (depth >= deepest_call) node.refuse("branches are nested more than {} deep", deepest_call);
    const bool taken = node.constant(0, "the condition").int_at(0) != 0;
    const onnx::AttributeProto* branch = node.find(taken ? "then_branch" : "else_branch");
    if (branch == nullptr) node.refuse("attribute '{}' is missing", taken ? "then_branch" : "else_branch");
    Scope inner = scope;  // a branch sees the values around it
    for (const onnx::TensorProto& tensor : branch->g().initializer())
      define(inner, tensor.name(), graph_.add_constant(tensor_of(tensor, folder_path_), tensor.name()));
    add_nodes(branch->g().node(), inner, opset, depth + 1);
    std::vector<ValueId> results;
    for (const onnx::ValueInfoProto& output : branch->g().output()) {
      const auto it = inner.find(output.name());
      if (it == inner.end()) node.refuse("the branch's output '{}' is computed by no node", output.name());
      results.push_back(it->second);
    }
    return results;
  }

  const onnx::ModelProto& model_;
  std::string folder_path_;
  const ImportOptions& options_;
  Graph graph_;
  ConstantFolder folder_{graph_};
  std::int64_t opset_ = 0;
};

}  // namespace

Graph import_onnx(std::span<const std::byte> bytes, const std::string& name, const std::string& folder,
                  const ImportOptions& options) {
  onnx::ModelProto model;
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(std::numeric_limits<int>::max());
  if (bytes.empty() || bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage())
    throw_user_error("'{}' is not an ONNX model, or it is truncated or damaged", name);
  try {
    return Importer(model, folder, options).run();
  } catch (const UserError& error) {
    throw UserError(fmt::format("'{}': {}", name, error.what()));
  }
}

Graph import_onnx(const std::string& path, const ImportOptions& options) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_user_error("cannot read '{}'", path);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  return import_onnx(std::as_bytes(std::span(bytes)), path, folder, options);
}

}  // namespace tunesmith::tracer
