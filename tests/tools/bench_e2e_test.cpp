// `tunesmith bench` as a user sees it: every operator text, the libraries that are installed, suites,
// refusals.
#include <gtest/gtest.h>

#include "tests/tools/cli_testing.h"

namespace tunesmith::tools::testing {
namespace {

/// A small instance of each operator text, with what epilogues and keys change its way through a library.
constexpr const char* operators[] = {
    "matmul:m=7,n=19,k=33",
    "matmul:m=7,n=19,k=33,b=3,transpose_b=1",
    "matmul:m=16,n=32,k=8,transpose_a=1,constant=1,epilogue=bias+gelu",
    "matmul:m=9,n=17,k=5,epilogue=bias+add+relu",
    "matmul:m=9,n=17,k=5,epilogue=silu",
    "matmul:m=9,n=17,k=5,epilogue=bias+sigmoid",
    "matmul:m=9,n=17,k=5,epilogue=bias+tanh",
    "conv2d:c=5,h=9,w=11,k=6,r=3,s=3,pad=1",
    "conv2d:n=2,c=8,h=9,w=7,k=12,r=3,s=3,stride=2,pad=1,groups=4,nhwc=1,constant=1,epilogue=bias+relu",
    "conv2d:c=6,h=12,w=10,k=6,r=3,s=3,pad=2,dilation=2,groups=6,nhwc=1,constant=1",
    "conv2d:c=6,h=8,w=8,k=6,r=3,s=3,pad=1,nhwc=1,constant=1,epilogue=bias+add+relu",
    "inverted_residual:c=8,h=9,w=9,nhwc=1,constant=1",
    "inverted_residual:c=8,h=9,w=9,k=12,expand=3,stride=2,constant=1",
    "softmax:rows=5,cols=37",
    "layernorm:rows=5,cols=37",
    "addnorm:rows=5,cols=37",
    "rmsnorm:rows=5,cols=37",
    "swiglu:rows=5,cols=37",
    "sum:rows=13,cols=37",
    "sum:rows=13,cols=37,axis=0",
    "transpose:rows=33,cols=21",
    "gelu:size=1001",
    "add:size=1001,epilogue=relu",
    "chain:size=1001",
    "attention:h=2,s=9,d=16",
    "attention:h=2,s=9,s_kv=9,d=16,causal=1",
    "attention:b=2,h=2,s=9,s_kv=13,d=16",
};

class Bench : public Cli {};

TEST_F(Bench, EveryOperatorAgreesWithEveryLibraryThatIsInstalled) {
  std::string list;
  for (const char* text : operators) list += std::string(text) + "\n";
  write("operators", list);
  const Json report = json("bench @" + path("operators") + " --threads 1 --rounds 3 " + db() +
                           " --against onednn,openblas,blis,libxsmm,onnxruntime,loops");
  ASSERT_EQ(report.at("results").size(), std::size(operators));
  for (const Json& result : report.at("results")) {
    ASSERT_GE(result.at("entries").size(), 2u);
    for (const Json& entry : result.at("entries")) {
      EXPECT_LE(entry.at("max_rel_err").get<double>(), 1e-3) << result.at("workload") << " " << entry.dump();
      EXPECT_GT(entry.at("median_ns").get<double>(), 0) << result.at("workload") << " " << entry.dump();
    }
  }
  // A library that takes part says which one it is.
  for (const auto& [name, version] : report.at("machine").at("peers").items()) EXPECT_NE(version, "") << name;
}

TEST_F(Bench, PlainLoopsTakePartWhereTheyHaveAForm) {
  auto names = [&](const std::string& op) {
    std::vector<std::string> result;
    const Json report = json("bench " + op + " --threads 1 --rounds 3 --against loops " + db());
    for (const Json& entry : report.at("results").at(0).at("entries")) result.push_back(entry.at("name"));
    return result;
  };
  EXPECT_EQ(names(small).back(), "loops");
  EXPECT_EQ(names("matmul:m=8,n=8,k=8,dtype=f16").back(), "tunesmith-default") << "C++ has no half";
}

TEST_F(Bench, TheReportSaysWhatWasMeasured) {
  const Json report = json("bench " + small + " --threads 1 --rounds 4 " + db());
  EXPECT_EQ(report.at("schema"), 1);
  EXPECT_GT(report.at("machine").at("peak_gflops").get<double>(), 0);
  EXPECT_GT(report.at("machine").at("bandwidth_gb_s").get<double>(), 0);
  const Json& result = report.at("results").at(0);
  EXPECT_EQ(result.at("workload"), small);
  EXPECT_EQ(result.at("threads"), 1);
  EXPECT_EQ(result.at("flops").get<double>(), 2.0 * 48 * 64 * 32);
  EXPECT_EQ(result.at("bytes").get<double>(), 4.0 * (48 * 32 + 32 * 64 + 48 * 64));
  EXPECT_GT(result.at("limit_ns").get<double>(), 0);
  for (const Json& entry : result.at("entries")) EXPECT_EQ(entry.at("n"), 4);
}

TEST_F(Bench, TrialsTuneFirstAndAreKept) {
  const Json report = json("bench " + small + " --threads 1 --rounds 3 --trials 2 " + db());
  EXPECT_EQ(report.at("results").size(), 1u);
  EXPECT_TRUE(fs::exists(path("tuning.db")));
}

TEST_F(Bench, CtrlCKeepsWhatWasMeasured) {
  const Result result = shell("timeout --foreground -s INT 4 " + program() + " bench " + small + " " + small +
                              " --threads 1 --rounds 1000000 --json " + path("bench.json"));
  EXPECT_EQ(result.code, 124) << result.err;
  EXPECT_NE(result.err.find("Stopped after 0 of 2 workloads"), std::string::npos) << result.err;
  const Json document = Json::parse(read_file(path("bench.json")), nullptr, false);
  EXPECT_EQ(document["stopped"], true);
  EXPECT_TRUE(document["results"].empty());
}

TEST_F(Bench, OptionsDoNotSwallowOperators) {
  const Json report = json("bench --threads 1 --rounds 3 " + db() + " --against openblas " + small);
  EXPECT_EQ(report.at("results").size(), 1u);
}

TEST_F(Bench, SuitesAreTheSameForOneSeed) {
  auto workloads = [&](const std::string& options) {
    std::vector<std::string> names;
    const Json report = json("bench --threads 1 --rounds 3 " + db() + " --suite small " + options);
    for (const Json& result : report.at("results")) names.push_back(result.at("workload"));
    return names;
  };
  const std::vector<std::string> first = workloads("");
  EXPECT_GE(first.size(), 16u);
  EXPECT_EQ(workloads(""), first);
  EXPECT_NE(workloads("--suite-seed 2"), first);
}

TEST_F(Bench, RefusesWhatItDoesNotKnow) {
  expect_refused("bench " + small + " --against vendorblas " + db(), "vendorblas");
  expect_refused("bench --suite everything " + db(), "everything");
  expect_refused("bench --suite models --models " + path("nothing") + " " + db(), path("nothing"));
  expect_refused("bench " + db(), "nothing to do");
  expect_refused("bench matmul:m=8,n=8 " + db(), "k=N");
}

}  // namespace
}  // namespace tunesmith::tools::testing
