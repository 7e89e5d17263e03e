// Every config of the project loads, and opens with a line that says what it is.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;

std::vector<std::string> Configs() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("configs")) {
    if (entry.path().extension() == ".pbtxt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class EveryConfig : public testing::TestWithParam<std::string> {
 protected:
  std::string Path() const { return "configs/" + GetParam() + ".pbtxt"; }
};

TEST_P(EveryConfig, LoadsWithoutAnError) {
  setenv("BUILD_WORKSPACE_DIRECTORY", fs::current_path().c_str(), 1);
  const auto loaded = testing_support::Load(Path());
  EXPECT_EQ(loaded.errors, "");
}

TEST_P(EveryConfig, SaysWhatItIs) {
  std::ifstream stream(Path());
  std::string line;
  std::getline(stream, line);
  EXPECT_TRUE(absl::StartsWith(line, "# ")) << line;
  EXPECT_LE(line.size(), 100);
}

INSTANTIATE_TEST_SUITE_P(Configs, EveryConfig, testing::ValuesIn(Configs()),
                         [](const auto& info) { return info.param; });

}  // namespace
