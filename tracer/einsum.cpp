// Einstein summation as a chain of matrix products: each operand loses its diagonals and the labels that only
// it has; then operands are joined from the left, each pair by one batched product over the labels that
// nobody needs any more, or by a broadcast multiplication where there are none.
#include <algorithm>
#include <map>
#include <string>

#include "ir/support/error.h"
#include "tracer/composites.h"
#include "tracer/composites_util.h"

namespace tunesmith::tracer::ops {
namespace {

/// A letter, or an axis under the ellipsis: ellipsis_base + its place from the end.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label ellipsis_base = 1000;

bool contains(const Labels& labels, Label label) { return std::ranges::find(labels, label) != labels.end(); }

struct Equation {
  std::vector<Labels> operands;
  Labels output;
};

std::string without_spaces(std::string_view text) {
  std::string result;
  for (char c : text)
    if (c != ' ') result += c;
  return result;
}

/// `ellipsis_rank`: how many axes the ellipsis stands for.
Labels parse_labels(std::string_view text, std::size_t ellipsis_rank, std::string_view equation) {
  Labels labels;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 3) == "..." && text.find("...") == i) {
      for (std::size_t e = ellipsis_rank; e-- > 0;) labels.push_back(ellipsis_base + static_cast<Label>(e));
      i += 2;
    } else if ((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z')) {
      labels.push_back(text[i]);
    } else {
      throw_user_error("einsum: unexpected '{}' in the equation '{}'", text[i], equation);
    }
  }
  return labels;
}

std::vector<std::string> terms_of(std::string_view text) {
  std::vector<std::string> terms(1);
  for (char c : text) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  return terms;
}

/// Axes of the ellipsis, then letters that occur once, in alphabetical order.
Labels implicit_output(const std::vector<Labels>& operands) {
  std::map<Label, int> uses;
  for (const Labels& labels : operands)
    for (Label label : labels) ++uses[label];
  Labels output;
  for (auto it = uses.rbegin(); it != uses.rend(); ++it)
    if (it->first >= ellipsis_base) output.push_back(it->first);
  for (const auto& [label, count] : uses)
    if (label < ellipsis_base && count == 1) output.push_back(label);
  return output;
}

Equation parse(const Graph& graph, std::string_view text, const std::vector<ValueId>& values) {
  const std::string equation = without_spaces(text);
  const std::size_t arrow = equation.find("->");
  const auto terms = terms_of(std::string_view(equation).substr(0, arrow));
  if (terms.size() != values.size())
    throw_user_error("einsum: '{}' takes {} operands, {} were given", text, terms.size(), values.size());
  Equation result;
  std::size_t widest = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::size_t dots = terms[i].find("..."), rank = rank_of(graph, values[i]);
    const std::size_t letters = terms[i].size() - (dots == std::string::npos ? 0 : 3);
    if (letters > rank || (dots == std::string::npos && letters != rank))
      throw_user_error("einsum: operand {} has {} dimensions, '{}' of '{}' names {}", i, rank, terms[i], text,
                       letters);
    widest = std::max(widest, rank - letters);
    result.operands.push_back(parse_labels(terms[i], rank - letters, text));
  }
  if (arrow == std::string::npos) {
    result.output = implicit_output(result.operands);
    return result;
  }
  result.output = parse_labels(std::string_view(equation).substr(arrow + 2), widest, text);
  for (Label label : result.output) {
    const bool known =
        std::ranges::any_of(result.operands, [&](const Labels& l) { return contains(l, label); });
    if (!known || std::ranges::count(result.output, label) > 1)
      throw_user_error("einsum: the output of '{}' has a label {}", text,
                       known ? "twice" : "that no operand has");
  }
  return result;
}

struct Term {
  ValueId value;
  Labels labels;
};

void require_joinable(Label label, std::int64_t a, std::int64_t b) {
  if (a == b || a == 1 || b == 1) return;
  const std::string name = label < ellipsis_base ? std::string(1, static_cast<char>(label)) : "...";
  throw_user_error("einsum: the label '{}' stands for the extents {} and {}", name, a, b);
}

class Contraction {
 public:
  explicit Contraction(Graph& graph) : graph_(graph) {}

  /// One axis a label: other elements than those on the diagonal become 0 and are summed away.
  Term without_diagonals(Term term) {
    for (std::size_t first = 0; first < term.labels.size(); ++first)
      for (std::size_t d = term.labels.size(); d-- > first + 1;) {
        if (term.labels[d] != term.labels[first]) continue;
        const Ints shape = shape_of(graph_, term.value);
        if (shape[d] != shape[first])
          throw_user_error("einsum: a label stands for the extents {} and {} of one operand", shape[first],
                           shape[d]);
        const ValueId same = binary(graph_, ir::BinaryOp::eq, places(shape, first), places(shape, d));
        const ValueId diagonal = where(graph_, same, term.value, scalar_like(graph_, term.value, 0));
        term.value = reduce(graph_, "sum", diagonal, {static_cast<std::int64_t>(d)});
        term.labels.erase(term.labels.begin() + static_cast<std::ptrdiff_t>(d));
      }
    return term;
  }

