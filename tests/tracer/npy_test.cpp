// NumPy files: what is written, what is read, and what other files are told.
#include "tracer/npy.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "ir/support/error.h"
#include "tests/tracer/npy_text.h"
#include "tests/tracer/onnx_model_writer.h"
#include "tests/tracer/reference_run.h"
#include "tracer/onnx/tensor_io.h"

namespace tunesmith::tracer {
namespace {

using namespace testing;

std::string told(const std::string& bytes) {
  try {
    parse_npy(as_bytes(bytes));
  } catch (const UserError& error) {
    return error.what();
  }
  return "read";
}
std::string told_of(const std::string& header) { return told(npy_text(header, std::string(24, '\0'))); }

TEST(Npy, IsWrittenAsNumpyWritesIt) {
  const std::string bytes = format_npy(counting({2, 3}));
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(bytes.substr(10, header.size()), header);
  EXPECT_EQ(bytes[127], '\n');
  ASSERT_EQ(bytes.size(), 128u + 24u);
  float last = 0;
  std::memcpy(&last, bytes.data() + 128 + 20, 4);
  EXPECT_EQ(last, 5);
  EXPECT_THAT(format_npy(counting({3})), HasSubstr("'shape': (3,), }"));
  EXPECT_THAT(format_npy(counting({})), HasSubstr("'shape': (), }"));
}

TEST(Npy, ElementsOfAllTypesComeBack) {
  for (const DType dtype : {DType::f16, DType::f32, DType::f64, DType::i8, DType::i16, DType::i32, DType::i64,
                            DType::u8, DType::u16, DType::u32, DType::u64, DType::boolean})
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{}, {5}, {2, 3, 1}, {0, 4}}) {
      HostTensor tensor(dtype, shape);
      for (std::int64_t i = 0; i < tensor.size(); ++i)
        ir::is_float(dtype) ? tensor.set(i, 0.5 * static_cast<double>(i) - 1)
                            : tensor.set_int(i, dtype == DType::boolean ? i % 2 : (i % 2 ? -i : i));
      const HostTensor back = parse_npy(as_bytes(format_npy(tensor)));
      ASSERT_EQ(back.dtype(), dtype);
      ASSERT_EQ(back.shape(), shape);
      EXPECT_EQ(std::memcmp(back.bytes(), tensor.bytes(), tensor.byte_size()), 0) << ir::to_string(dtype);
    }
}

TEST(Npy, DtypesThatNumpyLacksAreNamed) {
  for (const DType dtype : {DType::bf16, DType::f8e4m3fn, DType::i4}) {
    try {
      format_npy(HostTensor(dtype, {1}));
      ADD_FAILURE() << "written";
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), AllOf(HasSubstr(std::string(ir::to_string(dtype))), HasSubstr(".pb")));
    }
  }
}

TEST(Npy, BothVersionsAndAnyOrderOfKeysAreRead) {
  const std::string elements{"\1\0\2\0", 4};
  for (const int version : {1, 2})
    for (const char* header : {"{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }",
                               "{'shape': (2,), 'fortran_order': False, 'descr': '<i2'}",
                               "{\"fortran_order\":False,\"descr\":\"<i2\",\"shape\":(2,)}   \n"})
      EXPECT_THAT(values(parse_npy(as_bytes(npy_text(header, elements, version)))), ElementsAre(1, 2))
          << header;
}

TEST(Npy, WhatIsNotSupportedIsNamed) {
  EXPECT_THAT(told_of("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }"),
              HasSubstr("Fortran order"));
  EXPECT_THAT(told_of("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }"),
              AllOf(HasSubstr("'>f4'"), HasSubstr("big endian")));
  for (const char* type : {"<c8", "<U3", "|V2", "<M8[ns]", "|O", "<f16", "f4", ""})
    EXPECT_THAT(told_of(fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': (3,), }}", type)),
                AllOf(HasSubstr(fmt::format("'{}'", type)), HasSubstr("accepted")));
  EXPECT_THAT(told_of("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }"),
              HasSubstr("records"));
  EXPECT_THAT(told(npy_text("{}", "", 3)), AllOf(HasSubstr("version 3.0"), HasSubstr("accepted: 1.0, 2.0")));
}

TEST(Npy, DamageIsTold) {
  EXPECT_THAT(told(""), HasSubstr("not a .npy file"));
  EXPECT_THAT(told("hello, this is no array"), HasSubstr("not a .npy file"));
  const std::string good = format_npy(counting({2, 3}));
  for (std::size_t length = 0; length < good.size(); ++length)
    EXPECT_NE(told(good.substr(0, length)), "read");
  EXPECT_THAT(told(good + "x"), HasSubstr("has 25 bytes of elements, the shape needs 24"));
  EXPECT_THAT(told_of("{'descr': '<f4', 'fortran_order': False}"), HasSubstr("lacks"));
  EXPECT_THAT(told_of("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}"),
              HasSubstr("'descr' twice"));
  EXPECT_THAT(told_of("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}"),
              HasSubstr("'more'"));
  for (const char* shape : {"(-6,)", "(6)", "(6,", "6", "(2 3)", "(99999999999999999999,)", "[6]"})
    EXPECT_THAT(told_of(fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': {}, }}", shape)),
                HasSubstr("damaged"))
        << shape;
  EXPECT_THAT(told_of("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
              HasSubstr("larger than any memory"));
  EXPECT_THAT(told(npy_text("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", "\2")),
              HasSubstr("truth value of 2"));
}

TEST(Npy, FilesAreTakenByTheirEnding) {
  const std::filesystem::path folder = ::testing::TempDir() + "tunesmith_npy";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  write_tensor((folder / "input_0.npy").string(), counting({2, 2}));
  write_tensor((folder / "input_1.pb").string(), counting({3}));
  EXPECT_THAT(values(read_tensor(numbered_tensor_path(folder.string(), "input", 0))),
              ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(values(read_tensor(numbered_tensor_path(folder.string(), "input", 1))), ElementsAre(0, 1, 2));
  auto message = [&](std::size_t index) -> std::string {
    try {
      read_tensor(numbered_tensor_path(folder.string(), "input", index));
    } catch (const UserError& error) {
      return error.what();
    }
    return "read";
  };
  EXPECT_THAT(message(2), AllOf(HasSubstr("input_2.pb"), HasSubstr("input_2.npy")));
  write_tensor((folder / "input_0.pb").string(), counting({2, 2}));
  EXPECT_THAT(message(0), HasSubstr("both"));
  std::ofstream(folder / "input_3.npy") << "no array";
  EXPECT_THAT(message(3), AllOf(HasSubstr("input_3.npy'"), HasSubstr("not a .npy file")));
  EXPECT_THROW(write_tensor((folder / "b.npy").string(), HostTensor(DType::bf16, {1})), UserError);
  EXPECT_FALSE(std::filesystem::exists(folder / "b.npy"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace tunesmith::tracer
