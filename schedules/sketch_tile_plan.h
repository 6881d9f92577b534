// The plan of a register tile: which axis plays which part, the knobs, and the tile that knob values mean.
//
// Parts of the spatial axes: `vector` has unit stride in the output; `primary` and `secondary` are unrolled
// in the tile because neighbouring points along them read common elements; all others are `batch`. Thread
// safety: immutable after construction.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "schedules/sketch.h"
#include "schedules/sketch_tile_model.h"

namespace tunesmith::schedules {

/// Which operands may be packed.
enum class PackScope : std::uint8_t { inputs, all };

class TilePlan {
 public:
  /// nullopt where the stage has no axis to vectorise or more than one state component.
  static std::optional<TilePlan> make(const StageInfo& stage, const Machine& machine, int threads,
                                      PackScope packs);

  std::span<const Knob> knobs() const { return knobs_; }
  /// The tile that the values mean. REQUIRES: one value a knob.
  TilePoint point(std::span<const std::int64_t> values) const;
  /// Registers, blocks that are whole tiles, pack sizes within the caches.
  bool feasible(std::span<const std::int64_t> values) const;

  std::size_t vector_axis() const { return vector_; }
  std::optional<std::size_t> primary() const { return primary_; }
  std::optional<std::size_t> secondary() const { return secondary_; }
  const std::vector<std::size_t>& batch() const { return batch_; }

 private:
  std::int64_t value(std::span<const std::int64_t> values, std::optional<std::size_t> knob,
                     std::int64_t otherwise) const {
    return knob ? values[*knob] : otherwise;
  }
  std::optional<std::size_t> add_knob(const char* name, std::vector<std::int64_t> domain,
                                      bool structural = false);
  void choose_axes();
  void add_tile_knobs();
  void add_block_knobs();
  void add_pack_knobs(PackScope scope);

  const StageInfo* stage_ = nullptr;
  Machine machine_;
  int threads_ = 1;
  int lanes_ = 16;
  std::size_t vector_ = 0;
  std::optional<std::size_t> primary_, secondary_;
  std::vector<std::size_t> batch_;
  std::vector<std::size_t> reduce_;  // longest first; the last is innermost
  std::vector<Knob> knobs_;
  std::optional<std::size_t> nr_, mr_, mr2_, nc_, mc_, m2c_, kc_, ku_, window_, order_, outer_order_;
  std::vector<std::optional<std::size_t>> packs_;  // one a load
};

}  // namespace tunesmith::schedules
