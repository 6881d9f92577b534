// The loop nest interpreter: every loop kind runs serially, in order.
#include <fmt/format.h>

#include "ir/evaluator.h"
#include "ir/interpret.h"
#include "ir/support/check.h"

namespace tunesmith::ir {
namespace {

/// A statement with its expressions compiled.
struct Op {
  enum class Kind : std::uint8_t { loop, let, store, branch, allocate, block };
  Kind kind = Kind::block;
  VarId var{};
  BufferId buffer{};
  Evaluator::Program first = 0, second = 0;  // extent | value | index, value | condition
  std::vector<Op> body;                      // branch: the then case, and the else case if there is one
};

class NestInterpreter {
 public:
  NestInterpreter(const LoopNest& nest, std::span<const HostTensor> inputs)
      : nest_(nest), evaluator_(nest.vars, nest.buffers, true), shapes_(nest.buffers.size()) {
    std::vector<BufferId> given;
    for (BufferId id : nest.arguments)
      if (is_input(nest.buffer(id))) given.push_back(id);
    bind_arguments(evaluator_, nest.buffers, nest.vars, nest.symbols, given, inputs);
  }

  Expected<std::vector<HostTensor>, Error> run() {
    for (const auto& list : {nest_.arguments, nest_.workspace})
      for (BufferId id : list)
        if (!evaluator_.failed() && !is_input(nest_.buffer(id))) allocate(id);
    for (const Stmt& part : {nest_.prepare, nest_.body}) {
      if (evaluator_.failed() || !part) continue;
      const Op op = compile(part);
      if (!evaluator_.failed()) execute(op);
    }
    if (evaluator_.failed()) return Unexpected(make_error("nest '{}': {}", nest_.name, evaluator_.error()));
    std::vector<HostTensor> outputs;
    for (BufferId id : nest_.arguments)
      if (nest_.buffer(id).role == Role::output) outputs.push_back(evaluator_.storage(id).tensor());
    return outputs;
  }

 private:
  static bool is_input(const Buffer& buffer) {
    return buffer.role == Role::input || buffer.role == Role::constant;
  }

  void allocate(BufferId id) {
    const Buffer& buffer = nest_.buffer(id);
    auto& shape = shapes_[index_of(id)];
    if (!shape) shape = evaluator_.shape_of(buffer);
    evaluator_.storage(id).allocate(buffer, *shape);
  }

  Op compile(const Stmt& s) {
    using Kind = Op::Kind;
    return match(
        s,
        [&](const For& n) {
          return Op{Kind::loop, n.var, {}, evaluator_.compile(n.extent), 0, list(compile(n.body))};
        },
        [&](const Let& n) {
          return Op{Kind::let, n.var, {}, evaluator_.compile(n.value), 0, list(compile(n.body))};
        },
        [&](const Store& n) {
          check_dtype(n);
          return Op{Kind::store, {}, n.buffer, evaluator_.compile(n.index), evaluator_.compile(n.value), {}};
        },
        [&](const If& n) {
          Op op{Kind::branch, {}, {}, evaluator_.compile(n.condition), 0, list(compile(n.then_case))};
          if (n.else_case) op.body.push_back(compile(n.else_case));
          return op;
        },
        [&](const Allocate& n) {
          if (index_of(n.buffer) >= nest_.buffers.size())
            evaluator_.fail(
                fmt::format("an allocation of buffer #{}, which is not in the list", index_of(n.buffer)));
          return Op{Kind::allocate, {}, n.buffer, 0, 0, list(compile(n.body))};
        },
        [&](const Block& n) {
          Op op;
          for (const Stmt& child : n.stmts) op.body.push_back(compile(child));
          return op;
        });
  }

  static std::vector<Op> list(Op op) {
    std::vector<Op> result;
    result.push_back(std::move(op));
    return result;
  }

  void check_dtype(const Store& n) {
    const bool known = index_of(n.buffer) < nest_.buffers.size();
    if (!known)
      evaluator_.fail(fmt::format("a store to buffer #{}, which is not in the list", index_of(n.buffer)));
    else if (nest_.buffer(n.buffer).dtype != n.value.dtype())
      evaluator_.fail(fmt::format("a store of {} to '{}' of {}", to_string(n.value.dtype()),
                                  nest_.buffer(n.buffer).name, to_string(nest_.buffer(n.buffer).dtype)));
  }

  void execute(const Op& op) {
    switch (op.kind) {
      case Op::Kind::loop: {
        const std::int64_t extent = evaluator_.run_int(op.first);
        for (std::int64_t i = 0; i < extent && !evaluator_.failed(); ++i) {
          evaluator_.set_int(op.var, i);
          execute(op.body[0]);
        }
        return;
      }
      case Op::Kind::let: evaluator_.set(op.var, evaluator_.run(op.first)); return execute(op.body[0]);
      case Op::Kind::store: {
        const std::int64_t index = evaluator_.run_int(op.first);
        const Scalar value = evaluator_.run(op.second);
        return evaluator_.store(op.buffer, {&index, 1}, value);
      }
      case Op::Kind::branch: {
        const bool yes = evaluator_.run(op.first).i != 0;
        if (yes) return execute(op.body[0]);
        if (op.body.size() > 1) execute(op.body[1]);
        return;
      }
      case Op::Kind::allocate: {
        // The contents of an earlier round are gone: every element counts as never written.
        allocate(op.buffer);
        execute(op.body[0]);
        evaluator_.storage(op.buffer).end_life();
        return;
      }
      case Op::Kind::block:
        for (const Op& child : op.body) {
          if (evaluator_.failed()) return;
          execute(child);
        }
        return;
    }
  }

  const LoopNest& nest_;
  Evaluator evaluator_;
  std::vector<std::optional<std::vector<std::int64_t>>> shapes_;  // of buffers allocated so far
};

}  // namespace

Expected<std::vector<HostTensor>, Error> interpret(const LoopNest& nest, std::span<const HostTensor> inputs) {
  return NestInterpreter(nest, inputs).run();
}

}  // namespace tunesmith::ir
