#include "ir/verify.h"

#include <fmt/format.h>

#include <unordered_set>

#include "ir/scalar_ops.h"
#include "ir/verify_expr.h"

namespace tunesmith::ir {
namespace {

class KernelVerifier {
 public:
  explicit KernelVerifier(const Kernel& kernel) : kernel_(kernel) {}

  Expected<void, Error> run() {
    for (const Symbol& symbol : kernel_.symbols) {
      define(symbol.var, "symbol");
      if (symbol.divisor < 1 || symbol.min < 0 || (symbol.max != 0 && symbol.max < symbol.min))
        fail(fmt::format("symbol '{}' has range {}..{} in steps of {}", kernel_.vars.name(symbol.var), symbol.min, symbol.max,
                         symbol.divisor));
      symbols_.insert(symbol.var);
    }
    for (const Buffer& buffer : kernel_.buffers) check_buffer(buffer);
    for (const Stage& stage : kernel_.stages) {
      if (!error_.empty()) break;
      stage_ = &stage;
      check_stage(stage);
    }
    stage_ = nullptr;
    for (std::uint32_t i = 0; i < kernel_.buffers.size(); ++i) {
      const Role role = kernel_.buffers[i].role;
      if ((role == Role::output || role == Role::temp) && !written_.contains(BufferId{i}))
        fail(fmt::format("{} buffer '{}' is written by no stage", to_string(role), kernel_.buffers[i].name));
    }
    if (error_.empty()) return {};
    return Unexpected(make_error("kernel '{}': {}", kernel_.name, error_));
  }

 private:
  void fail(const std::string& message) {
    if (!error_.empty()) return;
    error_ = stage_ ? fmt::format("stage '{}': {}", stage_->name, message) : message;
  }
  void take(const std::optional<std::string>& problem) {
    if (problem) fail(*problem);
  }

  void define(VarId id, std::string_view what) {
    if (index_of(id) >= kernel_.vars.size())
      fail(fmt::format("{} variable #{} is not in the table", what, index_of(id)));
    else if (!defined_.insert(id).second)
      fail(fmt::format("variable '{}' is defined twice", kernel_.vars.name(id)));
  }

  void check_buffer(const Buffer& buffer) {
    if (buffer.role == Role::prepared) fail(fmt::format("buffer '{}' has role prepared", buffer.name));
    take(layout_problem(buffer));
    for (const Expr& extent : buffer.shape)
      check_extent(extent, fmt::format("an extent of buffer '{}'", buffer.name));
    if (error_.empty()) take(size_problem(buffer));
  }

  void check_extent(const Expr& extent, const std::string& what) {
    if (!extent || extent.dtype() != index_dtype) return fail(what + " is not an i64 expression");
    const auto* value = as_int(extent);
    if (value && *value <= 0) return fail(fmt::format("{} is {}, not positive", what, *value));
    check_expr(extent, symbols_, what, false);
  }

  void check_expr(const Expr& e, const VarSet& scope, const std::string& what, bool may_load) {
    if (!e) return fail(what + " is null");
    const ExprContext context{kernel_.vars, kernel_.buffers, scope, may_load ? &written_ : nullptr, false};
    if (auto problem = expr_problem(e, context)) fail(fmt::format("{}: {}", what, *problem));
  }

  void check_axes(const std::vector<Axis>& axes, VarSet& scope) {
    for (const Axis& axis : axes) {
      define(axis.var, "axis");
      if (!error_.empty()) return;
      check_extent(axis.extent, fmt::format("the extent of axis '{}'", kernel_.vars.name(axis.var)));
      scope.insert(axis.var);
    }
  }

  void check_outputs(const Stage& stage) {
    if (stage.outputs.empty()) fail("it writes no buffer");
    if (stage.values.size() != stage.outputs.size())
      fail(fmt::format("{} values for {} outputs", stage.values.size(), stage.outputs.size()));
    for (BufferId id : stage.outputs) {
      if (index_of(id) >= kernel_.buffers.size())
        return fail(fmt::format("output buffer #{} is not in the list", index_of(id)));
      const Buffer& buffer = kernel_.buffer(id);
      if (buffer.role != Role::output && buffer.role != Role::temp)
        fail(fmt::format("it writes '{}', which is {}", buffer.name, to_string(buffer.role)));
      bool fits = buffer.shape.size() == stage.spatial.size();
      for (std::size_t d = 0; fits && d < buffer.shape.size(); ++d)
        fits = equal(buffer.shape[d], stage.spatial[d].extent);
      if (!fits) fail(fmt::format("the shape of '{}' is not the extents of the spatial axes", buffer.name));
    }
  }

  void check_stage(const Stage& stage) {
    if (stage.name.empty() || !stage_names_.insert(stage.name).second)
      fail("the name is empty or not unique");
    VarSet scope = symbols_;
    check_axes(stage.spatial, scope);
    check_axes(stage.reduce, scope);
    if (stage.reduce.empty() == stage.combiner.has_value())
      fail(stage.combiner ? "a combiner without reduction axes" : "reduction axes without a combiner");
    check_outputs(stage);
    for (std::size_t c = 0; error_.empty() && c < stage.values.size(); ++c) {
      check_expr(stage.values[c], scope, fmt::format("value {}", c), true);
      check_dtype(stage, stage.values[c], c, "value");
    }
    if (stage.combiner && error_.empty()) check_combiner(stage, *stage.combiner);
    for (BufferId id : stage.outputs)
      if (error_.empty() && !written_.insert(id).second)
        fail(fmt::format("'{}' is written twice", kernel_.buffer(id).name));
  }

