// Environment: what a tuning session or a lookup happens in: the machine, the back end, the database.
// Its texts are what storage keys hash.
//
// Thread safety: immutable after construction; the members it points to are synchronised by themselves.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cache/store.h"
#include "codegen/backend.h"
#include "codegen/target.h"
#include "ir/kernel.h"
#include "schedules/machine.h"

namespace tunesmith::tuner {

struct Environment {
  codegen::CpuTarget target;
  std::shared_ptr<const codegen::Backend> backend;
  std::shared_ptr<cache::Store> store;  // null: nothing is remembered
  std::int32_t threads = 1;             // that a kernel may use
  bool cold = false;  // candidates are timed with empty caches; else with what their last run left there

  std::string target_text() const;
  std::string toolchain_text() const;  // schedule language, code generator, LLVM
  std::string protocol_text() const;   // timer, cache state, data, threads
  schedules::Machine machine() const;
};

/// The host CPU with `threads` threads (0: one a physical core). The error says what this build lacks.
Expected<Environment, Error> host_environment(std::int32_t threads, std::shared_ptr<cache::Store> store);

}  // namespace tunesmith::tuner
