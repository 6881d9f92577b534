#include "codegen/cuda/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "codegen/cuda/block_plan.h"
#include "codegen/cuda/print_expr.h"
#include "ir/traverse.h"

namespace tunesmith::codegen::cuda {
namespace {

using ir::BufferId;
using ir::Expr;
using ir::Stmt;

/// Letters, digits and underscores; not a name of the prelude.
std::string identifier(std::string_view name) {
  std::string result;
  for (const char c : name) result += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  if (result.empty() || std::isdigit(static_cast<unsigned char>(result[0])) != 0 || result.starts_with("ts_")) result = "v" + result;
  return result;
}

/// Names that no two share.
class Names {
 public:
  std::string add(std::string_view wanted) {
    const std::string base = identifier(wanted);
    std::string name = base;
    for (int n = 1; reserved.contains(name) || !used_.insert(name).second; ++n) name = fmt::format("{}_{}", base, n);
    return name;
  }

 private:
  inline static const std::set<std::string, std::less<>> reserved = {
      "bool",  "break",  "case",     "char",   "const",    "continue", "default",   "delete", "do",     "double", "else",
      "enum",  "extern", "false",    "float",  "for",      "if",       "inline",    "int",    "long",   "new",    "operator",
      "return", "short", "signed",   "sizeof", "static",   "struct",   "switch",    "template", "this", "true",   "typedef",
      "union", "unsigned", "using",  "void",   "volatile", "while",    "auto",      "class",  "namespace", "and", "or", "not",
      "xor",   "asm",    "goto",     "try",    "catch",    "throw",    "register",  "export", "explicit", "friend", "mutable",
      "private", "protected", "public", "virtual", "typename", "typeid", "nullptr", "noexcept", "constexpr", "decltype",
      "alignas", "alignof", "static_assert", "static_cast", "const_cast", "dynamic_cast", "reinterpret_cast", "thread_local",
      "wchar_t", "char16_t", "char32_t", "and_eq", "or_eq", "xor_eq", "not_eq", "bitand", "bitor", "compl",
      "exp",    "log",      "sin",    "cos",      "erf",      "min",       "max",    "abs",    "y0",     "y1", "j0", "j1", "main"};
  std::set<std::string> used_;
};

class KernelPrinter {
 public:
  KernelPrinter(const ir::LoopNest& nest, const BlockPlan& plan, std::string kernel)
      : nest_(nest),
        plan_(plan),
        expr_{plan.ranges, [this](ir::VarId id) { return variable(id); },
              [this](BufferId id, const Expr& index) { return element(id, index); }, {}} {
    names_.add(kernel);
    launch_.kernel = std::move(kernel);
    launch_.grid = plan.grid;
    launch_.block = plan.block;
    launch_.shared_bytes = plan.shared_bytes;
  }

  std::string print(const Stmt& body) {
    std::string parameters;
    for (const auto& [id, is_written] : plan_.used) {
      const ir::Buffer& buffer = nest_.buffer(id);
      parameters += fmt::format("{}{}({}, {})", parameters.empty() ? "" : ", ", is_written ? "TS_OUT" : "TS_IN",
                                memory_type(buffer.dtype), buffer_name(id));
      launch_.buffers.push_back(id);
    }
    text_ = fmt::format("TS_KERNEL({}, {}, ({})) {{\n  typedef {} ts_index;\n", launch_.kernel, plan_.threads(), parameters,
                        plan_.is_narrow ? "int" : "long long");
    around(body);
    return text_ + "}\n";
  }
  const CudaLaunch& launch() const { return launch_; }

 private:
  template <class... Arguments>
  void line(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    text_.append(2 * depth_, ' ');
    text_ += fmt::format(format, std::forward<Arguments>(arguments)...);
    text_ += '\n';
  }
  template <class Body>
  void indented(Body&& body) {
    ++depth_;
    body();
    --depth_;
  }

