#include "tracer/onnx/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <unordered_map>

#include "tracer/composites.h"
#include "tracer/onnx/node.h"
#include "tracer/onnx/tensor_proto.h"

namespace tunesmith::tracer {
namespace {

constexpr std::int64_t oldest_opset = 1, newest_opset = 27;
constexpr int deepest_call = 16;                            // of local functions and subgraphs
constexpr std::int64_t most_nodes = std::int64_t{1} << 20;  // with calls and loops written out
constexpr std::size_t most_operators = std::size_t{1} << 20;  // that they become
constexpr std::size_t longest_message = std::numeric_limits<std::int32_t>::max();

// Control flow is converted by the importer itself.
constexpr Conversion if_row{"If", 1, "else_branch then_branch", nullptr};
constexpr Conversion loop_row{"Loop", 1, "body", nullptr};
constexpr Conversion call_row{"", 1, "", nullptr};  // of a local function, which takes no attributes

/// Values by name; a subgraph sees those around it, a function does not.
class Scope {
 public:
  explicit Scope(const Scope* around = nullptr) : around_(around) {}

  std::optional<ValueId> find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->around_)
      if (const auto it = scope->values_.find(name); it != scope->values_.end()) return it->second;
    return std::nullopt;
  }
  void define(const std::string& name, ValueId value) {
    if (find(name)) throw_user_error("value '{}' is defined twice", name);
    values_.emplace(name, value);
  }

 private:
  const Scope* around_;
  std::unordered_map<std::string, ValueId> values_;
};

/// The inputs that have no initializer.
std::vector<const onnx::ValueInfoProto*> inputs_of(const onnx::GraphProto& graph) {
  std::set<std::string_view> initialized;
  for (const onnx::TensorProto& tensor : graph.initializer()) initialized.insert(tensor.name());
  std::vector<const onnx::ValueInfoProto*> inputs;
  for (const onnx::ValueInfoProto& input : graph.input())
    if (!initialized.contains(input.name())) inputs.push_back(&input);
  return inputs;
}

std::vector<std::string> input_names_of(const onnx::GraphProto& graph) {
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto* input : inputs_of(graph)) names.push_back(input->name());
  return names;
}

void require_message_size(std::uintmax_t bytes, const std::string& name) {
  if (bytes > longest_message)
    throw_user_error(
        "'{}' has {} bytes; a model file holds up to 2 GiB, larger weights lie beside it as external data",
        name, bytes);
}

