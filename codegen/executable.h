// Executable: compiled code behind the calling convention of context.h.
//
// Thread safety: run() and prepare() may be called from several threads at once with different contexts.
// Destroying an Executable gives its memory back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "codegen/context.h"
#include "ir/support/error.h"
#include "ir/support/expected.h"

namespace tunesmith::codegen {

/// Relocatable code of one kernel and what a loader needs to know to run it. Plain data: it is sent to
/// measurement workers and kept in object stores.
struct Object {
  std::vector<std::byte> code;  // ELF relocatable
  std::string symbol;           // entry points: <symbol>_run and <symbol>_prepare
  bool has_prepare = false;
  std::int64_t workspace_bytes = 0;
  std::int64_t thread_scratch_bytes = 0;     // for each thread
  std::vector<std::int64_t> argument_bytes;  // size of each argument buffer, calling order
  std::int32_t argument_count = 0;
  std::int32_t prepared_count = 0;  // the last arguments

  std::vector<std::byte> serialise() const;
  static Expected<Object, Error> deserialise(std::span<const std::byte> bytes);
};

class Executable {
 public:
  virtual ~Executable() = default;
  virtual const Object& object() const = 0;
  virtual void run(void* const* buffers, const std::int64_t* dims, Context* context) const = 0;
  /// Does nothing where object().has_prepare is false.
  virtual void prepare(void* const* buffers, const std::int64_t* dims, Context* context) const = 0;
};

}  // namespace tunesmith::codegen
