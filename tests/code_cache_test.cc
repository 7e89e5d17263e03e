// Kernels' code between processes.
#include "kernels/code_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/testing.h"

namespace {

using kernels::CodeCache;
namespace fs = std::filesystem;

class CodeCacheTest : public testing::Test {
 protected:
  // What is compiled is said by its count.
  std::string Get(const std::string& key, const std::string& folder = "cache/") {
    return CodeCache(folder).Get(key, [this] { return "code " + std::to_string(++compiled_); });
  }
  static std::string OnlyFile() {
    EXPECT_EQ(std::distance(fs::directory_iterator("cache"), fs::directory_iterator()), 1);
    return fs::directory_iterator("cache")->path().string();
  }

  const testing_support::Workspace workspace_;
  int compiled_ = 0;
};

TEST_F(CodeCacheTest, CompilesOnce) {
  EXPECT_EQ(Get("a source for sm_90"), "code 1");
  EXPECT_EQ(Get("a source for sm_90"), "code 1");
  EXPECT_EQ(Get("a source for sm_80"), "code 2");
  EXPECT_EQ(Get("a source for sm_90"), "code 1");
}

TEST_F(CodeCacheTest, CompilesAnewWhatIsDamaged) {
  EXPECT_EQ(Get("source"), "code 1");
  const std::string path = OnlyFile();
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end)
      << 'x';
  EXPECT_EQ(Get("source"), "code 2");
  EXPECT_EQ(Get("source"), "code 2");
  fs::resize_file(path, 10);
  EXPECT_EQ(Get("source"), "code 3");
  // Another key's file under this one's name.
  Get("other");
  for (const auto& entry : fs::directory_iterator("cache")) {
    if (entry.path() != path)
      fs::copy_file(entry.path(), path, fs::copy_options::overwrite_existing);
  }
  EXPECT_EQ(Get("source"), "code 5");
}

TEST_F(CodeCacheTest, KeepsNothingWhereItCannot) {
  EXPECT_EQ(Get("source", ""), "code 1");
  EXPECT_EQ(Get("source", ""), "code 2");
  workspace_.Write("file", "");
  EXPECT_EQ(Get("source", "file/"), "code 3");
  EXPECT_EQ(CodeCache("cache/").Get("source", [] { return std::string(); }), "");
  EXPECT_FALSE(fs::exists("cache"));
}

}  // namespace
