// Every study that the workspace ships.
#include <gtest/gtest.h>

#include <set>

#include "pipeline/studies/plan.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;
using pipeline::LoadPlan;
using pipeline::Plan;

class StudyFiles : public testing::Test {
 protected:
  StudyFiles() {
    for (const char* folder : {"configs", "studies"}) {
      fs::copy(tree_ / folder, workspace_.path() + "/" + folder,
               fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    }
  }

  // Before the workspace is made, which becomes the current folder.
  const fs::path tree_ = fs::current_path();
  const testing_support::Workspace workspace_;
};

TEST_F(StudyFiles, Load) {
  const std::vector<std::string> names = pipeline::StudyNames();
  EXPECT_GE(names.size(), 11U);
  for (const std::string& name : names) {
    const auto path = pipeline::FindStudy(name);
    ASSERT_TRUE(path.ok()) << path.status();
    const auto plan = LoadPlan(*path, {});
    EXPECT_TRUE(plan.ok()) << name << ": " << plan.status();
    if (!plan.ok()) continue;
    EXPECT_FALSE(plan->file.study.title().empty()) << name;
    // Equal configs under two names would be trained twice.
    for (const auto& fingerprints : plan->fingerprints) {
      const std::set<std::string> once(fingerprints.begin(), fingerprints.end());
      EXPECT_EQ(once.size(), fingerprints.size()) << name;
    }
  }
}

TEST_F(StudyFiles, OfThePaperHaveAllItsFusions) {
  const auto plan = LoadPlan(*pipeline::FindStudy("paper_all"), {});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->combinations.size(), 63U);
  EXPECT_EQ(plan->configs.size(), 8U);
  EXPECT_EQ(plan->combinations[62].name, "mse+dice+binary_cross_entropy");
}

}  // namespace
