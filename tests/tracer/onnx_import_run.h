// Importing small models made by onnx_model_writer.h, and what the import says of bad ones.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ir/support/error.h"
#include "tests/tracer/onnx_model_writer.h"
#include "tests/tracer/reference_run.h"
#include "tracer/onnx/import.h"

namespace tunesmith::tracer::testing {

inline const Message x23 = value_info("x", {2, 3});
inline const Message y23 = value_info("y", {2, 3});

inline Graph import_text(const ModelText& text, const ImportOptions& options = {}) {
  return import_onnx(as_bytes(model_bytes(text)), "m.onnx", "", options);
}

/// The message of the one-line UserError that the import gives.
inline std::string refusal(const std::string& bytes, const ImportOptions& options = {},
                           const std::string& folder = {}) {
  try {
    import_onnx(as_bytes(bytes), "m.onnx", folder, options);
  } catch (const UserError& error) {
    const std::string message = error.what();
    EXPECT_THAT(message, ::testing::Not(::testing::HasSubstr("\n")));
    EXPECT_THAT(message, ::testing::HasSubstr("'m.onnx'"));
    return message;
  }
  ADD_FAILURE() << "the model was imported";
  return {};
}
inline std::string refusal(const ModelText& text, const ImportOptions& options = {}) {
  return refusal(model_bytes(text), options);
}

inline ir::HostTensor f32(std::vector<std::int64_t> shape, std::vector<double> elements) {
  return tensor(ir::DType::f32, std::move(shape), std::move(elements));
}

/// The elements of the first output of the model for these inputs.
inline std::vector<double> results_of(const ModelText& text, const std::vector<ir::HostTensor>& inputs) {
  return values(evaluate_reference(import_text(text), inputs).at(0));
}

}  // namespace tunesmith::tracer::testing
