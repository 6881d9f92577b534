// onnxruntime through its Python package, in a child process that stays for the whole run:
// onnxruntime_peer.py holds the other side and the protocol.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ir/support/env.h"
#include "tools/peers/onnxruntime_script.h"
#include "tools/peers/peer.h"

namespace tunesmith::tools {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// The child with its two pipes and a folder for tensors.
class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (to_ != nullptr) std::fclose(to_);
    if (from_ != nullptr) std::fclose(from_);
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);  // it ends with its standard input
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }

  Expected<void, Error> start(const std::string& python) {
    std::string pattern = (fs::temp_directory_path() / "tunesmith-peer-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr)
      return Unexpected(make_error("cannot make a folder like '{}'", pattern));
    folder_ = pattern;
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0) return Unexpected(make_error("cannot make a pipe"));
    if (::pipe2(out, O_CLOEXEC) != 0) {
      ::close(in[0]);
      ::close(in[1]);
      return Unexpected(make_error("cannot make a pipe"));
    }
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::string script(onnxruntime_script), program(python), flag("-c");
    char* arguments[] = {program.data(), flag.data(), script.data(), nullptr};
    // In a process group of its own: Ctrl-C is for this program, which ends its child.
    ::posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    const int status = ::posix_spawnp(&pid_, python.c_str(), &actions, &attributes, arguments, environ);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    to_ = ::fdopen(in[1], "w");
    from_ = ::fdopen(out[0], "r");
    if (status != 0) {
      pid_ = -1;
      return Unexpected(make_error("cannot start '{}'", python));
    }
    return {};
  }

  const fs::path& folder() const { return folder_; }

  Expected<Json, Error> ask(const Json& request) {
    const std::string line = request.dump() + "\n";
    if (std::fwrite(line.data(), 1, line.size(), to_) != line.size() || std::fflush(to_) != 0)
      return Unexpected(make_error("onnxruntime's process has ended"));
    std::string answer;
    for (int c = std::fgetc(from_); c != EOF && c != '\n'; c = std::fgetc(from_))
      answer.push_back(static_cast<char>(c));
    Json json = Json::parse(answer, nullptr, false);
    if (!json.is_object()) return Unexpected(make_error("onnxruntime's process has ended"));
    if (json.contains("error"))
      return Unexpected(make_error("onnxruntime: {}", json["error"].get<std::string>()));
    return json;
  }

 private:
  pid_t pid_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  fs::path folder_;
};

class ChildRun final : public PeerRun {
 public:
  explicit ChildRun(std::shared_ptr<Child> child) : child_(std::move(child)) {}

  Expected<double, Error> run(std::int64_t repeat) override {
    const auto answer = child_->ask({{"do", "run"}, {"repeat", repeat}});
    if (!answer) return Unexpected(answer.error());
    return answer->at("ns").get<double>();
  }

  Expected<std::vector<ir::HostTensor>, Error> outputs() override {
    const auto answer = child_->ask({{"do", "outputs"}, {"folder", child_->folder().string()}});
    if (!answer) return Unexpected(answer.error());
    std::vector<ir::HostTensor> results;
    for (const Json& output : answer->at("outputs")) {
      const auto dtype = ir::dtype_from_string(output.at("dtype").get<std::string>());
      if (!dtype) return Unexpected(make_error("onnxruntime gave dtype {}", output.at("dtype").dump()));
      ir::HostTensor tensor(*dtype, output.at("shape").get<std::vector<std::int64_t>>());
      std::ifstream file(output.at("file").get<std::string>(), std::ios::binary);
      file.read(reinterpret_cast<char*>(tensor.mutable_bytes()),
                static_cast<std::streamsize>(tensor.byte_size()));
      if (!file) return Unexpected(make_error("cannot read onnxruntime's output"));
      results.push_back(std::move(tensor));
    }
    return results;
  }

 private:
  std::shared_ptr<Child> child_;
};

class OnnxRuntime final : public Peer {
 public:
  OnnxRuntime(std::string python, std::string version)
      : python_(std::move(python)), version_(std::move(version)) {}

  std::string version() const override { return version_; }

  /// A process a piece of work, so that nothing is left over from the one before.
  Expected<std::unique_ptr<PeerRun>, Error> prepare(const PeerWork& work) override {
    auto child = std::make_shared<Child>();
    if (auto started = child->start(python_); !started) return Unexpected(started.error());
    Json request = {{"do", "prepare"}, {"threads", work.threads}, {"operands", Json::array()}};
    if (work.op != nullptr) {
      Json op = {{"name", work.op->name}, {"epilogue", work.op->epilogue}};
      for (const auto& [key, value] : work.op->numbers) op[key] = value;
      request["op"] = std::move(op);
    } else {
      request["model"] = fs::absolute(work.model_path).string();
    }
    for (std::size_t i = 0; i < work.operands.size(); ++i) {
      const PeerOperand& operand = work.operands[i];
      const fs::path path = child->folder() / ("operand_" + std::to_string(i));
      std::ofstream file(path, std::ios::binary);
      file.write(reinterpret_cast<const char*>(operand.data.bytes()),
                 static_cast<std::streamsize>(operand.data.byte_size()));
      file.flush();
      if (!file) return Unexpected(make_error("cannot write '{}'", path.string()));
      request["operands"].push_back({{"name", operand.name},
                                     {"file", path.string()},
                                     {"dtype", ir::to_string(operand.data.dtype())},
                                     {"shape", operand.data.shape()},
                                     {"constant", operand.constant}});
    }
    const auto answer = child->ask(request);
    if (!answer) return Unexpected(answer.error());
    if (!answer->at("offered").get<bool>()) return std::unique_ptr<PeerRun>();
    return std::unique_ptr<PeerRun>(std::make_unique<ChildRun>(std::move(child)));
  }

 private:
  std::string python_, version_;
};

}  // namespace

Expected<std::unique_ptr<Peer>, Error> open_onnxruntime() {
  std::signal(SIGPIPE, SIG_IGN);  // a child that ends early is an error value
  const std::string python = env_value("TUNESMITH_PYTHON").value_or("python3");
  Child child;
  if (auto started = child.start(python); !started) return Unexpected(started.error());
  const auto answer = child.ask({{"do", "version"}});
  if (!answer)
    return Unexpected(
        make_error("'{}' lacks numpy, onnx or onnxruntime (TUNESMITH_PYTHON names another Python)", python));
  return std::unique_ptr<Peer>(
      std::make_unique<OnnxRuntime>(python, answer->at("version").get<std::string>()));
}

}  // namespace tunesmith::tools
