// The page of a run: its numbers are those of the run's files, and what is missing is said.
#include "pipeline/report/run_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/report/run_folders.h"
#include "pipeline/report/sections.h"

namespace pipeline {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Page PageOf(const std::string& folder) { return RunPage(RecordOf(folder), {}); }

const Section* Find(const Page& page, const std::string& id) {
  for (const Section& section : page.sections) {
    if (section.id == id) return &section;
  }
  return nullptr;
}

template <class T>
std::vector<T> All(const Section& section) {
  std::vector<T> all;
  for (const Block& block : section.blocks) {
    if (const T* found = std::get_if<T>(&block)) all.push_back(*found);
  }
  return all;
}

const Chart& ChartOf(const std::vector<Chart>& charts, const std::string& title) {
  for (const Chart& chart : charts) {
    if (chart.title == title) return chart;
  }
  ADD_FAILURE() << "no chart " << title;
  return charts.front();
}

std::vector<std::string> TextsOf(const Table& table, size_t column) {
  std::vector<std::string> texts;
  for (const auto& row : table.rows) texts.push_back(row[column].text);
  return texts;
}

TEST(RunPage, BeginsWithTheVerdict) {
  const Page page = PageOf(MadeRun().Write("whole"));
  ASSERT_FALSE(page.sections.empty());
  const Section& verdict = page.sections.front();
  EXPECT_EQ(verdict.id, "verdict");
  const auto paragraphs = All<Paragraph>(verdict);
  EXPECT_EQ(paragraphs[0].text,
            "cnn with activation relu, minimising focal + dice, on pets (multiclass, 3 classes).");
  EXPECT_THAT(paragraphs[1].text,
              HasSubstr("On 12 test images it has an accuracy of 75.0 % (95 % interval "));
  EXPECT_THAT(paragraphs[1].text,
              HasSubstr("always answering the most frequent class has 33.3 %."));
  const auto tiles = All<Tiles>(verdict)[0].tiles;
  EXPECT_EQ(tiles[0].value, "75.0 %");
  EXPECT_EQ(tiles[2].name, "Macro F1");
  EXPECT_EQ(tiles[2].value, "74.8 %");
}

TEST(RunPage, SectionsAreInTheirOrder) {
  std::vector<std::string> ids;
  for (const Section& section : PageOf(MadeRun().Write("whole")).sections)
    ids.push_back(section.id);
  EXPECT_THAT(ids, ElementsAre("verdict", "curves", "confusion", "classes", "ranking",
                               "reliability", "mistakes", "time", "again"));
}

TEST(RunPage, CurvesAreThoseOfMetricsCsv) {
  const Section curves = *Find(PageOf(MadeRun().Write("whole")), "curves");
  const std::vector<Chart> charts = All<Charts>(curves)[0].charts;
  const Table accuracy = ChartOf(charts, "Accuracy").numbers;
  EXPECT_THAT(accuracy.columns, ElementsAre("epoch", "training", "validation", "test"));
  EXPECT_THAT(TextsOf(accuracy, 1), ElementsAre("0.5123", "0.6123", "0.7123"));
  EXPECT_THAT(TextsOf(accuracy, 2), ElementsAre("0.4777", "0.5777", "0.6777"));
  // At the epoch whose weights were tested.
  EXPECT_THAT(TextsOf(accuracy, 3), ElementsAre("-", "0.75", "-"));
  EXPECT_THAT(TextsOf(ChartOf(charts, "Macro F1").numbers, 1),
              ElementsAre("0.5345", "0.6345", "0.7345"));
  EXPECT_THAT(TextsOf(ChartOf(charts, "Loss").numbers, 2), ElementsAre("1.675", "1.575", "1.475"));
  const Table raw = ChartOf(charts, "Raw terms of the loss").numbers;
  EXPECT_THAT(raw.columns,
              ElementsAre("epoch", "focal", "dice", "focal, validation", "dice, validation"));
  EXPECT_THAT(TextsOf(raw, 1), ElementsAre("0.625", "0.525", "0.425"));
  EXPECT_THAT(TextsOf(ChartOf(charts, "Shares of the gradient").numbers, 1),
              ElementsAre("0.999", "0.999", "0.999"));
  // What does not change is said in words.
  EXPECT_EQ(All<Paragraph>(curves)[0].text,
            "The weights of the terms in every epoch: focal 1, dice 2.");
  EXPECT_EQ(All<Paragraph>(curves)[1].text, "The learning rate in every epoch: 0.01.");
  EXPECT_THAT(ChartOf(charts, "F1 of each class").numbers.columns,
              ElementsAre("epoch", "cat", "owl"));
}

TEST(RunPage, WeightsAndRatesThatChangeAreCurves) {
  const MadeRun run;
  const std::string folder = run.Write("changing");
  WriteText(folder + "/metrics.csv",
            "epoch,phase,step,loss.total,loss.focal,loss.dice,weight.focal,weight.dice,"
            "learning_rate\n1,TRAIN,4,3,1,1,1,2,0.01\n2,TRAIN,8,2,1,1,1.5,2,0.005\n");
  const Section curves = *Find(PageOf(folder), "curves");
  const std::vector<Chart> charts = All<Charts>(curves)[0].charts;
  EXPECT_THAT(TextsOf(ChartOf(charts, "Weights of the terms").numbers, 1), ElementsAre("1", "1.5"));
  EXPECT_THAT(TextsOf(ChartOf(charts, "Weights of the terms").numbers, 2), ElementsAre("2", "2"));
  EXPECT_THAT(TextsOf(ChartOf(charts, "Learning rate").numbers, 1), ElementsAre("0.01", "0.005"));
  EXPECT_THAT(All<Paragraph>(curves), IsEmpty());
}

TEST(RunPage, TablesAreThoseOfTheCounts) {
  const Page page = PageOf(MadeRun().Write("whole"));
  const Table matrix = All<Table>(*Find(page, "confusion"))[0];
  EXPECT_THAT(matrix.columns, ElementsAre("truth", "cat", "dog", "owl"));
  EXPECT_THAT(TextsOf(matrix, 0), ElementsAre("cat", "dog", "owl"));
  EXPECT_THAT(TextsOf(matrix, 1), ElementsAre("3 (75.0 %)", "1 (25.0 %)", "1 (25.0 %)"));
  EXPECT_THAT(TextsOf(matrix, 3), ElementsAre("0 (0.0 %)", "0 (0.0 %)", "3 (75.0 %)"));
  const Table classes = All<Table>(*Find(page, "classes"))[0];
  EXPECT_THAT(TextsOf(classes, 1), ElementsAre("60.0 %", "75.0 %", "100.0 %"));  // precision
  EXPECT_THAT(TextsOf(classes, 2), ElementsAre("75.0 %", "75.0 %", "75.0 %"));   // recall
  EXPECT_THAT(TextsOf(classes, 3), ElementsAre("66.7 %", "75.0 %", "85.7 %"));   // F1
  EXPECT_THAT(TextsOf(classes, 4), ElementsAre("50.0 %", "60.0 %", "75.0 %"));   // IoU
  EXPECT_THAT(TextsOf(classes, 7), ElementsAre("4", "4", "4"));
  EXPECT_THAT(TextsOf(classes, 8), ElementsAre("5", "4", "3"));
}

TEST(RunPage, MistakesBeginWithTheSurest) {
  const Section mistakes = *Find(PageOf(MadeRun().Write("whole")), "mistakes");
  EXPECT_THAT(All<Paragraph>(mistakes)[0].text,
              HasSubstr("3 of 12 test images are answered wrong"));
  const Table wrong = All<Table>(mistakes)[0];
  EXPECT_THAT(TextsOf(wrong, 0), ElementsAre("img3.png", "img6.png", "img11.png"));
  EXPECT_THAT(TextsOf(wrong, 1), ElementsAre("cat", "dog", "owl"));
  EXPECT_THAT(TextsOf(wrong, 2), ElementsAre("dog", "cat", "cat"));
  EXPECT_THAT(TextsOf(wrong, 3), ElementsAre("0.797", "0.794", "0.789"));
  EXPECT_THAT(TextsOf(wrong, 4), ElementsAre("0.1015", "0.103", "0.1055"));
  EXPECT_EQ(All<Table>(mistakes)[1].rows[0][0].text, "img11.png");  // the least sure one
}

TEST(RunPage, ReliabilityIsThatOfThePredictions) {
  const Section section = *Find(PageOf(MadeRun().Write("whole")), "reliability");
  // All confidences (0.789 to 0.8) are in one of 15 bins; 9 of 12 are right.
  EXPECT_EQ(All<Tiles>(section)[0].tiles[0].value, "0.0445");
  const Chart chart =
      ChartOf(All<Charts>(section)[0].charts, "Is it right as often as it is sure?");
  EXPECT_THAT(TextsOf(chart.numbers, 1), Contains("0.75"));
  EXPECT_THAT(TextsOf(chart.numbers, 2), Contains("0.7945"));
}

TEST(RunPage, ShowsWhatCalibrateFound) {
  const std::string folder = MadeRun().Write("calibrated");
  WriteText(folder + "/calibration.json",
            R"({"format": 1, "method": "temperature", "temperature": 1.75, "test": {
                "before": {"ece": 0.25, "brier": null}, "after": {"ece": 0.125, "brier": 0.5}}})");
  const Section section = *Find(PageOf(folder), "reliability");
  EXPECT_THAT(All<Paragraph>(section)[0].text,
              HasSubstr("calibrate has fitted temperature scaling (temperature 1.75)"));
  const Table table = All<Table>(section)[0];
  EXPECT_THAT(TextsOf(table, 0), ElementsAre("ece", "brier"));
  EXPECT_THAT(TextsOf(table, 1), ElementsAre("0.25", "-"));
  EXPECT_THAT(TextsOf(table, 2), ElementsAre("0.125", "0.5"));
  WriteText(folder + "/calibration.json", "{");
  EXPECT_EQ(All<Paragraph>(*Find(PageOf(folder), "reliability"))[0].text,
            "calibration.json cannot be read.");
}

