# Everything from outside, found once. The rooms link these targets and nothing else.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)

find_package(Protobuf REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(HWLOC REQUIRED IMPORTED_TARGET hwloc)
# XGBoost's own CMake config is broken on Debian.
pkg_check_modules(XGBOOST REQUIRED IMPORTED_TARGET xgboost)

if(NOT TUNESMITH_LLVM STREQUAL "off")
  find_package(LLVM 19.1 REQUIRED CONFIG)
endif()
