#include "tests/tuner/faulty_backend.h"

#include <limits>
#include <stdexcept>

#include "ir/buffer.h"
#include "ir/print.h"

namespace tunesmith::tuner::testing {
namespace {

using ir::Expr;

constexpr std::int64_t far_away = std::int64_t{1} << 40;
constexpr std::int64_t years = std::int64_t{1} << 60;

/// A nest with a fault built in: statements around the good body.
class Spoiler {
 public:
  explicit Spoiler(ir::LoopNest nest) : nest_(std::move(nest)) {
    for (const ir::BufferId id : nest_.arguments) {
      const ir::Role role = nest_.buffer(id).role;
      if (role == ir::Role::output) output_ = id;
      if (role == ir::Role::input) input_ = id;
    }
  }

  ir::LoopNest spoil(Fault fault) && {
    const std::int64_t elements = ir::int_value(ir::element_count(nest_.buffer(output_)));
    switch (fault) {
      case Fault::crash: append(set(far_away, 1)); break;
      case Fault::hang: append(endless_sum()); break;
      case Fault::wrong_value: append(set(elements / 2, 12345)); break;
      case Fault::nan: append(set(elements - 1, std::numeric_limits<double>::quiet_NaN())); break;
      case Fault::too_little: nest_.body = set(0, 1); break;
      case Fault::overrun: append(set(elements, 1)); break;
      case Fault::writes_input: append(ir::store(input_, 0, ir::constant(1, ir::DType::f32))); break;
      case Fault::scratch_overrun: append(ir::store(workspace(), 16, ir::constant(1, ir::DType::f32))); break;
      case Fault::wrong_later: wrong_later(); break;
      case Fault::counts_on_zeros: {
        const ir::BufferId extra = workspace();
        append(ir::store(output_, 0, at(output_) + at(extra)));
        break;
      }
      default: break;
    }
    return std::move(nest_);
  }

 private:
  Expr at(ir::BufferId buffer) const { return ir::load(buffer, ir::DType::f32, {Expr(0)}); }
  ir::Stmt set(std::int64_t element, double value) const {
    return ir::store(output_, element, ir::constant(value, ir::DType::f32));
  }
  void append(ir::Stmt statement) { nest_.body = ir::block({nest_.body, std::move(statement)}); }

  /// A cache line of floats behind the workspace that the nest has already.
  ir::BufferId workspace() {
    const ir::BufferId id =
        nest_.add_buffer({"extra", ir::DType::f32, {Expr(16)}, ir::Role::temp, ir::Scope::global, {}});
    nest_.workspace.push_back(id);
    return id;
  }

  ir::Stmt endless_sum() {
    return ir::for_loop(nest_.vars.add("forever"), years, ir::LoopKind::serial,
                        ir::store(output_, 0, at(output_) * at(input_) + at(input_)));
  }

  void wrong_later() {
    const ir::BufferId memory = workspace();
    const Expr mark = ir::constant(7, ir::DType::f32);
    append(ir::if_then(ir::binary(ir::BinaryOp::eq, at(memory), mark), set(3, 12345)));
    append(ir::store(memory, 0, mark));
  }

  ir::LoopNest nest_;
  ir::BufferId output_{}, input_{};
};

}  // namespace

cache::Status expected_status(Fault fault) {
  switch (fault) {
    case Fault::crash:
    case Fault::overrun:
    case Fault::writes_input:
    case Fault::scratch_overrun: return cache::Status::crash;
    case Fault::hang: return cache::Status::timeout;
    case Fault::wrong_value:
    case Fault::nan:
    case Fault::too_little:
    case Fault::wrong_later:
    case Fault::counts_on_zeros: return cache::Status::wrong;
    case Fault::too_much_memory: return cache::Status::resource;
    case Fault::unloadable:
    case Fault::no_entry:
    case Fault::not_compiled:
    case Fault::compiler_throws: return cache::Status::compile;
  }
  TS_UNREACHABLE("fault");
}

Expected<codegen::Object, Error> FaultyBackend::compile(const ir::LoopNest& nest) const {
  int chosen = -1;
  {
    const std::scoped_lock lock(mutex_);
    const auto [it, added] = fault_of_.emplace(ir::print(nest), -1);
    if (added && given_ < faults_.size()) it->second = static_cast<int>(faults_[given_++]);
    chosen = it->second;
    if (chosen >= 0) ++compiled_[std::string(cache::to_string(expected_status(static_cast<Fault>(chosen))))];
  }
  if (chosen < 0) return good_->compile(nest);
  const auto fault = static_cast<Fault>(chosen);
  if (fault == Fault::not_compiled) return Unexpected(make_error("this nest is not to my taste"));
  if (fault == Fault::compiler_throws) throw std::runtime_error("out of ideas");
  auto object = good_->compile(Spoiler(nest).spoil(fault));
  if (!object) return object;
  if (fault == Fault::too_much_memory) object->workspace_bytes = far_away * 1024;
  if (fault == Fault::unloadable) object->code.assign(object->code.size(), std::byte{0x5a});
  if (fault == Fault::no_entry) object->symbol = "somebody_else";
  return object;
}

std::map<std::string, std::int64_t> FaultyBackend::faults_compiled() const {
  const std::scoped_lock lock(mutex_);
  return compiled_;
}

bool FaultyBackend::is_faulty(const ir::LoopNest& nest) const {
  const std::scoped_lock lock(mutex_);
  const auto it = fault_of_.find(ir::print(nest));
  return it != fault_of_.end() && it->second >= 0;
}

}  // namespace tunesmith::tuner::testing
