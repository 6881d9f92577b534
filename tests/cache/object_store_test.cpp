// The store of compiled code: bounded, disposable, never wrong.
#include "cache/object_store.h"

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <thread>

#include "test_records.h"

namespace tunesmith::cache {
namespace {

using testing::TemporaryFolder;

std::vector<std::byte> object_bytes(std::size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

class ObjectStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<ObjectStore> open(std::uint64_t max_bytes = 1 << 20) {
    auto store = open_object_store(path_, max_bytes);
    if (!store) {
      ADD_FAILURE() << store.error().message;
      return nullptr;
    }
    return *std::move(store);
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("objects.db");
  const Digest a_ = digest("a"), b_ = digest("b"), c_ = digest("c");
};

TEST_F(ObjectStoreTest, KeepsObjectsAcrossProcesses) {
  EXPECT_TRUE(open()->put(a_, object_bytes(1000, 1)));
  auto store = open();
  EXPECT_EQ(store->get(a_), object_bytes(1000, 1));
  EXPECT_EQ(store->get(b_), std::nullopt);
  EXPECT_TRUE(store->put(a_, {})) << "replaced, by an empty object";
  EXPECT_EQ(store->get(a_), object_bytes(0, 0));
}

TEST_F(ObjectStoreTest, EvictsTheLeastRecentlyUsed) {
  auto store = open(2500);
  store->put(a_, object_bytes(1000, 1));
  store->put(b_, object_bytes(1000, 2));
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(store->get(a_));
  store->put(c_, object_bytes(1000, 3));
  EXPECT_TRUE(store->get(a_)) << "used after b";
  EXPECT_FALSE(store->get(b_));
  EXPECT_TRUE(store->get(c_));
  EXPECT_EQ(store->size_bytes(), 2000u);
  EXPECT_FALSE(store->put(b_, object_bytes(2501, 1))) << "larger than the store";
  EXPECT_EQ(store->size_bytes(), 2000u);
}

TEST_F(ObjectStoreTest, RemembersUseAtTheEnd) {
  auto store = open(2500);
  store->put(a_, object_bytes(1000, 1));
  store->put(b_, object_bytes(1000, 2));
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(store->get(a_));
  store.reset();
  store = open(2500);
  store->put(c_, object_bytes(1000, 3));
  EXPECT_TRUE(store->get(a_));
  EXPECT_FALSE(store->get(b_));
}

TEST_F(ObjectStoreTest, DropsADamagedEntry) {
  open()->put(a_, object_bytes(1000, 1));
  std::string file = testing::read_file(path_);
  const std::size_t at = file.find(std::string(100, '\1'));
  ASSERT_NE(at, std::string::npos);
  file[at + 50] = 2;
  testing::write_file(path_, file);
  auto store = open();
  EXPECT_FALSE(store->get(a_));
  store->put(b_, object_bytes(10, 2));
  EXPECT_EQ(store->size_bytes(), 10u);
  store->put(a_, object_bytes(1000, 1));
  EXPECT_TRUE(store->get(a_));
}

TEST_F(ObjectStoreTest, MakesADamagedFileAnew) {
  {
    auto store = open();
    for (int i = 0; i < 50; ++i) store->put(digest(std::to_string(i)), object_bytes(1000, i));
  }
  std::string file = testing::read_file(path_);
  testing::write_file(path_, file.substr(0, file.size() / 2));
  auto store = open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->size_bytes(), 0u);
  EXPECT_TRUE(store->put(a_, object_bytes(10, 1)));
}

TEST_F(ObjectStoreTest, RecoversFromDamageWhileOpen) {
  auto store = open();
  for (int i = 0; i < 200; ++i) store->put(digest(std::to_string(i)), object_bytes(1000, i));
  store.reset();
  std::string file = testing::read_file(path_);
  // The header stays; everything after the schema's page is noise.
  for (std::size_t i = 4096; i < file.size(); ++i) file[i] = static_cast<char>(mix64(i));
  testing::write_file(path_, file);
  store = open();
  ASSERT_NE(store, nullptr);
  EXPECT_FALSE(store->get(digest("7")));
  EXPECT_TRUE(store->put(a_, object_bytes(10, 1)));
  EXPECT_EQ(store->get(a_), object_bytes(10, 1));
}

TEST_F(ObjectStoreTest, RefusesAnotherProgramsFile) {
  testing::write_file(path_, "important notes, not a database");
  const auto store = open_object_store(path_);
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message, ::testing::HasSubstr(path_));
  EXPECT_EQ(testing::read_file(path_), "important notes, not a database");
}

TEST_F(ObjectStoreTest, RefusesATuningDatabase) {
  { auto tuning = testing::open_store(path_); }
  const std::string before = testing::read_file(path_);
  EXPECT_FALSE(open_object_store(path_));
  EXPECT_EQ(testing::read_file(path_), before);
}

TEST_F(ObjectStoreTest, ServesSeveralThreadsAndStores) {
  auto one = open(), two = open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      ObjectStore& store = t % 2 == 0 ? *one : *two;
      for (int i = 0; i < 50; ++i) {
        const Digest key = digest(std::to_string(i));
        store.put(key, object_bytes(100, i));
        const auto bytes = store.get(key);
        if (bytes) {
          EXPECT_EQ(*bytes, object_bytes(100, i));
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(one->size_bytes(), 5000u);
}

}  // namespace
}  // namespace tunesmith::cache