  std::string variable(ir::VarId id) {
    const auto [it, added] = variables_.emplace(id, "");
    if (added) it->second = names_.add(nest_.vars.name(id));
    return it->second;
  }
  std::string buffer_name(BufferId id) {
    const auto [it, added] = buffers_.emplace(id, "");
    if (added) it->second = names_.add(nest_.buffer(id).name);
    return it->second;
  }

  std::string element(BufferId id, const Expr& index) {
    for (const Vector& vector : vectors_)
      if (vector.buffer == id && ir::equal(vector.index, index)) return fmt::format("{}[{}]", vector.name, lane_);
    const auto held = plan_.registers.find(id);
    return fmt::format("{}[{}]", buffer_name(id), expr_(held != plan_.registers.end() ? in_thread(index) : index));
  }

  /// The place of an element among the registers of its thread: what is left without the thread's part.
  Expr in_thread(const Expr& index) const {
    ir::Bindings zero;
    for (const auto& thread : threads_) zero[thread] = Expr(0);
    return ir::to_expr(ir::to_affine(ir::substitute(ir::substitute(index, lets_), zero)));
  }

  /// Around phases: all threads.
  void around(const Stmt& s) {
    if (is_phase(s)) return phase(s);
    if (const auto* loop = s.as<ir::For>(); loop != nullptr && ir::is_block(loop->kind)) {
      line("const ts_index {} = ts_block_{}();", variable(loop->var), "xyz"[dimension(loop->kind)]);
      return around(loop->body);
    }
    if (const auto* allocation = s.as<ir::Allocate>()) {
      const BufferId id = allocation->buffer;
      const std::string type = memory_type(nest_.buffer(id).dtype);
      if (const auto held = plan_.registers.find(id); held != plan_.registers.end())
        line("TS_REGISTERS({}, {}, {});", type, buffer_name(id), std::max<std::int64_t>(1, held->second.size));
      else
        line("TS_SHARED({}, {}, {}, {});", type, buffer_name(id), plan_.shared_offset.at(id),
             ir::int_value(ir::element_count(nest_.buffer(id))));
      return around(allocation->body);
    }
    common(s, [this](const Stmt& child) { around(child); });
  }

  void phase(const Stmt& s) {
    if (plan_.barrier_before.contains(&s.node())) line("ts_barrier();");
    std::string alone;
    const auto dimensions = thread_dimensions(s);
    for (std::size_t d = 0; d < 3; ++d)
      if (!dimensions[d] && plan_.block[d] > 1)
        alone += fmt::format("{}ts_thread_{}() == 0", alone.empty() ? "" : " && ", "xyz"[d]);
    line("{}{{", alone.empty() ? "" : fmt::format("if ({}) ", alone));
    indented([&] { inside(s); });
    line("}}");
  }

  void inside(const Stmt& s) {
    if (const auto* loop = s.as<ir::For>(); loop != nullptr && ir::is_thread(loop->kind)) {
      const std::size_t d = dimension(loop->kind);
      const std::string name = variable(loop->var);
      line("const ts_index {} = ts_thread_{}();", name, "xyz"[d]);
      threads_.push_back(loop->var);
      if (ir::is_int(loop->extent, plan_.block[d])) {
        inside(loop->body);
      } else {
        line("if ({} < {}) {{", name, expr_(loop->extent));
        indented([&] { inside(loop->body); });
        line("}}");
      }
      threads_.pop_back();
      return;
    }
    if (const auto* allocation = s.as<ir::Allocate>()) {
      const ir::Buffer& buffer = nest_.buffer(allocation->buffer);
      line("TS_REGISTERS({}, {}, {});", memory_type(buffer.dtype), buffer_name(allocation->buffer),
           ir::int_value(ir::element_count(buffer)));
      return inside(allocation->body);
    }
    if (const auto* store = s.as<ir::Store>()) {
      const bool shares = name_shared(store->value);
      const std::string at = element(store->buffer, store->index);
      const std::string value = expr_(store->value);
      if (store->streaming && nest_.buffer(store->buffer).scope == ir::Scope::global)
        line("ts_store_streaming(({}), ({}));", at, value);
      else
        line("{} = {};", at, value);
      if (shares) end_shared();
      return;
    }
    if (const auto* loop = s.as<ir::For>(); loop != nullptr && loop->kind == ir::LoopKind::vectorize) {
      if (const auto* store = loop->body.as<ir::Store>(); store != nullptr && vectorized(*loop, *store)) return;
      const auto* branch = loop->body.as<ir::If>();
      if (branch != nullptr && !branch->else_case && holds_for_all_lanes(branch->condition, *loop)) {
        line("if ({}) {{", expr_(ir::substitute(branch->condition, {{loop->var, Expr(0)}})));
        indented([&] { inside(ir::for_loop(loop->var, loop->extent, loop->kind, branch->then_case)); });
        line("}}");
        return;
      }
    }
    common(s, [this](const Stmt& child) { inside(child); });
  }

