// Functions, parallel loops, and where buffers live.
#include <fmt/format.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/TargetParser/Host.h>
#include <llvm/TargetParser/Triple.h>

#include "codegen/llvm/emitter.h"
#include "ir/traverse.h"

namespace tunesmith::codegen {
namespace {

std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

std::int64_t bytes_of(const ir::Buffer& buffer) {
  const ir::Expr count = ir::element_count(buffer);
  const std::int64_t* elements = ir::as_int(count);
  if (elements == nullptr)
    throw EmitError{
        fmt::format("buffer '{}' has a size that is not constant; bind the symbols first", buffer.name)};
  if (const auto problem = ir::size_problem(buffer)) throw EmitError{"buffer " + *problem};
  return *elements * static_cast<std::int64_t>(ir::size_bytes(buffer.dtype));
}

bool is_compilable(ir::DType dtype) { return dtype <= ir::DType::boolean; }

void require_compilable(const ir::Expr& root) {
  ir::walk_once(root, [](const ir::Expr& e) {
    if (!is_compilable(e.dtype()))
      throw EmitError{fmt::format("a value of dtype {}, which generated code cannot hold", ir::to_string(e.dtype()))};
    return true;
  });
}

// Fields of TunesmithContext.
enum ContextField : unsigned {
  field_parallel,
  field_executor,
  field_workspace,
  field_scratch,
  field_stride,
  field_threads
};

}  // namespace

Emitter::Emitter(const ir::LoopNest& nest, const CpuTarget& target, llvm::LLVMContext& context)
    : nest_(nest), target_(target), context_(context), b_(context) {}

std::unique_ptr<llvm::Module> Emitter::emit(Object& object) {
  if (!nest_.symbols.empty())
    throw EmitError{fmt::format("dimension '{}' is not bound", nest_.vars.name(nest_.symbols[0].var))};
  for (const ir::Buffer& buffer : nest_.buffers)
    if (!is_compilable(buffer.dtype))
      throw EmitError{fmt::format("buffer '{}' has dtype {}, which generated code cannot hold", buffer.name,
                                  ir::to_string(buffer.dtype))};
  for (const ir::Stmt& part : {nest_.prepare, nest_.body})
    if (part) ir::walk_exprs(part, [](const ir::Expr& root) { require_compilable(root); });
  module_ = std::make_unique<llvm::Module>("tunesmith", context_);
  plan_memory();
  object.symbol = "tunesmith_kernel";
  emit_entry(object.symbol + "_run", nest_.body);
  object.has_prepare = static_cast<bool>(nest_.prepare);
  if (object.has_prepare) emit_entry(object.symbol + "_prepare", nest_.prepare);
  object.workspace_bytes = workspace_bytes_;
  object.thread_scratch_bytes = local_bytes_;
  object.argument_count = static_cast<std::int32_t>(nest_.arguments.size());
  object.prepared_count = 0;
  object.argument_bytes.clear();
  for (const ir::BufferId id : nest_.arguments) {
    object.argument_bytes.push_back(bytes_of(nest_.buffer(id)));
    object.prepared_count += nest_.buffer(id).role == ir::Role::prepared ? 1 : 0;
  }
  return std::move(module_);
}

void Emitter::plan_memory() {
  for (std::size_t i = 0; i < nest_.arguments.size(); ++i) argument_index_[index_of(nest_.arguments[i])] = i;
  for (const ir::BufferId id : nest_.workspace) {
    workspace_offset_[index_of(id)] = workspace_bytes_;
    workspace_bytes_ += aligned(bytes_of(nest_.buffer(id)));
  }
  if (nest_.prepare) plan_locals(nest_.prepare, 0);
  plan_locals(nest_.body, 0);
}

/// Local buffers are stacked: those that do not live at the same time share memory.
void Emitter::plan_locals(const ir::Stmt& s, std::int64_t offset) {
  if (const auto* allocate = s.as<ir::Allocate>()) {
    const ir::Buffer& buffer = nest_.buffer(allocate->buffer);
    if (buffer.scope == ir::Scope::local) {
      local_offset_[index_of(allocate->buffer)] = offset;
      offset += aligned(bytes_of(buffer));
      local_bytes_ = std::max(local_bytes_, offset);
    }
  }
  ir::for_each_child(
      s, [&](const ir::Stmt& child) { plan_locals(child, offset); }, [](const ir::Expr&) {});
}

llvm::StructType* Emitter::context_type() {
  llvm::Type* pointer = b_.getPtrTy();
  return llvm::StructType::get(context_,
                               {pointer, pointer, pointer, pointer, b_.getInt64Ty(), b_.getInt32Ty()});
}

llvm::Value* Emitter::load_context_field(unsigned field, llvm::Type* type) {
  return b_.CreateLoad(type, b_.CreateStructGEP(context_type(), f_.context, field));
}

void Emitter::emit_entry(const std::string& name, const ir::Stmt& body) {
  llvm::Type* pointer = b_.getPtrTy();
  auto* type = llvm::FunctionType::get(b_.getVoidTy(), {pointer, pointer, pointer}, false);
  f_ = {};
  f_.function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, *module_);
  f_.buffers = f_.function->getArg(0);
  f_.context = f_.function->getArg(2);
  f_.thread = b_.getInt32(0);
  f_.function->addFnAttr(llvm::Attribute::NoUnwind);
  f_.function->addFnAttr("prefer-vector-width", std::to_string(8 * target_.vector_bytes));
  b_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", f_.function));
  bindings_.clear();
  emit(body);
  return_from_function();
}

