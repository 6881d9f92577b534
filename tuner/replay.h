// Replay of foreign records: a schedule must parse and apply to its own kernel before it may seed a search.
#pragma once

#include <optional>
#include <string>

#include "cache/record.h"

namespace tunesmith::tuner {

/// Why a record is not taken, or nullopt. Fits cache::Refuse.
std::optional<std::string> refuse_unplayable(const cache::Record& record);

}  // namespace tunesmith::tuner
