// One golden text a primitive: the schedule and the nest that it gives. TUNESMITH_UPDATE_GOLDEN=1 writes the
// files anew; the difference is then reviewed like code.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/schedules/schedule_testing.h"

namespace tunesmith::schedules::testing {
namespace {

struct Golden {
  const char* name;
  Kernel (*kernel)();
  const char* schedule;
};

Kernel small_matmul() { return ir::testing::matmul(6, 5, 7); }
Kernel small_relu() { return matmul_relu(6, 8, 20); }
Kernel small_constant() { return matmul_relu(4, 4, 6, Role::constant); }
Kernel small_window() { return padded_window(6, 8, 3); }
Kernel small_rows() { return row_shift(4, 37); }
Kernel small_transpose() { return transposed(6, 10); }
Kernel small_argmax() { return ir::testing::argmax(3, 5); }

constexpr Golden goldens[] = {
    {"empty", small_matmul, ""},
    {"empty_tuple", small_argmax, ""},
    {"split_peel", small_matmul, "split(s0.a0, 4, peel); unroll(s0.a0.1)"},
    {"split_mask", small_matmul, "split(s0.a1, 4, mask); reorder(s0.a2, s0.a1.1); vectorize(s0.a1.1)"},
    {"split_overlap", small_matmul,
     "split(s0.a0, 4, overlap); split(s0.a1, 4, overlap); vectorize(s0.a1.1); "
     "reorder(s0.a0.0, s0.a1.0, s0.a2, s0.a0.1, s0.a1.1); unroll(s0.a0.1); accumulate(s0, s0.a1.0, registers)"},
    {"split_blocks", small_matmul, "split(s0.a1, 4, peel); split(s0.a1.1, 3, peel); unroll(s0.a1.1.1)"},
    {"fuse", small_transpose, "fuse(s0.a0, s0.a1); split(s0.f0, 8, peel); vectorize(s0.f0.1)"},
    {"reorder", small_transpose,
     "split(s0.a0, 4, peel); split(s0.a1, 4, peel); reorder(s0.a0.0, s0.a1.0, s0.a1.1, s0.a0.1)"},
    {"parallel", small_matmul, "split(s0.a0, 4, peel); parallel(s0.a0.0); unroll(s0.a0.1)"},
    {"compute_at", small_window, "split(s1.a1, 4, peel); compute_at(s0, s1.a1.0, local)"},
    {"compute_inline", small_window, "compute_inline(s0)"},
    {"reverse_compute_at", small_relu, "split(s0.a1, 8, peel); reverse_compute_at(s1, s0.a1.0)"},
    {"stage_pack", small_relu,
     "split(s0.a1, 8, peel); reorder(s0.a1.0, s0.a0, s0.a2, s0.a1.1); vectorize(s0.a1.1); "
     "stage(b1, s0, s0.a1.0, local, (1,0,1:8)); vectorize(s2.a1)"},
    {"stage_prepared", small_constant, "stage(b1, s0, root, global, (1,0,1:4))"},
    {"threads", small_relu,
     "split(s0.a0, 4, mask); split(s0.a1, 8, mask); split(s0.a2, 5, mask); split(s0.a0.1, 2, mask); "
     "split(s0.a1.1, 2, mask); reorder(s0.a0.0, s0.a1.0, s0.a2.0, s0.a0.1.0, s0.a1.1.0, s0.a2.1, s0.a0.1.1, s0.a1.1.1); "
     "block_y(s0.a0.0); block_x(s0.a1.0); thread_y(s0.a0.1.0); thread_x(s0.a1.1.0); unroll(s0.a0.1.1); "
     "unroll(s0.a1.1.1); accumulate(s0, s0.a1.0, registers); "
     "stage(b0, s0, s0.a2.0, shared, row_major); fuse(s2.a0, s2.a1); split(s2.f0, 8, mask); split(s2.f0.1, 4, mask); "
     "thread_y(s2.f0.1.0); thread_x(s2.f0.1.1); "
     "stage(b1, s0, s0.a2.0, shared, row_major); fuse(s3.a0, s3.a1); split(s3.f0, 8, mask); split(s3.f0.1, 4, mask); "
     "thread_y(s3.f0.1.0); thread_x(s3.f0.1.1); "
     "reverse_compute_at(s1, s0.a1.0); split(s1.a0, 2, mask); split(s1.a1, 2, mask); "
     "reorder(s1.a0.0, s1.a1.0, s1.a0.1, s1.a1.1); thread_y(s1.a0.0); thread_x(s1.a1.0); unroll(s1.a0.1); unroll(s1.a1.1)"},
    {"accumulate", small_relu,
     "split(s0.a1, 16, peel); reorder(s0.a1.0, s0.a2, s0.a1.1); vectorize(s0.a1.1); "
     "accumulate(s0, s0.a1.0, registers)"},
    {"accumulate_blocks", small_relu,
     "split(s0.a2, 4, peel); split(s0.a1, 16, peel); reorder(s0.a2.0, s0.a0, s0.a1.0, s0.a2.1, s0.a1.1); "
     "vectorize(s0.a1.1); accumulate(s0, s0.a1.0, registers); reverse_compute_at(s1, s0.a1.0); "
     "vectorize(s1.a1)"},
    {"rfactor", small_rows,
     "rfactor(s0, a1, 16); reorder(s2.a2, s2.a1); vectorize(s2.a1); compute_at(s2, s0.a0, registers); "
     "vectorize(s0.a1)"},
    {"pad", small_matmul,
     "pad(s0, a1, 4); split(s0.a1, 4, peel); reorder(s0.a1.0, s0.a0, s0.a2, s0.a1.1); vectorize(s0.a1.1); "
     "compute_at(s1, s0.a1.0, local); vectorize(s1.a1); accumulate(s0, s0.a0, registers); "
     "reverse_compute_at(s2, s0.a0); vectorize(s2.a1)"},
    {"pad_prepared", small_constant,
     "pad(s0, a1, 4); stage(b5, s0, root, global, (1,0,1:4)); compute_inline(s2); split(s0.a1, 4, peel); "
     "vectorize(s0.a1.1); reorder(s0.a1.0, s0.a2, s0.a1.1); reverse_compute_at(s1, s0.a1.0)"},
    {"prefetch", small_rows, "prefetch(b0, s1, 37); split(s1.a1, 16, peel); vectorize(s1.a1.1)"},
    {"streaming", small_transpose, "streaming(s0); vectorize(s0.a1)"},
};

std::string text_of(const Golden& golden) {
  const Kernel kernel = golden.kernel();
  const Schedule schedule = parsed(golden.schedule);
  std::string text;
  for (const Step& step : schedule) text += print_step(step) + "\n";
  const auto nest = schedules::apply(kernel, schedule);
  return text + "\n" + (nest ? print(*nest) : render(kernel, schedule, nest.error()));
}

class StepsGolden : public ::testing::TestWithParam<Golden> {};

TEST_P(StepsGolden, NestIsAsReviewed) {
  const std::string path =
      std::string(TUNESMITH_SOURCE_DIR) + "/tests/schedules/golden/" + GetParam().name + ".txt";
  const std::string text = text_of(GetParam());
  if (std::getenv("TUNESMITH_UPDATE_GOLDEN")) std::ofstream(path) << text;
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << "no golden file " << path;
  std::stringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(text, golden.str());
}

TEST_P(StepsGolden, MeansTheSame) { expect_same_meaning(GetParam().kernel(), GetParam().schedule); }

INSTANTIATE_TEST_SUITE_P(Primitives, StepsGolden, ::testing::ValuesIn(goldens),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tunesmith::schedules::testing