  /// Sums away the labels that are not in `keep`.
  Term summed(Term term, const Labels& keep) {
    Ints axes;
    Labels left;
    for (std::size_t d = 0; d < term.labels.size(); ++d) {
      if (contains(keep, term.labels[d]))
        left.push_back(term.labels[d]);
      else
        axes.push_back(static_cast<std::int64_t>(d));
    }
    if (axes.empty()) return term;
    return {reduce(graph_, "sum", term.value, axes), left};
  }

  /// The product of both, summed over the labels that are not in `keep`.
  Term join(const Term& a, const Term& b, const Labels& keep) {
    Labels batch, inner, rows, columns;
    bool one_broadcasts = false;
    for (Label label : a.labels) {
      if (!contains(b.labels, label)) {
        rows.push_back(label);
        continue;
      }
      require_joinable(label, extent(a, label), extent(b, label));
      (contains(keep, label) ? batch : inner).push_back(label);
      one_broadcasts |= !contains(keep, label) && extent(a, label) != extent(b, label);
    }
    for (Label label : b.labels)
      if (!contains(a.labels, label)) columns.push_back(label);
    if (inner.empty() || one_broadcasts) {
      Labels all = a.labels;
      all.insert(all.end(), columns.begin(), columns.end());
      return summed({mul(graph_, aligned(a, all), aligned(b, all)), all}, keep);
    }
    const ValueId product = matmul(graph_, matrix(a, batch, rows, inner), matrix(b, batch, inner, columns));
    Ints shape = shape_of(graph_, product);
    shape.resize(batch.size());
    for (Label label : rows) shape.push_back(extent(a, label));
    for (Label label : columns) shape.push_back(extent(b, label));
    Labels labels = batch;
    labels.insert(labels.end(), rows.begin(), rows.end());
    labels.insert(labels.end(), columns.begin(), columns.end());
    return {reshape(graph_, product, shape), labels};
  }

  ValueId permuted(const Term& term, const Labels& order) {
    Ints perm;
    for (Label label : order) perm.push_back(std::ranges::find(term.labels, label) - term.labels.begin());
    return std::ranges::is_sorted(perm) ? term.value : transpose(graph_, term.value, perm);
  }

 private:
  std::int64_t extent(const Term& term, Label label) const {
    const auto d = static_cast<std::size_t>(std::ranges::find(term.labels, label) - term.labels.begin());
    return shape_of(graph_, term.value)[d];
  }

  ValueId places(const Ints& shape, std::size_t d) {
    Ints line(shape.size(), 1);
    line[d] = shape[d];
    return iota(graph_, DType::i64, line, static_cast<std::int64_t>(d));
  }

  /// The term over the axes `all`, of extent 1 where it lacks the label.
  ValueId aligned(const Term& term, const Labels& all) {
    Labels own;
    Ints shape;
    for (Label label : all) {
      const bool has = contains(term.labels, label);
      if (has) own.push_back(label);
      shape.push_back(has ? extent(term, label) : 1);
    }
    return reshape(graph_, permuted(term, own), shape);
  }

  /// The term as [batch…, product of first, product of second].
  ValueId matrix(const Term& term, const Labels& batch, const Labels& first, const Labels& second) {
    Labels order = batch;
    Ints shape;
    for (Label label : batch) shape.push_back(extent(term, label));
    for (const Labels* side : {&first, &second}) {
      std::int64_t count = 1;
      for (Label label : *side) count *= extent(term, label);
      shape.push_back(count);
      order.insert(order.end(), side->begin(), side->end());
    }
    return reshape(graph_, permuted(term, order), shape);
  }

  Graph& graph_;
};

/// What the operands from `begin` on, and the output, still need.
Labels needed_from(const Equation& equation, std::size_t begin) {
  Labels labels = equation.output;
  for (std::size_t i = begin; i < equation.operands.size(); ++i)
    labels.insert(labels.end(), equation.operands[i].begin(), equation.operands[i].end());
  return labels;
}

}  // namespace

ValueId einsum(Graph& graph, std::string_view text, const std::vector<ValueId>& operands) {
  const Equation equation = parse(graph, text, operands);
  Contraction contraction(graph);
  std::vector<Term> terms;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    Labels keep = equation.output;
    for (std::size_t j = 0; j < operands.size(); ++j)
      if (j != i) keep.insert(keep.end(), equation.operands[j].begin(), equation.operands[j].end());
    const Term whole{operands[i], equation.operands[i]};
    terms.push_back(contraction.summed(contraction.without_diagonals(whole), keep));
  }
  Term result = terms[0];
  for (std::size_t i = 1; i < terms.size(); ++i)
    result = contraction.join(result, terms[i], needed_from(equation, i + 1));
  return contraction.permuted(result, equation.output);
}

}  // namespace tunesmith::tracer::ops