onnx::ModelProto parse_model(std::span<const std::byte> bytes, const std::string& name) {
  require_message_size(bytes.size(), name);
  onnx::ModelProto model;
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(std::numeric_limits<int>::max());
  if (bytes.empty() || !model.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage())
    throw_user_error("'{}' is not an ONNX model, or it is truncated or damaged", name);
  return model;
}

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_user_error("cannot read '{}'", path);
  std::error_code error;  // what has no size, such as a pipe, is measured once it is read
  if (const std::uintmax_t size = std::filesystem::file_size(path, error); !error)
    require_message_size(size, path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The name of a dynamic dimension that the model gives one, else empty.
std::string_view name_of(const onnx::TensorShapeProto::Dimension& dim) {
  return dim.has_dim_param() && dim.dim_param() != "?" ? std::string_view(dim.dim_param()) : "";
}

class Importer {
 public:
  Importer(const onnx::ModelProto& model, std::string folder, const ImportOptions& options)
      : model_(model), folder_path_(std::move(folder)), options_(options) {}

  Graph run() {
    opset_ = opset_of(model_.opset_import());
    const onnx::GraphProto& proto = model_.graph();
    if (proto.node_size() == 0 && proto.output_size() == 0) throw_user_error("the file holds no graph");
    if (proto.output_size() == 0) throw_user_error("the model has no outputs");
    check_options();
    Scope scope;
    add_initializers(proto, scope);
    bind_dimensions();
    for (const onnx::ValueInfoProto* input : inputs_of(proto)) scope.define(input->name(), add_input(*input));
    add_nodes(proto.node(), scope, opset_, 0);
    for (const onnx::ValueInfoProto& output : proto.output()) {
      const auto value = scope.find(output.name());
      if (!value) throw_user_error("output '{}' is computed by no node", output.name());
      graph_.add_output(output.name(), *value);
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

  void add_initializers(const onnx::GraphProto& proto, Scope& scope) {
    if (proto.sparse_initializer_size() > 0) throw_user_error("sparse initializers are not supported");
    for (const onnx::TensorProto& tensor : proto.initializer())
      scope.define(tensor.name(), graph_.add_constant(tensor_of(tensor, folder_path_), tensor.name()));
  }

  void check_options() const {
    for (const auto& [name, shape] : options_.shapes) {
      require_input(name);
      for (std::int64_t dim : shape)
        if (dim < 0) throw_user_error("input '{}': the given shape holds {}", name, dim);
    }
    for (const auto& [name, value] : options_.values) require_input(name);
    for (const auto& [name, value] : options_.symbols)
      if (value < 0) throw_user_error("dimension '{}' is given as {}", name, value);
  }

  void require_input(const std::string& name) const {
    const std::vector<std::string> names = input_names_of(model_.graph());
    if (std::ranges::find(names, name) == names.end())
      throw_user_error("the model has no input '{}'; its inputs are: {}", name, fmt::join(names, ", "));
  }

  /// Named dimensions get their values from the options and from the shapes that inputs are given, which must
  /// agree.
  void bind_dimensions() {
    for (const auto& [name, value] : options_.symbols)
      dimensions_.emplace(name, BoundDimension{value, "is given as"});
    for (const onnx::ValueInfoProto* input : inputs_of(model_.graph())) {
      const auto shape = options_.shapes.find(input->name());
      const auto value = options_.values.find(input->name());
      if (value != options_.values.end())
        bind_dimensions(*input, value->second.shape());
      else if (shape != options_.shapes.end())
        bind_dimensions(*input, shape->second);
    }
  }

  void bind_dimensions(const onnx::ValueInfoProto& input, const std::vector<std::int64_t>& given) {
    const auto& dims = input.type().tensor_type().shape().dim();
    for (int d = 0; d < dims.size() && d < std::ssize(given); ++d) {
      if (name_of(dims[d]).empty()) continue;
      const std::int64_t value = given[static_cast<std::size_t>(d)];
      const auto [known, added] = dimensions_.emplace(
          name_of(dims[d]), BoundDimension{value, fmt::format("of input '{}' is", input.name())});
      if (!added && known->second.value != value)
        throw_user_error("dimension '{}' {} {}, that of input '{}' {}", known->first, known->second.source,
                         known->second.value, input.name(), value);
    }
  }

  ValueId fixed_input(const onnx::ValueInfoProto& input, const HostTensor& value) {
    const auto& type = input.type().tensor_type();
    bool fits = value.dtype() == dtype_of(type.elem_type()) &&
                (!type.has_shape() || value.rank() == type.shape().dim_size());
    for (int d = 0; fits && type.has_shape() && d < type.shape().dim_size(); ++d) {
      const auto& dim = type.shape().dim(d);
      fits = !dim.has_dim_value() || dim.dim_value() == value.shape()[static_cast<std::size_t>(d)];
    }
    if (!fits)
      throw_user_error("input '{}': the value given, {} [{}], does not have the type of the input",
                       input.name(), ir::to_string(value.dtype()), fmt::join(value.shape(), ", "));
    return graph_.add_constant(value, input.name());
  }

  ValueId add_input(const onnx::ValueInfoProto& input) {
    if (!input.type().has_tensor_type()) throw_user_error("input '{}' is not a tensor", input.name());
    if (const auto fixed = options_.values.find(input.name()); fixed != options_.values.end())
      return fixed_input(input, fixed->second);
    const auto& type = input.type().tensor_type();
    const DType dtype = dtype_of(type.elem_type());
    const auto given = options_.shapes.find(input.name());
    if (!type.has_shape() && given == options_.shapes.end())
      throw_user_error("input '{}' has no shape; give it", input.name());
    if (given != options_.shapes.end() && type.has_shape() &&
        static_cast<int>(given->second.size()) != type.shape().dim_size())
      throw_user_error("input '{}' has {} dimensions, the given shape {}", input.name(),
                       type.shape().dim_size(), given->second.size());
    if (given != options_.shapes.end()) require_size(given->second);
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
        const std::string name =
            name_of(dim).empty() ? fmt::format("{}.{}", input.name(), d) : std::string(name_of(dim));
        const auto bound = dimensions_.find(name);
        shape.push_back(bound != dimensions_.end() ? Dim(bound->second.value) : graph_.symbol(name));
      }
    }
    if (is_static(shape)) require_size(to_ints(shape));
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
        inputs.push_back(scope.find(name));
        if (!inputs.back())
          throw_user_error("node '{}' ({}): operand '{}' is defined by no earlier node", node.name(),
                           node.op_type(), name);
      }
      while (!inputs.empty() && !inputs.back()) inputs.pop_back();
      const std::vector<ValueId> results = convert(node, std::move(inputs), scope, opset, depth);
      for (int i = 0; i < node.output_size(); ++i) {
        if (node.output(i).empty()) continue;
        if (static_cast<std::size_t>(i) >= results.size())
          throw_user_error("node '{}' ({}): output {} ('{}') is not supported", node.name(), node.op_type(),
                           i, node.output(i));
        scope.define(node.output(i), results[static_cast<std::size_t>(i)]);
      }
    }
  }

  std::vector<ValueId> convert(const onnx::NodeProto& proto, std::vector<std::optional<ValueId>> inputs,
                               Scope& scope, std::int64_t opset, int depth) {
    const Node node(proto, graph_, folder_, opset, folder_path_, std::move(inputs));
    const Graph::NameScope named(graph_, node.name());
    try {
      if (++converted_ > most_nodes)
        node.refuse("calls and loops written out have more than {} nodes", most_nodes);
      if (graph_.size() > most_operators)
        node.refuse("calls, loops and sequences written out have more than {} operators", most_operators);
      std::vector<ValueId> results = results_of(node, scope, opset, depth);
      for (const ValueId result : results)
        if (const Shape& shape = graph_.type(result).shape; is_static(shape)) require_size(to_ints(shape));
      if (const auto unread = node.unread_input()) node.refuse("operand {} is not supported", *unread);
      return results;
    } catch (const UserError& error) {
      const std::string message = error.what();
      if (message.starts_with("node '")) throw;
      throw UserError(fmt::format("{}: {}", node.where(), message));
    } catch (const std::out_of_range&) {
      throw_user_error("{}: an operand or attribute has fewer entries than it needs", node.where());
    }
  }

  std::vector<ValueId> results_of(const Node& node, const Scope& scope, std::int64_t opset, int depth) {
    const onnx::NodeProto& proto = node.proto();
    if (const onnx::FunctionProto* function = find_function(proto)) {
      require_listed(node, call_row);
      return call(*function, node, depth);
    }
    if (!proto.domain().empty() && proto.domain() != "ai.onnx")
      node.refuse("operators of domain '{}' are not supported", proto.domain());
    const Conversion* row = proto.op_type() == if_row.name     ? &if_row
                            : proto.op_type() == loop_row.name ? &loop_row
                                                               : find_conversion(proto.op_type());
    if (row == nullptr) node.refuse("this operator is not supported");
    require_listed(node, *row);
    if (row == &if_row) return take_branch(node, scope, opset, depth);
    if (row == &loop_row) return unroll_loop(node, scope, opset, depth);
    return row->convert(node);
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
        inner.define(function.input(i), node.input(static_cast<std::size_t>(i)));
    add_nodes(function.node(), inner, opset_of(function.opset_import()), depth + 1);
    std::vector<ValueId> results;
    for (const std::string& name : function.output()) {
      const auto value = inner.find(name);
      if (!value) node.refuse("the function's output '{}' is computed by no node", name);
      results.push_back(*value);
    }
    return results;
  }

  /// The outputs of a subgraph, whose inputs `inner` holds.
  std::vector<ValueId> add_body(const onnx::GraphProto& body, const Node& node, Scope& inner,
                                std::int64_t opset, int depth) {
    if (depth >= deepest_call) node.refuse("subgraphs are nested more than {} deep", deepest_call);
    add_initializers(body, inner);
    add_nodes(body.node(), inner, opset, depth + 1);
    std::vector<ValueId> results;
    for (const onnx::ValueInfoProto& output : body.output()) {
      const auto value = inner.find(output.name());
      if (!value) node.refuse("the subgraph's output '{}' is computed by no node", output.name());
      results.push_back(*value);
    }
    return results;
  }

  /// If with a condition that is known at import: the branch taken replaces it.
  std::vector<ValueId> take_branch(const Node& node, const Scope& scope, std::int64_t opset, int depth) {
    const bool taken = node.constant_bool(node.input(0), "the condition");
    Scope inner(&scope);
    return add_body(node.subgraph(taken ? "then_branch" : "else_branch"), node, inner, opset, depth);
  }

  /// Loop with a trip count and conditions that are known at import: unrolled. Outputs: the values carried,
  /// then the values that each round gives, stacked.
  std::vector<ValueId> unroll_loop(const Node& node, const Scope& scope, std::int64_t opset, int depth) {
    const onnx::GraphProto& body = node.subgraph("body");
    const std::size_t carried_count = node.input_count() > 2 ? node.input_count() - 2 : 0;
    if (body.input_size() != static_cast<int>(carried_count) + 2 ||
        body.output_size() < static_cast<int>(carried_count) + 1)
      node.refuse("the body takes {} values and gives {}, which does not fit to {} carried values",
                  body.input_size(), body.output_size(), carried_count);
    std::vector<ValueId> carried;
    for (std::size_t i = 0; i < carried_count; ++i) carried.push_back(node.input(i + 2));
    std::vector<std::vector<ValueId>> stacked(static_cast<std::size_t>(body.output_size()) - 1 -
                                              carried_count);
    ValueId running = node.has_input(1) ? node.input(1) : ops::scalar(graph_, DType::boolean, 1);
    const std::int64_t rounds =
        node.has_input(0) ? node.constant_int(0, "the trip count", Range::any) : most_rounds + 1;
    for (std::int64_t round = 0; round < rounds && node.constant_bool(running, "the condition"); ++round) {
      if (round >= most_rounds) node.refuse("runs for more than {} rounds", most_rounds);
      Scope inner(&scope);
      inner.define(body.input(0).name(), ops::scalar(graph_, DType::i64, static_cast<double>(round)));
      inner.define(body.input(1).name(), running);
      for (std::size_t i = 0; i < carried_count; ++i)
        inner.define(body.input(static_cast<int>(i) + 2).name(), carried[i]);
      const std::vector<ValueId> results = add_body(body, node, inner, opset, depth);
      running = results[0];
      for (std::size_t i = 0; i < carried_count; ++i) carried[i] = results[i + 1];
      for (std::size_t i = 0; i < stacked.size(); ++i)
        stacked[i].push_back(ops::unsqueeze(graph_, results[i + 1 + carried_count], {0}));
    }
    for (std::vector<ValueId>& values : stacked) {
      if (values.empty())
        node.refuse("runs for no round, so that the shape of its stacked outputs is unknown");
      carried.push_back(ops::concat(graph_, values, 0));
    }
    return carried;
  }

  const onnx::ModelProto& model_;
  std::string folder_path_;
  const ImportOptions& options_;
  Graph graph_;
  ConstantFolder folder_{graph_};
  struct BoundDimension {
    std::int64_t value;
    std::string source;  // for messages: who says so
  };
  std::map<std::string, BoundDimension, std::less<>> dimensions_;  // by name
  std::int64_t opset_ = 0;
  std::int64_t converted_ = 0;  // nodes
};

}  // namespace

Graph import_onnx(std::span<const std::byte> bytes, const std::string& name, const std::string& folder,
                  const ImportOptions& options) {
  const onnx::ModelProto model = parse_model(bytes, name);
  try {
    return Importer(model, folder, options).run();
  } catch (const UserError& error) {
    throw UserError(fmt::format("'{}': {}", name, error.what()));
  }
}

Graph import_onnx(const std::string& path, const ImportOptions& options) {
  const std::vector<char> bytes = read_file(path);
  const std::string folder = std::filesystem::absolute(path).parent_path().string();
  return import_onnx(std::as_bytes(std::span(bytes)), path, folder, options);
}

std::vector<std::string> onnx_input_names(const std::string& path) {
  return input_names_of(parse_model(std::as_bytes(std::span<const char>(read_file(path))), path).graph());
}

}  // namespace tunesmith::tracer
