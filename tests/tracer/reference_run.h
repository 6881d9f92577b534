// Running one operator or composite by its reference on literal values.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ir/support/error.h"
#include "tests/tracer/names.h"
#include "tracer/op_table.h"
#include "tracer/ops/build.h"

namespace tunesmith::tracer::testing {

using Build = std::function<ValueId(Graph& graph, const std::vector<ValueId>& inputs)>;
using BuildAll = std::function<std::vector<ValueId>(Graph& graph, const std::vector<ValueId>& inputs)>;

/// A tensor of the given elements.
ir::HostTensor tensor(ir::DType dtype, std::vector<std::int64_t> shape, std::vector<double> values);
/// f32 elements 0, 1, 2, …
ir::HostTensor counting(std::vector<std::int64_t> shape, ir::DType dtype = ir::DType::f32);

std::vector<double> values(const ir::HostTensor& tensor);

/// What `build` computes from the inputs.
std::vector<ir::HostTensor> run_all(const std::vector<ir::HostTensor>& inputs, const BuildAll& build);
ir::HostTensor run(const std::vector<ir::HostTensor>& inputs, const Build& build);
/// The elements of run().
std::vector<double> eval(const std::vector<ir::HostTensor>& inputs, const Build& build);

/// The message of the UserError that `build` throws for inputs of these types; a test failure when it does
/// not. Extents below 0 are symbolic: -1 is "a", -2 is "b".
struct InputType {
  ir::DType dtype;
  std::vector<std::int64_t> shape;
};
std::string refusal(const std::vector<InputType>& inputs, const Build& build);
/// The type of the result, as print() writes it, e.g. "f32[a, 4]".
std::string type_of(const std::vector<InputType>& inputs, const Build& build);

}  // namespace tunesmith::tracer::testing
