// ONNX import: a model file becomes a graph of the operator table's operators.
//
// Accepted: operator sets 1 to 27 of the default domain (of old forms that differ, those of set 6 on),
// initializers and Constant nodes, external data beside the model, local functions. Computation on shapes is
// evaluated during the import. Everything else is refused with one UserError that names the node, its
// operator, the attribute or operator set at fault, and what would be accepted. Damaged files never crash the
// import.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer {

struct ImportOptions {
  /// Shapes of inputs by name; they replace dynamic dimensions and must agree with fixed ones. They also give
  /// named dimensions (dim_param) their values, for all inputs: two values for one name are refused.
  std::map<std::string, std::vector<std::int64_t>> shapes = {};
  /// Values of named dimensions (dim_param).
  std::map<std::string, std::int64_t> symbols = {};
  /// Inputs that are fixed: they become constants. An input that decides a shape (the target of a Reshape,
  /// the k of a TopK) must be.
  std::map<std::string, HostTensor> values = {};
};

Graph import_onnx(const std::string& path, const ImportOptions& options = {});
/// `name` stands for the file in messages; `folder` is where external data lies.
Graph import_onnx(std::span<const std::byte> bytes, const std::string& name, const std::string& folder,
                  const ImportOptions& options = {});

/// The inputs of a model file in its order, less those that have an initializer.
std::vector<std::string> onnx_input_names(const std::string& path);

}  // namespace tunesmith::tracer
