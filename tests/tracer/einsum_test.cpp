#include "tests/tracer/reference_run.h"
#include "tracer/composites.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

Build einsum(std::string equation) {
  return [=](Graph& g, const auto& x) { return ops::einsum(g, equation, x); };
}

TEST(Einsum, OneOperand) {
  EXPECT_THAT(eval({counting({2, 3})}, einsum("ij->ji")), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(eval({counting({2, 3})}, einsum("ij->i")), ElementsAre(3, 12));
  EXPECT_THAT(eval({counting({2, 3})}, einsum("ij->")), ElementsAre(15));
  EXPECT_THAT(eval({counting({3, 3})}, einsum("ii->i")), ElementsAre(0, 4, 8));
  EXPECT_THAT(eval({counting({3, 3})}, einsum("ii")), ElementsAre(12));
  EXPECT_THAT(eval({counting({2, 3})}, einsum("ba")), ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(Einsum, Products) {
  EXPECT_THAT(eval({counting({2, 3}), counting({3, 2})}, einsum("ik,kj->ij")), ElementsAre(10, 13, 28, 40));
  EXPECT_THAT(eval({counting({2, 3}), counting({3, 2})}, einsum("ik, kj")), ElementsAre(10, 13, 28, 40));
  EXPECT_THAT(eval({counting({2, 3}), counting({3, 2})}, einsum("ik,kj->ji")), ElementsAre(10, 28, 13, 40));
  EXPECT_THAT(eval({counting({2}), counting({3})}, einsum("i,j->ij")), ElementsAre(0, 0, 0, 0, 1, 2));
  EXPECT_THAT(eval({counting({3}), counting({3})}, einsum("i,i->")), ElementsAre(5));
  EXPECT_THAT(eval({counting({3}), counting({3})}, einsum("i,i->i")), ElementsAre(0, 1, 4));
  EXPECT_THAT(eval({counting({2, 2}), counting({2})}, einsum("ij,k->i")), ElementsAre(1, 5));
}

TEST(Einsum, BatchesAndSeveralInnerLabels) {
  const auto y = run({counting({2, 2, 3}), counting({2, 3, 2})}, einsum("bij,bjk->bik"));
  EXPECT_EQ(y.shape(), (Ints{2, 2, 2}));
  EXPECT_THAT(values(y), ElementsAre(10, 13, 28, 40, 172, 193, 244, 274));
  EXPECT_THAT(eval({counting({2, 2, 2}), counting({2, 2, 2})}, einsum("ijk,kij->")),
              ElementsAre(0 * 0 + 1 * 4 + 2 * 1 + 3 * 5 + 4 * 2 + 5 * 6 + 6 * 3 + 7 * 7));
  EXPECT_THAT(eval({counting({2, 2}), counting({2, 2}), counting({2, 2})}, einsum("ab,bc,cd->ad")),
              ElementsAre(6, 11, 22, 39));
}

TEST(Einsum, Ellipsis) {
  const auto y = run({counting({2, 1, 2, 3}), counting({4, 3, 2})}, einsum("...ij,...jk->...ik"));
  EXPECT_EQ(y.shape(), (Ints{2, 4, 2, 2}));
  EXPECT_EQ(run({counting({2, 3, 4})}, einsum("...a->a...")).shape(), (Ints{4, 2, 3}));
  EXPECT_EQ(run({counting({2, 3, 4}), counting({4})}, einsum("...a,a")).shape(), (Ints{2, 3}));
  EXPECT_EQ(run({counting({3, 4})}, einsum("...->...")).shape(), (Ints{3, 4}));
}

TEST(Einsum, ExtentsOfOneBroadcast) {
  EXPECT_THAT(eval({counting({2, 3}), testing::tensor(DType::f32, {1, 2}, {1, 10})}, einsum("ik,kj->ij")),
              ElementsAre(3, 30, 12, 120));
}

TEST(Einsum, Refusals) {
  const testing::InputType m{DType::f32, {2, 3}};
  EXPECT_THAT(refusal({m}, einsum("ij,jk->ik")),
              HasSubstr("einsum: 'ij,jk->ik' takes 2 operands, 1 were given"));
  EXPECT_THAT(refusal({m}, einsum("ijk->i")), HasSubstr("operand 0 has 2 dimensions"));
  EXPECT_THAT(refusal({m}, einsum("i->i")), HasSubstr("operand 0 has 2 dimensions"));
  EXPECT_THAT(refusal({m}, einsum("ij->k")), HasSubstr("that no operand has"));
  EXPECT_THAT(refusal({m}, einsum("ij->ii")), HasSubstr("twice"));
  EXPECT_THAT(refusal({m}, einsum("i1->i")), HasSubstr("unexpected '1'"));
  const InputType cube{DType::f32, {2, 2, 2}};
  EXPECT_THAT(refusal({cube}, einsum("......->...")), HasSubstr("unexpected '.'"));
  EXPECT_THAT(refusal({m}, einsum("...i->......")), HasSubstr("unexpected '.'"));
  EXPECT_THAT(refusal({m}, einsum("ii->i")), HasSubstr("extents 2 and 3"));
  EXPECT_THAT(refusal({m, m}, einsum("ij,jk->ik")),
              HasSubstr("the label 'j' stands for the extents 3 and 2"));
}

}  // namespace
}  // namespace tunesmith::tracer
