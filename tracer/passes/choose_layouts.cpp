#include "tracer/passes/choose_layouts.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "tracer/axis_order.h"
#include "tracer/passes/op_traits.h"

namespace tunesmith::tracer {

using ir::Layout;
using Extents = std::vector<std::int64_t>;

namespace {

/// N, C, spatial… with C innermost; row-major where that is the same order of bytes.
Layout channels_last_layout(const Extents& shape) {
  if (shape.size() < 3) return {};
  std::vector<std::int32_t> order{0};
  for (std::size_t d = 2; d < shape.size(); ++d) order.push_back(static_cast<std::int32_t>(d));
  order.push_back(1);
  return normalised(Layout::permutation(order), shape);
}

/// The layout of transpose(x) as a view of the bytes of x.
Layout transposed_layout(const Layout& layout, const Op& op, const Extents& out_shape) {
  const std::vector<std::int64_t> order = transpose_order(op);
  std::vector<std::int32_t> place(order.size());
  for (std::size_t d = 0; d < order.size(); ++d)
    place[static_cast<std::size_t>(order[d])] = static_cast<std::int32_t>(d);
  std::vector<std::int32_t> result;
  for (const ir::LayoutDim& entry : explicit_order(layout, order.size()).order)
    result.push_back(place[static_cast<std::size_t>(entry.dim)]);
  return normalised(Layout::permutation(result), out_shape);
}

/// The physical place of each dimension of extent other than 1.
std::vector<std::size_t> places(const Layout& layout, std::size_t rank) {
  std::vector<std::size_t> place(rank);
  const Layout order = explicit_order(layout, rank);
  for (std::size_t p = 0; p < rank; ++p) place[static_cast<std::size_t>(order.order[p].dim)] = p;
  return place;
}

/// The layout of reshape(x) as a view of the bytes of x; nullopt where the reshape joins dimensions that
/// are not neighbours in memory. `to` dimensions are cut from runs of `from` dimensions.
std::optional<Layout> reshaped_layout(const Layout& layout, const Extents& from, const Extents& to) {
  if (layout.is_row_major()) return Layout{};
  const std::vector<std::size_t> place = places(layout, from.size());
  std::vector<std::pair<std::size_t, std::int32_t>> ordered;  // physical place of the run, new dimension
  std::size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    const std::size_t first = i, first_to = j;
    std::int64_t a = i < from.size() ? from[i++] : 1, b = j < to.size() ? to[j++] : 1;
    while (a != b) (a < b ? a *= from[i++] : b *= to[j++]);
    std::size_t last_place = from.size(), run_place = last_place;
    for (std::size_t d = first; d < i; ++d) {
      if (from[d] == 1) continue;
      if (last_place == from.size()) {
        run_place = place[d];
      } else {
        for (std::size_t p = last_place + 1; p < place[d]; ++p)
          if (from[static_cast<std::size_t>(layout.order[p].dim)] != 1) return std::nullopt;
        if (place[d] < last_place) return std::nullopt;
      }
      last_place = place[d];
    }
    for (std::size_t d = first_to; d < j; ++d) ordered.emplace_back(run_place, static_cast<std::int32_t>(d));
  }
  std::ranges::stable_sort(ordered, {}, [](const auto& entry) { return entry.first; });
  std::vector<std::int32_t> order;
  for (const auto& [p, dim] : ordered) order.push_back(dim);
  return normalised(Layout::permutation(order), to);
}

/// Reshapes and transposes in a row that are seen through or share their bytes: bounds what a kernel that
/// reads the last of them is made of.
constexpr int longest_chain = 16;

class LayoutChooser {
 public:
  explicit LayoutChooser(const Graph& graph)
      : graph_(graph), readers_(graph.size()), pinned_(graph.size()), chain_of_(graph.size(), 0) {
    for (std::uint32_t i = 0; i < graph.size(); ++i) {
      const Op& op = graph.op(OpId{i});
      const FusionKind kind = fusion_kind(graph, op);
      pinned_[i] = kind == FusionKind::leaf || kind == FusionKind::host;
      for (std::uint32_t k = 0; k < op.inputs.size(); ++k) {
        readers_[index_of(op.inputs[k].op)].push_back({OpId{i}, k});
        if (kind == FusionKind::host) row_major_.push_back(op.inputs[k]);
      }
    }
    for (const Graph::Output& output : graph.outputs()) row_major_.push_back(output.value);
    std::ranges::sort(row_major_);
  }

  Placement run(bool channels_last) {
    if (channels_last) choose();
    for (std::uint32_t i = 0; i < graph_.size(); ++i) {
      find_alias(OpId{i});
      if (channels_last) choose_for_copy(OpId{i});
    }
    return std::move(placement_);
  }

 private:
  struct Reader {
    OpId op;
    std::uint32_t operand;
  };

  static bool is_window(const Op& op) {
    return op.kind == OpKind::conv || op.kind == OpKind::conv_transpose || op.kind == OpKind::pool;
  }
  /// Operators whose operand 0 or whose results are best stored with channels innermost.
  static bool reads_channels(const Op& op) { return is_window(op) || op.kind == OpKind::winograd_input; }
  static bool writes_channels(const Op& op) { return is_window(op) || op.kind == OpKind::winograd_output; }
  /// Operators that work the same in any order, so that their results follow their operands.
  static bool follows(const Op& op) {
    if (is_pointwise(op)) return true;
    return op.kind == OpKind::concat || op.kind == OpKind::pad || op.kind == OpKind::slice ||
           op.kind == OpKind::resize || op.kind == OpKind::lrn;
  }
  bool must_be_row_major(ValueId value) const {
    return pinned_[index_of(value.op)] || std::ranges::binary_search(row_major_, value);
  }

  std::uint32_t find(std::uint32_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }

  /// Joins results with the operands of their rank, so that one decision covers a chain.
  void join_components() {
    parent_.resize(graph_.size());
    std::iota(parent_.begin(), parent_.end(), 0u);
    for (std::uint32_t i = 0; i < graph_.size(); ++i) {
      const Op& op = graph_.op(OpId{i});
      if (!follows(op)) continue;
      const std::size_t rank = op.outputs[0].shape.size();
      for (ValueId input : op.inputs)
        if (!pinned_[index_of(input.op)] && graph_.type(input).shape.size() == rank)
          parent_[find(index_of(input.op))] = find(i);
    }
  }

  void choose() {
    join_components();
    std::vector<bool> near_window(graph_.size(), false);
    for (std::uint32_t i = 0; i < graph_.size(); ++i) {
      const Op& op = graph_.op(OpId{i});
      if (writes_channels(op)) near_window[find(i)] = true;
      if (reads_channels(op) && !pinned_[index_of(op.inputs[0].op)])
        near_window[find(index_of(op.inputs[0].op))] = true;
    }
    for (std::uint32_t i = 0; i < graph_.size(); ++i) {
      const Op& op = graph_.op(OpId{i});
      const bool movable = follows(op) || writes_channels(op) || op.kind == OpKind::transpose;
      if (!near_window[find(i)] || !movable) continue;
      for (std::uint32_t o = 0; o < op.outputs.size(); ++o) prefer_channels_last({OpId{i}, o});
    }
  }

  void prefer_channels_last(ValueId value) {
    if (must_be_row_major(value)) return;
    const Layout layout = channels_last_layout(shape_of(graph_, value));
    if (layout.is_row_major()) return;
    if (conversion_bytes(value, layout) <= conversion_bytes(value, {})) placement_.layouts[value] = layout;
  }

  /// Bytes that the readers of `value` move only because it is stored in this order, seen through `depth`
  /// reshapes and transposes in a row.
  std::int64_t conversion_bytes(ValueId value, const Layout& layout, int depth = longest_chain) const {
    const std::int64_t bytes = bytes_of(graph_, value);
    std::int64_t total = 0;
    if (!layout.is_row_major() && must_be_row_major(value)) total += bytes;
    for (const Reader& reader : readers_[index_of(value.op)]) {
      const Op& op = graph_.op(reader.op);
      if (op.inputs[reader.operand] != value) continue;
      if (reads_channels(op) && reader.operand == 0) {
        total += layout.is_row_major() ? bytes : 0;
      } else if (op.kind == OpKind::reshape || op.kind == OpKind::transpose) {
        const auto derived = depth > 0 ? derived_layout(op, value, layout) : std::nullopt;
        total += derived ? conversion_bytes({reader.op, 0}, *derived, depth - 1) : 2 * bytes;
      } else if (!follows(op) && op.kind != OpKind::reduce) {
        total += layout.is_row_major() ? 0 : bytes;
      }
    }
    return total;
  }

  /// The layout of a reshape or transpose that shares the bytes of its operand.
  std::optional<Layout> derived_layout(const Op& op, ValueId operand, const Layout& layout) const {
    Extents shape;
    for (std::int64_t extent : to_ints(op.outputs[0].shape)) shape.push_back(extent);
    if (op.kind == OpKind::transpose) return transposed_layout(layout, op, shape);
    return reshaped_layout(layout, shape_of(graph_, operand), shape);
  }

  void find_alias(OpId id) {
    const Op& op = graph_.op(id);
    if (op.kind != OpKind::reshape && op.kind != OpKind::transpose) return;
    const ValueId value{id, 0};
    if (fusion_kind(graph_, op) == FusionKind::host) return;
    const int chain = 1 + chain_of_[index_of(op.inputs[0].op)];
    if (chain > longest_chain) return;
    const Layout wanted = placement_.layout_of(value);
    const Layout source = placement_.layout_of(op.inputs[0]);
    const auto derived = derived_layout(op, op.inputs[0], source);
    if (!derived) return;
    // A row-major source seen through a transpose would only move the strided reads to the readers.
    const bool undoes_source = !source.is_row_major() || op.kind == OpKind::reshape;
    const bool follows_source = undoes_source && wanted.is_row_major() && !must_be_row_major(value);
    if (*derived != wanted && !follows_source) return;
    if (*derived != wanted) placement_.layouts[value] = *derived;
    placement_.alias_of[value] = op.inputs[0];
    chain_of_[index_of(id)] = chain;
  }

  /// A reshape that has to move its bytes (channel shuffles) moves them to where windows read them.
  void choose_for_copy(OpId id) {
    const ValueId value{id, 0};
    if (graph_.op(id).kind != OpKind::reshape || placement_.is_alias(value) || must_be_row_major(value)) return;
    const Layout layout = channels_last_layout(shape_of(graph_, value));
    if (conversion_bytes(value, layout) < conversion_bytes(value, {})) placement_.layouts[value] = layout;
  }

  const Graph& graph_;
  std::vector<std::vector<Reader>> readers_;
  std::vector<bool> pinned_;
  std::vector<ValueId> row_major_;
  std::vector<std::uint32_t> parent_;
  std::vector<int> chain_of_;  // aliases in a row that end in the operator's result
  Placement placement_;
};

}  // namespace

Layout Placement::layout_of(ValueId value) const {
  const auto found = layouts.find(value);
  return found == layouts.end() ? Layout{} : found->second;
}

ValueId Placement::storage_of(ValueId value) const {
  for (auto found = alias_of.find(value); found != alias_of.end(); found = alias_of.find(value))
    value = found->second;
  return value;
}

Placement choose_layouts(const Graph& graph, bool channels_last) {
  return LayoutChooser(graph).run(channels_last);
}

}  // namespace tunesmith::tracer
