// Tables of a study, cell by cell.
#include "pipeline/studies/study_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "pipeline/csv.h"
#include "pipeline/studies/ledger.h"
#include "pipeline/studies/study_folders.h"

namespace pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string FolderNamed(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/", name);
}

// Ten images of two classes, of which the first so many are right.
MadeAnswers Right(int right) {
  MadeAnswers answers;
  for (int i = 0; i < 10; ++i) {
    answers.labels.push_back(i % 2);
    answers.answers.push_back(i < right ? i % 2 : 1 - i % 2);
  }
  return answers;
}

StudyAnalysis AnalysisOf(MadeStudy* study) {
  absl::StatusOr<StudyAnalysis> analysis = Analyse(study->plan, study->Save());
  EXPECT_TRUE(analysis.ok()) << analysis.status();
  return *std::move(analysis);
}

// Of a CSV by row and column.
std::string At(const std::string& csv, size_t row, const std::string& column) {
  CsvReader reader(csv);
  std::vector<std::string> names, cells;
  EXPECT_TRUE(reader.Next(&names));
  for (size_t i = 0; i <= row; ++i) EXPECT_TRUE(reader.Next(&cells));
  EXPECT_EQ(cells.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == column) return cells[i];
  }
  ADD_FAILURE() << "no column " << column;
  return "";
}

// The cells of the Markdown row that begins with a name.
std::vector<std::string> RowOf(const std::string& markdown, const std::string& name) {
  for (const absl::string_view line : absl::StrSplit(markdown, '\n')) {
    std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (cells[0] == "| " + name) return cells;
  }
  ADD_FAILURE() << "no row " << name << " in\n" << markdown;
  return {};
}

MadeStudy BrainStudy(const std::string& name) {
  MadeStudy study(FolderNamed(name), {"focal", "tversky+smooth_l1+dice"});
  for (const int combination : {0, 1}) {
    for (const int64_t seed : {0, 1, 2}) {
      study.Add(combination, seed, Right(static_cast<int>(6 + seed + combination)), 0.7);
    }
  }
  for (StudyResult& result : study.results) result.dataset = "brain_tumor";
  return study;
}

TEST(StudyTables, LayOutTheMeanTheDeviationThePublishedNumberAndTheDifference) {
  MadeStudy study = BrainStudy("cells");
  const std::string markdown = TableMarkdown(study.plan, AnalysisOf(&study));
  EXPECT_THAT(markdown, HasSubstr("**brain\\_tumor, multiclass, 1-gram (the paper's Table 7)**"));
  EXPECT_THAT(markdown, HasSubstr("6 of 6 runs are done."));
  const std::vector<std::string> row = RowOf(markdown, "focal");
  ASSERT_EQ(row.size(), 15u);
  // 0.6, 0.7, 0.8; the paper's Table 7: 0.806, loss value 0.119.
  EXPECT_EQ(row[1], "**0.7000 ± 0.1000**");
  EXPECT_EQ(row[2], "0.8060");
  EXPECT_EQ(row[3], "-0.1060");
  EXPECT_EQ(row[10], "0.75 ± 0.25");
  EXPECT_EQ(row[11], "0.119");
  EXPECT_EQ(row[12], "+0.6310");
}

TEST(StudyTables, LeaveCellsBlankThatThePaperDoesNotHave) {
  MadeStudy study = BrainStudy("blank");
  const std::string markdown = TableMarkdown(study.plan, AnalysisOf(&study));
  // No table of three has it for brain tumors: there are no columns of the paper at all.
  EXPECT_EQ(RowOf(markdown, "tversky+smooth\\_l1+dice").size(), 7u);
  const std::vector<std::string> majority = RowOf(markdown, "majority baseline");
  EXPECT_EQ(majority[1], "0.5000");
  EXPECT_EQ(majority[2], "");
  EXPECT_EQ(majority[4], "0.2500");  // precision of one class for all: its share squared
}