TEST(RunPage, ShowsWhatStepsWereMadeOf) {
  const std::string folder = WithSummary([](nlohmann::ordered_json* summary) {
    (*summary)["time"] = {{"TRAIN", {{"load", 1.0}, {"backward", 3.0}, {"loss", nullptr}}},
                          {"VAL", nlohmann::ordered_json::object()}};
  });
  const Section time = *Find(PageOf(folder), "time");
  const Table parts = ChartOf(All<Charts>(time)[0].charts, "Steps of training").numbers;
  EXPECT_THAT(TextsOf(parts, 0), ElementsAre("load", "backward"));
  EXPECT_THAT(TextsOf(parts, 1), ElementsAre("1", "3"));
  EXPECT_THAT(TextsOf(parts, 2), ElementsAre("25.0 %", "75.0 %"));
}

TEST(RunPage, EveryChartHasItsTable) {
  for (const Section& section : PageOf(MadeRun().Write("whole")).sections) {
    for (const Charts& charts : All<Charts>(section)) {
      for (const Chart& chart : charts.charts) {
        EXPECT_THAT(chart.svg, HasSubstr("<svg")) << chart.title;
        EXPECT_FALSE(chart.numbers.rows.empty()) << chart.title;
        for (const auto& row : chart.numbers.rows) {
          EXPECT_EQ(row.size(), chart.numbers.columns.size()) << chart.title;
        }
      }
    }
  }
}

