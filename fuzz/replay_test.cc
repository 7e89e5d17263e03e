// Every file that a fuzzer began with, and every one that once broke something: each must be read,
// or refused, without a crash.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "fuzz/target.h"
#include "pipeline/files.h"

namespace {

namespace fs = std::filesystem;

std::vector<std::string> FilesOf(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class Replay : public testing::TestWithParam<fuzz::Target> {
 protected:
  void RunAll(const std::vector<std::string>& files) {
    for (const std::string& file : files) {
      std::fprintf(stderr, "%s\n", file.c_str());  // the last one is whose crash it was
      const auto bytes = pipeline::ReadFile(file, 1 << 26);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      GetParam().run(*bytes);
    }
  }
};

TEST_P(Replay, ReadsTheCorpus) {
  const std::vector<std::string> files = FilesOf(std::string("fuzz/corpus/") + GetParam().name);
  ASSERT_GE(files.size(), 3) << "fuzz/corpus/" << GetParam().name;
  RunAll(files);
}

TEST_P(Replay, SurvivesWhatWasFound) {
  RunAll(FilesOf(std::string("fuzz/findings/") + GetParam().name));
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Replay, testing::ValuesIn(fuzz::Targets()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
