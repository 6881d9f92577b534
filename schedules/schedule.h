// Schedule: a short list of steps, pure data, replayable on any kernel with the same canonical text.
//
// Stages are named by number: the kernel's stages in order, then the stages that steps create (stage(), rfactor(), pad()), in
// the order of their creation. Loops are named by what they came from, never by position: `s0.a1` walks axis 1 of stage
// 0 (spatial axes first, then reduction axes); split(s0.a1, 8) replaces it by `s0.a1.0` (outer) and `s0.a1.1` (inner);
// the n-th fuse() on a stage makes `s0.f<n>`.
// Text form: steps separated by "; ". parse_schedule(print_schedule(s)) == s.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/buffer.h"
#include "ir/stmt.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::schedules {

using StageIndex = std::uint32_t;

/// A loop, named by its descent.
struct LoopId {
  StageIndex stage = 0;
  std::uint32_t axis = 0;  // of the stage; for fused loops, which fuse() of the stage
  bool fused = false;
  std::uint32_t path = 1;  // a leading 1, then one bit a split: 0 outer, 1 inner

  LoopId outer() const { return {stage, axis, fused, path * 2}; }
  LoopId inner() const { return {stage, axis, fused, path * 2 + 1}; }
  auto operator<=>(const LoopId&) const = default;
};
inline LoopId axis_loop(StageIndex stage, std::uint32_t axis) { return {stage, axis, false, 1}; }
inline LoopId fused_loop(StageIndex stage, std::uint32_t number) { return {stage, number, true, 1}; }
/// "s0.a1.0"
std::string to_string(const LoopId& loop);

/// What happens when a factor does not divide an extent.
enum class Tail : std::uint8_t {
  peel,  // whole blocks, then a copy of the body specialised to the remainder
  mask,  // every block is whole; a guard skips what is out of range
  /// Every block is whole; the last one starts earlier, so that it ends with the loop, and computes again what it shares
  /// with the one before. A loop shorter than a block, or of a size that is not known, is masked.
  overlap,
};

/// loop x in [0, n)  ->  x.0 in [0, ceil(n / factor)), x.1 in [0, factor); x = x.0 * factor + x.1
struct Split {
  LoopId loop;
  std::int64_t factor = 1;
  Tail tail = Tail::peel;
  bool operator==(const Split&) const = default;
};
/// Two loops, the second directly inside the first -> one loop over both.
struct Fuse {
  LoopId outer, inner;
  bool operator==(const Fuse&) const = default;
};
/// Puts these loops of one stage, wherever they stand in its nest, into this order (outermost first) at the places that they
/// take together.
struct Reorder {
  std::vector<LoopId> loops;
  bool operator==(const Reorder&) const = default;
};
/// parallel, vectorize or unroll a loop.
struct Annotate {
  LoopId loop;
  ir::LoopKind kind = ir::LoopKind::serial;
  bool operator==(const Annotate&) const = default;
};
/// Computes a stage inside a loop of its readers, just what one iteration of the loop needs, into a buffer of that size.
struct ComputeAt {
  StageIndex stage = 0;
  LoopId loop;
  ir::Scope scope = ir::Scope::local;
  bool operator==(const ComputeAt&) const = default;
};
/// Recomputes a map stage wherever it is read; the stage vanishes.
struct ComputeInline {
  StageIndex stage = 0;
  bool operator==(const ComputeInline&) const = default;
};
/// Moves a pointwise consumer into a loop of its producer (an epilogue): it runs on the tile that one iteration has
/// finished.
struct ReverseComputeAt {
  StageIndex stage = 0;
  LoopId loop;
  bool operator==(const ReverseComputeAt&) const = default;
};
/// Copies what `reader` reads of a buffer into a buffer of its own, at a loop of the reader or, without `at`, once for
/// the whole kernel (of a constant: in `prepare`). Creates a stage with an axis a dimension of the buffer.
struct StageBuffer {
  ir::BufferId buffer{};
  StageIndex reader = 0;
  std::optional<LoopId> at;
  ir::Scope scope = ir::Scope::local;
  ir::Layout layout;
  bool operator==(const StageBuffer&) const = default;
};
/// Keeps the tile of a reduction that lies inside a loop in `scope` while it accumulates.
struct Accumulate {
  StageIndex stage = 0;
  LoopId at;
  ir::Scope scope = ir::Scope::registers;
  bool operator==(const Accumulate&) const = default;
};
/// Splits reduction axis `axis` (counted among all axes) by `factor` into partial reductions: creates the stage of the
/// partial results, with the inner part as its last spatial axis and the rest of the reduction as its reduction axes (the
/// outer part last); the old stage reduces over the inner part.
struct Rfactor {
  StageIndex stage = 0;
  std::uint32_t axis = 0;
  std::int64_t factor = 1;
  bool operator==(const Rfactor&) const = default;
};
/// Rounds the extent of spatial axis `axis` up to a multiple of `factor`. Creates, where they are needed, a stage for each
/// operand that is read past its end then (the operand and zeros, in the order of their first loads), and for each output of
/// the kernel that the stage wrote one that copies what was asked for.
struct Pad {
  StageIndex stage = 0;
  std::uint32_t axis = 0;
  std::int64_t factor = 1;
  bool operator==(const Pad&) const = default;
};
/// Stores the stage's results past the caches; those of a reduction where a tile writes them.
struct Streaming {
  StageIndex stage = 0;
  bool operator==(const Streaming&) const = default;
};

/// Where the stage reads the buffer, what lies `ahead` elements behind it (in the buffer's layout) is brought into the caches
/// meanwhile. Reads through a copy are left as they are.
struct Prefetch {
  ir::BufferId buffer{};
  StageIndex reader = 0;
  std::int64_t ahead = 1;
  bool operator==(const Prefetch&) const = default;
};

using Step = std::variant<Split, Fuse, Reorder, Annotate, ComputeAt, ComputeInline, ReverseComputeAt, StageBuffer,
                          Accumulate, Rfactor, Pad, Streaming, Prefetch>;
using Schedule = std::vector<Step>;

std::string print_step(const Step& step);
std::string print_schedule(const Schedule& schedule);
/// The error names the step at fault and what was expected there.
Expected<Schedule, Error> parse_schedule(std::string_view text);

}  // namespace tunesmith::schedules