  /// Parts of a value that several others use are computed once, in a scope that this begins; end_shared() ends it. False:
  /// there are none. What only one side of a select uses is left there: it may read what does not exist.
  bool name_shared(const Expr& value) {
    std::unordered_map<const ir::ExprNode*, int> parents;
    ir::walk_once(value, [&](const Expr& e) {
      ir::for_each_child(e, [&](const Expr& child) { ++parents[&child.node()]; });
      return true;
    });
    std::unordered_set<const ir::ExprNode*> seen;
    std::vector<Expr> order;  // children first
    const std::function<void(const Expr&)> visit = [&](const Expr& e) {
      if (!seen.insert(&e.node()).second) return;
      if (const auto* select = e.as<ir::Select>())
        visit(select->condition);
      else if (e.as<ir::Load>() == nullptr)
        ir::for_each_child(e, visit);
      order.push_back(e);
    };
    visit(value);
    bool any = false;
    for (const Expr& e : order) {
      const bool is_worth_it = e.dtype() != ir::index_dtype && e.as<ir::IntImm>() == nullptr && e.as<ir::FloatImm>() == nullptr &&
                               e.as<ir::Var>() == nullptr && parents[&e.node()] > 1;
      if (!is_worth_it) continue;
      if (!any) {
        line("{{");
        ++depth_;
        any = true;
      }
      const std::string text = expr_(e);
      const std::string name = names_.add("part");
      line("const {} {} = {};", value_type(e.dtype()), name, text);
      expr_.named.emplace(&e.node(), name);
    }
    return any;
  }
  void end_shared() {
    expr_.named.clear();
    --depth_;
    line("}}");
  }

  /// True where a guard holds for all lanes of a loop if for the first: what it compares comes in multiples of the lanes.
  bool holds_for_all_lanes(const Expr& condition, const ir::For& loop) const {
    if (!ir::uses_var(condition, loop.var)) return true;
    const auto* n = condition.as<ir::Binary>();
    if (n == nullptr) return false;
    if (n->op == ir::BinaryOp::bit_and) return holds_for_all_lanes(n->a, loop) && holds_for_all_lanes(n->b, loop);
    if (n->op != ir::BinaryOp::lt || n->a.dtype() != ir::index_dtype) return false;
    const std::int64_t lanes = ir::int_value(loop.extent);
    const ir::Affine left = ir::to_affine(ir::substitute(n->b - n->a, lets_));
    return left.is_exact && left.coefficient(loop.var) == -1 && !left.hides(loop.var) && left.constant % lanes == 0 &&
           std::ranges::all_of(left.terms, [&](const ir::AffineTerm& term) {
             const auto* v = term.term.as<ir::Var>();
             return (v != nullptr && v->id == loop.var) || term.coefficient % lanes == 0;
           });
  }

