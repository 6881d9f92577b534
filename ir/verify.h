// Structural checks of kernels and loop nests: the invariants that their headers state.
#pragma once

#include "ir/loop_nest.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::ir {

/// The error names the stage, axis or buffer at fault.
Expected<void, Error> verify(const Kernel& kernel);
Expected<void, Error> verify(const LoopNest& nest);

}  // namespace tunesmith::ir
