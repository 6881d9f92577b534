// Plain loops compiled by the system's C++ compiler with -O3 -march=native: what work costs without a tuner
// or a library. Runs on one thread.
#include <dlfcn.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "tools/peers/loops_source.h"
#include "tools/peers/peer.h"
#include "tracer/program.h"

namespace tunesmith::tools {
namespace {

namespace fs = std::filesystem;
using tracer::ValueId;

/// A folder that is gone with the object.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "tunesmith-loops-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }  // empty: it could not be made

 private:
  fs::path path_;
};

/// Runs a program to its end; its exit status, -1 where it does not start.
int run_program(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::pid_t pid = 0;
  if (::posix_spawnp(&pid, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0) return -1;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

using Function = void (*)(void* const* arguments);

/// The functions of a source, compiled; unloaded with the object.
class Module {
 public:
  Module() = default;
  Module(Module&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Module& operator=(Module&&) = delete;
  ~Module() {
    if (handle_ != nullptr) ::dlclose(handle_);
  }

  static Expected<Module, Error> compile(const std::string& compiler, const std::string& source) {
    const Folder folder;
    if (folder.path().empty()) return Unexpected(make_error("no folder for temporary files can be made"));
    const std::string code = folder.path() / "loops.cpp", library = folder.path() / "loops.so";
    std::ofstream(code) << source;
    if (run_program({compiler, "-O3", "-march=native", "-std=c++17", "-w", "-shared", "-fPIC", "-o", library,
                     code}) != 0)
      return Unexpected(make_error("'{}' does not compile the loops", compiler));
    Module module;
    module.handle_ = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (module.handle_ == nullptr) return Unexpected(make_error("cannot load the loops: {}", ::dlerror()));
    return module;
  }
  Function function(const std::string& name) const {
    return reinterpret_cast<Function>(::dlsym(handle_, name.c_str()));
  }

 private:
  void* handle_ = nullptr;
};

class LoopsRun final : public PeerRun {
 public:
  LoopsRun(Module module, tracer::Program program, const PeerWork& work)
      : module_(std::move(module)), program_(std::move(program)) {
    for (std::uint32_t i = 0; i < program_.graph.size(); ++i) {
      const tracer::Op& op = program_.graph.op(tracer::OpId{i});
      if (op.kind == tracer::OpKind::constant) values_.emplace(ValueId{tracer::OpId{i}, 0}, op.data);
      if (op.kind == tracer::OpKind::input)
        values_.emplace(ValueId{tracer::OpId{i}, 0}, work.operand(op.name));
    }
    for (std::size_t s = 0; s < program_.steps.size(); ++s) add_step(s);
  }

  Expected<double, Error> run(std::int64_t repeat) override {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < repeat; ++i)
      for (const Step& step : steps_) step.function(step.arguments.data());
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  }
  Expected<std::vector<ir::HostTensor>, Error> outputs() override {
    std::vector<ir::HostTensor> result;
    for (const auto& output : program_.graph.outputs())
      result.push_back(
          tensor_of(output.value).reshaped(tracer::to_ints(program_.graph.type(output.value).shape)));
    return result;
  }

 private:
  struct Step {
    Function function;
    std::vector<void*> arguments;
  };

  ir::HostTensor& tensor_of(ValueId value) {
    value = program_.storage_of(value);
    const auto found = values_.find(value);
    if (found != values_.end()) return found->second;
    const tracer::TensorType& type = program_.graph.type(value);
    return values_.emplace(value, ir::HostTensor(type.dtype, tracer::to_ints(type.shape))).first->second;
  }
  void add_step(std::size_t index) {
    const tracer::ProgramStep& from = program_.steps[index];
    Step step{module_.function(fmt::format("step{}", index)), {}};
    for (ValueId value : from.inputs) step.arguments.push_back(tensor_of(value).mutable_bytes());
    for (ValueId value : from.outputs) step.arguments.push_back(tensor_of(value).mutable_bytes());
    steps_.push_back(std::move(step));
  }

  Module module_;
  tracer::Program program_;
  std::map<ValueId, ir::HostTensor> values_;
  std::vector<Step> steps_;
};

class Loops final : public Peer {
 public:
  Loops(std::string compiler, std::string version)
      : compiler_(std::move(compiler)), version_(std::move(version)) {}

  std::string version() const override { return version_; }
  Expected<std::unique_ptr<PeerRun>, Error> prepare(const PeerWork& work) override {
    if (work.op == nullptr) return std::unique_ptr<PeerRun>();
    tracer::Program program = tracer::make_program(*work.graph, {.choose_layouts = false});
    std::string source = loops_prelude();
    for (std::size_t s = 0; s < program.steps.size(); ++s) {
      if (program.steps[s].is_host) return std::unique_ptr<PeerRun>();
      auto text = loops_source(program.steps[s].kernel, fmt::format("step{}", s));
      if (!text) return std::unique_ptr<PeerRun>();
      source += *text;
    }
    auto module = Module::compile(compiler_, source);
    if (!module) return Unexpected(module.error());
    return std::unique_ptr<PeerRun>(std::make_unique<LoopsRun>(std::move(*module), std::move(program), work));
  }

 private:
  std::string compiler_, version_;
};

}  // namespace

Expected<std::unique_ptr<Peer>, Error> open_loops() {
  const std::string compiler = "c++";
  if (run_program({compiler, "-march=native", "-fsyntax-only", "-x", "c++", "/dev/null"}) != 0)
    return Unexpected(make_error("'{}' is no C++ compiler that takes -march=native", compiler));
  return std::unique_ptr<Peer>(std::make_unique<Loops>(compiler, compiler + " -O3 -march=native"));
}

}  // namespace tunesmith::tools
