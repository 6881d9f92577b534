// Statements: loops, stores, conditions.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "codegen/llvm/emitter.h"
#include "ir/traverse.h"

namespace tunesmith::codegen {

void Emitter::emit(const ir::Stmt& s) {
  ir::match(
      s, [&](const ir::For& loop) { emit_for(loop); },
      [&](const ir::Let& let) {
        memo_.clear();
        const Value value = evaluate(let.value);
        bindings_[let.var] = {false, 0, value.value, ++depth_, value.is_vector};
        emit(let.body);
        bindings_.erase(let.var);
      },
      [&](const ir::Store& store) { emit_store(store); }, [&](const ir::If& branch) { emit_if(branch); },
      [&](const ir::Allocate& allocate) {
        f_.registers.erase(index_of(allocate.buffer));  // contents are undefined at entry
        const bool local = nest_.buffer(allocate.buffer).scope == ir::Scope::local;
        if (local) f_.live_locals.push_back(index_of(allocate.buffer));
        emit(allocate.body);
        if (local) f_.live_locals.pop_back();
      },
      [&](const ir::Block& block) {
        for (const ir::Stmt& child : block.stmts) emit(child);
      });
}

void Emitter::emit_for(const ir::For& loop) {
  const std::int64_t* constant = ir::as_int(loop.extent);
  if (loop.kind == ir::LoopKind::parallel) {
    if (in_vector_) throw EmitError{"a parallel loop inside a vectorized one"};
    return emit_parallel(loop);
  }
  if (constant == nullptr && loop.kind == ir::LoopKind::serial) {
    const Value extent = evaluate(loop.extent);
    return emit_serial(loop, extent.value);
  }
  if (constant == nullptr)
    throw EmitError{fmt::format("loop '{}' has an extent that is not constant", nest_.vars.name(loop.var))};
  if (*constant <= 0) return;
  switch (loop.kind) {
    case ir::LoopKind::serial: return emit_serial(loop, b_.getInt64(static_cast<std::uint64_t>(*constant)));
    case ir::LoopKind::vectorize: return emit_vectorized(loop, *constant);
    case ir::LoopKind::unroll:
      unrolled_.push_back({loop.var, 0, *constant});
      for (std::int64_t i = 0; i < *constant; ++i) {
        bindings_[loop.var] = {true, i, b_.getInt64(static_cast<std::uint64_t>(i)), ++depth_};
        unrolled_.back().index = i;
        emit(loop.body);
      }
      unrolled_.pop_back();
      bindings_.erase(loop.var);
      return;
    default: throw EmitError{fmt::format("loop '{}' is bound to a GPU", nest_.vars.name(loop.var))};
  }
}

void Emitter::emit_serial(const ir::For& loop, llvm::Value* extent) {
  const StraightCode straight(*this);
  auto* before = b_.GetInsertBlock();
  auto* body = llvm::BasicBlock::Create(context_, "loop", f_.function);
  auto* after = llvm::BasicBlock::Create(context_, "after", f_.function);

  // Start values of the bumped pointers: the addresses of the first iteration.
  std::vector<std::pair<ir::BufferId, Address>> groups;
  bindings_[loop.var] = {false, 0, b_.getInt64(0), ++depth_};
  collect_pointers(loop.body, loop.var, groups);
  struct Bumped {
    PointerKey key;
    llvm::Value* start = nullptr;
    std::int64_t step_bytes = 0;
    llvm::PHINode* phi = nullptr;
  };
  std::vector<Bumped> bumped;
  for (auto& [buffer, address] : groups) {
    Bumped entry;
    entry.key = key_of(buffer, address);
    address.constant = 0;
    entry.start = pointer_to(buffer, address);
    for (const Address::Term& term : address.terms)
      if (const auto* var = term.term.as<ir::Var>(); var != nullptr && var->id == loop.var)
        entry.step_bytes =
            term.coefficient * static_cast<std::int64_t>(ir::size_bytes(nest_.buffer(buffer).dtype));
    bumped.push_back(entry);
  }
  before = b_.GetInsertBlock();
  if (llvm::isa<llvm::ConstantInt>(extent))
    b_.CreateBr(body);
  else
    b_.CreateCondBr(b_.CreateICmpSGT(extent, b_.getInt64(0)), body, after);
  b_.SetInsertPoint(body);
  auto* index = b_.CreatePHI(b_.getInt64Ty(), 2);
  index->addIncoming(b_.getInt64(0), before);
  for (Bumped& entry : bumped) {
    entry.phi = b_.CreatePHI(b_.getPtrTy(), 2);
    entry.phi->addIncoming(entry.start, before);
    f_.pointers[entry.key] = entry.phi;
  }
  bindings_[loop.var].value = index;
  memo_.clear();
  emit(loop.body);
  auto* latch = b_.GetInsertBlock();
  for (Bumped& entry : bumped) {
    entry.phi->addIncoming(
        b_.CreateGEP(b_.getInt8Ty(), entry.phi, b_.getInt64(static_cast<std::uint64_t>(entry.step_bytes))),
        latch);
    f_.pointers.erase(entry.key);
  }
  auto* next = b_.CreateAdd(index, b_.getInt64(1), "", true, true);
  index->addIncoming(next, latch);
  b_.CreateCondBr(b_.CreateICmpNE(next, extent), body, after);
  b_.SetInsertPoint(after);
  bindings_.erase(loop.var);
  memo_.clear();
}

/// Lanes of a full vector of the widest element type in `body`.
int Emitter::lanes_for(const ir::Stmt& body) const {
  std::size_t widest = 1;
  auto see = [&](ir::DType dtype) { widest = std::max(widest, ir::size_bytes(dtype)); };
  auto see_value = [&](const ir::Expr& root) {
    ir::walk_once(root, [&](const ir::Expr& e) {
      if (const auto* load = e.as<ir::Load>()) {
        see(load->dtype);
        return false;  // indices are not data
      }
      if (e.dtype() == ir::DType::f16 || e.dtype() == ir::DType::bf16)
        see(ir::DType::f32);  // computed in f32
      if (e.as<ir::IntImm>() == nullptr && e.as<ir::Var>() == nullptr && e.dtype() != ir::DType::i64)
        see(e.dtype());
      return true;
    });
  };
  ir::walk(body, [&](const ir::Stmt& s) {
    if (const auto* store = s.as<ir::Store>()) {
      see(nest_.buffer(store->buffer).dtype);
      see_value(store->value);
    }
    return true;
  });
  return std::max(1, target_.vector_bytes / static_cast<int>(widest));
}

/// True where an iteration reads what an earlier one stored: an element that every iteration stores to,
/// unless it is only the accumulator of a sum, product, minimum or maximum. Such loops run lane by lane.
bool Emitter::carries_values(const ir::For& loop) {
  const void* node = &loop.body.node();
  if (const auto it = carries_values_.find(node); it != carries_values_.end()) return it->second;
  std::unordered_map<std::uint32_t, int> loads;  // of each buffer, in the whole body
  ir::walk_exprs(loop.body, [&](const ir::Expr& root) {
    ir::walk_once(root, [&](const ir::Expr& e) {
      if (const auto* load = e.as<ir::Load>()) ++loads[index_of(load->buffer)];
      return true;
    });
  });
  std::vector<ir::VarId> varying{loop.var};  // with the lets that depend on it
  auto varies = [&](const ir::Expr& e) {
    return std::ranges::any_of(varying, [&](ir::VarId id) { return ir::uses_var(e, id); });
  };
  bool carries = false;
  ir::walk(loop.body, [&](const ir::Stmt& s) {
    if (const auto* let = s.as<ir::Let>(); let != nullptr && varies(let->value)) varying.push_back(let->var);
    const auto* store = s.as<ir::Store>();
    if (store == nullptr || varies(store->index)) return true;
    const auto* binary = store->value.as<ir::Binary>();
    auto is_state = [&](const ir::Expr& e) {
      const auto* load = e.as<ir::Load>();
      return load != nullptr && load->buffer == store->buffer && ir::equal(load->indices[0], store->index);
    };
    const bool joins =
        binary != nullptr && (binary->op == ir::BinaryOp::add || binary->op == ir::BinaryOp::mul ||
                              binary->op == ir::BinaryOp::min || binary->op == ir::BinaryOp::max);
    const bool left = joins && is_state(binary->a), right = joins && is_state(binary->b);
    const bool accumulates = (left && varies(binary->b)) || (right && varies(binary->a));
    const int reads = loads[index_of(store->buffer)];
    carries = carries || (reads > 0 && !(accumulates && reads == 1));
    return true;
  });
  kept_bodies_.push_back(loop.body);
  return carries_values_[node] = carries;
}

void Emitter::emit_vectorized(const ir::For& loop, std::int64_t extent) {
  if (in_vector_)
    throw EmitError{
        fmt::format("loop '{}' is vectorized inside a vectorized loop", nest_.vars.name(loop.var))};
  if (carries_values(loop)) {
    for (std::int64_t i = 0; i < extent; ++i) {
      bindings_[loop.var] = {true, i, b_.getInt64(static_cast<std::uint64_t>(i)), ++depth_};
      emit(loop.body);
    }
    bindings_.erase(loop.var);
    return;
  }
  const int full = lanes_for(loop.body);
  for (std::int64_t start = 0; start < extent; start += full) {
    const int lanes = static_cast<int>(std::min<std::int64_t>(full, extent - start));
    memo_.clear();
    if (lanes == 1) {
      bindings_[loop.var] = {true, start, b_.getInt64(static_cast<std::uint64_t>(start)), ++depth_};
      emit(loop.body);
      bindings_.erase(loop.var);
      continue;
    }
    in_vector_ = true;
    chunk_ = {loop.var, start, lanes, static_cast<int>(std::bit_ceil(static_cast<unsigned>(lanes))), nullptr};
    emit(loop.body);
    in_vector_ = false;
  }
  memo_.clear();
}

void Emitter::emit_store(const ir::Store& store) {
  memo_.clear();
  const Address address = address_of(store.index);
  const bool fixed = in_vector_ && address.is_regular && address.vector_step == 0;
  if (fixed && emit_horizontal_reduction(store, address)) return;
  const Value value = evaluate(store.value);
  if (fixed && value.is_vector)
    throw EmitError{fmt::format("a vectorized loop stores different values to one element of '{}'",
                                nest_.buffer(store.buffer).name)};
  if (nest_.buffer(store.buffer).scope == ir::Scope::registers) return store_register(store, address, value);
  store_memory(store, address, value);
}

namespace {

/// What leaves the other operand as it is; of sums the zero that leaves -0 as it is.
llvm::Constant* neutral_of(ir::BinaryOp op, ir::DType dtype, llvm::Type* type) {
  const bool is_min = op == ir::BinaryOp::min, is_max = op == ir::BinaryOp::max;
  if (type->isFloatingPointTy()) {
    if (is_min || is_max) return llvm::ConstantFP::getInfinity(type, is_max);
    return llvm::ConstantFP::get(type, op == ir::BinaryOp::add ? -0.0 : 1.0);
  }
  const unsigned bits = type->getIntegerBitWidth();
  const bool is_signed = ir::is_signed_integer(dtype);
  if (is_min)
    return llvm::ConstantInt::get(
        type, is_signed ? llvm::APInt::getSignedMaxValue(bits) : llvm::APInt::getMaxValue(bits));
  if (is_max)
    return llvm::ConstantInt::get(
        type, is_signed ? llvm::APInt::getSignedMinValue(bits) : llvm::APInt::getMinValue(bits));
  if (op == ir::BinaryOp::bit_and) return llvm::ConstantInt::getAllOnesValue(type);
  return llvm::ConstantInt::get(type, op == ir::BinaryOp::mul ? 1 : 0);
}

}  // namespace

/// acc = acc (op) f(lane): a vector of f, folded by halves, then joined to acc.
bool Emitter::emit_horizontal_reduction(const ir::Store& store, const Address& address) {
  const auto* binary = store.value.as<ir::Binary>();
  if (binary == nullptr) return false;
  auto is_state = [&](const ir::Expr& e) {
    const auto* load = e.as<ir::Load>();
    return load != nullptr && load->buffer == store.buffer && ir::equal(load->indices[0], store.index);
  };
  const bool left = is_state(binary->a);
  if (!left && !is_state(binary->b)) return false;
  const ir::Expr& term = left ? binary->b : binary->a;
  const ir::BinaryOp op = binary->op;
  const bool idempotent = op == ir::BinaryOp::min || op == ir::BinaryOp::max || op == ir::BinaryOp::bit_and ||
                          op == ir::BinaryOp::bit_or;
  if (!idempotent && op != ir::BinaryOp::add && op != ir::BinaryOp::mul) return false;
  if (!uses_vector_var(term) && !idempotent) return false;

  const ir::DType dtype = store.value.dtype();
  llvm::Value* folded = widen(as_vector(evaluate(term)).value, dtype);
  const ir::DType work = dtype == ir::DType::f16 || dtype == ir::DType::bf16 ? ir::DType::f32 : dtype;
  if (chunk_.lanes != chunk_.width || chunk_.mask != nullptr) {
    llvm::Type* scalar = folded->getType()->getScalarType();
    folded = b_.CreateSelect(chunk_mask(), folded,
                             b_.CreateVectorSplat(static_cast<unsigned>(chunk_.width), neutral_of(op, dtype, scalar)));
  }
  for (int width = chunk_.width / 2; width >= 1; width /= 2) {
    std::vector<int> low, high;
    for (int i = 0; i < width; ++i) {
      low.push_back(i);
      high.push_back(i + width);
    }
    folded = arithmetic(op, work, b_.CreateShuffleVector(folded, low), b_.CreateShuffleVector(folded, high));
  }
  llvm::Value* scalar = narrow(b_.CreateExtractElement(folded, std::uint64_t{0}), dtype);
  const Chunk saved = chunk_;
  in_vector_ = false;  // the accumulator is one element
  const ir::Load load{store.buffer, dtype, {store.index}};
  const Value state = emit_load(load);
  llvm::Value* a = left ? state.value : scalar;
  llvm::Value* c = left ? scalar : state.value;
  const Value joined{narrow(arithmetic(op, work, widen(a, dtype), widen(c, dtype)), dtype), false};
  if (nest_.buffer(store.buffer).scope == ir::Scope::registers)
    store_register(store, address, joined);
  else
    store_memory(store, address, joined);
  in_vector_ = true;
  chunk_ = saved;
  return true;
}

void Emitter::emit_if(const ir::If& branch) {
  memo_.clear();
  const Value condition = evaluate(branch.condition);
  if (condition.is_vector) {
    llvm::Value* outer = chunk_.mask;
    auto with = [&](llvm::Value* lanes, const ir::Stmt& body) {
      chunk_.mask = outer != nullptr ? b_.CreateAnd(outer, lanes) : lanes;
      emit(body);
    };
    with(condition.value, branch.then_case);
    if (branch.else_case) with(b_.CreateNot(condition.value), branch.else_case);
    chunk_.mask = outer;
    memo_.clear();
    return;
  }
  const StraightCode straight(*this);
  auto* then_block = llvm::BasicBlock::Create(context_, "then", f_.function);
  auto* after = llvm::BasicBlock::Create(context_, "endif", f_.function);
  auto* else_block = branch.else_case ? llvm::BasicBlock::Create(context_, "else", f_.function) : after;
  b_.CreateCondBr(condition.value, then_block, else_block);
  b_.SetInsertPoint(then_block);
  emit(branch.then_case);
  b_.CreateBr(after);
  columns_.clear();
  if (branch.else_case) {
    b_.SetInsertPoint(else_block);
    memo_.clear();
    emit(branch.else_case);
    b_.CreateBr(after);
  }
  b_.SetInsertPoint(after);
  memo_.clear();
}

}  // namespace tunesmith::codegen
