#include "schedules/prune.h"

#include <algorithm>

#include "ir/traverse.h"
#include "schedules/loads.h"
#include "schedules/renumber.h"

namespace tunesmith::schedules {
namespace {

using ir::BufferId;
using ir::Expr;
using ir::Stmt;

void mark_used(const Stmt& s, std::vector<bool>& used) {
  ir::walk(s, [&](const Stmt& x) {
    if (const auto* st = x.as<ir::Store>()) used[ir::index_of(st->buffer)] = true;
    if (const auto* a = x.as<ir::Allocate>()) used[ir::index_of(a->buffer)] = true;
    return true;
  });
  ir::walk_exprs(s, [&](const Expr& e) {
    for_each_load(e, [&](const ir::Load& l) { used[ir::index_of(l.buffer)] = true; });
  });
}

}  // namespace

void prune_buffers(ir::LoopNest& nest) {
  std::vector<bool> used(nest.buffers.size(), false);
  for (BufferId id : nest.arguments) used[ir::index_of(id)] = true;
  mark_used(nest.body, used);
  if (nest.prepare) mark_used(nest.prepare, used);
  if (std::ranges::find(used, false) == used.end()) return;

  std::vector<BufferId> numbers(nest.buffers.size());
  std::vector<ir::Buffer> kept;
  for (std::size_t b = 0; b < nest.buffers.size(); ++b) {
    numbers[b] = BufferId{static_cast<std::uint32_t>(kept.size())};
    if (used[b]) kept.push_back(std::move(nest.buffers[b]));
  }
  std::erase_if(nest.workspace, [&](BufferId id) { return !used[ir::index_of(id)]; });
  nest.buffers = std::move(kept);
  for (auto* list : {&nest.arguments, &nest.workspace})
    for (BufferId& id : *list) id = numbers[ir::index_of(id)];
  nest.body = renumber_buffers(nest.body, numbers);
  if (nest.prepare) nest.prepare = renumber_buffers(nest.prepare, numbers);
}

}  // namespace tunesmith::schedules
