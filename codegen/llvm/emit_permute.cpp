// Vector loads whose lanes lie close together, at distances that are known: strides of two or three, reversed
// rows, one element for several lanes (grouped channels). The elements between the first and the last are
// loaded as whole vectors and brought into place by shuffles; all of them lie between elements that the load
// reads anyway.
//
// A gather costs a load an element, this a load and a shuffle a vector.
#include <algorithm>
#include <optional>

#include "codegen/llvm/emitter.h"
#include "ir/simplify.h"
#include "ir/traverse.h"

namespace tunesmith::codegen {

namespace {

constexpr std::int64_t most_vectors = 4;  // with more, gathers are as good

}  // namespace

/// How far each active lane lies behind the first one, in elements; nullopt where that is not constant.
std::optional<std::vector<std::int64_t>> Emitter::lane_distances(const ir::Expr& index,
                                                                 const Address& address) {
  std::vector<std::int64_t> distances;
  if (address.is_regular) {
    for (int lane = 0; lane < chunk_.lanes; ++lane) distances.push_back(lane * address.vector_step);
    return distances;
  }
  for (const auto& [var, binding] : bindings_)
    if (binding.is_vector && ir::uses_var(index, var)) return std::nullopt;  // a let with a value a lane
  auto at_lane = [&](int lane) {
    return ir::substitute(index, {{chunk_.var, ir::Expr(chunk_.start + lane)}});
  };
  const ir::Expr first = at_lane(0);
  for (int lane = 0; lane < chunk_.lanes; ++lane) {
    const ir::Expr distance = ir::simplify(at_lane(lane) - first);
    const std::int64_t* constant = ir::as_int(distance);
    if (constant == nullptr) return std::nullopt;
    distances.push_back(*constant);
  }
  return distances;
}

/// The load as vectors and shuffles, or null where the lanes lie too far apart or a condition masks some of
/// them.
llvm::Value* Emitter::load_permuted(const ir::Load& load, const Address& address) {
  if (chunk_.mask != nullptr) return nullptr;
  const auto distances = lane_distances(load.indices[0], address);
  if (!distances) return nullptr;
  const auto [low, high] = std::ranges::minmax(*distances);
  const std::int64_t width = chunk_.width, span = high - low + 1;
  const std::int64_t count = (span + width - 1) / width;
  if (count > most_vectors) return nullptr;

  auto* type = llvm::FixedVectorType::get(memory_type(load.dtype), static_cast<unsigned>(width));
  const auto alignment = llvm::Align(ir::size_bytes(load.dtype));
  const auto first = static_cast<int>(std::ranges::find(*distances, low) - distances->begin());
  const ir::Expr origin =
      ir::simplify(ir::substitute(load.indices[0], {{chunk_.var, ir::Expr(chunk_.start + first)}}));
  llvm::Value* base = pointer_to(load.buffer, address_of(origin));
  std::vector<llvm::Value*> parts;
  for (std::int64_t v = 0; v < count; ++v) {
    llvm::Value* pointer =
        v == 0 ? base
               : b_.CreateConstGEP1_64(memory_type(load.dtype), base, static_cast<std::uint64_t>(v * width));
    const std::int64_t inside = std::min(width, span - v * width);
    if (inside == width) {
      parts.push_back(b_.CreateAlignedLoad(type, pointer, alignment));
      continue;
    }
    std::vector<llvm::Constant*> active;
    for (std::int64_t i = 0; i < width; ++i) active.push_back(b_.getInt1(i < inside));
    parts.push_back(b_.CreateMaskedLoad(type, pointer, alignment, llvm::ConstantVector::get(active),
                                        llvm::Constant::getNullValue(type)));
  }
  // Each shuffle joins one more vector to the lanes that are in place.
  auto place = [&](int lane) {
    return lane < chunk_.lanes ? (*distances)[static_cast<std::size_t>(lane)] - low : std::int64_t{0};
  };
  llvm::Value* result = parts[0];
  for (std::int64_t v = 0; v < std::max<std::int64_t>(1, count - 1); ++v) {
    std::vector<int> picks;
    for (int lane = 0; lane < chunk_.width; ++lane) {
      const std::int64_t from = place(lane);
      if (v == 0)
        picks.push_back(from < 2 * width ? static_cast<int>(from) : -1);
      else
        picks.push_back(from / width == v + 1 ? static_cast<int>(width + from % width) : lane);
    }
    llvm::Value* next = count == 1 ? llvm::PoisonValue::get(type) : parts[static_cast<std::size_t>(v + 1)];
    result = b_.CreateShuffleVector(result, next, picks);
  }
  return result;
}

}  // namespace tunesmith::codegen
