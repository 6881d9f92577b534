// The command line as a user sees it: exit codes, messages, JSON, and the way from tuning to running.
#include <limits>
#include <set>

#include "tests/tools/cli_testing.h"

namespace tunesmith::tools::testing {
namespace {

TEST_F(Cli, HelpTeaches) {
  const Result help = run("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* word : {"tune", "run", "bench", "explain", "db", "devices", "matmul:m=N"})
    EXPECT_NE(help.out.find(word), std::string::npos) << word;
  EXPECT_NE(run("--help-env").out.find("TUNESMITH_DEBUG"), std::string::npos);
  EXPECT_EQ(run("tune --help").code, 0);
}

TEST_F(Cli, BadOptionsAreNamed) {
  expect_refused("tune " + small + " --budget abc " + db(), "--budget");
  expect_refused("tune " + small + " --trials 0 " + db(), "trials");
  expect_refused("tune " + small + " --nonsense " + db(), "nonsense");
  expect_refused("run " + small + " --target gpu9 " + db(), "gpu9");
  expect_refused("run model.onnx --shape x=1xqx3 " + db(), "'q'");
  expect_refused("run model.onnx --shape 3x4 " + db(), "3x4");
  expect_refused("", "subcommand");
}

TEST_F(Cli, BadOperatorsAreNamed) {
  expect_refused("tune matmul:m=4,n=4 " + db(), "k=N");
  expect_refused("tune matmul:m=4,n=4,k=x " + db(), "k='x'");
  expect_refused("tune matmul:m=4,n=4,k=4,z=1 " + db(), "'z'");
  expect_refused("tune frobnicate:m=4 " + db(), "frobnicate");
  expect_refused("tune matmul:m=4,n=4,k=4,epilogue=frob " + db(), "frob");
  expect_refused("tune matmul:m=4,n=4,k=4,dtype=f99 " + db(), "f99");
  expect_refused("run missing.onnx " + db(), "missing.onnx");
  expect_refused("tune @" + path("no-list") + " " + db(), "no-list");
}

TEST_F(Cli, OperatorsSayEachSizeOnce) {
  expect_refused("run matmul:m=4,n=4,k=4,m=8", "m is given twice");
  expect_refused("run " + small + " --shape a=4x4", "--shape 'a=4x4'");
}

TEST_F(Cli, ADamagedModelIsRefused) {
  write("broken.onnx", "this is not a model");
  expect_refused("run " + path("broken.onnx") + " " + db(), "broken.onnx");
  write("empty.onnx", "");
  expect_refused("tune " + path("empty.onnx") + " " + db(), "empty.onnx");
}

TEST_F(Cli, MissingInputsAreNamed) {
  fs::create_directories(path("inputs"));
  expect_refused("run " + small + " --inputs " + path("inputs") + " " + db(), "input_0.pb");
  write("inputs/input_0.pb", "garbage");
  expect_refused("run " + small + " --inputs " + path("inputs") + " " + db(), "input_0.pb");
}

TEST_F(Cli, AForeignDatabaseIsRefusedAndLeftAlone) {
  write("tuning.db", "not a database at all, but somebody's file");
  const std::string before = read_file(path("tuning.db"));
  expect_refused("tune " + small + " --trials 2 " + db(), "tuning.db");
  EXPECT_EQ(read_file(path("tuning.db")), before);
}

TEST_F(Cli, AnUnwritablePlaceIsNamed) {
  expect_refused("tune " + small + " --trials 2 --db /dev/null/tuning.db", "/dev/null");
  const Result result = run("run " + small + " --json /dev/null/out.json " + db());
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("out.json"), std::string::npos) << result.err;
}

TEST_F(Cli, TuneThenRunUsesWhatWasFound) {
  const Result tuned = run("tune " + small + " --trials 6 --threads 1 --json - " + db());
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  const Json report = Json::parse(tuned.out);
  EXPECT_EQ(report["schema"], 1);
  ASSERT_EQ(report["tasks"].size(), 1u);
  const Json& task = report["tasks"][0];
  EXPECT_GT(task["best_ns"], 0);
  EXPECT_GE(task["default_ns"], task["best_ns"]);
  EXPECT_FALSE(task["curve"].empty());
  for (const auto& [name, count] : task["failures"].items()) EXPECT_NE(name, "wrong") << count;

  const Result ran = run("run " + small + " --threads 1 --repeat 3 --json - " + db());
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json run_report = Json::parse(ran.out);
  EXPECT_EQ(run_report["kernels"]["tuned"], 1);
  EXPECT_EQ(run_report["n"], 3);

  // Another session repeats nothing.
  const Json again = Json::parse(run("tune " + small + " --trials 6 --threads 1 --json - " + db()).out);
  EXPECT_EQ(again["trials"], 0);
  EXPECT_EQ(again["tasks"][0]["best_ns"], task["best_ns"]);

  const Json stats = Json::parse(run("db stats --json - " + db()).out);
  EXPECT_EQ(stats["measurements"], report["trials"]);
  EXPECT_EQ(run("db check " + db()).code, 0);
}

TEST_F(Cli, EveryStrategyAndCostModelTunes) {
  const std::string tune = "tune " + small + " --threads 1 --trials 3 ";
  int runs = 0;
  for (const char* choice : {"--strategy descent", "--strategy random --cost-model random", "--cost-model analytic",
                             "--cost-model pack-sum"}) {
    const Json report = json(tune + choice + " " + db(std::to_string(runs++) + ".db"));
    EXPECT_EQ(report["trials"], 3) << choice;
    EXPECT_LE(report["tasks"][0]["best_ns"], report["tasks"][0]["default_ns"]) << choice << ": the default was measured";
  }
  expect_refused(tune + "--strategy luck " + db(), "luck");
  expect_refused(tune + "--cost-model oracle " + db(), "oracle");
}

TEST_F(Cli, RecordsTravelAsSeeds) {
  ASSERT_EQ(run("tune " + small + " --trials 4 --threads 1 " + db()).code, 0);
  const Result exported = run("db export " + path("bundle.jsonl") + " " + db());
  ASSERT_EQ(exported.code, 0) << exported.err;
  const std::string other = "--db " + path("other.db");
  const Json imported = Json::parse(run("db import " + path("bundle.jsonl") + " --json - " + other).out);
  EXPECT_GE(imported["added"], 1);
  EXPECT_EQ(imported["rejected"], 0);
  // What was not measured here is not served.
  const Json ran = Json::parse(run("run " + small + " --threads 1 --json - " + other).out);
  EXPECT_FALSE(ran["kernels"].contains("tuned"));
  // Importing or merging again changes nothing.
  EXPECT_EQ(Json::parse(run("db import " + path("bundle.jsonl") + " --json - " + other).out)["added"], 0);
  EXPECT_EQ(Json::parse(run("db merge " + path("tuning.db") + " --json - " + other).out)["added"], 0);
}

TEST_F(Cli, OutputsCanBeSavedAndChecked) {
  ASSERT_EQ(run("run " + small + " --save " + path("saved") + " " + db()).code, 0);
  EXPECT_EQ(run("run " + small + " --check " + path("saved") + " " + db()).code, 0);
  const Result other = run("run " + small + " --seed 2 --check " + path("saved") + " " + db());
  EXPECT_EQ(other.code, 1) << other.out;
  EXPECT_NE(other.out.find("WRONG"), std::string::npos);
}

TEST_F(Cli, ProfileNamesEveryKernelTheSlowestFirst) {
  const std::string arguments = "run inverted_residual:c=8,h=12,w=12,constant=1 --threads 1 --repeat 5 --profile " + db();
  const Json result = json(arguments);
  const Json& kernels = result["profile"];
  std::set<std::size_t> indices;
  double shares = 0, before = std::numeric_limits<double>::infinity();
  for (const Json& kernel : kernels) {
    indices.insert(kernel["index"].get<std::size_t>());
    shares += kernel["share"].get<double>();
    EXPECT_GT(kernel["limit_ns"], 0);
    EXPECT_LE(kernel["median_ns"], before);
    before = kernel["median_ns"];
  }
  EXPECT_EQ(indices.size(), result["kernels"]["default"]);
  EXPECT_EQ(*indices.rbegin(), kernels.size() - 1);
  EXPECT_NEAR(shares, 1, 1e-9);
  const std::string text = run(arguments).out;
  for (const Json& kernel : kernels) EXPECT_NE(text.find(kernel["name"].get<std::string>()), std::string::npos) << text;
}

TEST_F(Cli, ExplainShowsEveryStation) {
  for (const char* what : {"graph", "kernel", "schedule", "nest", "source", "asm", "why"}) {
    const Result result = run("explain " + small + " --show " + what + " --threads 1 " + db());
    EXPECT_EQ(result.code, 0) << what << "\n" << result.err;
    EXPECT_GT(result.out.size(), 40u) << what;
    const Json document = json("explain " + small + " --show " + what + " --threads 1 " + db());
    const Json text = std::string(what) == "graph" ? document["graph"] : document["kernels"][0][what];
    ASSERT_TRUE(text.is_string()) << document.dump();
    EXPECT_GT(text.get<std::string>().size(), 40u) << what;
  }
  expect_refused("explain " + small + " --show nonsense " + db(), "nonsense");
  expect_refused("explain " + small + " --show kernel --kernel 99 " + db(), "--kernel 99");
}

TEST_F(Cli, ExplainSaysWhatTheSearchSaw) {
  const std::string why = "explain " + small + " --threads 1 " + db();
  EXPECT_NE(run(why).out.find("never measured here"), std::string::npos);
  EXPECT_EQ(run(why).out.find("runner-up"), std::string::npos);
  ASSERT_EQ(run("tune " + small + " --threads 1 --trials 5 " + db()).code, 0);
  const std::string text = run(why).out;
  for (const char* has : {"% of the limit", "bound by ", "tried 5 schedules of about 10^", "runner-up ", " +", " -"})
    EXPECT_NE(text.find(has), std::string::npos) << has << "\n" << text;
}

TEST_F(Cli, ExplainWritesAPageThatNeedsNothingElse) {
  ASSERT_EQ(run("tune " + small + " --threads 1 --trials 5 " + db()).code, 0);
  ASSERT_EQ(run("explain " + small + " --threads 1 --html " + path("page.html") + " " + db()).code, 0);
  const std::string page = read_file(path("page.html"));
  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  EXPECT_TRUE(page.ends_with("</html>\n"));
  for (const char* needs : {"src=", "href=", "url(", "<script", "@import"}) EXPECT_EQ(page.find(needs), std::string::npos) << needs;
  for (const char* has : {"5 trials", "aria-label=\"roofline\"", "aria-label=\"convergence\"", "for i"})
    EXPECT_NE(page.find(has), std::string::npos) << has;
  for (const char* element : {"table", "svg", "details", "div", "pre", "tr", "td", "p"}) {
    const auto count = [&](const std::string& tag) {
      std::size_t found = 0;
      for (std::size_t at = page.find(tag); at != std::string::npos; at = page.find(tag, at + 1)) ++found;
      return found;
    };
    const std::string open = std::string("<") + element;
    EXPECT_EQ(count(open + ">") + count(open + " "), count(std::string("</") + element + ">")) << element;
  }
  expect_refused("explain " + small + " --html /dev/null/page.html " + db(), "page.html");
}

TEST_F(Cli, ExplainWritesAPageForWhatWasNeverMeasured) {
  ASSERT_EQ(run("explain " + small + " --threads 1 --html " + path("page.html") + " " + db()).code, 0);
  EXPECT_NE(read_file(path("page.html")).find("0 of 1"), std::string::npos);
}

TEST_F(Cli, DevicesSayWhatIsMissingOfCuda) {
  ::setenv("TUNESMITH_NVRTC", "/nowhere/libnvrtc.so", 1);
  const Json devices = json("devices --threads 1");
  const std::string text = run("devices --threads 1").out;
  ::unsetenv("TUNESMITH_NVRTC");
  EXPECT_TRUE(devices["gpu_compilers"].empty());
  ASSERT_FALSE(devices["missing"].empty());
  EXPECT_NE(devices["missing"][0].get<std::string>().find("/nowhere/libnvrtc.so"), std::string::npos);
  EXPECT_NE(text.find("set TUNESMITH_NVRTC"), std::string::npos) << text;
}

TEST_F(Cli, ExplainsKernelsForAGpuThatIsNotThere) {
  const std::string explain = "explain " + small + " --target cuda:sm_90a --show ";
  const Result source = run(explain + "source");
  EXPECT_EQ(source.code, 0) << source.err;
  EXPECT_NE(source.out.find("TS_KERNEL("), std::string::npos) << source.out;
  EXPECT_NE(run(explain + "schedule").out.find("block_x("), std::string::npos);
  EXPECT_NE(run(explain + "nest").out.find("thread_x "), std::string::npos);
  const Result why = run(explain + "why");
  EXPECT_EQ(why.code, 0) << why.err;
  EXPECT_NE(why.out.find("H100"), std::string::npos) << why.out;
  EXPECT_NE(why.out.find("not measured"), std::string::npos) << why.out;
  expect_refused(explain + "asm", "asm is not available for GPUs");
  expect_refused("explain " + small + " --target cuda:sm_1", "no architecture 'sm_1'");
  expect_refused("explain " + small + " --target cudo --show source " + db(), "target 'cudo'");
  expect_refused("run " + small + " --target cuda:sm_90a " + db(), "target 'cuda:sm_90a'");
}

TEST_F(Cli, DevicesAndBenchReportMeasuredLimits) {
  const Json devices = Json::parse(run("devices --threads 1 --json -").out);
  EXPECT_GT(devices["devices"][0]["peak_gflops"], 0);
  EXPECT_GT(devices["devices"][0]["bandwidth_gb_s"], 0);
  const Json bench = Json::parse(run("bench " + small + " --rounds 5 --threads 1 --json - " + db()).out);
  EXPECT_EQ(bench["results"][0]["entries"].size(), 2u);
  EXPECT_GT(bench["results"][0]["limit_ns"], 0);
  EXPECT_LT(bench["results"][0]["entries"][0]["max_rel_err"], 1e-4);
}

/// Adds one to the last element of a little-endian .npy file of 32-bit integers.
void increment_last(const std::string& path) {
  std::string bytes = read_file(path);
  ++bytes[bytes.size() - 4];
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST_F(Cli, CheckHoldsIntegersToTheirValue) {
  const std::string work = "run matmul:m=3,n=5,k=8,dtype=i8 " + db();
  ASSERT_EQ(run(work + " --save-format npy --save " + path("right")).code, 0);
  EXPECT_EQ(run(work + " --check " + path("right")).code, 0);
  increment_last(path("right/output_0.npy"));
  const Result wrong = run(work + " --check " + path("right"));
  EXPECT_EQ(wrong.code, 1) << wrong.out;
  EXPECT_NE(wrong.out.find("WRONG, largest error 1"), std::string::npos) << wrong.out;
  EXPECT_EQ(run(work + " --atol 1 --check " + path("right")).code, 0) << "a step that is allowed";
  expect_refused(work + " --rtol=-1 --check " + path("right"), "--rtol");
}

TEST_F(Cli, CheckKnowsInfinity) {
  auto save = [&](const std::string& folder, const char* name, std::vector<float> values) {
    fs::create_directories(path(folder));
    std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }";
    header.resize(117, ' ');
    std::string bytes = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n";
    bytes.append(reinterpret_cast<const char*>(values.data()), 4 * values.size());
    write(folder + "/" + name, bytes);
  };
  const float inf = INFINITY;
  save("in", "input_0.npy", {1, 2, 3, inf});
  save("in", "input_1.npy", {1, 1, 1, 1});
  const std::string work = "run add:size=4 --threads 1 --inputs " + path("in") + " --check " + path("out");
  save("out", "output_0.npy", {2, 3, 4, inf});
  EXPECT_EQ(run(work).code, 0) << run(work).out;
  EXPECT_EQ(run(work + " --rtol 0").code, 0);
  for (const std::vector<float>& wrong : {std::vector<float>{2, 3, inf, inf}, {2, 3, 4, -inf}, {2, 3, 4, NAN}, {2, 3, 4, 5}}) {
    save("out", "output_0.npy", wrong);
    const Result result = run(work);
    EXPECT_EQ(result.code, 1) << result.out;
    EXPECT_NE(result.out.find("largest error inf"), std::string::npos) << result.out;
  }
}

TEST_F(Cli, CheckNamesTypesThatDiffer) {
  ASSERT_EQ(run("run matmul:m=3,n=5,k=8 " + db() + " --save " + path("other")).code, 0);
  const std::string work = "run matmul:m=3,n=6,k=8 " + db() + " --check " + path("other");
  const Result text = run(work);
  EXPECT_EQ(text.code, 1);
  EXPECT_NE(text.out.find("WRONG; is f32[3, 6], expected f32[3, 5]"), std::string::npos) << text.out;
  const Json check = Json::parse(run(work + " --json -").out).at("checks").at(0);
  EXPECT_EQ(check.at("message"), "is f32[3, 6], expected f32[3, 5]");
  EXPECT_TRUE(check.at("max_abs_error").is_null());
}

TEST_F(Cli, TheRelativeErrorDoesNotDependOnTheTolerance) {
  const std::string work = "run " + small + " " + db();
  ASSERT_EQ(run(work + " --seed 1 --save " + path("other")).code, 0);
  auto error = [&](const std::string& tolerance) {
    const Result result = run(work + " --seed 2 --check " + path("other") + " --json - " + tolerance);
    return Json::parse(result.out).at("checks").at(0).at("max_rel_error").get<double>();
  };
  EXPECT_GT(error("--rtol 1e-4"), 0.1);
  EXPECT_EQ(error("--rtol 1e-4"), error("--rtol 1e-2"));
  EXPECT_EQ(error("--rtol 1e-4"), error("--rtol 0"));
}

TEST_F(Cli, AFullStandardOutputIsTold) {
  const std::vector<std::string> commands{"run " + small + " --json - " + db(), "run " + small + " " + db(),
                                          "explain " + small + " --show graph"};
  for (const std::string& arguments : commands) {
    const Result result = shell(program() + " " + arguments + " > /dev/full");
    EXPECT_EQ(result.code, 2) << arguments;
    EXPECT_NE(result.err.find("cannot write to standard output: No space left"), std::string::npos) << result.err;
  }
}

TEST_F(Cli, ADatabaseThatIsNotThereIsToldAndNotMade) {
  const Result result = run("run " + small + " --db " + path("typo/tuning.db"));
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.err.find("typo/tuning.db' does not exist"), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(path("typo")));
}

TEST_F(Cli, ExplainGivesTheGraphAsJsonToo) {
  const Json report = json("explain " + small + " --show graph " + db());
  EXPECT_NE(report.at("graph").get<std::string>().find("matmul"), std::string::npos) << report;
  expect_refused("explain " + small + " --kernel 1 --show kernel " + db(), "has 1 kernel, counted from 0");
}

TEST_F(Cli, ListsMayBeIndentedAndSeedsAreWhole) {
  write("operators", "  " + small + "  # indented\n\n");
  EXPECT_EQ(json("tune @" + path("operators") + " --trials 1 --threads 1 " + db()).at("tasks").size(), 1u);
  expect_refused("run " + small + " --seed 99999999999999999999999 " + db(), "99999999999999999999999");
  expect_refused("bench --suite small --suite-seed=-1 " + db(), "'-1'");
}

}  // namespace
}  // namespace tunesmith::tools::testing
