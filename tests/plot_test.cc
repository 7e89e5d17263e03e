// The verb `plot`: a picture for every activation and loss, and what is said where there is none.
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pipeline/registry.h"
#include "tests/testing.h"

namespace {

using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::Workspace;

size_t Count(const std::string& text, const std::string& what) {
  return std::vector<std::string>(absl::StrSplit(text, what)).size() - 1;
}

TEST(Plot, DrawsFunctionAndDerivativeOfEveryActivation) {
  const Workspace workspace;
  for (const auto& name : pipeline::PluginIndex::Get().In("activations")) {
    const Ran ran = RunPipeline({"plot", name.Url()});
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.out, name.file + ".svg\n");
    const std::string svg = workspace.Read(name.file + ".svg");
    EXPECT_TRUE(absl::StartsWith(svg, "<svg ")) << name.file;
    EXPECT_TRUE(absl::EndsWith(svg, "</svg>\n")) << name.file;
    EXPECT_EQ(Count(svg, "<polyline"), 2) << name.file;
    EXPECT_TRUE(absl::StrContains(svg, absl::StrCat("[", name.Url(), "] {}")));
    EXPECT_FALSE(absl::StrContains(svg, "nan")) << name.file;
  }
}

TEST(Plot, TakesOptionsAndAFile) {
  const Workspace workspace;
  const Ran ran = RunPipeline({"plot", "[activations/Jacobi] { m: 0.5 }", "--out=sn.svg"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "sn.svg\n");
  EXPECT_TRUE(absl::StrContains(workspace.Read("sn.svg"), "{ m: 0.5 }"));
}

// The heights of a curve's points in SVG; down is more.
std::vector<double> HeightsOf(const std::string& svg, int curve) {
  const std::vector<std::string> curves = absl::StrSplit(svg, "points='");
  std::vector<double> heights;
  const std::string points = curves.at(curve + 1).substr(0, curves.at(curve + 1).find('\''));
  for (const auto point : absl::StrSplit(points, ' ', absl::SkipEmpty())) {
    const std::vector<std::string> numbers = absl::StrSplit(point, ',');
    heights.push_back(std::stod(numbers.at(1)));
  }
  return heights;
}

TEST(Plot, DrawsEveryLossAgainstWhatItMeasures) {
  const Workspace workspace;
  for (const auto& name : pipeline::PluginIndex::Get().In("losses")) {
    const std::string what = name.file == "sum" ? "sum { term { [losses/Mse] {} } }" : name.file;
    const bool ratio = name.file == "dice" || name.file == "tversky" || name.file == "calibration";
    const Ran ran = RunPipeline({"plot", what, "--out=loss.svg"});
    ASSERT_EQ(ran.code, 0) << ran.err;
    const std::string svg = workspace.Read("loss.svg");
    EXPECT_TRUE(absl::StrContains(svg, absl::StrCat("[", name.Url(), "] {"))) << name.file;
    EXPECT_EQ(Count(svg, "probability p of the true class"), ratio ? 0 : 1) << name.file;
    EXPECT_EQ(Count(svg, "overlap with an object"), ratio ? 1 : 0) << name.file;
    EXPECT_EQ(Count(svg, "<polyline"), ratio ? 4 : 2) << name.file;
    EXPECT_FALSE(absl::StrContains(svg, "nan")) << name.file;
    // A better answer costs less.
    const std::vector<double> heights = HeightsOf(svg, 0);
    EXPECT_GT(heights.back(), heights.front() + 20) << name.file;
  }
}

TEST(Plot, SeveralShareAPictureWithALegend) {
  const Workspace workspace;
  const Ran ran = RunPipeline({"plot", "focal", "focal { gamma: 5 }", "categorical_cross_entropy"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "focal_categorical_cross_entropy.svg\n");
  const std::string svg = workspace.Read("focal_categorical_cross_entropy.svg");
  for (const char* label : {">[losses/Focal] {}<", ">[losses/Focal] { gamma: 5 }<",
                            ">[losses/CategoricalCrossEntropy] {}<"}) {
    EXPECT_EQ(Count(svg, label), 1) << label;
  }
  EXPECT_EQ(Count(svg, "<polyline"), 6);
  for (int color = 0; color < 3; ++color) {  // in the legend, the values and the slopes
    EXPECT_EQ(Count(svg, absl::StrCat("class='curve c", color, "'")), 3);
  }
}

TEST(Plot, WhatIsOfOtherAxesGetsItsOwnPanels) {
  const Workspace workspace;
  ASSERT_EQ(RunPipeline({"plot", "mse", "dice", "relu", "--out=all.svg"}).code, 0);
  const std::string svg = workspace.Read("all.svg");
  EXPECT_EQ(Count(svg, "class='title'"), 6);
  EXPECT_EQ(Count(svg, "<polyline"), 8);
}

TEST(Plot, SaysWhatItCannotDraw) {
  const Workspace workspace;
  const auto mistake = [](const std::vector<std::string>& words) {
    std::vector<std::string> arguments = {"plot"};
    arguments.insert(arguments.end(), words.begin(), words.end());
    const Ran ran = RunPipeline(arguments);
    EXPECT_EQ(ran.code, 2);
    return ran.err;
  };
  const std::string count =
      "plot takes 1 to 8 activations or losses, such as lerch or 'focal { gamma: 5 }'\n";
  EXPECT_EQ(mistake({}), count);
  EXPECT_EQ(mistake(std::vector<std::string>(9, "relu")), count);
  EXPECT_EQ(mistake({"lurch"}),
            "no plugin \"lurch\"; did you mean \"Lerch\"? (`list` shows all)\n");
  EXPECT_EQ(mistake({"relu", "unet"}),
            "unet: only plugins of activations and losses are functions that can be drawn\n");
  EXPECT_EQ(
      mistake({"[activations/Lerch] { z: 1 }"}),
      "[activations/Lerch] { z: 1 }: [activations/Lerch] has no field \"z\"; it has: form, s, "
      "rho, a\n");
  EXPECT_EQ(mistake({"lerch { s: 7 }"}), "lerch { s: 7 }: s is 7; it must be between 0 and 2\n");
  for (const char* options : {"{", "{ gamma: 1 } } name: 'x' #", "{ } } x {"}) {
    EXPECT_EQ(mistake({absl::StrCat("focal ", options)}),
              absl::StrCat("[losses/Focal] ", options, ": its braces do not match\n"));
  }
  EXPECT_EQ(mistake({"focal { alpha: [1, 2, 3] }"}),
            "focal { alpha: [1, 2, 3] }: alpha has 3 values for 2 classes (a loss is drawn for two "
            "classes)\n");
  EXPECT_EQ(mistake({"sum"}), "sum: [losses/Sum] needs at least one term\n");
}

}  // namespace
