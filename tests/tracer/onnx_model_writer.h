// Small ONNX models as bytes, written field by field in the protobuf wire format, so that tests can also say
// what a schema library would refuse to write.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tunesmith::tracer::testing {

/// A protobuf message under construction.
class Message {
 public:
  Message& number(int field, std::int64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Message& real(int field, float value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 5);
    char bytes[4];
    std::memcpy(bytes, &value, 4);
    bytes_.append(bytes, 4);
    return *this;
  }
  Message& text(int field, std::string_view value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(int field, const Message& value) { return text(field, value.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

inline constexpr int onnx_f32 = 1, onnx_u8 = 2, onnx_i8 = 3, onnx_i32 = 6, onnx_i64 = 7, onnx_string = 8, onnx_bool = 9;

using Dims = std::vector<std::int64_t>;

/// A ValueInfoProto; a dimension of -1 is the named one "n".
inline Message value_info(std::string_view name, const Dims& dims, int type = onnx_f32) {
  Message shape;
  for (std::int64_t dim : dims)
    shape.message(1, dim == -1 ? Message().text(2, "n") : Message().number(1, dim));
  return Message().text(1, name).message(2,
                                         Message().message(1, Message().number(1, type).message(2, shape)));
}

inline Message tensor_head(std::string_view name, const Dims& dims, int type) {
  Message tensor;
  for (std::int64_t dim : dims) tensor.number(1, dim);
  return tensor.number(2, type).text(8, name);
}
inline Message f32_tensor(std::string_view name, const Dims& dims, const std::vector<float>& values) {
  Message tensor = tensor_head(name, dims, onnx_f32);
  for (float value : values) tensor.real(4, value);
  return tensor;
}
inline Message i64_tensor(std::string_view name, const Dims& dims, const Dims& values) {
  Message tensor = tensor_head(name, dims, onnx_i64);
  for (std::int64_t value : values) tensor.number(7, value);
  return tensor;
}
inline Message bool_tensor(std::string_view name, const Dims& dims, const Dims& values) {
  Message tensor = tensor_head(name, dims, onnx_bool);
  for (std::int64_t value : values) tensor.number(5, value);
  return tensor;
}
/// A tensor of f32 whose data lie in `location`.
inline Message external_tensor(std::string_view name, const Dims& dims, std::string_view location) {
  return tensor_head(name, dims, onnx_f32)
      .message(13, Message().text(1, "location").text(2, location))
      .number(14, 1);
}

inline Message int_attribute(std::string_view name, std::int64_t value) {
  return Message().text(1, name).number(3, value).number(20, 2);
}
inline Message float_attribute(std::string_view name, float value) {
  return Message().text(1, name).real(2, value).number(20, 1);
}
inline Message text_attribute(std::string_view name, std::string_view value) {
  return Message().text(1, name).text(4, value).number(20, 3);
}
inline Message tensor_attribute(std::string_view name, const Message& tensor) {
  return Message().text(1, name).message(5, tensor).number(20, 4);
}
inline Message graph_attribute(std::string_view name, const Message& graph) {
  return Message().text(1, name).message(6, graph).number(20, 5);
}

struct NodeText {
  std::string op;
  std::vector<std::string> inputs, outputs;
  std::vector<Message> attributes = {};
  std::string name = "n1";
  std::string domain = {};
};

inline Message node_message(const NodeText& node) {
  Message message;
  for (const std::string& input : node.inputs) message.text(1, input);
  for (const std::string& output : node.outputs) message.text(2, output);
  message.text(3, node.name).text(4, node.op);
  for (const Message& attribute : node.attributes) message.message(5, attribute);
  return message.text(7, node.domain);
}

struct ModelText {
  std::vector<NodeText> nodes;
  std::vector<Message> inputs = {};
  std::vector<Message> outputs = {};
  std::vector<Message> initializers = {};
  std::int64_t opset = 18;  // 0: not stated
  std::vector<Message> functions = {};
};

inline Message graph_message(const ModelText& text) {
  Message graph;
  for (const NodeText& node : text.nodes) graph.message(1, node_message(node));
  graph.text(2, "g");
  for (const Message& tensor : text.initializers) graph.message(5, tensor);
  for (const Message& input : text.inputs) graph.message(11, input);
  for (const Message& output : text.outputs) graph.message(12, output);
  return graph;
}

inline std::string model_bytes(const ModelText& text) {
  Message model;
  model.number(1, 8).message(7, graph_message(text));
  if (text.opset != 0) model.message(8, Message().text(1, "").number(2, text.opset));
  for (const Message& function : text.functions) model.message(25, function);
  return model.bytes();
}

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace tunesmith::tracer::testing
