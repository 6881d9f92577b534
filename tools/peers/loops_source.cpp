#include "tools/peers/loops_source.h"

#include <fmt/format.h>

#include <cmath>

namespace tunesmith::tools {

using namespace ir;

namespace {

/// Values that are read several times are written out each time: a source longer than this is refused.
constexpr std::size_t longest_source = 1 << 20;

struct NoPlainForm {
  std::string what;
};

std::string type_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "float";
    case DType::f64: return "double";
    case DType::i8: return "std::int8_t";
    case DType::u8: return "std::uint8_t";
    case DType::i32: return "std::int32_t";
    case DType::i64: return "std::int64_t";
    case DType::boolean: return "bool";
    default: throw NoPlainForm{fmt::format("the type {}", to_string(dtype))};
  }
}

/// Functions of the prelude and of <cmath> that have the meaning of the operator.
std::string function_of(UnaryOp op) {
  switch (op) {
    case UnaryOp::neg: return "-";
    case UnaryOp::logical_not: return "!";
    case UnaryOp::abs: return "std::abs";
    case UnaryOp::floor: return "std::floor";
    case UnaryOp::ceil: return "std::ceil";
    case UnaryOp::trunc: return "std::trunc";
    case UnaryOp::sqrt: return "std::sqrt";
    case UnaryOp::rsqrt: return "1 / std::sqrt";
    case UnaryOp::reciprocal: return "1 / ";
    case UnaryOp::exp: return "std::exp";
    case UnaryOp::log: return "std::log";
    case UnaryOp::tanh: return "std::tanh";
    case UnaryOp::erf: return "std::erf";
    case UnaryOp::sigmoid: return "sigmoid";
    default: throw NoPlainForm{fmt::format("the function {}", to_string(op))};
  }
}

std::string binary_text(const Binary& b, const std::string& x, const std::string& y) {
  switch (b.op) {
    case BinaryOp::add: return fmt::format("({} + {})", x, y);
    case BinaryOp::sub: return fmt::format("({} - {})", x, y);
    case BinaryOp::mul: return fmt::format("({} * {})", x, y);
    case BinaryOp::div: return fmt::format("({} / {})", x, y);
    case BinaryOp::floor_div: return fmt::format("floor_div({}, {})", x, y);
    case BinaryOp::floor_mod: return fmt::format("floor_mod({}, {})", x, y);
    case BinaryOp::min: return fmt::format("smaller({}, {})", x, y);
    case BinaryOp::max: return fmt::format("larger({}, {})", x, y);
    case BinaryOp::pow: return fmt::format("std::pow({}, {})", x, y);
    case BinaryOp::eq: return fmt::format("({} == {})", x, y);
    case BinaryOp::ne: return fmt::format("({} != {})", x, y);
    case BinaryOp::lt: return fmt::format("({} < {})", x, y);
    case BinaryOp::le: return fmt::format("({} <= {})", x, y);
    case BinaryOp::gt: return fmt::format("({} > {})", x, y);
    case BinaryOp::ge: return fmt::format("({} >= {})", x, y);
    case BinaryOp::bit_and: return fmt::format("({} & {})", x, y);
    case BinaryOp::bit_or: return fmt::format("({} | {})", x, y);
    default: throw NoPlainForm{fmt::format("the operator {}", to_string(b.op))};
  }
}

class SourceWriter {
 public:
  SourceWriter(const Kernel& kernel, std::string name) : kernel_(kernel), name_(std::move(name)) {}

  std::string run() {
    out_ = fmt::format("extern \"C\" void {}(void* const* arguments) {{\n", name_);
    const std::vector<BufferId> arguments = ir::arguments(kernel_);
    for (std::size_t a = 0; a < arguments.size(); ++a) {
      const Buffer& buffer = kernel_.buffer(arguments[a]);
      const char* qualifier = buffer.role == Role::output ? "" : "const ";
      line("{0}{1}* __restrict {2} = static_cast<{0}{1}*>(arguments[{3}]);", qualifier,
           type_name(buffer.dtype), buffer_name(arguments[a]), a);
    }
    for (std::uint32_t b = 0; b < kernel_.buffers.size(); ++b)
      if (const Buffer& buffer = kernel_.buffers[b]; buffer.role == Role::temp) {
        line("static const std::unique_ptr<{1}[]> {0}_memory(new {1}[{2}]);", buffer_name(BufferId{b}),
             type_name(buffer.dtype), int_value(element_count(buffer)));
        line("{1}* __restrict {0} = {0}_memory.get();", buffer_name(BufferId{b}), type_name(buffer.dtype));
      }
    for (const Stage& stage : kernel_.stages) write(stage);
    out_ += "}\n";
    return std::move(out_);
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_.append(2 * depth_, ' ');
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
    if (out_.size() > longest_source) throw NoPlainForm{"kernels as long"};
  }
  static std::string buffer_name(BufferId id) { return fmt::format("b{}", index_of(id)); }
  static std::string var_name(VarId id) { return fmt::format("v{}", index_of(id)); }

