// A trained run evaluated on data whose classes are in another order, are more, or fewer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/image_folders.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing_support::ParseCsv;
using testing_support::Picture;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

// As the run has them; a folder's are sorted.
const std::vector<std::string> kLand = {"urban",  "agriculture", "rangeland",
                                        "forest", "water",       "barren"};

// A run "out" of kLand.
class Evaluate : public testing::Test {
 protected:
  Evaluate() {
    workspace_.Write("configs/land.pbtxt",
                     absl::StrReplaceAll(
                         SmallConfig(),
                         {{"images_per_class: 6", "domain: LAND images_per_class: 6"},
                          {"[losses/SmoothL1] {}", "[losses/Mse] {}"},
                          {"term { [losses/Mse]", "class_weights: BALANCED term { [losses/Mse]"}}));
    const Ran ran = RunPipeline({"land", "--out=out"});
    EXPECT_EQ(ran.code, 0) << ran.err;
  }

  // Three pictures of each class below a folder.
  void WriteImages(const std::string& folder, const std::vector<std::string>& classes) const {
    int seed = 100;
    for (const std::string& name : classes) {
      for (int i = 0; i < 3; ++i) {
        workspace_.Write(absl::StrCat(folder, "/", name, "/", i, ".png"), Picture(++seed));
      }
    }
  }

  static std::string Folder(const std::string& path) {
    return absl::StrCat("--data=[datasets/Folder] { root: \"", path, "\" }");
  }

  const Workspace workspace_;
};

TEST_F(Evaluate, KnowsClassesByTheirNames) {
  WriteImages("land", kLand);
  const Ran ran = RunPipeline({"evaluate", "out", Folder("land"), "--json", "--out=e.csv"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::map<std::string, std::map<std::string, std::string>> said;
  for (const auto& row :
       ParseCsv(RunPipeline({"predict", "out", workspace_.path() + "/land"}).out)) {
    said[row.at("path")] = row;
  }
  ASSERT_EQ(said.size(), 18);
  std::map<std::pair<std::string, std::string>, int> counts;  // by truth and answer
  for (const auto& row : ParseCsv(workspace_.Read("e.csv"))) {
    const std::string& path = row.at("path");
    EXPECT_THAT(path, HasSubstr("/land/" + row.at("label") + "/"));
    EXPECT_EQ(row.at("predicted"), said.at(path).at("class")) << path;
    for (const std::string& name : kLand) {
      EXPECT_NEAR(std::stod(row.at("p." + name)), std::stod(said.at(path).at("p." + name)), 1e-6);
    }
    ++counts[{row.at("label"), row.at("predicted")}];
  }
  const json result = json::parse(ran.out);
  EXPECT_EQ(result["notes"], json::array());
  for (size_t truth = 0; truth < kLand.size(); ++truth) {
    for (size_t answer = 0; answer < kLand.size(); ++answer) {
      EXPECT_EQ(result["result"]["confusion_matrix"][truth][answer],
                (counts[{kLand[truth], kLand[answer]}]))
          << kLand[truth] << " " << kLand[answer];
    }
  }
}

TEST_F(Evaluate, SaysWhichClassesAreMoreOrFewer) {
  WriteImages("fewer", {"water", "agriculture"});
  const Ran fewer = RunPipeline({"evaluate", "out", Folder("fewer")});
  ASSERT_EQ(fewer.code, 0) << fewer.err;
  EXPECT_THAT(fewer.out, HasSubstr(absl::StrCat(workspace_.path(),
                                                "/fewer has no images of the classes urban, "
                                                "rangeland, forest, barren")));
  WriteImages("more", {"water", "agriculture", "snow"});
  const Ran more = RunPipeline({"evaluate", "out", Folder("more")});
  EXPECT_EQ(more.code, 2);
  EXPECT_EQ(more.err, absl::StrCat(workspace_.path(),
                                   "/more has the class snow, but the run was trained on urban, "
                                   "agriculture, rangeland, forest, water, barren\n"));
  const Ran pixels = RunPipeline(
      {"evaluate", "out", "--data=[datasets/Synthetic] { domain: LAND task: SEGMENTATION }"});
  EXPECT_EQ(pixels.code, 2);
  EXPECT_THAT(
      pixels.err,
      testing::EndsWith(" is read for segmentation, but the run was trained for multiclass\n"));
}

TEST_F(Evaluate, LearnsAtOnceThatItCannotWrite) {
  workspace_.Write("folder/x", "");
  const std::pair<std::string, std::string> cases[] = {{"none/x.csv", "No such file or directory"},
                                                       {"folder", "Is a directory"}};
  for (const auto& [out, why] : cases) {
    // Before it looks for the run.
    for (const auto& words : {std::vector<std::string>{"evaluate", "nowhere"},
                              std::vector<std::string>{"predict", "nowhere", "image.png"}}) {
      std::vector<std::string> all = words;
      all.push_back("--out=" + out);
      const Ran ran = RunPipeline(all);
      EXPECT_EQ(ran.code, 2);
      EXPECT_EQ(ran.out, "");
      EXPECT_EQ(ran.err, absl::StrCat("cannot write ", out, ": ", why, "\n"));
    }
  }
}

}  // namespace
