// Replay of foreign records: a schedule must parse and apply to its own kernel before it may seed a search.
#pragma once

#include <optional>
#include <string>

#include "cache/record.h"
#include "ir/kernel.h"
#include "ir/loop_nest.h"

namespace tunesmith::tuner {

struct Replayed {
  ir::Kernel kernel;
  std::optional<ir::LoopNest> nest;  // none: the record is of a failure, and its schedule does not apply
};

/// The kernel and loop nest that a record stands for. The error says why it stands for none.
Expected<Replayed, Error> replay(const cache::Record& record);

/// Why a record is not taken, or nullopt. Fits cache::Refuse.
std::optional<std::string> refuse_unplayable(const cache::Record& record);

}  // namespace tunesmith::tuner