  void open_loops(const std::vector<Axis>& axes) {
    for (const Axis& axis : axes) {
      line("for (std::int64_t {0} = 0; {0} < {1}; ++{0}) {{", var_name(axis.var), int_value(axis.extent));
      ++depth_;
    }
  }
  void close_loops(std::size_t count) {
    for (; count > 0; --count) {
      --depth_;
      line("}}");
    }
  }

  void write(const Stage& stage) {
    if (stage.outputs.size() != 1 || (stage.combiner && stage.combiner->kind == CombinerKind::tuple))
      throw NoPlainForm{"reductions of several values"};
    const Buffer& buffer = kernel_.buffer(stage.outputs[0]);
    std::vector<Expr> point;
    for (const Axis& axis : stage.spatial) point.push_back(var(axis.var));
    const std::string target =
        fmt::format("{}[{}]", buffer_name(stage.outputs[0]), text(flat_index(buffer, point)));
    open_loops(stage.spatial);
    if (!stage.is_reduction()) {
      line("{} = {};", target, text(stage.values[0]));
    } else {
      line("{} state = {};", type_name(buffer.dtype), text(stage.combiner->identity[0]));
      open_loops(stage.reduce);
      const char* form = stage.combiner->kind == CombinerKind::sum    ? "state += {};"
                         : stage.combiner->kind == CombinerKind::prod ? "state *= {};"
                         : stage.combiner->kind == CombinerKind::min  ? "state = smaller({}, state);"
                                                                      : "state = larger({}, state);";
      line("{}", fmt::format(fmt::runtime(form), text(stage.values[0])));
      close_loops(stage.reduce.size());
      line("{} = state;", target);
    }
    close_loops(stage.spatial.size());
  }

  std::string text(const Expr& e) const {
    std::string result = ir::match(
        e, [&](const IntImm& imm) { return integer(imm); }, [&](const FloatImm& imm) { return number(imm); },
        [&](const Var& v) { return var_name(v.id); },
        [&](const Unary& u) {
          return fmt::format("static_cast<{}>({}({}))", type_name(e.dtype()), function_of(u.op), text(u.a));
        },
        [&](const Binary& b) { return binary_text(b, text(b.a), text(b.b)); },
        [&](const Select& s) {
          return fmt::format("({} ? {} : {})", text(s.condition), text(s.yes), text(s.no));
        },
        [&](const Cast& c) { return fmt::format("static_cast<{}>({})", type_name(c.dtype), text(c.a)); },
        [&](const BitCast&) -> std::string { throw NoPlainForm{"bit casts"}; },
        [&](const Load& l) {
          return fmt::format("{}[{}]", buffer_name(l.buffer),
                             text(flat_index(kernel_.buffer(l.buffer), l.indices)));
        });
    if (result.size() > longest_source) throw NoPlainForm{"kernels as long"};
    return result;
  }

  static std::string integer(const IntImm& imm) {
    if (imm.dtype == DType::boolean) return imm.value != 0 ? "true" : "false";
    return fmt::format("static_cast<{}>({}LL)", type_name(imm.dtype), imm.value);
  }
  static std::string number(const FloatImm& imm) {
    const char* type = imm.dtype == DType::f32 ? "float" : "double";
    if (std::isnan(imm.value)) return fmt::format("std::numeric_limits<{}>::quiet_NaN()", type);
    if (std::isinf(imm.value))
      return fmt::format("{}std::numeric_limits<{}>::infinity()", imm.value < 0 ? "-" : "", type);
    return fmt::format("static_cast<{}>({})", type_name(imm.dtype), imm.value);
  }

  const Kernel& kernel_;
  std::string name_;
  std::string out_;
  std::size_t depth_ = 1;
};

}  // namespace

std::string loops_prelude() {
  return R"(#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
template <class T> inline T smaller(T a, T b) { return a < b ? a : b; }
template <class T> inline T larger(T a, T b) { return a > b ? a : b; }
template <class T> inline T sigmoid(T x) { return 1 / (1 + std::exp(-x)); }
inline std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
inline std::int64_t floor_mod(std::int64_t a, std::int64_t b) { return a - floor_div(a, b) * b; }
)";
}

Expected<std::string, Error> loops_source(const Kernel& kernel, const std::string& name) {
  try {
    return SourceWriter(kernel, name).run();
  } catch (const NoPlainForm& missing) {
    return Unexpected(make_error("plain loops lack {}", missing.what));
  }
}

}  // namespace tunesmith::tools
