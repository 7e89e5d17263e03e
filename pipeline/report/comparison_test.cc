// Comparisons: differences and their chances where runs were tested alike, warnings where not.
#include "pipeline/report/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pipeline/report/run_folders.h"

namespace pipeline {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RunRecord Made(const std::string& name, const MadeRun& run) {
  absl::StatusOr<RunRecord> record = ReadRunRecord(run.Write(name));
  EXPECT_TRUE(record.ok()) << record.status();
  return *std::move(record);
}

MadeRun Perfect() {
  MadeRun run;
  run.answers = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2};
  return run;
}

TEST(Comparison, OfOneTestSetHasDifferencesAndMcNemar) {
  const std::vector<PairResult> pairs =
      PairsOf({Made("first", MadeRun()), Made("second", Perfect())});
  ASSERT_EQ(pairs.size(), 1);
  EXPECT_THAT(pairs[0].test.reasons, IsEmpty());
  EXPECT_EQ(pairs[0].test.shared, 12);
  ASSERT_EQ(pairs[0].differences.size(), 2);
  EXPECT_EQ(pairs[0].differences[0].score, "accuracy");
  EXPECT_DOUBLE_EQ(pairs[0].differences[0].interval.difference, 0.25);
  EXPECT_GE(pairs[0].differences[0].interval.low, 0);
  EXPECT_LE(pairs[0].differences[0].interval.high, 0.6);
  // 1 - (2/3 + 3/4 + 6/7) / 3.
  EXPECT_NEAR(pairs[0].differences[1].interval.difference, 0.2420634921, 1e-9);
  EXPECT_EQ(pairs[0].mcnemar.only_first, 0);
  EXPECT_EQ(pairs[0].mcnemar.only_second, 3);
  EXPECT_DOUBLE_EQ(pairs[0].mcnemar.mid_p, 0.125);  // 2 / 8 - 1 / 8
  EXPECT_DOUBLE_EQ(pairs[0].adjusted, 0.125);
}

TEST(Comparison, AdjustsForTheNumberOfPairs) {
  MadeRun other;
  other.answers = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0};
  const std::vector<PairResult> pairs =
      PairsOf({Made("a", MadeRun()), Made("b", Perfect()), Made("c", other)});
  ASSERT_EQ(pairs.size(), 3);
  // Mid-p of 3, 2 and 1 differing images: 1/8, 1/4, 1/2; Holm: 3/8, 2/4, 1/2.
  EXPECT_DOUBLE_EQ(pairs[0].adjusted, 0.375);
  EXPECT_DOUBLE_EQ(pairs[1].mcnemar.mid_p, 0.25);
  EXPECT_DOUBLE_EQ(pairs[1].adjusted, 0.5);
  EXPECT_DOUBLE_EQ(pairs[2].adjusted, 0.5);
}

TEST(Comparison, OfManyRunsIsAgainstTheFirst) {
  std::vector<RunRecord> runs;
  for (int i = 0; i < 6; ++i) runs.push_back(Made(absl::StrCat("run", i), MadeRun()));
  const std::vector<PairResult> pairs = PairsOf(runs);
  ASSERT_EQ(pairs.size(), 5);
  for (const PairResult& pair : pairs) EXPECT_EQ(pair.first, 0);
}

TEST(Comparison, WarnsWhereTestsWereNotAlike) {
  MadeRun other = Perfect(), old = Perfect(), named = Perfect();
  other.path = "photo";
  old.predictions = false;
  named.classes = {"cat", "dog", "bird"};
  const RunRecord first = Made("first", MadeRun());
  const SharedTest images = SharedTestOf(first, Made("other", other));
  EXPECT_EQ(images.shared, 0);
  EXPECT_THAT(images.reasons, ElementsAre(HasSubstr("other test images: 0 images of the same path "
                                                    "and label, 12 and 12 of one run alone")));
  EXPECT_THAT(SharedTestOf(first, Made("old", old)).reasons,
              ElementsAre(HasSubstr("has no predictions of TEST")));
  EXPECT_THAT(SharedTestOf(first, Made("named", named)).reasons,
              Contains("they have other classes"));
  const Page page = ComparisonPage({first, Made("other", other)});
  EXPECT_THAT(Html(page), HasSubstr("were not tested alike"));
  EXPECT_THAT(Html(page), HasSubstr("No two of these runs can be compared image by image"));
}