/// Non-temporal stores are not ordered by the release with which results are handed on.
void Emitter::return_from_function() {
  if (f_.streams && llvm::Triple(llvm::sys::getProcessTriple()).isX86())
    b_.CreateIntrinsic(b_.getVoidTy(), llvm::Intrinsic::x86_sse_sfence, {});
  b_.CreateRetVoid();
}

/// The loop body becomes a function of its own; what it needs from outside travels in a closure on the stack:
/// the buffer table, the run-time variables, the addresses of local buffers that are live around the loop.
void Emitter::emit_parallel(const ir::For& loop) {
  const StraightCode straight(*this);
  std::vector<std::pair<ir::VarId, llvm::Value*>> captured;
  for (const auto& [id, binding] : bindings_)
    if (!binding.is_constant) captured.emplace_back(id, binding.value);
  std::ranges::sort(captured, {}, [](const auto& entry) { return index_of(entry.first); });

  // Local buffers allocated around the loop lie in this thread's scratch: all threads get their addresses.
  std::vector<std::pair<std::uint32_t, llvm::Value*>> shared;
  for (const std::uint32_t id : f_.live_locals) shared.emplace_back(id, buffer_pointer(ir::BufferId{id}));

  llvm::Type* pointer = b_.getPtrTy();
  std::vector<llvm::Type*> fields(1 + captured.size(), b_.getInt64Ty());
  fields.insert(fields.end(), shared.size(), pointer);
  fields[0] = pointer;
  auto* closure_type = llvm::StructType::get(context_, fields);
  llvm::IRBuilder<> entry(&f_.function->getEntryBlock(), f_.function->getEntryBlock().begin());
  llvm::Value* closure = entry.CreateAlloca(closure_type);
  b_.CreateStore(f_.buffers, b_.CreateStructGEP(closure_type, closure, 0));
  for (std::size_t i = 0; i < captured.size(); ++i)
    b_.CreateStore(captured[i].second,
                   b_.CreateStructGEP(closure_type, closure, static_cast<unsigned>(i + 1)));
  for (std::size_t i = 0; i < shared.size(); ++i)
    b_.CreateStore(shared[i].second,
                   b_.CreateStructGEP(closure_type, closure, static_cast<unsigned>(i + 1 + captured.size())));

  auto* body_type = llvm::FunctionType::get(
      b_.getVoidTy(), {pointer, b_.getInt64Ty(), b_.getInt64Ty(), b_.getInt32Ty(), pointer}, false);
  auto* body = llvm::Function::Create(body_type, llvm::Function::InternalLinkage, "parallel_body", *module_);
  body->addFnAttr(llvm::Attribute::NoUnwind);
  body->addFnAttr("prefer-vector-width", std::to_string(8 * target_.vector_bytes));
  auto* parallel_type =
      llvm::FunctionType::get(b_.getVoidTy(), {pointer, pointer, pointer, b_.getInt64Ty()}, false);
  const Value extent = evaluate(loop.extent);
  b_.CreateCall(parallel_type, load_context_field(field_parallel, pointer),
                {f_.context, body, closure, extent.value});

  const auto saved_point = b_.saveIP();
  const auto saved_bindings = bindings_;
  const auto saved_memo = std::move(memo_);
  FunctionState outer = std::move(f_);
  f_ = {};
  memo_.clear();
  f_.function = body;
  b_.SetInsertPoint(llvm::BasicBlock::Create(context_, "entry", body));
  f_.buffers = b_.CreateLoad(pointer, b_.CreateStructGEP(closure_type, body->getArg(0), 0));
  for (std::size_t i = 0; i < captured.size(); ++i)
    bindings_[captured[i].first].value = b_.CreateLoad(
        b_.getInt64Ty(), b_.CreateStructGEP(closure_type, body->getArg(0), static_cast<unsigned>(i + 1)));
  for (std::size_t i = 0; i < shared.size(); ++i)
    f_.buffer_pointers[shared[i].first] = b_.CreateLoad(
        pointer,
        b_.CreateStructGEP(closure_type, body->getArg(0), static_cast<unsigned>(i + 1 + captured.size())));
  f_.thread = body->getArg(3);
  f_.context = body->getArg(4);

  // for (i = begin; i < end; ++i): the pool gives no empty range.
  auto* header = llvm::BasicBlock::Create(context_, "iteration", body);
  auto* exit = llvm::BasicBlock::Create(context_, "exit", body);
  auto* before = b_.GetInsertBlock();
  b_.CreateBr(header);
  b_.SetInsertPoint(header);
  auto* index = b_.CreatePHI(b_.getInt64Ty(), 2);
  index->addIncoming(body->getArg(1), before);
  bindings_[loop.var] = {false, 0, index, ++depth_};
  emit(loop.body);
  auto* next = b_.CreateAdd(index, b_.getInt64(1), "", true, true);
  index->addIncoming(next, b_.GetInsertBlock());
  b_.CreateCondBr(b_.CreateICmpSLT(next, body->getArg(2)), header, exit);
  b_.SetInsertPoint(exit);
  return_from_function();

  f_ = std::move(outer);
  bindings_ = saved_bindings;
  memo_ = saved_memo;
  b_.restoreIP(saved_point);
}