TEST(RunPage, TimeIsThatOfTheRows) {
  const Section time = *Find(PageOf(MadeRun().Write("whole")), "time");
  const Table parts = All<Charts>(time)[0].charts[0].numbers;
  EXPECT_THAT(TextsOf(parts, 0),
              ElementsAre("starting", "training steps", "training, waiting for data", "validation",
                          "validation, waiting for data", "test", "all else"));
  EXPECT_THAT(TextsOf(parts, 1),
              ElementsAre("0.5", "5.625", "1.875", "0.75", "0.75", "0.25", "1.25"));
}

TEST(RunPage, HostileNamesAreHarmless) {
  MadeRun run;
  run.classes = {"</script><svg onload=alert(1)>", "a\"b'c&d", "\n{{title}}"};
  run.path = "<img src=x onerror=alert(2)>";
  const std::string folder = run.Write("ho'stile <b>");
  WriteText(folder + "/config.pbtxt", "# </code></pre><script>alert(3)</script>\n");
  ASSERT_TRUE(WriteReport(folder, {}).ok());
  const std::string html = ReadText(folder + "/report.html");
  EXPECT_EQ(CountIn(html, "<script"), 1);
  EXPECT_EQ(CountIn(html, "</script>"), 1);
  EXPECT_THAT(html, Not(HasSubstr("<svg onload")));
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(html, HasSubstr("&lt;/script&gt;&lt;svg onload=alert(1)&gt;"));
  EXPECT_THAT(html, HasSubstr("&lt;img src=x onerror=alert(2)&gt;3.png"));
  EXPECT_THAT(html, HasSubstr("ho&apos;\\&apos;&apos;stile &lt;b&gt;"));
}

