// Addresses, loads and stores, register slots.
#include <fmt/format.h>

#include <algorithm>

#include "codegen/llvm/emitter.h"
#include "ir/traverse.h"

namespace tunesmith::codegen {

/// Splits a flat index into run-time terms, a constant, and what one lane adds.
Emitter::Address Emitter::address_of(const ir::Expr& index) {
  const void* node = &index.node();
  auto it = affine_.find(node);
  if (it == affine_.end()) {
    it = affine_.emplace(node, ir::to_affine(index)).first;
    kept_.push_back(index);
  }
  const ir::Affine& affine = it->second;
  Address address;
  address.constant = affine.constant;
  for (const ir::AffineTerm& term : affine.terms) {
    if (const auto* var = term.term.as<ir::Var>()) {
      if (in_vector_ && var->id == chunk_.var) {
        address.vector_step += term.coefficient;
        address.constant += term.coefficient * chunk_.start;
        continue;
      }
      const auto bound = bindings_.find(var->id);
      if (bound != bindings_.end() && bound->second.is_constant) {
        address.constant += term.coefficient * bound->second.constant;
        continue;
      }
      if (bound != bindings_.end() && bound->second.is_vector) address.is_regular = false;
    } else if (in_vector_ && uses_vector_var(term.term)) {
      address.is_regular = false;
    }
    address.terms.push_back({term.term, term.coefficient});
  }
  return address;
}

Emitter::PointerKey Emitter::key_of(ir::BufferId id, const Address& address) const {
  PointerKey key;
  for (const Address::Term& term : address.terms) {
    const auto* var = term.term.as<ir::Var>();
    // Variables are known by number, other terms by their node.
    const void* name = var != nullptr
                           ? reinterpret_cast<const void*>(std::uintptr_t{index_of(var->id)} * 2 + 1)
                           : static_cast<const void*>(&term.term.node());
    key.emplace_back(name, term.coefficient);
  }
  std::ranges::sort(key);
  key.emplace_back(nullptr, index_of(id));
  return key;
}

/// Accesses of `body` whose deepest run-time variable is `loop_var`: one entry a group that differs by
/// constants.
void Emitter::collect_pointers(const ir::Stmt& body, ir::VarId loop_var,
                               std::vector<std::pair<ir::BufferId, Address>>& found) {
  std::map<PointerKey, bool> seen;
  auto see = [&](ir::BufferId buffer, const ir::Expr& index) {
    if (nest_.buffer(buffer).scope == ir::Scope::registers) return;
    Address address = address_of(index);
    if (!address.is_regular) return;  // one address a lane
    bool steps = false;
    std::vector<Address::Term> known;
    for (const Address::Term& term : address.terms) {
      const auto* var = term.term.as<ir::Var>();
      if (var == nullptr) return;
      steps = steps || var->id == loop_var;
      if (bindings_.contains(var->id))
        known.push_back(term);
      else if (!inner_constants_.contains(var->id))
        return;  // belongs to a loop further inside
    }
    if (!steps) return;
    address.terms = std::move(known);
    if (seen.emplace(key_of(buffer, address), true).second) found.emplace_back(buffer, std::move(address));
  };
  auto see_all = [&](const ir::Expr& root) {
    ir::walk_once(root, [&](const ir::Expr& e) {
      if (const auto* load = e.as<ir::Load>()) see(load->buffer, load->indices[0]);
      return true;
    });
  };
  inner_constants_.clear();
  ir::walk(body, [&](const ir::Stmt& s) {
    if (const auto* loop = s.as<ir::For>())
      if (loop->kind == ir::LoopKind::unroll || loop->kind == ir::LoopKind::vectorize)
        inner_constants_.insert(loop->var);
    return true;
  });
  ir::walk(body, [&](const ir::Stmt& s) {
    if (const auto* store = s.as<ir::Store>()) {
      see(store->buffer, store->index);
      see_all(store->value);
    } else if (const auto* branch = s.as<ir::If>()) {
      see_all(branch->condition);
    }
    return true;
  });
}

llvm::Value* Emitter::pointer_to(ir::BufferId id, const Address& address) {
  llvm::Type* type = memory_type(nest_.buffer(id).dtype);
  llvm::Value* base = nullptr;
  if (!address.terms.empty()) {
    if (const auto it = f_.pointers.find(key_of(id, address)); it != f_.pointers.end()) base = it->second;
  }
  if (base == nullptr) {
    base = buffer_pointer(id);
    // Outer variables first, so that what does not change in the inner loops is shared and hoisted.
    std::vector<Address::Term> terms = address.terms;
    auto depth = [&](const Address::Term& term) {
      const auto* var = term.term.as<ir::Var>();
      return var != nullptr && bindings_.contains(var->id) ? bindings_.at(var->id).depth : 1 << 30;
    };
    std::ranges::stable_sort(terms, {}, depth);
    for (const Address::Term& term : terms) {
      llvm::Value* value = evaluate(term.term).value;
      if (term.coefficient != 1)
        value =
            b_.CreateMul(value, b_.getInt64(static_cast<std::uint64_t>(term.coefficient)), "", false, true);
      base = b_.CreateInBoundsGEP(type, base, value);
    }
  }
  if (address.constant == 0) return base;
  return b_.CreateGEP(type, base, b_.getInt64(static_cast<std::uint64_t>(address.constant)));
}

/// Active lanes: the narrowed last chunk and the conditions around; null when all are.
llvm::Value* Emitter::chunk_mask() {
  llvm::Value* tail = nullptr;
  if (chunk_.lanes != chunk_.width) {
    std::vector<llvm::Constant*> bits;
    for (int i = 0; i < chunk_.width; ++i) bits.push_back(b_.getInt1(i < chunk_.lanes));
    tail = llvm::ConstantVector::get(bits);
  }
  if (chunk_.mask == nullptr) return tail;
  return tail != nullptr ? b_.CreateAnd(tail, chunk_.mask) : chunk_.mask;
}

llvm::Value* Emitter::lane_pointers(ir::BufferId id, const ir::Expr& index) {
  const Value lanes = as_vector(evaluate(index));
  return b_.CreateGEP(memory_type(nest_.buffer(id).dtype), buffer_pointer(id), lanes.value);
}

Emitter::Value Emitter::emit_load(const ir::Load& load) {
  const Address address = address_of(load.indices[0]);
  if (nest_.buffer(load.buffer).scope == ir::Scope::registers) return load_register(load, address);
  if (load.ahead != 0 && address.is_regular) {
    Address ahead = address;
    ahead.constant += load.ahead;
    // To read, into the second cache and beyond, as data: a row may be larger than the first one.
    b_.CreateIntrinsic(b_.getVoidTy(), llvm::Intrinsic::prefetch,
                       {pointer_to(load.buffer, ahead), b_.getInt32(0), b_.getInt32(2), b_.getInt32(1)});
  }
  return load_memory(load, address);
}

Emitter::Value Emitter::load_memory(const ir::Load& load, const Address& address) {
  llvm::Type* type = memory_type(load.dtype);
  auto finish = [&](llvm::Value* value, bool is_vector) {
    // Booleans are bytes in memory, bits in registers.
    if (load.dtype == ir::DType::boolean)
      value = b_.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
    return Value{value, is_vector};
  };
  const auto alignment = llvm::Align(ir::size_bytes(load.dtype));
  const bool uniform = !in_vector_ || (address.is_regular && address.vector_step == 0);
  if (uniform && !(in_vector_ && chunk_.mask != nullptr))
    return finish(b_.CreateAlignedLoad(type, pointer_to(load.buffer, address), alignment), false);
  auto* vector_type = llvm::FixedVectorType::get(type, static_cast<unsigned>(chunk_.width));
  llvm::Value* mask = chunk_mask();
  llvm::Value* zeros = llvm::Constant::getNullValue(vector_type);
  if (address.is_regular && address.vector_step == 1) {
    llvm::Value* pointer = pointer_to(load.buffer, address);
    if (mask == nullptr) return finish(b_.CreateAlignedLoad(vector_type, pointer, alignment), true);
    return finish(b_.CreateMaskedLoad(vector_type, pointer, alignment, mask, zeros), true);
  }
  if (address.is_regular)
    if (llvm::Value* column = load_column(load, address)) return finish(column, true);
  if (llvm::Value* permuted = load_permuted(load, address)) return finish(permuted, true);
  llvm::Value* pointers = lane_pointers(load.buffer, load.indices[0]);
  if (mask == nullptr)
    mask = llvm::Constant::getAllOnesValue(
        llvm::FixedVectorType::get(b_.getInt1Ty(), static_cast<unsigned>(chunk_.width)));
  return finish(b_.CreateMaskedGather(vector_type, pointers, alignment, mask, zeros), true);
}

void Emitter::store_memory(const ir::Store& store, const Address& address, Value value) {
  const ir::DType dtype = nest_.buffer(store.buffer).dtype;
  forget_columns(store.buffer);
  if (dtype == ir::DType::boolean)
    value.value = b_.CreateZExt(value.value, like(b_.getInt8Ty(), value.value));
  const auto alignment = llvm::Align(ir::size_bytes(dtype));
  if (!in_vector_ || (address.is_regular && address.vector_step == 0 && chunk_.mask == nullptr)) {
    b_.CreateAlignedStore(value.value, pointer_to(store.buffer, address), alignment);
    return;
  }
  value = as_vector(value);
  llvm::Value* mask = chunk_mask();
  if (address.is_regular && address.vector_step == 1) {
    llvm::Value* pointer = pointer_to(store.buffer, address);
    if (mask != nullptr) {
      b_.CreateMaskedStore(value.value, pointer, alignment, mask);
      return;
    }
    auto* instruction = b_.CreateAlignedStore(value.value, pointer, alignment);
    if (store.streaming && is_vector_aligned(address, dtype)) {
      instruction->setAlignment(
          llvm::Align(static_cast<std::uint64_t>(chunk_.width) * ir::size_bytes(dtype)));
      instruction->setMetadata(llvm::LLVMContext::MD_nontemporal,
                               llvm::MDNode::get(context_, llvm::ConstantAsMetadata::get(b_.getInt32(1))));
      f_.streams = true;
    }
    return;
  }
  if (mask == nullptr)
    mask = llvm::Constant::getAllOnesValue(
        llvm::FixedVectorType::get(b_.getInt1Ty(), static_cast<unsigned>(chunk_.width)));
  b_.CreateMaskedScatter(value.value, lane_pointers(store.buffer, store.index), alignment, mask);
}

/// Buffers are 64-byte aligned; so is an access whose every term is a multiple of the vector.
bool Emitter::is_vector_aligned(const Address& address, ir::DType dtype) const {
  const std::int64_t elements = chunk_.width;
  if (elements * static_cast<std::int64_t>(ir::size_bytes(dtype)) > 64) return false;
  if (address.constant % elements != 0) return false;
  return std::ranges::all_of(address.terms,
                             [&](const Address::Term& term) { return term.coefficient % elements == 0; });
}

/// The slot that holds elements [start, start + lanes); an access inside a wider slot gets that one.
Emitter::RegisterSlot& Emitter::register_slot(ir::BufferId id, std::int64_t start, int lanes) {
  std::vector<RegisterSlot>& slots = f_.registers[index_of(id)];
  for (RegisterSlot& slot : slots) {
    if (start >= slot.start && start + lanes <= slot.start + slot.lanes) return slot;
    if (start < slot.start + slot.lanes && slot.start < start + lanes)
      throw EmitError{fmt::format(
          "register buffer '{}' is accessed as vectors that overlap: elements {} to {} and {} to {}",
          nest_.buffer(id).name, slot.start, slot.start + slot.lanes - 1, start, start + lanes - 1)};
  }
  llvm::Type* type = register_type(nest_.buffer(id).dtype);
  if (lanes > 1) type = llvm::FixedVectorType::get(type, static_cast<unsigned>(chunk_.width));
  llvm::IRBuilder<> entry(&f_.function->getEntryBlock(), f_.function->getEntryBlock().begin());
  slots.push_back({start, lanes, entry.CreateAlloca(type, nullptr, "reg")});
  return slots.back();
}

namespace {

void require_constant(const std::string& buffer, bool is_constant) {
  if (!is_constant)
    throw EmitError{fmt::format(
        "register buffer '{}' is indexed by a loop that is neither unrolled nor vectorized", buffer)};
}

}  // namespace

Emitter::Value Emitter::load_register(const ir::Load& load, const Address& address) {
  require_constant(nest_.buffer(load.buffer).name, address.terms.empty() && address.is_regular);
  const bool vector = in_vector_ && address.vector_step == 1;
  if (in_vector_ && address.vector_step != 0 && !vector) return load_register_lanes(load, address);
  const int lanes = vector ? chunk_.lanes : 1;
  RegisterSlot& slot = register_slot(load.buffer, address.constant, lanes);
  llvm::Value* whole = b_.CreateLoad(slot.slot->getAllocatedType(), slot.slot);
  if (slot.lanes == lanes) return {whole, vector};
  const std::int64_t first = address.constant - slot.start;
  if (!vector) return {b_.CreateExtractElement(whole, static_cast<std::uint64_t>(first)), false};
  std::vector<int> picks;
  for (int i = 0; i < chunk_.width; ++i) picks.push_back(i < lanes ? static_cast<int>(first) + i : -1);
  return {b_.CreateShuffleVector(whole, picks), true};
}

/// Lanes that lie apart: gathered from the slots one by one.
Emitter::Value Emitter::load_register_lanes(const ir::Load& load, const Address& address) {
  auto* type = llvm::FixedVectorType::get(register_type(load.dtype), static_cast<unsigned>(chunk_.width));
  llvm::Value* result = llvm::PoisonValue::get(type);
  for (int lane = 0; lane < chunk_.lanes; ++lane) {
    const std::int64_t element = address.constant + lane * address.vector_step;
    const RegisterSlot& slot = register_slot(load.buffer, element, 1);
    llvm::Value* value = b_.CreateLoad(slot.slot->getAllocatedType(), slot.slot);
    if (slot.lanes > 1)
      value = b_.CreateExtractElement(value, static_cast<std::uint64_t>(element - slot.start));
    result = b_.CreateInsertElement(result, value, static_cast<std::uint64_t>(lane));
  }
  return {result, true};
}

/// `whole` with `part` in place of its lanes from `first` on; where the chunk has a mask, only of those that
/// it lets through.
llvm::Value* Emitter::blend(llvm::Value* whole, llvm::Value* part, std::int64_t first, int lanes) {
  const auto* type = llvm::cast<llvm::FixedVectorType>(whole->getType());
  const int width = static_cast<int>(type->getNumElements());
  const int begin = static_cast<int>(first);
  if (chunk_.mask != nullptr) {
    std::vector<int> old;
    for (int i = 0; i < chunk_.width; ++i) old.push_back(i < lanes ? begin + i : -1);
    part = b_.CreateSelect(chunk_.mask, part, b_.CreateShuffleVector(whole, old));
  }
  std::vector<int> widened, picks;
  for (int i = 0; i < width; ++i) {
    const bool is_new = i >= begin && i < begin + lanes;
    widened.push_back(is_new ? i - begin : -1);
    picks.push_back(is_new ? width + i : i);
  }
  return b_.CreateShuffleVector(whole, b_.CreateShuffleVector(part, widened), picks);
}

void Emitter::store_register(const ir::Store& store, const Address& address, Value value) {
  const std::string& name = nest_.buffer(store.buffer).name;
  require_constant(name, address.terms.empty() && address.is_regular);
  const bool vector = in_vector_ && address.vector_step == 1;
  if (in_vector_ && address.vector_step != 0 && !vector)
    throw EmitError{fmt::format("register buffer '{}' is stored with gaps by a vectorized loop", name)};
  const int lanes = vector ? chunk_.lanes : 1;
  RegisterSlot& slot = register_slot(store.buffer, address.constant, lanes);
  if (vector) value = as_vector(value);
  llvm::Value* result = value.value;
  if (slot.lanes != lanes) {
    llvm::Value* whole = b_.CreateLoad(slot.slot->getAllocatedType(), slot.slot);
    const std::int64_t first = address.constant - slot.start;
    result = vector ? blend(whole, result, first, lanes)
                    : b_.CreateInsertElement(whole, value.value, static_cast<std::uint64_t>(first));
  } else if (vector && chunk_.mask != nullptr) {
    result = b_.CreateSelect(chunk_.mask, result, b_.CreateLoad(slot.slot->getAllocatedType(), slot.slot));
  }
  b_.CreateStore(result, slot.slot);
}

}  // namespace tunesmith::codegen
