// docs/json.md is the promise: each command gives these keys and no others.
#include <map>
#include <set>

#include "tests/tools/cli_testing.h"
#include "tests/tracer/onnx_model_writer.h"

namespace tunesmith::tools::testing {
namespace {

using Keys = std::set<std::string>;

/// The keys that docs/json.md lists, by the command of the heading.
std::map<std::string, Keys> documented() {
  std::map<std::string, Keys> result;
  std::string command;
  for (const std::string& line : lines_of(read_file(fs::path(TUNESMITH_SOURCE_DIR) / "docs/json.md"))) {
    if (line.starts_with("## ")) command = line.substr(3);
    if (line.starts_with("| `")) result[command].insert(line.substr(3, line.find('`', 3) - 3));
  }
  return result;
}

/// The keys of a document, written as docs/json.md does; arrays without elements go to `empty`.
void collect(const Json& value, const std::string& at, const Keys& known, Keys& found, Keys& empty) {
  if (value.is_object() && !known.contains(at + "{}")) {
    for (const auto& [key, child] : value.items())
      collect(child, at.empty() ? key : at + "." + key, known, found, empty);
  } else if (value.is_object()) {
    found.insert(at + "{}");
  } else if (value.is_array()) {
    if (value.empty()) empty.insert(at + "[]");
    for (const Json& child : value) collect(child, at + "[]", known, found, empty);
  } else {
    found.insert(at);
  }
}

class JsonKeys : public Cli {
 protected:
  /// REQUIRES: `section` is a heading of docs/json.md.
  void expect_documented(const std::string& section, const std::string& arguments) {
    const Result result = run(section + " " + arguments + " --json -");
    const Json document = Json::parse(result.out, nullptr, false);
    ASSERT_TRUE(document.is_object()) << section << "\n" << result.err;
    const Keys& promised = documented_.at(section);
    Keys found, empty;
    collect(document, "", promised, found, empty);
    for (const std::string& key : found)
      EXPECT_TRUE(promised.contains(key)) << section << ": '" << key << "' is not documented";
    for (const std::string& key : promised) {
      const bool in_empty =
          std::ranges::any_of(empty, [&](const std::string& array) { return key.starts_with(array); });
      EXPECT_TRUE(found.contains(key) || in_empty) << section << ": '" << key << "' is missing";
    }
    EXPECT_EQ(document["schema"], 1);
    checked_.insert(section);
  }

  const std::map<std::string, Keys> documented_ = documented();
  Keys checked_;
};

TEST_F(JsonKeys, AreThoseOfTheDocumentation) {
  const std::string threads = " --threads 1 ";
  ASSERT_EQ(run("run " + small + threads + db() + " --save " + path("saved")).code, 0);
  expect_documented("tune", small + threads + "--trials 6 " + db());
  expect_documented("run", small + threads + "--profile --check " + path("saved") + " " + db());
  expect_documented("bench", small + threads + "--rounds 3 " + db());
  expect_documented("explain", small + threads + db());
  expect_documented("explain --show graph", small);
  expect_documented("devices", threads);
  expect_documented("db stats", db());
  expect_documented("db check", db());
  expect_documented("db list", db());
  expect_documented("db export", path("bundle.jsonl") + " " + db());
  write("damaged.jsonl", read_file(path("bundle.jsonl")) + "{}\n");
  expect_documented("db import", path("damaged.jsonl") + " " + db("other.db"));
  expect_documented("db merge", path("other.db") + " " + db());
  expect_documented("db promote", threads + db("other.db"));
  expect_documented("db backup", path("copy.db") + " " + db());
  const std::string record = json("db list " + db())["records"][0]["record"];
  expect_documented("db retract", record + " --reason test " + db());
  expect_documented("db prune", "--keep 0 " + db());
  for (const auto& [section, keys] : documented_)
    EXPECT_TRUE(checked_.contains(section)) << "this test does not know '" << section << "'";
}

TEST_F(JsonKeys, NamesThatAreNotUtf8AreReplaced) {
  using namespace tracer::testing;
  write("a\xff.onnx", model_bytes({.nodes = {{"Relu", {"x"}, {"y"}}},
                                   .inputs = {value_info("x", {2})},
                                   .outputs = {value_info("y", {2})},
                                   .initializers = {}}));
  EXPECT_EQ(json("run " + path("a\xff.onnx") + " --threads 1")["model"], "a\xef\xbf\xbd.onnx");
}

}  // namespace
}  // namespace tunesmith::tools::testing
