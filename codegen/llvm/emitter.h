// Emission of one loop nest as an LLVM module.
//
// Vectors are explicit: a vectorize loop is emitted chunk by chunk, each chunk a straight line of <width x T>
// values, the last one narrowed with a constant mask. Loops of kind unroll are copied, so their variables are
// constants. Buffers in scope `registers` become one stack slot a vector, loaded and stored whole, which the
// first pass turns into SSA values (phis at loops) whatever the optimiser's mood; the compiler refuses a
// module in which one is left. Addresses are strength-reduced here: every serial loop carries one bumped
// pointer for each group of accesses that differ by constants only. Internal to codegen/llvm. Not
// synchronised: one emitter, one module, one LLVMContext.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "codegen/executable.h"
#include "codegen/target.h"
#include "ir/affine.h"
#include "ir/loop_nest.h"

namespace tunesmith::codegen {

/// Thrown inside the emitter, caught where compile() returns its Expected.
struct EmitError {
  std::string message;
};

class Emitter {
 public:
  Emitter(const ir::LoopNest& nest, const CpuTarget& target, llvm::LLVMContext& context);

  /// The module, with `run` and, where the nest has one, `prepare`. Fills sizes and names of `object`.
  std::unique_ptr<llvm::Module> emit(Object& object);

 private:
  /// Lanes [start, start + lanes) of the vectorize loop that is being emitted, in vectors of `width`.
  struct Chunk {
    ir::VarId var{};
    std::int64_t start = 0;
    int lanes = 1;
    int width = 1;
    llvm::Value* mask = nullptr;  // <width x i1>: lanes that a select or if leaves active; null: all
  };
  /// A value of an expression: one scalar for all lanes, or a vector of the chunk's width.
  struct Value {
    llvm::Value* value = nullptr;
    bool is_vector = false;
  };
  /// What a loop or let variable stands for now.
  struct Binding {
    bool is_constant = false;
    std::int64_t constant = 0;
    llvm::Value* value = nullptr;
    int depth = 0;           // order of binding: deeper is larger
    bool is_vector = false;  // a let inside a vectorized loop: one value a lane
  };
  /// A flat index as run-time terms plus a constant.
  struct Address {
    struct Term {
      ir::Expr term;
      std::int64_t coefficient = 0;
    };
    std::vector<Term> terms;  // run-time parts, uniform over the chunk
    std::int64_t constant = 0;
    std::int64_t vector_step = 0;  // elements a lane moves
    bool is_regular = true;        // false: depends on the lane in a non-affine way
  };
  using PointerKey = std::vector<std::pair<const void*, std::int64_t>>;
  struct RegisterSlot {
    std::int64_t start = 0;
    int lanes = 1;
    llvm::AllocaInst* slot = nullptr;
  };
  /// An unroll loop that is being emitted, and where it stands.
  struct Unrolled {
    ir::VarId var{};
    std::int64_t index = 0;
    std::int64_t extent = 1;
  };
  /// What makes two strided loads the same: the pointer, the step of a lane, lanes and width, the constant.
  struct ColumnKey {
    PointerKey pointer;
    std::int64_t step = 0;
    int lanes = 0, width = 0;
    std::int64_t constant = 0;
    auto operator<=>(const ColumnKey&) const = default;
  };
  struct FunctionState {
    llvm::Function* function = nullptr;
    llvm::Value* buffers = nullptr;
    llvm::Value* context = nullptr;
    llvm::Value* scratch = nullptr;  // of the running thread; made on first use
    llvm::Value* thread = nullptr;   // i32
    bool streams = false;            // it stores past the caches
    std::unordered_map<std::uint32_t, llvm::Value*> buffer_pointers;
    std::map<PointerKey, llvm::Value*> pointers;  // bumped pointers of the loops around
    std::unordered_map<std::uint32_t, std::vector<RegisterSlot>> registers;
    std::vector<std::uint32_t> live_locals;  // local buffers whose Allocate is being emitted
  };

  // emit_function.cpp: functions, parallel loops, where buffers live.
  void plan_memory();
  void plan_locals(const ir::Stmt& s, std::int64_t offset);
  void return_from_function();
  void emit_entry(const std::string& name, const ir::Stmt& body);
  void emit_parallel(const ir::For& loop);
  llvm::Value* buffer_pointer(ir::BufferId id);
  llvm::Value* thread_scratch();
  llvm::StructType* context_type();
  llvm::Value* load_context_field(unsigned field, llvm::Type* type);

  // emit_statement.cpp
  void emit(const ir::Stmt& s);
  void emit_for(const ir::For& loop);
  void emit_serial(const ir::For& loop, llvm::Value* extent);
  void emit_vectorized(const ir::For& loop, std::int64_t extent);
  bool carries_values(const ir::For& loop);
  void emit_store(const ir::Store& store);
  bool emit_horizontal_reduction(const ir::Store& store, const Address& address);
  void emit_if(const ir::If& branch);
  int lanes_for(const ir::Stmt& body) const;

