// What the tests of the command line share: a folder of its own for each test, the built program run in a
// shell, and what every refusal of bad input must look like.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace tunesmith::tools::testing {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Result {
  int code = -1;
  std::string out, err;
};

inline std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Cli : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "tunesmith-cli-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  static std::string program() { return std::string(TUNESMITH_BINARY_DIR) + "/tunesmith"; }

  /// Runs a line of the shell; what it prints lies outside of the test's folder.
  Result shell(const std::string& line) const {
    const std::string out = folder_.string() + ".out", err = folder_.string() + ".err";
    const int status = std::system(("{ " + line + " ; } >" + out + " 2>" + err + " </dev/null").c_str());
    const Result result{WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(out), read_file(err)};
    fs::remove(out);
    fs::remove(err);
    return result;
  }
  Result run(const std::string& arguments) const { return shell(program() + " " + arguments); }

  /// The same without root's rights, from a world-readable folder; `can_drop_rights` tells whether that
  /// works.
  Result run_as_nobody(const std::string& arguments) const {
    return shell(as_nobody() + program() + " " + arguments);
  }
  bool can_drop_rights() const { return shell(as_nobody() + program() + " --help").code == 0; }

  Json json(const std::string& arguments) const {
    const Result result = run(arguments + " --json -");
    EXPECT_EQ(result.code, 0) << arguments << "\n" << result.err;
    return Json::parse(result.out, nullptr, false);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string db(const std::string& name = "tuning.db") const { return "--db " + path(name); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }

  /// Names of the files in the test's folder, in order, save the cache of compiled code.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with("objects.db")) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
  }

  /// Bad input: exit 2, exactly one line, which names the thing at fault, nothing on standard output, and no
  /// file that was not there before.
  void expect_refused(const std::string& arguments, const std::string& named) const {
    const std::vector<std::string> before = files();
    expect_refusal(run(arguments), named, arguments);
    EXPECT_EQ(files(), before) << arguments;
  }
  static void expect_refusal(const Result& result, const std::string& named, const std::string& what) {
    EXPECT_EQ(result.code, 2) << what << "\n" << result.err;
    EXPECT_NE(result.err.find(named), std::string::npos) << what << "\n" << result.err;
    EXPECT_TRUE(result.err.starts_with("tunesmith: ")) << what << "\n" << result.err;
    EXPECT_EQ(lines_of(result.err).size(), 1u) << what << "\n" << result.err;
    EXPECT_EQ(result.out, "") << what;
  }

  fs::path folder_;

 private:
  static std::string as_nobody() {
    return ::geteuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups " : "";
  }
};

inline const std::string small = "matmul:m=48,n=64,k=32";

}  // namespace tunesmith::tools::testing