TEST(RunPage, SaysWhatAnInterruptedRunLacks) {
  const std::string folder = WithSummary([](nlohmann::ordered_json* summary) {
    (*summary)["stopped"] = "interrupted";
    (*summary)["test"] = nullptr;
  });
  std::filesystem::remove(folder + "/predictions.csv");
  const Page page = PageOf(folder);
  EXPECT_EQ(All<Findings>(page.sections[0])[0].findings[0].text,
            "Interrupted after 3 whole epochs and 12 steps: there is no test result.");
  EXPECT_THAT(All<Paragraph>(page.sections[0])[1].text,
              HasSubstr("On 6 validation images it has an accuracy of 57.8 %"));
  EXPECT_EQ(All<Paragraph>(*Find(page, "confusion"))[0].text,
            "No answers were counted: there is no test result.");
  EXPECT_THAT(All<Code>(*Find(page, "again"))[1].text, HasSubstr("train --resume="));
  EXPECT_THAT(Html(page), HasSubstr("Interrupted"));
}

TEST(RunPage, StandsEachMissingOrBrokenFile) {
  const char* kFiles[] = {"run.json", "summary.json", "metrics.csv", "config.pbtxt",
                          "predictions.csv"};
  for (const char* name : kFiles) {
    SCOPED_TRACE(name);
    const std::string folder = MadeRun().Write("missing");
    std::filesystem::remove(absl::StrCat(folder, "/", name));
    EXPECT_THAT(Html(PageOf(folder)), HasSubstr("Verdict"));
    for (const char* broken : {"", "{", "[1]", "\xFF,\"\n", "a,b\n1\n"}) {
      WriteText(absl::StrCat(folder, "/", name), broken);
      const RunRecord record = RecordOf(folder);
      EXPECT_THAT(Html(RunPage(record, {})), HasSubstr("Verdict"));
      if (std::string(name) == "config.pbtxt" && *broken == 0) continue;  // an empty config is one
      EXPECT_THAT(record.problems, Contains(HasSubstr(name))) << broken;
    }
  }
}

TEST(RunPage, OfAnEmptyFolderIsRefused) {
  const std::string folder = FolderOf("empty");
  EXPECT_EQ(
      ReadRunRecord(folder).status().message(),
      folder + ": no run folder, for it has neither run.json nor summary.json nor metrics.csv");
  EXPECT_EQ(ReadRunRecord(folder + "/none").status().message(),
            folder + "/none: no such run folder");
}

TEST(RunPage, WithoutPredictionsHasNoIntervalsAndSaysWhy) {
  MadeRun run;
  run.predictions = false;
  const std::string folder = run.Write("old");
  const Page page = PageOf(folder);
  EXPECT_THAT(Html(page),
              HasSubstr("There is no predictions.csv (an older program made this run)"));
  EXPECT_EQ(Find(page, "ranking"), nullptr);
  EXPECT_EQ(Find(page, "mistakes"), nullptr);
  EXPECT_EQ(All<Tiles>(page.sections[0])[0].tiles[0].note, "");
  EXPECT_EQ(All<Table>(*Find(page, "confusion"))[0].rows.size(), 3);
}

TEST(ShellQuoted, IsReadBackByAShell) {
  EXPECT_EQ(ShellQuoted("/a/b-1.pbtxt"), "/a/b-1.pbtxt");
  EXPECT_EQ(ShellQuoted("a b"), "'a b'");
  EXPECT_EQ(ShellQuoted("a'b$c"), "'a'\\''b$c'");
  EXPECT_EQ(ShellQuoted(""), "''");
  EXPECT_EQ(ShellQuoted("a\n\xFF"), "$'a\\012\\377'");
}

}  // namespace
}  // namespace pipeline