TEST(StudyTables, MarkWhatCollapsedWasStoppedFailedOrIsPartlyDone) {
  MadeStudy study(FolderNamed("marks"), {"focal", "dice", "mse", "tversky", "smooth_l1"});
  for (const int64_t seed : {0, 1, 2}) study.Add(0, seed, Right(8), 0.8);
  for (const int64_t seed : {0, 1, 2}) {
    StudyResult& result = study.Add(1, seed, Right(5), 0.5);
    if (seed == 2) result.test["metrics.classes_predicted"] = 1;
  }
  for (const int64_t seed : {0, 1}) study.Add(2, seed, Right(7), 0.6);
  for (const int64_t seed : {0, 1, 2}) study.Stop(3, seed, {0.3, 0.4});
  for (const int64_t seed : {0, 1, 2}) study.Fail(4, seed, "no memory");
  const std::string markdown = TableMarkdown(study.plan, AnalysisOf(&study));
  EXPECT_EQ(RowOf(markdown, "focal")[1], "**0.8000 ± 0.0000**");
  EXPECT_EQ(RowOf(markdown, "dice")[1], "0.5000 ± 0.0000\\*");
  EXPECT_EQ(RowOf(markdown, "mse")[1], "0.7000 ± 0.0000 (2 of 3)");
  EXPECT_EQ(RowOf(markdown, "tversky")[1], "stopped after 2 epochs");
  EXPECT_EQ(RowOf(markdown, "tversky")[2], "");
  EXPECT_EQ(RowOf(markdown, "smooth\\_l1")[1], "failed");
  EXPECT_THAT(markdown, HasSubstr("the network answers one class for all images"));
  EXPECT_THAT(markdown, HasSubstr("8 of 15 runs are done."));
}

TEST(StudyTables, MarkThePapersCells) {
  MadeStudy study(FolderNamed("paper_marks"), {"smooth_l1", "categorical_cross_entropy", "mse"});
  for (const int combination : {0, 1}) study.Add(combination, 0, Right(8), 0.8);
  for (StudyResult& result : study.results) {
    result.dataset = "crack";
    result.task = "binary";
  }
  const std::string markdown = TableMarkdown(study.plan, AnalysisOf(&study));
  EXPECT_EQ(RowOf(markdown, "smooth\\_l1")[2], "0.9356†");
  EXPECT_EQ(RowOf(markdown, "categorical\\_cross\\_entropy")[2], "0.9710");
  EXPECT_EQ(RowOf(markdown, "categorical\\_cross\\_entropy")[8], "0.9871‡");
  // Not trained yet: ours is blank, and so is the difference.
  EXPECT_EQ(RowOf(markdown, "mse")[1], "");
  EXPECT_EQ(RowOf(markdown, "mse")[2], "0.9356†");
  EXPECT_EQ(RowOf(markdown, "mse")[3], "");
  EXPECT_THAT(markdown, HasSubstr("consistent with one-class output"));
}

TEST(StudyTables, AreWholeInCsvInFullPrecision) {
  MadeStudy study = BrainStudy("csv");
  const double third = 1.0 / 3;
  for (size_t i = 0; i < 3; ++i) study.results[i].validation["metrics.macro_f1"] = third;
  const std::string csv = TableCsv(study.plan, AnalysisOf(&study));
  EXPECT_EQ(At(csv, 0, "combination"), "focal");
  EXPECT_EQ(At(csv, 0, "accuracy_mean"), "0.7");
  EXPECT_EQ(std::stod(At(csv, 0, "validation_mean")), third);
  EXPECT_EQ(At(csv, 0, "paper_accuracy"), "0.806");
  EXPECT_EQ(At(csv, 0, "paper_table"), "7");
  EXPECT_EQ(At(csv, 0, "baseline"), "focal");
  EXPECT_EQ(At(csv, 0, "difference"), "");
  EXPECT_EQ(At(csv, 1, "paper_accuracy"), "");
  EXPECT_EQ(At(csv, 1, "accuracy_mean"), "0.8");
  // Only the pairs' tenth image differs in each seed.
  EXPECT_DOUBLE_EQ(std::stod(At(csv, 1, "difference")), 0.1);
  EXPECT_EQ(At(csv, 1, "family"), "1");
  EXPECT_EQ(At(csv, 1, "p_wilcoxon"), "0.25");
  EXPECT_EQ(At(csv, 1, "p_wilcoxon_smallest"), "0.25");
  EXPECT_EQ(At(csv, 1, "seeds_above"), "3");
  EXPECT_EQ(At(csv, 1, "seconds_mean"), "10");
}