  void check_dtype(const Stage& stage, const Expr& e, std::size_t component, std::string_view what) {
    if (!error_.empty()) return;
    const Buffer& buffer = kernel_.buffer(stage.outputs[component]);
    if (e.dtype() != buffer.dtype)
      fail(fmt::format("{} {} is {}, but '{}' is {}", what, component, to_string(e.dtype()), buffer.name,
                       to_string(buffer.dtype)));
  }

  void check_combiner(const Stage& stage, const Combiner& combiner) {
    const std::size_t components = stage.outputs.size();
    const bool is_tuple = combiner.kind == CombinerKind::tuple;
    if (!is_tuple && components != 1) return fail("a plain combiner with several outputs");
    const std::size_t wanted = is_tuple ? components : 0;
    if (combiner.identity.size() != components || combiner.state.size() != wanted ||
        combiner.value.size() != wanted || combiner.update.size() != wanted)
      return fail("the combiner's lists do not match the number of outputs");
    for (std::size_t c = 0; c < components; ++c) {
      check_expr(combiner.identity[c], {}, fmt::format("identity {}", c), false);
      check_dtype(stage, combiner.identity[c], c, "identity");
    }
    VarSet scope;
    for (VarId id : combiner.state) define(id, "state"), scope.insert(id);
    for (VarId id : combiner.value) define(id, "value"), scope.insert(id);
    for (std::size_t c = 0; c < wanted; ++c) {
      check_expr(combiner.update[c], scope, fmt::format("update {}", c), false);
      check_dtype(stage, combiner.update[c], c, "update");
    }
    if (!is_tuple && error_.empty()) {
      const DType dtype = kernel_.buffer(stage.outputs[0]).dtype;
      const bool arithmetic = combiner.kind == CombinerKind::sum || combiner.kind == CombinerKind::prod;
      if (arithmetic && dtype == DType::boolean) fail("a sum or product of booleans");
    }
  }

  const Kernel& kernel_;
  const Stage* stage_ = nullptr;
  VarSet defined_, symbols_;
  BufferSet written_;  // by the stages seen so far
  std::unordered_set<std::string> stage_names_;
  std::string error_;
};

}  // namespace

std::optional<std::string> expr_problem(const Expr& root, const ExprContext& context) {
  std::optional<std::string> problem;
  std::unordered_set<const ExprNode*> seen;
  auto check_operator = [&](bool known, std::string_view op, const Expr& operand) {
    if (!known) problem = fmt::format("{} has no operator {}", to_string(operand.dtype()), op);
  };
  walk(root, [&](const Expr& e) {
    if (problem || !seen.insert(&e.node()).second) return false;
    if (const auto* v = e.as<Var>()) {
      if (index_of(v->id) >= context.vars.size())
        problem = fmt::format("variable #{} is not in the table", index_of(v->id));
      else if (!context.scope.contains(v->id))
        problem = fmt::format("variable '{}' is not in scope", context.vars.name(v->id));
    } else if (const auto* u = e.as<Unary>()) {
      check_operator(has_operator(u->op, u->a.dtype()), to_string(u->op), u->a);
    } else if (const auto* b = e.as<Binary>()) {
      check_operator(has_operator(b->op, b->a.dtype()), to_string(b->op), b->a);
    } else if (const auto* l = e.as<Load>()) {
      problem = load_problem(*l, context);
    }
    return !problem;
  });
  return problem;
}

std::optional<std::string> load_problem(const Load& load, const ExprContext& context) {
  if (!context.readable && !context.flat) return "a load is not allowed here";
  if (index_of(load.buffer) >= context.buffers.size())
    return fmt::format("a load of buffer #{}, which is not in the list", index_of(load.buffer));
  const Buffer& buffer = context.buffers[index_of(load.buffer)];
  const std::size_t wanted = context.flat ? 1 : buffer.shape.size();
  if (load.indices.size() != wanted)
    return fmt::format("a load of '{}' with {} indices, not {}", buffer.name, load.indices.size(), wanted);
  if (load.ahead < 0 || (load.ahead != 0 && !context.flat))
    return fmt::format("a load of '{}' fetches ahead by {}; only a loop nest does, and forwards", buffer.name,
                       load.ahead);
  if (load.dtype != buffer.dtype)
    return fmt::format("a load of '{}' as {}, which is {}", buffer.name, to_string(load.dtype),
                       to_string(buffer.dtype));
  const bool given = buffer.role == Role::input || buffer.role == Role::constant;
  if (!context.flat && !given && !context.readable->contains(load.buffer))
    return fmt::format("it reads '{}', which no earlier stage writes", buffer.name);
  return std::nullopt;
}

Expected<void, Error> verify(const Kernel& kernel) { return KernelVerifier(kernel).run(); }

}  // namespace tunesmith::ir