  /// True where lanes of this access are one piece of memory, aligned to its size (or to 16 bytes).
  bool is_vector(BufferId id, const Expr& index, const ir::For& loop) const {
    const ir::Buffer& buffer = nest_.buffer(id);
    const std::int64_t lanes = ir::int_value(loop.extent), bytes = static_cast<std::int64_t>(ir::size_bytes(buffer.dtype));
    const bool is_memory = buffer.scope == ir::Scope::global || plan_.shared_offset.contains(id);
    if (!is_memory || buffer.dtype == ir::DType::boolean || lanes < 2 || lanes > 16 || (lanes & (lanes - 1)) != 0) return false;
    const ir::Affine affine = ir::to_affine(ir::substitute(index, lets_));
    if (affine.coefficient(loop.var) != 1 || affine.hides(loop.var)) return false;
    const std::int64_t together = std::min(lanes, 16 / bytes);
    return affine.constant % together == 0 && std::ranges::all_of(affine.terms, [&](const ir::AffineTerm& term) {
             const auto* v = term.term.as<ir::Var>();
             return (v != nullptr && v->id == loop.var) || term.coefficient % together == 0;
           });
  }

  /// True where a lane may read what another one writes, so that they go one after another.
  static bool reads_other_lanes(const ir::Store& store) {
    bool reads = false;
    ir::walk_once(store.value, [&](const Expr& e) {
      const auto* load = e.as<ir::Load>();
      reads = reads || (load != nullptr && load->buffer == store.buffer && !ir::equal(load->indices[0], store.index));
      return !reads;
    });
    return reads;
  }

  /// A loop of lanes around one store: what lies together is moved together. False: nothing does.
  bool vectorized(const ir::For& loop, const ir::Store& store) {
    if (reads_other_lanes(store)) return false;
    const std::int64_t lanes = ir::int_value(loop.extent);
    const ir::Bindings first{{loop.var, Expr(0)}};
    auto start = [&](const Expr& index) { return expr_(ir::to_expr(ir::to_affine(ir::substitute(index, first)))); };
    const bool is_one_store = is_vector(store.buffer, store.index, loop);
    std::vector<Vector> loads;
    std::vector<std::string> text;
    ir::walk_once(store.value, [&](const Expr& e) {
      const auto* load = e.as<ir::Load>();
      const bool is_known = load != nullptr && std::ranges::any_of(loads, [&](const Vector& v) {
                              return v.buffer == load->buffer && ir::equal(v.index, load->indices[0]);
                            });
      if (load != nullptr && !is_known && is_vector(load->buffer, load->indices[0], loop)) {
        const std::string name = buffer_name(load->buffer);
        loads.push_back({load->buffer, load->indices[0], names_.add(name + "_lanes")});
        text.push_back(fmt::format("const ts_vector<{}, {}> {} = ts_load_vector<{}>({}, {});", memory_type(load->dtype), lanes,
                                   loads.back().name, lanes, name, start(load->indices[0])));
      }
      return load == nullptr && e.as<ir::Select>() == nullptr;  // what a select does not take may not exist
    });
    if (!is_one_store && loads.empty()) return false;
    line("{{");
    indented([&] {
      for (const std::string& one : text) line("{}", one);
      const std::string type = memory_type(nest_.buffer(store.buffer).dtype);
      const std::string result = is_one_store ? names_.add("lanes") : "";
      if (is_one_store) line("ts_vector<{}, {}> {};", type, lanes, result);
      lane_ = variable(loop.var);
      line("#pragma unroll");
      line("for (ts_index {0} = 0; {0} < {1}; ++{0}) {{", lane_, lanes);
      vectors_ = std::move(loads);
      indented([&] {
        const bool shares = name_shared(store.value);
        const std::string value = expr_(store.value);
        line("{} = {};", is_one_store ? fmt::format("{}[{}]", result, lane_) : element(store.buffer, store.index), value);
        if (shares) end_shared();
      });
      vectors_.clear();
      line("}}");
      if (is_one_store) {
        const bool is_streaming = store.streaming && nest_.buffer(store.buffer).scope == ir::Scope::global;
        line("{}<{}>({}, {}, {});", is_streaming ? "ts_stream_vector" : "ts_store_vector", lanes, buffer_name(store.buffer),
             start(store.index), result);
      }
    });
    line("}}");
    return true;
  }

