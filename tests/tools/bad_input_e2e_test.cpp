// Bad input through the command line: models, databases, files and disks that are not what they should be.
// Each is refused with one line that names it, leaves no part of a file behind, and loses nothing.
#include "tests/tools/cli_testing.h"
#include "tests/tracer/onnx_model_writer.h"

namespace tunesmith::tools::testing {
namespace {

using namespace tracer::testing;

class BadInput : public Cli {
 protected:
  /// A model of one node over x and a weight.
  static std::string model(const NodeText& node, const Dims& x, const Dims& w) {
    std::int64_t elements = 1;
    for (const std::int64_t dim : w) elements *= dim;
    return model_bytes({.nodes = {node},
                        .inputs = {value_info("x", x)},
                        .outputs = {value_info("y", {2, 3})},
                        .initializers = {f32_tensor("w", w, std::vector<float>(elements, 0.5f))}});
  }
  static std::string good_model() { return model({"MatMul", {"x", "w"}, {"y"}}, {2, 4}, {4, 3}); }

  /// A database with a few records, written back into its file.
  void tune(const std::string& name = "tuning.db") const {
    const Result tuned = run("tune " + small + " --trials 3 --threads 1 " + db(name));
    ASSERT_EQ(tuned.code, 0) << tuned.err;
    fs::remove(path("objects.db"));
  }
  void expect_all_refused(const std::vector<std::string>& commands, const std::string& named) const {
    for (const std::string& command : commands) expect_refused(command, named);
  }
  /// Every way of using the database as it is.
  std::vector<std::string> readers() const {
    return {"run " + small + " " + db(),
            "explain " + small + " " + db(),
            "db stats " + db(),
            "db check " + db(),
            "db list " + db(),
            "db export " + path("b") + " " + db(),
            "db backup " + path("b") + " " + db(),
            "db prune --keep 1 --dry-run " + db()};
  }
  std::vector<std::string> writers() const {
    return {"tune " + small + " --trials 2 --threads 1 " + db(),
            "db import " + path("bundle") + " " + db(),
            "db merge " + path("other.db") + " " + db(),
            "db prune --keep 1 " + db(),
            "db retract 0000 --reason test " + db(),
            "db promote " + db()};
  }
};

TEST_F(BadInput, ATruncatedModelIsRefusedWhereverItEnds) {
  const std::string whole = good_model();
  write("model.onnx", whole);
  ASSERT_EQ(run("run " + path("model.onnx") + " --threads 1 " + db()).code, 0);
  for (const std::size_t size : {whole.size() - 1, whole.size() / 2, whole.size() / 4, std::size_t{3}}) {
    write("model.onnx", whole.substr(0, size));
    expect_refused("run " + path("model.onnx") + " --threads 1 " + db(), "model.onnx");
    expect_refused("tune " + path("model.onnx") + " --threads 1 " + db(), "model.onnx");
  }
}

TEST_F(BadInput, AnUnknownOperatorIsNamedWithItsNode) {
  write("model.onnx", model({"Frobnicate", {"x", "w"}, {"y"}, {}, "strange node"}, {2, 4}, {4, 3}));
  expect_all_refused({"run " + path("model.onnx") + " " + db(), "explain " + path("model.onnx") + " " + db()},
                     "Frobnicate");
  expect_refused("tune " + path("model.onnx") + " " + db(), "strange node");
}

TEST_F(BadInput, NothingIsWrittenOverADatabase) {
  tune();
  const std::string before = read_file(path("tuning.db"));
  expect_refused("db export " + path("tuning.db") + " " + db(), "is the database itself");
  expect_refused("run " + small + " --threads 1 --json " + path("tuning.db"), "is a database");
  write("notes.txt", "mine");
  expect_refused("db export " + path("notes.txt") + " " + db(), "is no bundle");
  EXPECT_EQ(read_file(path("tuning.db")), before);
  EXPECT_EQ(run("db export " + path("bundle") + " " + db()).code, 0);
  EXPECT_EQ(run("db export " + path("bundle") + " " + db()).code, 0) << "a bundle replaces a bundle";
}

TEST_F(BadInput, WhatIsNoWorkloadIsToldInOneLine) {
  expect_all_refused({"run nosuch", "tune nosuch --threads 1 " + db(), "explain nosuch"}, "'nosuch'");
}

TEST_F(BadInput, AModelWithoutKernelsHasNothingToTune) {
  write("model.onnx", model_bytes({.nodes = {{"Identity", {"x"}, {"y"}}},
                                   .inputs = {value_info("x", {2, 3})},
                                   .outputs = {value_info("y", {2, 3})},
                                   .initializers = {}}));
  const Result tuned = run("tune " + path("model.onnx") + " --threads 1 " + db());
  EXPECT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_NE(tuned.out.find("nothing to tune"), std::string::npos) << tuned.out;
}

TEST_F(BadInput, ShapesThatDoNotFitNameTheNode) {
  write("model.onnx", model({"MatMul", {"x", "w"}, {"y"}, {}, "bad product"}, {2, 4}, {5, 3}));
  expect_refused("run " + path("model.onnx") + " " + db(), "bad product");
  write("model.onnx", good_model());
  expect_refused("run " + path("model.onnx") + " --shape x=2x9 " + db(), "x");
  expect_refused("run " + path("model.onnx") + " --shape nonsense=2x4 " + db(), "nonsense");
}

TEST_F(BadInput, MissingInputsAreNamed) {
  write("model.onnx", model({"MatMul", {"x", "nowhere"}, {"y"}}, {2, 4}, {4, 3}));
  expect_refused("run " + path("model.onnx") + " " + db(), "nowhere");
  write("model.onnx", good_model());
  expect_refused("run " + path("model.onnx") + " --inputs " + path("no-folder") + " " + db(), "input_0.pb");
  fs::create_directories(path("inputs"));
  expect_refused("run " + path("model.onnx") + " --check " + path("inputs") + " " + db(), "output_0.pb");
  write("inputs/input_0.pb", f32_tensor("x", {7, 7}, std::vector<float>(49)).bytes());
  expect_refused("run " + path("model.onnx") + " --inputs " + path("inputs") + " " + db(), "x");
}

TEST_F(BadInput, UnknownOptionValuesAreNamedWithWhatIsAccepted) {
  const std::string tune = "tune " + small + " " + db() + " ", run = "run " + small + " " + db() + " ";
  expect_refused(tune + "--budget abc", "--budget 'abc'");
  expect_refused(tune + "--budget -5s", "--budget '-5s'");
  expect_refused(tune + "--budget 10x", "--budget '10x'");
  expect_refused(tune + "--trials many", "many");
  expect_refused(tune + "--seed -1", "-1");
  expect_refused(tune + "--threads 0", "--threads");
  expect_refused(tune + "--target tpu", "tpu");
  expect_refused(tune + "--suite nonsense", "nonsense");
  expect_refused(run + "--repeat often", "often");
  expect_refused(run + "--save-format xml", "xml");
  expect_refused(run + "--seed one", "one");
  expect_refused("explain " + small + " --show everything " + db(), "everything");
  expect_refused("db list --status broken " + db(), "broken");
  expect_refused("db frobnicate " + db(), "frobnicate");
  expect_refused("frobnicate", "frobnicate");
  EXPECT_EQ(files(), std::vector<std::string>()) << "nothing was made on the way";
}

TEST_F(BadInput, FoldersAndEmptyFilesInPlaceOfFiles) {
  fs::create_directories(path("folder"));
  write("empty", "");
  expect_refused("run " + path("folder") + " " + db(), "folder");
  expect_refused("tune @" + path("folder") + " " + db(), "folder");
  expect_refused("tune @" + path("empty") + " " + db(), "empty");
  expect_refused("db import " + path("folder") + " " + db("new.db"), "folder");
  expect_refused("db import " + path("missing") + " " + db("new.db"), "missing");
  expect_refused("db merge " + path("missing") + " " + db("new.db"), "missing");
  expect_refused("tune " + small + " --db " + path("folder"), "folder");
  expect_refused("db stats --db " + path("missing"), "missing");
}

TEST_F(BadInput, BundlesThatAreNoneOrCutShortAreTold) {
  tune();
  for (const char* content : {"", "not a bundle\n", "{}\n", "{\"tunesmith_bundle\":99}\n"}) {
    write("bundle", content);
    expect_refused("db import " + path("bundle") + " " + db(), "bundle");
  }
  ASSERT_EQ(run("db export " + path("bundle") + " " + db()).code, 0);
  const std::string whole = read_file(path("bundle"));
  write("bundle", whole.substr(0, whole.size() - 10));
  const Result cut = run("db import " + path("bundle") + " " + db("new.db"));
  EXPECT_EQ(cut.code, 1) << cut.out << cut.err;
  EXPECT_NE(cut.out.find("cut short"), std::string::npos) << cut.out;
  EXPECT_EQ(json("db stats " + db("new.db"))["measurements"], json("db stats " + db())["measurements"])
      << "the good lines came in";
}

TEST_F(BadInput, UnreadableFilesAreNamed) {
  if (!can_drop_rights())
    GTEST_SKIP() << "nothing is unreadable to root, and setpriv is not there or not allowed";
  fs::permissions(folder_, fs::perms::all);
  write("model.onnx", good_model());
  write("list", small + "\n");
  tune();
  for (const char* name : {"model.onnx", "list", "tuning.db"}) fs::permissions(path(name), fs::perms::none);
  const auto refused = [&](const std::string& arguments, const std::string& named) {
    expect_refusal(run_as_nobody(arguments), named, arguments);
  };
  refused("run " + path("model.onnx") + " " + db("new.db"), "model.onnx");
  refused("tune @" + path("list") + " " + db("new.db"), "list");
  refused("db import " + path("list") + " " + db("new.db"), "list");
  refused("db merge " + path("tuning.db") + " " + db("new.db"), "tuning.db");
  refused("run " + small + " " + db(), "tuning.db");
  refused("tune " + small + " " + db(), "tuning.db");
  refused("db check " + db(), "tuning.db");
}

TEST_F(BadInput, TheDatabaseOfAnotherProgramIsLeftAlone) {
  std::string header("SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20", 24);
  header.resize(4096);
  header[31] = 1;                 // one page
  header.replace(68, 4, "BOOK");  // somebody's application id
  tune("other.db");
  write("bundle", "{\"tunesmith_bundle\":1}\n");
  for (const std::string& content : {header, std::string("not a database at all, but somebody's file")}) {
    write("tuning.db", content);
    expect_all_refused(readers(), "tuning.db");
    expect_all_refused(writers(), "tuning.db");
    expect_refused("db merge " + path("tuning.db") + " " + db("other.db"), "tuning.db");
    EXPECT_EQ(read_file(path("tuning.db")), content);
  }
}

TEST_F(BadInput, ATruncatedDatabaseIsLeftAlone) {
  tune();
  fs::copy(path("tuning.db"), path("other.db"));
  write("bundle", "{\"tunesmith_bundle\":1}\n");
  const std::string whole = read_file(path("tuning.db"));
  for (const std::size_t size : {std::size_t{60}, std::size_t{4096}, whole.size() - 100}) {
    write("tuning.db", whole.substr(0, size));
    expect_all_refused(readers(), "tuning.db");
    expect_all_refused(writers(), "tuning.db");
    EXPECT_EQ(read_file(path("tuning.db")), whole.substr(0, size));
  }
}

TEST_F(BadInput, ADamagedDatabaseCrashesNothingAndIsReported) {
  tune();
  const std::string whole = read_file(path("tuning.db"));
  for (std::size_t page = 1; page < whole.size() / 4096; page += 3) {
    std::string damaged = whole;
    for (std::size_t i = 0; i < 4096; ++i) damaged[4096 * page + i] = static_cast<char>(131 * i + 7 * page);
    write("tuning.db", damaged);
    const Result check = run("db check " + db());
    EXPECT_TRUE(check.code == 1 || check.code == 2) << "page " << page << "\n" << check.out << check.err;
    EXPECT_NE((check.out + check.err).find("tuning.db"), std::string::npos) << check.err;
    const Result ran = run("run " + small + " --threads 1 " + db());
    EXPECT_TRUE(ran.code == 0 || ran.code == 2) << "page " << page << "\n" << ran.err;
    EXPECT_EQ(read_file(path("tuning.db")), damaged) << "readers change nothing";
  }
}

TEST_F(BadInput, AReadOnlyDatabaseServesAndRefusesToLearn) {
  if (!can_drop_rights())
    GTEST_SKIP() << "root may write everything, and setpriv is not there or not allowed";
  tune();
  fs::copy(path("tuning.db"), path("other.db"));
  write("bundle", "{\"tunesmith_bundle\":1}\n");
  const fs::perms readable = fs::perms::owner_read | fs::perms::others_read;
  const fs::perms folder_readable = readable | fs::perms::owner_exec | fs::perms::others_exec;
  const std::string before = read_file(path("tuning.db"));
  const auto names = files();
  // A read-only file in a folder that is read-only too, or not; a file in a read-only folder.
  for (const auto& [file_perms, folder_perms] :
       {std::pair{readable, folder_readable}, std::pair{readable, fs::perms::all},
        std::pair{fs::perms::all, folder_readable}}) {
    fs::permissions(path("tuning.db"), file_perms);
    fs::permissions(folder_, folder_perms);
    const Result ran = run_as_nobody("run " + small + " --threads 1 --json - " + db());
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(Json::parse(ran.out)["kernels"]["tuned"], 1) << "what is known is used";
    EXPECT_EQ(run_as_nobody("db check " + db()).code, 0);
    for (const std::string& command : writers()) expect_refusal(run_as_nobody(command), "tuning.db", command);
    EXPECT_EQ(read_file(path("tuning.db")), before);
    EXPECT_EQ(files(), names) << "nothing beside it";
  }
}

TEST_F(BadInput, AnUnwritablePlaceForJsonIsToldBeforeTheWork) {
  fs::create_directories(path("folder"));
  for (const std::string& place :
       {path("no/folder/out.json"), path("folder"), std::string("/dev/null/out.json")})
    expect_all_refused({"tune " + small + " --trials 2 --threads 1 --json " + place + " " + db(),
                        "run " + small + " --json " + place + " " + db(), "devices --json " + place},
                       place);
  EXPECT_FALSE(fs::exists(path("tuning.db"))) << "nothing was searched";
}

TEST_F(BadInput, JsonGoesIntoDevicesAndPipesAsTheyAre) {
  ASSERT_EQ(shell("mkfifo " + path("pipe")).code, 0);
  const Result result = shell("cat " + path("pipe") + " & " + program() + " run " + small +
                              " --threads 1 --json " + path("pipe") + " " + db() + " >&2; wait");
  EXPECT_EQ(Json::parse(result.out)["n"], 1);
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
  EXPECT_EQ(run("run " + small + " --threads 1 --json /dev/null " + db()).code, 0);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(BadInput, OutputsThatCannotBeWrittenAreNamed) {
  tune();
  write("file", "somebody's");
  expect_refused("run " + small + " --threads 1 --save " + path("file") + " " + db(), "file");
  expect_refused("db export " + path("no/folder/b.jsonl") + " " + db(), "b.jsonl");
  expect_refused("db backup " + path("no/folder/b.db") + " " + db(), "b.db");
  expect_refused("db backup " + path("file") + " " + db(), "file");
  EXPECT_EQ(read_file(path("file")), "somebody's");
}

/// A disk of 1 MB that only the script sees: as root, or as root of a user namespace.
class FullDisk : public BadInput {
 protected:
  void SetUp() override {
    BadInput::SetUp();
    for (const char* with : {"unshare -m", "unshare -rm"}) {
      unshare_ = with;
      if (on_small_disk("true").code == 0) return;
    }
    GTEST_SKIP() << "a small file system needs root or user namespaces";
  }
  /// Runs a script with D, the small disk, T, the program, and `fill`, which leaves no room.
  Result on_small_disk(const std::string& script) const {
    fs::create_directories(path("disk"));
    write("script", "D=" + path("disk") + "; T=" + program() +
                        "; mount -t tmpfs -o size=1m tmpfs $D || exit 99\n" +
                        "fill() { dd if=/dev/zero of=$D/filler bs=1k 2>/dev/null; true; }\n" + script + "\n");
    return shell(unshare_ + " sh " + path("script"));
  }
  std::string unshare_;
};

TEST_F(FullDisk, ASessionEndsWithOneLineAndLosesNothing) {
  const std::string tune = "$T tune " + small + " --threads 1 --db $D/tuning.db";
  const Result result = on_small_disk(
      tune + " --trials 4 >" + path("first") + " 2>&1 || exit 98\n" + "$T db stats --json " +
      path("before.json") + " --db $D/tuning.db >&2\nfill\n" + tune + " --trials 400 >" + path("out") +
      " 2>" + path("err") + "\n" + "echo $? >" + path("code") + "\nls $D >" + path("left") +
      "\nrm $D/filler\n" + "$T db check --db $D/tuning.db || exit 97\n" + "$T db stats --json " +
      path("after.json") + " --db $D/tuning.db\n" + tune + " --trials 6");
  ASSERT_EQ(result.code, 0) << result.out << result.err << read_file(path("first"));
  EXPECT_EQ(read_file(path("code")), "2\n") << read_file(path("err"));
  std::vector<std::string> lines = lines_of(read_file(path("err")));
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("tune: "); });  // progress
  ASSERT_EQ(lines.size(), 1u) << read_file(path("err"));
  EXPECT_NE(lines[0].find("tuning.db"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("full"), std::string::npos) << lines[0];
  EXPECT_EQ(read_file(path("left")).find("partial"), std::string::npos);
  const Json before = Json::parse(read_file(path("before.json"))),
             after = Json::parse(read_file(path("after.json")));
  EXPECT_GE(after["measurements"], before["measurements"]) << "nothing that was stored is lost";
}

TEST_F(FullDisk, FilesAppearWholeOrNotAtAll) {
  tune();
  const std::string with = " --db " + path("tuning.db") + " >>" + path("out") + " 2>>" + path("err") +
                           "; echo $? >>" + path("codes") + "\n";
  const Result result =
      on_small_disk("fill\n$T db export $D/export.jsonl" + with + "$T db backup $D/backup.db" + with +
                    "$T db stats --json $D/stats.json" + with + "$T run " + small +
                    " --threads 1 --save $D/saved" + with + "ls $D");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_file(path("codes")), "2\n2\n2\n2\n") << read_file(path("err"));
  EXPECT_EQ(lines_of(read_file(path("err"))).size(), 4u) << read_file(path("err"));
  for (const char* name : {"export.jsonl", "backup.db", "stats.json", "saved"})
    EXPECT_NE(read_file(path("err")).find(name), std::string::npos) << name << "\n" << read_file(path("err"));
  for (const std::string& name : lines_of(result.out))
    EXPECT_TRUE(name == "filler" || name == "saved") << name;
}

}  // namespace
}  // namespace tunesmith::tools::testing
