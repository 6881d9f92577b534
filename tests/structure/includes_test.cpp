// The order of the rooms: no include may run against it (docs/architecture.md).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

/// Which rooms a room may include, besides itself.
const std::map<std::string, std::set<std::string>> allowed = {
    {"ir", {}},
    {"tracer", {"ir"}},
    {"schedules", {"ir"}},
    {"codegen", {"ir"}},
    {"cache", {"ir"}},  // of which only ir/support
    {"tuner", {"ir", "schedules", "codegen", "cache"}},
    {"runtime", {"ir", "tracer", "schedules", "codegen", "cache", "tuner"}},
    {"tools", {"ir", "tracer", "schedules", "codegen", "cache", "tuner", "runtime"}},
};

/// Headers of foreign libraries, and the only folders (or files) that may include them. Headers in these
/// folders that do so are internal to them: nobody outside includes them (the next test).
const std::vector<std::pair<std::string, std::vector<std::string>>> foreign = {
    {"llvm/", {"codegen/llvm/"}},
    {"sqlite3.h", {"cache/"}},
    {"xgboost/", {"tuner/boosted_trees.cpp"}},
    {"google/protobuf/", {"tracer/onnx/"}},
    {"onnx/onnx.pb.h", {"tracer/onnx/"}},
    {"onnx.pb.h", {"tracer/onnx/"}},
    {"hwloc.h", {"codegen/"}},
    {"CLI/", {"tools/"}},
};

struct Include {
  std::string file;  // relative to the source folder
  std::string path;
};

std::vector<Include> includes_of_rooms() {
  std::vector<Include> found;
  const fs::path root = TUNESMITH_SOURCE_DIR;
  for (const auto& [room, rooms] : allowed)
    for (const auto& entry : fs::recursive_directory_iterator(root / room)) {
      if (entry.path().extension() != ".h" && entry.path().extension() != ".cpp") continue;
      std::ifstream file(entry.path());
      std::string line;
      while (std::getline(file, line)) {
        if (!line.starts_with("#include ")) continue;
        const std::size_t begin = line.find_first_of("<\"") + 1;
        found.push_back({fs::relative(entry.path(), root).generic_string(),
                         line.substr(begin, line.find_first_of(">\"", begin) - begin)});
      }
    }
  return found;
}

std::string first_folder(const std::string& path) { return path.substr(0, path.find('/')); }

TEST(Rooms, IncludeOnlyEarlierRooms) {
  const std::vector<Include> includes = includes_of_rooms();
  ASSERT_GT(includes.size(), 100u) << "the sources were not found";
  for (const Include& include : includes) {
    const std::string from = first_folder(include.file);
    const std::string to = first_folder(include.path);
    if (!allowed.contains(to) || from == to) continue;
    EXPECT_TRUE(allowed.at(from).contains(to)) << include.file << " includes " << include.path;
    if (from == "cache") {
      EXPECT_TRUE(include.path.starts_with("ir/support/")) << include.file << " includes " << include.path;
    }
  }
}

TEST(Rooms, ForeignTypesStayInTheirSources) {
  for (const Include& include : includes_of_rooms())
    for (const auto& [prefix, places] : foreign) {
      if (!include.path.starts_with(prefix)) continue;
      bool place_found = false;
      for (const std::string& place : places) place_found = place_found || include.file.starts_with(place);
      EXPECT_TRUE(place_found) << include.file << " includes " << include.path;
    }
}

TEST(Rooms, InternalHeadersStayInside) {
  const std::vector<Include> includes = includes_of_rooms();
  for (const Include& include : includes)
    for (const auto& [prefix, places] : foreign) {
      // Headers that include a foreign library...
      if (!include.path.starts_with(prefix) || !include.file.ends_with(".h")) continue;
      const std::string folder = include.file.substr(0, include.file.rfind('/') + 1);
      for (const Include& other : includes)  // ...are included from their own folder only.
        if (other.path == include.file) {
          EXPECT_TRUE(other.file.starts_with(folder)) << other.file << " includes " << other.path;
        }
    }
}

}  // namespace