  /// What reads the same around phases and in them.
  template <class Child>
  void common(const Stmt& s, const Child& child) {
    ir::match(
        s,
        [&](const ir::For& loop) {
          const std::string name = variable(loop.var);
          if (ir::is_expanded(loop.kind)) line("#pragma unroll");
          else if (ir::as_int(loop.extent) != nullptr) line("#pragma unroll 1");
          line("for (ts_index {0} = 0; {0} < {1}; ++{0}) {{", name, expr_(loop.extent));
          indented([&] { child(loop.body); });
          line("}}");
        },
        [&](const ir::Let& let) {
          const bool is_index = let.value.dtype() == ir::index_dtype;
          line("const {} {} = {};", is_index ? "ts_index" : value_type(let.value.dtype()), variable(let.var), expr_(let.value));
          lets_[let.var] = ir::substitute(let.value, lets_);
          child(let.body);
          lets_.erase(let.var);
        },
        [&](const ir::If& branch) {
          line("if ({}) {{", expr_(branch.condition));
          indented([&] { child(branch.then_case); });
          if (branch.else_case) {
            line("}} else {{");
            indented([&] { child(branch.else_case); });
          }
          line("}}");
        },
        [&](const ir::Block& block) {
          for (const Stmt& one : block.stmts) {
            const bool names = one.as<ir::Let>() != nullptr || one.as<ir::Allocate>() != nullptr ||
                               (one.as<ir::For>() != nullptr && ir::is_concurrent(one.as<ir::For>()->kind) && !is_phase(one));
            if (!names) {
              child(one);
              continue;
            }
            line("{{");
            indented([&] { child(one); });
            line("}}");
          }
        },
        [](const auto&) { throw PrintError{"a statement that stands where it cannot"}; });
  }

  /// Lanes that were loaded together.
  struct Vector {
    BufferId buffer;
    Expr index;
    std::string name;
  };

  const ir::LoopNest& nest_;
  const BlockPlan& plan_;
  ExprPrinter expr_;
  CudaLaunch launch_;
  std::string text_;
  std::size_t depth_ = 1;
  Names names_;
  std::map<ir::VarId, std::string> variables_;
  std::map<BufferId, std::string> buffers_;
  std::vector<ir::VarId> threads_;  // whose loops are around
  ir::Bindings lets_;
  std::vector<Vector> vectors_;  // of the loop of lanes around
  std::string lane_;             // its variable
};

}  // namespace

Expected<CudaProgram, Error> make_program(const ir::LoopNest& nest) {
  CudaProgram program;
  Names kernels;
  auto add = [&](const Stmt& part, std::vector<CudaLaunch>& launches) -> Expected<void, Error> {
    std::vector<Stmt> roots;
    if (const auto* block = part.as<ir::Block>())
      roots = block->stmts;
    else if (part)
      roots = {part};
    for (const Stmt& root : roots) {
      const auto plan = plan_block(nest, root);
      if (!plan) return Unexpected(plan.error());
      KernelPrinter printer(nest, *plan, kernels.add(nest.name + "_kernel"));
      program.source += printer.print(root) + "\n";
      launches.push_back(printer.launch());
    }
    return {};
  };
  try {
    if (auto added = add(nest.prepare, program.prepare); !added) return Unexpected(added.error());
    if (auto added = add(nest.body, program.run); !added) return Unexpected(added.error());
  } catch (const PrintError& error) {
    return Unexpected(make_error("nest '{}': {}", nest.name, error.message));
  }
  return program;
}

}  // namespace tunesmith::codegen::cuda
