#include "tests/codegen/emulator.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>

#include "codegen/cuda/prelude.h"
#include "ir/buffer.h"

namespace tunesmith::codegen::cuda::testing {
namespace {

constexpr const char* launcher_head = R"(
struct ts_parameter { const char* name; void* data; long long bytes; bool is_written; };
extern "C" const char* ts_launch(int kernel, const ts_parameter* parameters, int count, const long long* grid, const long long* block,
                                 long long shared_bytes, int order, unsigned long long seed) {
  static std::string error;
  std::vector<std::vector<ts_emulator::Cell>> cells(count);
  std::vector<ts_argument> a;
  for (int i = 0; i < count; ++i) {
    if (parameters[i].is_written) cells[i].resize(parameters[i].bytes);
    a.push_back({parameters[i].name, parameters[i].data, parameters[i].bytes, parameters[i].is_written ? cells[i].data() : nullptr});
  }
  const auto go = [&](const auto& f) {
    error = ts_emulator::machine().run(f, {grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, shared_bytes, order, seed);
  };
  switch (kernel) {
)";

struct Parameter {
  const char* name;
  void* data;
  long long bytes;
  bool is_written;
};
using Launch = const char* (*)(int, const Parameter*, int, const long long*, const long long*, long long, int, unsigned long long);

std::string host_text(const std::string& source, const std::vector<EmulatedModule::Function>& kernels) {
  std::string text = fmt::format("#include \"{}/tests/codegen/emulator_prelude.h\"\n{}\n{}{}", TUNESMITH_SOURCE_DIR,
                                 arithmetic_prelude(), source, launcher_head);
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    std::string arguments;
    for (std::size_t i = 0; i < kernels[k].parameters; ++i) arguments += fmt::format("{}a[{}]", i == 0 ? "" : ", ", i);
    text += fmt::format("    case {}: go([&] {{ {}({}); }}); break;\n", k, kernels[k].name, arguments);
  }
  return text + "  }\n  return error.c_str();\n}\n";
}

}  // namespace

Expected<EmulatedModule, Error> EmulatedModule::compile(const std::string& source, const std::vector<Function>& kernels) {
  std::string folder = (std::filesystem::temp_directory_path() / "tunesmith_emulator_XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return Unexpected(make_error("cannot make a folder at {}", folder));
  const std::string text = folder + "/kernel.cpp", library = folder + "/kernel.so", log = folder + "/log";
  std::ofstream(text) << host_text(source, kernels);
  const std::string command =
      fmt::format("'{}' -std=c++17 -O1 -w -shared -fPIC -o '{}' '{}' > '{}' 2>&1", TUNESMITH_CXX_COMPILER, library, text, log);
  const int status = std::system(command.c_str());  // NOLINT: a test, with a path of its own
  std::string said;
  std::getline(std::ifstream(log), said, '\0');
  void* handle = status == 0 ? ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  const char* problem = handle == nullptr && status == 0 ? ::dlerror() : nullptr;
  std::filesystem::remove_all(folder);
  if (handle == nullptr) return Unexpected(make_error("{}\n{}", problem != nullptr ? problem : said, source));
  EmulatedModule module;
  module.library_ = std::shared_ptr<void>(handle, [](void* h) { ::dlclose(h); });
  return module;
}

std::string EmulatedModule::launch(std::size_t kernel, const std::vector<EmulatedArgument>& arguments, const Dim3& grid,
                                   const Dim3& block, std::int64_t shared_bytes, ThreadOrder order, std::uint64_t seed) const {
  std::vector<Parameter> parameters;
  for (const EmulatedArgument& argument : arguments)
    parameters.push_back({argument.name.c_str(), argument.data.data(), static_cast<long long>(argument.data.size()), argument.is_written});
  const long long blocks[] = {grid[0], grid[1], grid[2]}, threads[] = {block[0], block[1], block[2]};
  const auto launch = reinterpret_cast<Launch>(::dlsym(library_.get(), "ts_launch"));
  return launch(static_cast<int>(kernel), parameters.data(), static_cast<int>(parameters.size()), blocks, threads, shared_bytes,
                static_cast<int>(order), seed);
}

std::vector<EmulatedModule::Function> functions(const CudaProgram& program) {
  std::vector<EmulatedModule::Function> result;
  for (const auto* launches : {&program.prepare, &program.run})
    for (const CudaLaunch& launch : *launches) result.push_back({launch.kernel, launch.buffers.size()});
  return result;
}

Expected<std::vector<ir::HostTensor>, Error> emulate(const ir::LoopNest& nest, const CudaProgram& program,
                                                     const EmulatedModule& module, const std::vector<ir::HostTensor>& inputs,
                                                     ThreadOrder order, std::uint64_t seed, std::size_t first) {
  std::map<ir::BufferId, std::vector<std::byte>> memory;
  std::size_t next = 0;
  auto add = [&](ir::BufferId id) {
    const ir::Buffer& buffer = nest.buffer(id);
    std::vector<std::byte>& bytes = memory[id];
    bytes.assign(static_cast<std::size_t>(ir::int_value(ir::element_count(buffer))) * ir::size_bytes(buffer.dtype), std::byte{0xff});
    const bool is_given = buffer.role == ir::Role::input || buffer.role == ir::Role::constant;
    if (is_given) std::memcpy(bytes.data(), inputs.at(next).bytes(), bytes.size()), ++next;
  };
  for (const ir::BufferId id : nest.arguments) add(id);
  for (const ir::BufferId id : nest.workspace) add(id);
  std::size_t kernel = first;
  for (const auto* launches : {&program.prepare, &program.run})
    for (const CudaLaunch& launch : *launches) {
      std::vector<EmulatedArgument> arguments;
      for (const ir::BufferId id : launch.buffers) {
        const ir::Role role = nest.buffer(id).role;
        arguments.push_back({nest.buffer(id).name, memory.at(id), role != ir::Role::input && role != ir::Role::constant});
      }
      const std::string error = module.launch(kernel++, arguments, launch.grid, launch.block, launch.shared_bytes, order, seed);
      if (!error.empty()) return Unexpected(make_error("{}: {}", launch.kernel, error));
    }
  std::vector<ir::HostTensor> outputs;
  for (const ir::BufferId id : nest.arguments) {
    const ir::Buffer& buffer = nest.buffer(id);
    if (buffer.role != ir::Role::output) continue;
    std::vector<std::int64_t> shape;
    for (const ir::Expr& extent : ir::physical_shape(buffer)) shape.push_back(ir::int_value(extent));
    outputs.push_back(ir::HostTensor::from_bytes(buffer.dtype, std::move(shape), memory.at(id)));
  }
  return outputs;
}

}  // namespace tunesmith::codegen::cuda::testing