TEST(Comparison, WarnsWhereOneWasTrainedOnTheOthersTest) {
  const std::string first = MadeRun().Write("first"), second = Perfect().Write("second");
  const std::string hash(32, 'a');
  WriteText(first + "/split.csv", "split,path,xxh3_128\nTEST,x.png," + hash + "\n");
  WriteText(second + "/split.csv", "split,path,xxh3_128\nTRAIN,copy of x.png," + hash + "\n");
  const SharedTest test = SharedTestOf(*ReadRunRecord(first), *ReadRunRecord(second));
  EXPECT_EQ(test.first_trained_on, 0);
  EXPECT_EQ(test.second_trained_on, 1);
  EXPECT_THAT(test.reasons, ElementsAre(HasSubstr("other split: ")));
}

TEST(Comparison, TakesALeakOfBothForNoOtherSplit) {
  const std::string first = MadeRun().Write("first"), second = Perfect().Write("second");
  const std::string hash(32, 'a');
  for (const std::string& run : {first, second}) {
    WriteText(run + "/split.csv",
              "split,path,xxh3_128\nTEST,x.png," + hash + "\nTRAIN,y.png," + hash + "\n");
  }
  EXPECT_THAT(SharedTestOf(*ReadRunRecord(first), *ReadRunRecord(second)).reasons, IsEmpty());
}

TEST(Comparison, ShowsWhatDiffersInTheConfigs) {
  const std::string first = MadeRun().Write("first"), second = Perfect().Write("second");
  WriteText(second + "/config.pbtxt", "train { epochs: 3 seed: 8 learning_rate: 0.5 }\n");
  const std::string html = Html(ComparisonPage({*ReadRunRecord(first), *ReadRunRecord(second)}));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">train.seed</th><td>7</td><td class=\"b\">8</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">train.learning_rate</th>"));
  EXPECT_THAT(html, Not(HasSubstr("<th scope=\"row\">train.epochs</th>")));
  EXPECT_THAT(html, HasSubstr("+25.0"));
}

TEST(Comparison, CallsNoValidatedScoreTheBest) {
  const std::string tested = MadeRun().Write("tested"), stopped = Perfect().Write("stopped");
  nlohmann::ordered_json summary = Perfect().Summary();
  summary["test"] = nullptr;
  summary["stopped"] = "interrupted";
  WriteText(stopped + "/summary.json", summary.dump());
  std::filesystem::remove(stopped + "/predictions.csv");
  // Of VAL, above the other's 75 % of TEST.
  WriteText(stopped + "/metrics.csv",
            "epoch,phase,step,metrics.accuracy,metrics.balanced_accuracy\n2,VAL,4,0.9,0.9\n");
  const std::string html = Html(ComparisonPage({*ReadRunRecord(tested), *ReadRunRecord(stopped)}));
  EXPECT_THAT(html, HasSubstr("<td data-n=\"0.9\" class=\"n\">90.0 %</td>"));
  EXPECT_THAT(html, HasSubstr("<td data-n=\"0.75\" class=\"n b\">75.0 %</td>"));
}

TEST(Comparison, TellsRunsOfOneNameApart) {
  RunRecord first = Made("first", MadeRun()), second = Made("second", Perfect());
  first.name = second.name = "<b>same";
  first.folder = "/one/<b>same";
  second.folder = "/two/<b>same";
  const std::string html = Html(ComparisonPage({first, second}));
  EXPECT_THAT(html, HasSubstr("/one/&lt;b&gt;same"));
  EXPECT_THAT(html, HasSubstr("/two/&lt;b&gt;same"));
  EXPECT_THAT(html, Not(HasSubstr("<b>same")));
}

}  // namespace
}  // namespace pipeline
