// Lowers a group of operators to one program step.
//
// Operators of the group hand each other views; a value becomes a stage of its own where another step needs
// it (then it is an output of the kernel), or where several stages, or many elements of one, would compute
// it again at more than a trifling cost. Constants of one element become numbers. Stages of a channels-last
// group walk their dimensions in that order.
#pragma once

#include "tracer/passes/fuse_groups.h"
#include "tracer/passes/fuse_rules.h"
#include "tracer/program.h"

namespace tunesmith::tracer {

/// The kernel is canonical and verified. Host groups give a host step.
ProgramStep emit_step(const FusionContext& context, const Group& group, ir::Numerics numerics);

}  // namespace tunesmith::tracer
