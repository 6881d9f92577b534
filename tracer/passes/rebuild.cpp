#include "tracer/passes/rebuild.h"

#include "ir/support/check.h"
#include "tracer/op_table.h"

namespace tunesmith::tracer {

namespace {

constexpr ValueId no_value{OpId{0xffffffffu}, 0};

}  // namespace

GraphRebuilder::GraphRebuilder(const Graph& source) : source_(source) {
  for (std::uint32_t i = 0; i < source.symbols().size(); ++i)
    result_.symbol(source.symbols().name(ir::VarId{i}));
  for (const Op& op : source.ops()) values_.emplace_back(op.outputs.size(), no_value);
}

bool GraphRebuilder::has(ValueId old) const {
  return values_.at(index_of(old.op)).at(old.output) != no_value;
}

ValueId GraphRebuilder::operator()(ValueId old) const {
  const ValueId now = values_.at(index_of(old.op)).at(old.output);
  TS_CHECK(now != no_value, "a pass reads a value that it dropped");
  return now;
}

std::vector<ValueId> GraphRebuilder::operator()(const std::vector<ValueId>& old) const {
  std::vector<ValueId> now;
  for (ValueId value : old) now.push_back((*this)(value));
  return now;
}

void GraphRebuilder::replace(ValueId old, ValueId now) { values_.at(index_of(old.op)).at(old.output) = now; }

void GraphRebuilder::copy(OpId id) {
  const Op& op = source_.op(id);
  ValueId now;
  if (op.kind == OpKind::input)
    now = result_.add_input(op.name, op.outputs.at(0));
  else if (op.kind == OpKind::constant)
    now = result_.add_constant(op.data, op.name);
  else
    now = result_.add(op.kind, (*this)(op.inputs), op.attributes, op.name);
  for (std::uint32_t o = 0; o < op.outputs.size(); ++o) replace({id, o}, {now.op, o});
}

void GraphRebuilder::replace_each(const Replacement& replacement) {
  for (std::uint32_t i = 0; i < source_.size(); ++i) {
    if (const auto value = replacement(source_.op(OpId{i})))
      replace({OpId{i}, 0}, *value);
    else
      copy(OpId{i});
  }
}

Graph GraphRebuilder::finish() && {
  for (const Graph::Output& output : source_.outputs())
    result_.add_output(output.name, (*this)(output.value));
  return std::move(result_);
}

HostTensor evaluate_binary(std::string_view op, const HostTensor& a, const HostTensor& b) {
  return evaluate_op(OpKind::binary, std::vector{a, b}, Attributes{{"op", std::string(op)}}).at(0);
}

std::vector<std::vector<int>> count_uses(const Graph& graph) {
  std::vector<std::vector<int>> uses;
  for (const Op& op : graph.ops()) {
    uses.emplace_back(op.outputs.size(), 0);
    for (ValueId input : op.inputs) ++uses.at(index_of(input.op)).at(input.output);
  }
  for (const Graph::Output& output : graph.outputs())
    ++uses.at(index_of(output.value.op)).at(output.value.output);
  return uses;
}

}  // namespace tunesmith::tracer
