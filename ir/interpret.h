// The reference interpreter: gives every kernel and loop nest its meaning. Slow and plain by intent.
//
// Arithmetic is done in the dtype of each node (f16 and bf16: computed in f32, rounded after each
// operation). A read out of range, or of an element never written, is an error that names buffer and index.
#pragma once

#include <span>
#include <vector>

#include "ir/host_tensor.h"
#include "ir/loop_nest.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::ir {

/// `inputs`: the kernel's inputs and constants in calling order, each holding the elements in the buffer's
/// *physical* layout (shape: physical_shape). Returns the outputs in calling order, physical layout too.
Expected<std::vector<HostTensor>, Error> interpret(const Kernel& kernel, std::span<const HostTensor> inputs);
/// Runs `prepare`, then `body`. Same arguments as the kernel that the nest was made from.
Expected<std::vector<HostTensor>, Error> interpret(const LoopNest& nest, std::span<const HostTensor> inputs);

/// Reorders a row-major tensor into the buffer's physical layout (padding zero) and back.
HostTensor to_physical(const HostTensor& logical, const Buffer& buffer);
HostTensor from_physical(const HostTensor& physical, const Buffer& buffer);

}  // namespace tunesmith::ir
