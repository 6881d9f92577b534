// The ONNX conformance cases beside the repository, as the tests read them: the list, the tensors of a case,
// and the comparison that the cases' README states.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tracer/onnx/import.h"
#include "tracer/onnx/tensor_io.h"
#include "tracer/op_table.h"

namespace tunesmith::tracer::testing {

struct OnnxCase {
  std::string path;  // KIND/test_NAME
  std::string op;    // "(model)": a whole network
  std::string tier;  // core or ext
  std::string tags;  // separated by commas

  bool has_tag(const std::string& tag) const {
    return ("," + tags + ",").find("," + tag + ",") != std::string::npos;
  }
};

inline std::filesystem::path onnx_root() {
  return std::filesystem::path(TUNESMITH_SOURCE_DIR) / ".." / "shared" / "onnx";
}

/// Every case of the manifest; empty when the folder is absent.
inline std::vector<OnnxCase> onnx_cases() {
  std::vector<OnnxCase> cases;
  std::ifstream manifest(onnx_root() / "manifest.tsv");
  std::string line;
  std::getline(manifest, line);  // column names
  while (std::getline(manifest, line)) {
    std::istringstream columns(line);
    std::vector<std::string> fields;
    for (std::string field; std::getline(columns, field, '\t');) fields.push_back(field);
    if (fields.size() >= 11) cases.push_back({fields[0], fields[1], fields[2], fields[10]});
  }
  return cases;
}

inline std::vector<ir::HostTensor> case_tensors(const OnnxCase& c, const std::string& kind) {
  std::vector<ir::HostTensor> tensors;
  for (int i = 0;; ++i) {
    const auto file = onnx_root() / "data" / c.path / "test_data_set_0" / fmt::format("{}_{}.pb", kind, i);
    if (!std::filesystem::exists(file)) return tensors;
    tensors.push_back(read_tensor(file.string()));
  }
}

inline std::string case_model(const OnnxCase& c) {
  return (onnx_root() / "data" / c.path / "model.onnx").string();
}

/// A case's graph with its inputs' shapes bound, and the tensors that it takes.
struct ImportedCase {
  Graph graph;
  std::vector<ir::HostTensor> operands;
};
inline ImportedCase import_case(const OnnxCase& c) {
  const std::string model = case_model(c);
  const std::vector<ir::HostTensor> inputs = case_tensors(c, "input");
  const std::vector<std::string> names = onnx_input_names(model);
  ImportOptions options;
  std::map<std::string, ir::HostTensor> by_name;
  for (std::size_t i = 0; i < names.size() && i < inputs.size(); ++i) {
    by_name[names[i]] = inputs[i];
    options.shapes[names[i]] = inputs[i].shape();
    if (inputs[i].rank() <= 1) options.values[names[i]] = inputs[i];
  }
  ImportedCase result{import_onnx(model, options), {}};
  for (const OpId id : result.graph.inputs()) result.operands.push_back(by_name.at(result.graph.op(id).name));
  return result;
}

/// |got - want| <= absolute + relative * |want|.
struct Tolerance {
  double absolute, relative;
};

inline Tolerance tolerance_of(ir::DType dtype) {
  switch (dtype) {
    case ir::DType::f16:
    case ir::DType::bf16: return {1e-2, 1e-2};
    case ir::DType::f32: return {1e-5, 1e-3};
    case ir::DType::f64: return {1e-7, 1e-3};
    default: return {0, 0};  // integers, booleans and the floats of a byte or less: equal
  }
}

/// Empty when `got` agrees with `want`.
inline std::string disagreement(const ir::HostTensor& got, const ir::HostTensor& want) {
  if (got.dtype() != want.dtype())
    return fmt::format("element type {} instead of {}", to_string(got.dtype()), to_string(want.dtype()));
  if (got.shape() != want.shape())
    return fmt::format("shape [{}] instead of [{}]", fmt::join(got.shape(), ", "),
                       fmt::join(want.shape(), ", "));
  const Tolerance tolerance = tolerance_of(want.dtype());
  for (std::int64_t i = 0; i < want.size(); ++i) {
    if (!ir::is_float(want.dtype())) {
      if (got.int_at(i) != want.int_at(i))
        return fmt::format("element {} is {} instead of {}", i, got.int_at(i), want.int_at(i));
      continue;
    }
    const double a = got.at(i), b = want.at(i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!(std::isfinite(a) && std::isfinite(b)) ||
        std::abs(a - b) > tolerance.absolute + tolerance.relative * std::abs(b))
      return fmt::format("element {} is {} instead of {}", i, a, b);
  }
  return {};
}

}  // namespace tunesmith::tracer::testing