  // emit_memory.cpp: addresses, loads, stores, register slots.
  Address address_of(const ir::Expr& index);
  llvm::Value* pointer_to(ir::BufferId id, const Address& address);
  PointerKey key_of(ir::BufferId id, const Address& address) const;
  void collect_pointers(const ir::Stmt& body, ir::VarId loop_var,
                        std::vector<std::pair<ir::BufferId, Address>>& found);
  Value emit_load(const ir::Load& load);
  Value load_memory(const ir::Load& load, const Address& address);
  void store_memory(const ir::Store& store, const Address& address, Value value);
  llvm::Value* lane_pointers(ir::BufferId id, const ir::Expr& index);
  RegisterSlot& register_slot(ir::BufferId id, std::int64_t start, int lanes);
  Value load_register(const ir::Load& load, const Address& address);
  Value load_register_lanes(const ir::Load& load, const Address& address);
  llvm::Value* blend(llvm::Value* whole, llvm::Value* part, std::int64_t first, int lanes);
  void store_register(const ir::Store& store, const Address& address, Value value);
  bool is_vector_aligned(const Address& address, ir::DType dtype) const;

  // emit_transpose.cpp: strided loads of neighbouring unrolled steps, as rows that are transposed in registers.
  llvm::Value* load_column(const ir::Load& load, const Address& address);
  const Unrolled* stepping_by_one(const ir::Expr& index) const;
  std::vector<llvm::Value*> transpose(std::vector<llvm::Value*> rows);
  void forget_columns(ir::BufferId stored);

  // emit_permute.cpp: lanes at constant distances, as vectors that are shuffled into place.
  std::optional<std::vector<std::int64_t>> lane_distances(const ir::Expr& index, const Address& address);
  llvm::Value* load_permuted(const ir::Load& load, const Address& address);

  llvm::Value* chunk_mask();  // active lanes: the narrowed tail and the current condition; null: all

  // emit_expr.cpp
  Value evaluate(const ir::Expr& e);
  Value evaluate_uncached(const ir::Expr& e);
  Value evaluate_select(const ir::Select& select);
  Value evaluate_unary(const ir::Unary& unary);
  Value evaluate_binary(const ir::Binary& binary);
  Value evaluate_cast(const ir::Cast& cast);
  llvm::Value* arithmetic(ir::BinaryOp op, ir::DType dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* compare(ir::BinaryOp op, ir::DType dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* integer_division(ir::BinaryOp op, ir::DType dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* shift(ir::BinaryOp op, ir::DType dtype, llvm::Value* a, llvm::Value* b);
  llvm::Value* integer_power(ir::DType dtype, llvm::Value* base, llvm::Value* exponent);
  llvm::Value* convert(llvm::Value* value, ir::DType from, ir::DType to);
  llvm::Value* contracted(llvm::Value* value);  // may be fused with its product
  llvm::Value* call_libm(const std::string& name, std::vector<llvm::Value*> arguments);
  llvm::Value* widen(llvm::Value* value, ir::DType dtype);   // f16 and bf16 to f32
  llvm::Value* narrow(llvm::Value* value, ir::DType dtype);  // and back, rounded
  Value as_vector(Value value);
  bool uses_vector_var(const ir::Expr& e) const;
  llvm::Type* register_type(ir::DType dtype);  // of a scalar in a register: bool is i1, bf16 is i16
  llvm::Type* memory_type(ir::DType dtype);
  llvm::Type* like(llvm::Type* scalar, llvm::Value* shape);  // `scalar`, or a vector of it as wide as `shape`
  llvm::Constant* float_like(llvm::Value* shape, double value);

  /// Code of its own blocks begins and ends here: columns do not outlive it, nor do unroll loops around it share
  /// loads inside.
  class StraightCode {
   public:
    explicit StraightCode(Emitter& emitter) : e_(emitter), outer_(emitter.first_unrolled_) {
      e_.first_unrolled_ = e_.unrolled_.size();
      e_.columns_.clear();
    }
    ~StraightCode() {
      e_.first_unrolled_ = outer_;
      e_.columns_.clear();
    }
    StraightCode(const StraightCode&) = delete;
    StraightCode& operator=(const StraightCode&) = delete;

   private:
    Emitter& e_;
    std::size_t outer_;
  };

  const ir::LoopNest& nest_;
  const CpuTarget& target_;
  llvm::LLVMContext& context_;
  std::unique_ptr<llvm::Module> module_;
  llvm::IRBuilder<> b_;
  FunctionState f_;
  std::unordered_map<ir::VarId, Binding> bindings_;
  int depth_ = 0;
  bool in_vector_ = false;
  Chunk chunk_;
  std::vector<Unrolled> unrolled_;              // outermost first
  std::size_t first_unrolled_ = 0;              // of those inside the innermost loop or branch
  std::map<ColumnKey, llvm::Value*> columns_;   // of the straight code that is being emitted
  std::unordered_map<const void*, Value> memo_;         // of the statement being emitted
  std::unordered_map<const void*, ir::Affine> affine_;  // by expression node
  std::unordered_map<std::uint32_t, std::int64_t> local_offset_, workspace_offset_;
  std::int64_t local_bytes_ = 0, workspace_bytes_ = 0;
  std::unordered_map<std::uint32_t, std::size_t> argument_index_;
  std::unordered_set<ir::VarId>
      inner_constants_;  // unrolled and vectorized loops inside the loop being entered
  std::unordered_map<const void*, bool> carries_values_;  // by body of a vectorize loop
  std::vector<ir::Stmt> kept_bodies_;
  std::vector<ir::Expr> kept_;  // keeps expressions alive that the caches know by address
};

}  // namespace tunesmith::codegen
