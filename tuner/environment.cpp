#include "tuner/environment.h"

#include <fmt/format.h>

#include "codegen/backend.h"
#include "schedules/version.h"
#include "tuner/test_data.h"

namespace tunesmith::tuner {

std::string Environment::target_text() const { return codegen::to_string(target); }

std::string Environment::toolchain_text() const {
  return fmt::format("language={}.{}\n{}", schedules::language_major, schedules::language_minor,
                     backend->toolchain());
}

std::string Environment::protocol_text() const {
  return fmt::format("timer=steady\ncache={}\ndata={}\nthreads={}\n", cold ? "cold" : "warm", test_data_version, threads);
}

schedules::Machine Environment::machine() const {
  schedules::Machine machine;
  machine.cores = target.cores;
  machine.vector_bytes = target.vector_bytes;
  machine.vector_registers = target.vector_registers;
  machine.flops_per_cycle = 2.0 * 2.0 * target.lanes(4);        // two multiply-add ports...
  if (target.vector_bytes == 64) machine.flops_per_cycle /= 2;  // ...that 512-bit operations occupy together
  machine.l1_bytes = target.l1_bytes;
  machine.l2_bytes = target.l2_bytes;
  machine.l3_bytes = target.l3_bytes > 0 ? target.l3_bytes / 2 : target.l2_bytes * target.cores;
  return machine;
}

Expected<Environment, Error> host_environment(std::int32_t threads, std::shared_ptr<cache::Store> store) {
  Environment environment;
  environment.target = codegen::host_cpu_target();
  auto backend = codegen::make_llvm_backend(environment.target);
  if (!backend) return Unexpected(backend.error());
  environment.backend = std::move(*backend);
  environment.store = std::move(store);
  environment.threads = threads > 0 ? threads : environment.target.cores;
  return environment;
}

}  // namespace tunesmith::tuner