llvm::Value* Emitter::thread_scratch() {
  if (f_.scratch == nullptr) {
    llvm::IRBuilder<>::InsertPointGuard guard(b_);
    llvm::BasicBlock& entry = f_.function->getEntryBlock();
    b_.SetInsertPoint(&entry, llvm::isa<llvm::Instruction>(f_.buffers)
                                  ? std::next(llvm::cast<llvm::Instruction>(f_.buffers)->getIterator())
                                  : entry.getFirstInsertionPt());
    llvm::Value* offset = b_.CreateMul(b_.CreateSExt(f_.thread, b_.getInt64Ty()),
                                       load_context_field(field_stride, b_.getInt64Ty()));
    f_.scratch = b_.CreateGEP(b_.getInt8Ty(), load_context_field(field_scratch, b_.getPtrTy()), offset);
  }
  return f_.scratch;
}

/// Pointers are made in the entry block, once a function.
llvm::Value* Emitter::buffer_pointer(ir::BufferId id) {
  auto& known = f_.buffer_pointers[index_of(id)];
  if (known != nullptr) return known;
  llvm::Value* scratch = local_offset_.contains(index_of(id)) ? thread_scratch() : nullptr;
  llvm::IRBuilder<>::InsertPointGuard guard(b_);
  llvm::BasicBlock& entry = f_.function->getEntryBlock();
  if (scratch != nullptr) {
    b_.SetInsertPoint(&entry, std::next(llvm::cast<llvm::Instruction>(scratch)->getIterator()));
    known = b_.CreateConstGEP1_64(b_.getInt8Ty(), scratch,
                                  static_cast<std::uint64_t>(local_offset_[index_of(id)]));
    return known;
  }
  b_.SetInsertPoint(&entry, llvm::isa<llvm::Instruction>(f_.buffers)
                                ? std::next(llvm::cast<llvm::Instruction>(f_.buffers)->getIterator())
                                : entry.getFirstInsertionPt());
  if (const auto it = argument_index_.find(index_of(id)); it != argument_index_.end()) {
    auto* load = b_.CreateLoad(b_.getPtrTy(), b_.CreateConstGEP1_64(b_.getPtrTy(), f_.buffers, it->second));
    load->setMetadata(llvm::LLVMContext::MD_invariant_load, llvm::MDNode::get(context_, {}));
    known = load;
  } else if (const auto place = workspace_offset_.find(index_of(id)); place != workspace_offset_.end()) {
    known = b_.CreateConstGEP1_64(b_.getInt8Ty(), load_context_field(field_workspace, b_.getPtrTy()),
                                  static_cast<std::uint64_t>(place->second));
  } else {
    throw EmitError{fmt::format("buffer '{}' has no place in memory", nest_.buffer(id).name)};
  }
  return known;
}

}  // namespace tunesmith::codegen