// A failed fold leaves its seed out of the table, not out of what the study went on with.
TEST(StudyTables, CompareToWhatTheStudyItselfTookForTheBaseline) {
  MadeStudy study(FolderNamed("baseline"), {"focal", "dice"});
  study.plan.seeds = {0, 1};
  study.plan.folds = 2;
  const auto add = [&](int combination, int64_t seed, int fold, double validation) {
    study.Add(combination, seed, Right(7), validation, 0, StudyStage::kScreen, fold, 10 * fold);
  };
  for (const int fold : {0, 1}) add(0, 0, fold, 0.9);
  add(0, 1, 0, 0.1);
  study.Fail(0, 1, "out of memory", 1);
  for (const int fold : {0, 1, 2, 3}) add(1, fold / 2, fold % 2, 0.7);
  const std::string csv = TableCsv(study.plan, AnalysisOf(&study));
  EXPECT_EQ(At(csv, 0, "baseline"), "dice");
  EXPECT_EQ(Ledger(study.plan, study.results).Baseline(0), 1);
}

TEST(StudyTables, EscapeNamesOfAnyKind) {
  const std::string hostile = "a,\"b\"|&<i>_%$#{}~^\\\n*";
  MadeStudy study(FolderNamed("escape"), {"focal"});
  study.plan.combinations[0].name = hostile;
  study.plan.combinations[0].values[0].losses = {hostile};
  study.Add(0, 0, Right(8), 0.8);
  const StudyAnalysis analysis = AnalysisOf(&study);
  EXPECT_EQ(At(TableCsv(study.plan, analysis), 0, "combination"), hostile);
  const std::string markdown = TableMarkdown(study.plan, analysis);
  EXPECT_THAT(markdown, HasSubstr("| a,\"b\"\\|&amp;&lt;i&gt;\\_%$#{}~^\\\\\\\\x0A\\* |"));
  const std::string tex = TableTex(study.plan, analysis);
  EXPECT_THAT(tex, HasSubstr("a,''b''\\textbar{}\\&\\textless{}i\\textgreater{}\\_\\%\\$\\#\\{\\}"
                             "\\textasciitilde{}\\textasciicircum{}\\textbackslash{}"
                             "\\textbackslash{}x0A\\textasteriskcentered{} & "));
}

TEST(StudyTables, SayThatDrawnImagesStandIn) {
  MadeStudy study = BrainStudy("drawn");
  study.results[0].embedded_sample = true;
  const StudyAnalysis analysis = AnalysisOf(&study);
  EXPECT_THAT(TableMarkdown(study.plan, analysis),
              HasSubstr("Drawn stand-in images were used by pets\\_cnn: its numbers say nothing"));
  EXPECT_THAT(TableTex(study.plan, analysis), HasSubstr("Drawn stand-in images were used by "));
}

TEST(StudyTables, AreTablesOfPlainLatex) {
  MadeStudy study = BrainStudy("tex");
  const std::string tex = TableTex(study.plan, AnalysisOf(&study));
  EXPECT_THAT(tex, HasSubstr("\\begin{tabular}{lrrrrrrrrrrrrrr}\n\\hline\nfusion & accuracy & "));
  EXPECT_THAT(tex, HasSubstr("focal & \\textbf{0.7000 $\\pm$ 0.1000} & 0.8060 & -0.1060 & "));
  EXPECT_THAT(tex, Not(HasSubstr("toprule")));
}

}  // namespace
}  // namespace pipeline
