// Explanations of schedule errors for people.
#include <fmt/format.h>

#include "schedules/apply.h"
#include "schedules/steps.h"

namespace tunesmith::schedules {

using Code = ScheduleError::Code;

namespace {

struct Explanation {
  Code code;
  std::string_view name;
  std::string_view text;  // what is wrong, and what would be accepted
};

constexpr Explanation explanations[] = {
    {Code::symbolic_kernel, "symbolic_kernel", "the kernel has unbound symbols; bind all dims first"},
    {Code::unknown_stage, "unknown_stage",
     "there is no such stage: it was inlined, or the number is past the last; use one of those below"},
    {Code::unknown_loop, "unknown_loop",
     "there is no such loop: it was split or fused away, named twice, or is of another stage; use one of "
     "those below"},
    {Code::unknown_buffer, "unknown_buffer",
     "the reader does not load this buffer; name one that its values load (after an earlier stage(): the "
     "copy)"},
    {Code::bad_factor, "bad_factor",
     "the factor must be at least 1 and at most 2^40; a loop can be split 31 times at most, and an axis be padded to a multiple "
     "of 64 or its extent at most"},
    {Code::bad_distance, "bad_distance", "the distance must be 1 element at least, and 2^32 at most"},
    {Code::overlap_reduction, "overlap_reduction",
     "what blocks share would be added twice; let spatial blocks overlap, outside of the reduction loops of "
     "the stage and of its tile"},
    {Code::overlap_concurrent, "overlap_concurrent",
     "blocks that overlap write the same elements, so they must run one after another; do not parallelise the "
     "parts of the loop nor vectorize the outer one"},
    {Code::not_nested, "not_nested",
     "the second loop must stand directly inside the first, with nothing attached in between; reorder first"},
    {Code::mixed_fuse, "mixed_fuse", "fuse takes two spatial or two reduction loops of one stage"},
    {Code::other_stage, "other_stage", "reorder takes loops of one stage"},
    {Code::crosses_attached, "crosses_attached",
     "a stage or tile inside would get other loops around it; reorder before compute_at, stage and "
     "accumulate"},
    {Code::parallel_reduction, "parallel_reduction",
     "iterations of a reduction loop update the same elements; use rfactor and parallelise its spatial loop"},
    {Code::nested_parallel, "nested_parallel",
     "a parallel loop would stand inside another; fuse the two loops, or keep one of them"},
    {Code::vectorize_not_inner, "vectorize_not_inner",
     "only unrolled loops may stand inside a vectorized one; reorder it to the inside"},
    {Code::stage_is_output, "stage_is_output",
     "the stage writes a kernel output, which must be complete in memory; attach its consumers to it "
     "instead"},
    {Code::stage_is_reduction, "stage_is_reduction",
     "the stage is a reduction; only maps can be inlined or follow"},
    {Code::already_attached, "already_attached", "the stage stands inside a loop already; attach it once"},
    {Code::reader_outside, "reader_outside",
     "a reader of the stage lies outside of the loop; attach it to a loop that holds all readers"},
    {Code::not_pointwise, "not_pointwise",
     "each point must read just its own point of the loop's stage, and each of those once; use compute_at"},
    {Code::producer_outside, "producer_outside",
     "something that the stage reads is not complete at that place; attach its producer there first"},
    {Code::not_reduction, "not_reduction", "the stage has no reduction"},
    {Code::no_reduction_inside, "no_reduction_inside",
     "no reduction loop of the stage lies inside the loop; name a loop outside of one"},
    {Code::already_accumulated, "already_accumulated", "the stage has a tile already"},
    {Code::not_associative, "not_associative",
     "the combiner does not merge partial results: its reduction loops keep their order, and neither rfactor nor "
     "vectorize of one is legal"},
    {Code::not_reduction_axis, "not_reduction_axis", "the axis is not a reduction axis of the stage"},
    {Code::not_spatial_axis, "not_spatial_axis", "the axis is not a spatial axis of the stage"},
    {Code::unbounded_index, "unbounded_index",
     "past the end of the axis the stage would read an operand at an index that is computed from data or falls, or "
     "divide integers by zeros; such an axis cannot be padded"},
    {Code::stage_was_scheduled, "stage_was_scheduled",
     "rfactor, pad and compute_inline change the stage itself: they must come before other steps on it"},
    {Code::tuple_cycle, "tuple_cycle", "the components of the state need each other's old values"},
    {Code::epilogue_without_tile, "epilogue_without_tile",
     "inside a reduction loop the stage is not finished; accumulate it first, or use a loop outside of the "
     "reduction"},
    {Code::bad_layout, "bad_layout",
     "each dimension of the buffer needs one entry without a block, and blocks must be positive and no larger than "
     "the dimension (or 1024)"},
    {Code::registers_not_constant, "registers_not_constant",
     "the index into registers varies with a loop, or another thread uses them; unroll or vectorize the "
     "loops inside, "
     "or use scope local"},
    {Code::vectorized_tuple, "vectorized_tuple",
     "the components of a tuple state change together; vectorize a spatial loop (after rfactor, say)"},
    {Code::too_much_code, "too_much_code",
     "the unrolled and vectorized loops, or tails inside tails, make too many copies of what is inside; split the "
     "loop first, or use mask"},
};
static_assert(std::size(explanations) == static_cast<std::size_t>(Code::too_much_code) + 1);

const Explanation& explanation(Code code) {
  const auto& e = explanations[static_cast<std::size_t>(code)];
  TS_CHECK(e.code == code, "the table of explanations is out of order");
  return e;
}

/// The loops of a stage and of what is attached to it, one a line.
void draw(const LoopTree& tree, StageIndex stage, std::size_t depth, std::string& text) {
  const TreeStage& s = tree.stages[stage];
  auto line = [&](std::size_t more, const std::string& what) {
    text += std::string(2 * (depth + more) + 2, ' ') + what + "\n";
  };
  auto attached = [&](NodeIndex loop, bool after, std::size_t at) {
    for (StageIndex other : tree.sequence) {
      const auto& place = tree.stages[other].place;
      if (place && place->host == stage && place->loop == loop && place->after == after)
        draw(tree, other, depth + at + 1, text);
    }
  };
  line(0, fmt::format("stage s{} '{}'", stage, s.def.name));
  for (std::size_t p = 0; p < s.order.size(); ++p) {
    const Node& node = s.nodes[s.order[p]];
    std::string what = fmt::format("{} ({}{})", to_string(node.id), tree.kernel.vars.name(node.var),
                                   node.is_reduction ? ", reduction" : "");
    if (node.kind != ir::LoopKind::serial) what += fmt::format(" {}", ir::to_string(node.kind));
    if (s.tile && s.tile->at == s.order[p]) what += fmt::format(", tile in {}", ir::to_string(s.tile->scope));
    line(p + 1, what);
    attached(s.order[p], false, p + 1);
  }
  for (std::size_t p = s.order.size(); p-- > 0;) attached(s.order[p], true, p + 1);
}

}  // namespace

std::string_view to_string(ScheduleError::Code code) { return explanation(code).name; }

std::string render(const ir::Kernel& kernel, const Schedule& schedule, const ScheduleError& error) {
  std::string text;
  if (error.step < schedule.size())
    text = fmt::format("step {} '{}': ", error.step, print_step(schedule[error.step]));
  text += fmt::format("{}: {}\n", to_string(error.code), explanation(error.code).text);
  LoopTree tree(kernel);
  const std::size_t end = std::min<std::size_t>(error.step, schedule.size());
  for (std::uint32_t i = 0; i < end; ++i)
    if (!std::visit([&](const auto& step) { return take(tree, step, i).has_value(); }, schedule[i])) break;
  text += "loops at that point:\n";
  for (StageIndex stage : tree.sequence)
    if (!tree.stages[stage].place) draw(tree, stage, 0, text);
  return text;
}

}  // namespace tunesmith::schedules
