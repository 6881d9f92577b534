// Strided vector loads without gathers: where the next steps of an unroll loop read the neighbouring
// elements, whole rows are loaded and transposed in registers, once for all these steps.
//
//     unroll y in 16:                        rows r0 … r15 of 16 elements each, then log2(16) rounds of
//       vectorize x in 16:             ->    exchanges; column y is what step y asks for
//         … a[x * pitch + y] …
//
// A gather costs a load an element, a transposition of 16 x 16 elements 64 shuffles.
#include <algorithm>
#include <bit>

#include "codegen/llvm/emitter.h"

namespace tunesmith::codegen {

namespace {

constexpr std::int64_t fewest_columns = 4;  // below, gathers are as good

}  // namespace

/// The innermost unroll loop whose next step reads the next element. No condition stands between,
/// decided or not (StraightCode): the next step does read it.
const Emitter::Unrolled* Emitter::stepping_by_one(const ir::Expr& index) const {
  const ir::Affine& affine = affine_.at(&index.node());
  for (std::size_t u = unrolled_.size(); u-- > first_unrolled_;) {
    const Unrolled& loop = unrolled_[u];
    if (affine.coefficient(loop.var) == 1 && !affine.hides(loop.var)) return &loop;
  }
  return nullptr;
}

/// The elements that a strided load asks for, or null where it does not belong to a group of steps.
llvm::Value* Emitter::load_column(const ir::Load& load, const Address& address) {
  if (chunk_.mask != nullptr || chunk_.width < fewest_columns) return nullptr;
  ColumnKey key{key_of(load.buffer, address), address.vector_step, chunk_.lanes, chunk_.width,
                address.constant};
  if (const auto it = columns_.find(key); it != columns_.end()) return it->second;
  const Unrolled* loop = stepping_by_one(load.indices[0]);
  if (loop == nullptr) return nullptr;
  const auto count = std::min<std::int64_t>(chunk_.width, loop->extent - loop->index);
  if (count < fewest_columns) return nullptr;

  auto* type = llvm::FixedVectorType::get(memory_type(load.dtype), static_cast<unsigned>(chunk_.width));
  const auto alignment = llvm::Align(ir::size_bytes(load.dtype));
  std::vector<llvm::Constant*> active;
  for (int i = 0; i < chunk_.width; ++i) active.push_back(b_.getInt1(i < count));
  std::vector<llvm::Value*> rows;
  for (int lane = 0; lane < chunk_.width; ++lane) {
    if (lane >= chunk_.lanes) {
      rows.push_back(llvm::PoisonValue::get(type));
      continue;
    }
    Address row = address;
    row.constant += lane * address.vector_step;
    llvm::Value* pointer = pointer_to(load.buffer, row);
    rows.push_back(count == chunk_.width
                       ? static_cast<llvm::Value*>(b_.CreateAlignedLoad(type, pointer, alignment))
                       : b_.CreateMaskedLoad(type, pointer, alignment, llvm::ConstantVector::get(active),
                                             llvm::Constant::getNullValue(type)));
  }
  const std::vector<llvm::Value*> columns = transpose(std::move(rows));
  for (std::int64_t i = 0; i < count; ++i) {
    ColumnKey step = key;
    step.constant += i;
    columns_.insert_or_assign(std::move(step), columns[static_cast<std::size_t>(i)]);
  }
  return columns_.at(key);
}

/// Row i, lane j becomes row j, lane i. Each round exchanges the off-diagonal blocks of twice the size.
std::vector<llvm::Value*> Emitter::transpose(std::vector<llvm::Value*> rows) {
  const int width = static_cast<int>(rows.size());
  for (int size = 1; size < width; size *= 2) {
    std::vector<int> low, high;
    for (int k = 0; k < width; ++k) {
      const bool first = (k & size) == 0;
      low.push_back(first ? k : width + k - size);
      high.push_back(first ? k + size : width + k);
    }
    for (int i = 0; i < width; ++i) {
      if ((i & size) != 0) continue;
      llvm::Value* a = rows[static_cast<std::size_t>(i)];
      llvm::Value* c = rows[static_cast<std::size_t>(i + size)];
      rows[static_cast<std::size_t>(i)] = b_.CreateShuffleVector(a, c, low);
      rows[static_cast<std::size_t>(i + size)] = b_.CreateShuffleVector(a, c, high);
    }
  }
  return rows;
}

/// A store may change what columns of the same buffer were loaded from.
void Emitter::forget_columns(ir::BufferId stored) {
  std::erase_if(columns_, [&](const auto& entry) {
    return entry.first.pointer.back().second == static_cast<std::int64_t>(index_of(stored));
  });
}

}  // namespace tunesmith::codegen
