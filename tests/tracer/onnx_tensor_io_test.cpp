// Tensor files: every element type written and read again, and what damaged files are told.
#include "tracer/onnx/tensor_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "ir/support/error.h"
#include "tests/tracer/onnx_model_writer.h"

namespace tunesmith::tracer {
namespace {

using ir::DType;
using ir::HostTensor;
using ::testing::HasSubstr;

std::string file(const std::string& name) { return ::testing::TempDir() + "tensor_io_" + name + ".pb"; }

/// Every bit pattern of a type (of its low byte), in a shape whose last byte is not full.
HostTensor patterns(DType dtype) {
  HostTensor tensor(dtype, {3, 85});
  const int width = ir::bit_width(dtype);
  for (std::int64_t i = 0; i < tensor.size(); ++i) {
    auto* element = tensor.mutable_bytes() + static_cast<std::size_t>(i) * ir::size_bytes(dtype);
    if (dtype == DType::boolean || (ir::is_integer(dtype) && width < 8))
      tensor.set_int(
          i, width == 1 ? i % 2 : i % (1 << (width - 1)) - (ir::is_signed_integer(dtype) ? i % 2 : 0));
    else
      *element = static_cast<std::byte>(width < 8 ? i % (1 << width) : i);
  }
  return tensor;
}

TEST(TensorIo, EveryElementTypeComesBackAsItWas) {
  for (int i = 0; i < ir::dtype_count; ++i) {
    const auto dtype = static_cast<DType>(i);
    SCOPED_TRACE(ir::to_string(dtype));
    const HostTensor tensor = patterns(dtype);
    const std::string path = file(std::string(ir::to_string(dtype)));
    write_tensor(path, tensor, "t");
    const HostTensor back = read_tensor(path);
    ASSERT_EQ(back.dtype(), dtype);
    ASSERT_EQ(back.shape(), tensor.shape());
    EXPECT_EQ(std::memcmp(back.bytes(), tensor.bytes(), tensor.byte_size()), 0);
    std::filesystem::remove(path);
  }
}

TEST(TensorIo, ScalarsAndEmptyTensorsComeBack) {
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{}, {0}, {2, 0, 3}}) {
    write_tensor(file("shape"), HostTensor(DType::f32, shape));
    EXPECT_EQ(read_tensor(file("shape")).shape(), shape);
  }
  std::filesystem::remove(file("shape"));
}

std::string told(const std::string& bytes) {
  std::ofstream(file("bad"), std::ios::binary) << bytes;
  try {
    read_tensor(file("bad"));
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr(file("bad")));
    return error.what();
  }
  return "read";
}

TEST(TensorIo, DamagedFilesAreRefused) {
  EXPECT_THAT(told("no tensor"), HasSubstr("not an ONNX tensor"));
  EXPECT_THAT(told(testing::f32_tensor("t", {4}, {1, 2}).bytes()),
              HasSubstr("has 2 values, the shape needs 4"));
  EXPECT_THAT(told(testing::tensor_head("t", {2}, testing::onnx_string).bytes()),
              HasSubstr("element type 8"));
  EXPECT_THAT(told(testing::external_tensor("t", {2}, "other.bin").bytes()), HasSubstr("external data"));
  std::filesystem::remove(file("bad"));
  EXPECT_THROW(read_tensor(file("absent")), UserError);
}

TEST(TensorIo, AFolderThatIsNotThereIsNamed) {
  try {
    write_tensor("no/such/folder/t.pb", HostTensor(DType::f32, {1}));
    FAIL();
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no/such/folder/t.pb"));
  }
}

}  // namespace
}  // namespace tunesmith::tracer
