// GraphRebuilder: makes a changed copy of a graph, operator by operator, for passes.
//
// A pass walks the operators of the source in order and either copies each one or says which value of the
// new graph stands for each of its outputs. Symbols keep their ids, inputs and outputs their order and
// names. Not synchronised.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "tracer/graph.h"

namespace tunesmith::tracer {

class GraphRebuilder {
 public:
  /// `source` must outlive the rebuilder.
  explicit GraphRebuilder(const Graph& source);

  Graph& graph() { return result_; }
  const Graph& source() const { return source_; }

  /// The operator of `old` was copied or replaced.
  bool has(ValueId old) const;
  /// The new value of an old one. REQUIRES: its operator was copied or replaced.
  ValueId operator()(ValueId old) const;
  std::vector<ValueId> operator()(const std::vector<ValueId>& old) const;

  /// Adds the same operator over the new values.
  void copy(OpId id);
  /// `now` stands for `old` from here on.
  void replace(ValueId old, ValueId now);

  /// What stands for output 0 of an operator of the source, or nullopt where the operator is copied.
  using Replacement = std::function<std::optional<ValueId>(const Op& op)>;
  /// Replaces or copies every operator of the source, in order.
  void replace_each(const Replacement& replacement);

  /// The finished graph with the outputs of the source.
  Graph finish() &&;

 private:
  const Graph& source_;
  Graph result_;
  std::vector<std::vector<ValueId>> values_;
};

/// A binary operator over constants, by its reference.
HostTensor evaluate_binary(std::string_view op, const HostTensor& a, const HostTensor& b);

/// How many operators and graph outputs read each value: [operator][output].
std::vector<std::vector<int>> count_uses(const Graph& graph);

}  // namespace tunesmith::tracer
