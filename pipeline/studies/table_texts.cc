// Tables as CSV, Markdown and LaTeX.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pipeline/csv.h"
#include "pipeline/studies/paper.h"
#include "pipeline/studies/study_tables.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr struct {
  const char* name;
  OverSeeds StudyCell::*value;
} kValues[] = {
    {"score", &StudyCell::score},
    {"validation", &StudyCell::selected},
    {"accuracy", &StudyCell::accuracy},
    {"balanced_accuracy", &StudyCell::balanced_accuracy},
    {"macro_f1", &StudyCell::macro_f1},
    {"weighted_precision", &StudyCell::weighted_precision},
    {"weighted_recall", &StudyCell::weighted_recall},
    {"weighted_f1", &StudyCell::weighted_f1},
    {"mean_iou", &StudyCell::mean_iou},
    {"mean_dice", &StudyCell::mean_dice},
    {"loss", &StudyCell::loss},
};

// Read back exactly.
std::string Full(double value) {
  if (std::isnan(value)) return "";
  for (const int digits : {15, 16}) {
    const std::string text = absl::StrFormat("%.*g", digits, value);
    if (std::stod(text) == value) return text;
  }
  return absl::StrFormat("%.17g", value);
}

std::vector<std::string> CsvColumns() {
  std::vector<std::string> columns = {"config",  "dataset", "task",      "stage", "combination",
                                      "losses",  "metric",  "runs",      "done",  "failed",
                                      "stopped", "seeds",   "collapsed", "epochs"};
  for (const auto& [name, value] : kValues) {
    columns.push_back(absl::StrCat(name, "_mean"));
    columns.push_back(absl::StrCat(name, "_deviation"));
  }
  for (const char* name : {"majority_baseline",
                           "paper_table",
                           "paper_accuracy",
                           "paper_precision",
                           "paper_recall",
                           "paper_loss_value",
                           "paper_one_class",
                           "paper_contradicts_itself",
                           "baseline",
                           "difference",
                           "low",
                           "high",
                           "adjusted_low",
                           "adjusted_high",
                           "family",
                           "p",
                           "p_holm",
                           "p_max_t",
                           "p_wilcoxon",
                           "p_wilcoxon_smallest",
                           "seeds_above",
                           "seeds_below",
                           "verdict",
                           "seconds_mean"}) {
    columns.push_back(name);
  }
  return columns;
}

const Difference* DifferenceOf(const StageAnalysis& stage, int combination) {
  for (const Difference& one : stage.differences) {
    if (one.combination == combination) return &one;
  }
  return nullptr;
}

void AddPaper(const Plan& plan, const StudyAnalysis& analysis, const ConfigAnalysis& config,
              int combination, std::vector<std::string>* row) {
  std::optional<PaperCell> paper;
  if (analysis.fusions) {
    paper = PaperCellOf(config.dataset, config.task, plan.combinations[combination].losses());
  }
  if (!paper.has_value()) {
    row->insert(row->end(), 7, "");
    return;
  }
  const auto flag = [](bool holds) { return holds ? "1" : "0"; };
  row->push_back(absl::StrCat(paper->table));
  for (const double value : {paper->accuracy, paper->precision, paper->recall, paper->loss_value}) {
    row->push_back(Full(value));
  }
  row->push_back(flag(paper->one_class == OneClass::kConsistent));
  row->push_back(flag(paper->contradicts_itself));
}

void AddDifference(const Plan& plan, const StageAnalysis& stage, int combination,
                   std::vector<std::string>* row) {
  row->push_back(stage.baseline < 0 ? "" : plan.combinations[stage.baseline].name);
  const Difference* found = DifferenceOf(stage, combination);
  if (found == nullptr || found->seeds.empty()) {
    row->insert(row->end(), 13, "");
    row->push_back(found == nullptr ? "" : NameOf(found->conclusion.verdict));
    return;
  }
  const Comparison& comparison = found->comparison;
  for (const double value : {comparison.difference, comparison.alone.low, comparison.alone.high,
                             comparison.adjusted.low, comparison.adjusted.high}) {
    row->push_back(Full(value));
  }
  row->push_back(absl::StrCat(stage.family));
  const double max_t = found->max_t.has_value() ? found->max_t->p : kUnknown;
  for (const double value :
       {found->p, found->holm, max_t, found->wilcoxon.p, found->wilcoxon.smallest_p}) {
    row->push_back(Full(value));
  }
  row->push_back(absl::StrCat(found->signs.positive));
  row->push_back(absl::StrCat(found->signs.negative));
  row->push_back(NameOf(found->conclusion.verdict));
}

void AddRows(const Plan& plan, const StudyAnalysis& analysis, const ConfigAnalysis& config,
             const StageAnalysis& stage, std::string* text) {
  for (size_t i = 0; i < stage.cells.size(); ++i) {
    const StudyCell& cell = stage.cells[i];
    if (!cell.asked_for()) continue;
    const Combination& combination = plan.combinations[i];
    std::vector<std::string> row = {config.name,
                                    config.dataset,
                                    config.task,
                                    StageName(stage.stage),
                                    combination.name,
                                    absl::StrCat(combination.losses().size()),
                                    config.metric,
                                    absl::StrCat(cell.asked),
                                    absl::StrCat(cell.done),
                                    absl::StrCat(cell.failed),
                                    absl::StrCat(cell.stopped),
                                    absl::StrCat(cell.seeds.size()),
                                    absl::StrCat(cell.collapsed),
                                    absl::StrCat(cell.epochs)};
    for (const auto& [name, value] : kValues) {
      row.push_back(Full((cell.*value).mean));
      row.push_back(Full((cell.*value).deviation));
    }
    row.push_back(Full(config.majority));
    AddPaper(plan, analysis, config, static_cast<int>(i), &row);
    AddDifference(plan, stage, static_cast<int>(i), &row);
    row.push_back(Full(cell.seconds.mean));
    absl::StrAppend(text, CsvRecord(row));
  }
}

// A text as a Markdown table's cell shows it.
std::string MarkdownText(const std::string& text) {
  return absl::StrReplaceAll(Printable(text), {{"\\", "\\\\"},
                                               {"|", "\\|"},
                                               {"*", "\\*"},
                                               {"_", "\\_"},
                                               {"`", "\\`"},
                                               {"[", "\\["},
                                               {"]", "\\]"},
                                               {"<", "&lt;"},
                                               {">", "&gt;"},
                                               {"&", "&amp;"}});
}

std::string TexText(const std::string& text) {
  return absl::StrReplaceAll(Printable(text), {{"\\", "\\textbackslash{}"},
                                               {"&", "\\&"},
                                               {"%", "\\%"},
                                               {"$", "\\$"},
                                               {"#", "\\#"},
                                               {"_", "\\_"},
                                               {"{", "\\{"},
                                               {"}", "\\}"},
                                               {"~", "\\textasciitilde{}"},
                                               {"^", "\\textasciicircum{}"},
                                               {"<", "\\textless{}"},
                                               {">", "\\textgreater{}"},
                                               {"|", "\\textbar{}"},
                                               {"\"", "''"},
                                               {"±", "$\\pm$"},
                                               {"†", "\\dag{}"},
                                               {"‡", "\\ddag{}"},
                                               {"§", "\\S{}"},
                                               {"*", "\\textasteriskcentered{}"}});
}

std::string HeadOf(const StudyAnalysis& analysis) {
  return absl::StrCat(analysis.title, ": mean and standard deviation over seeds; ", analysis.done,
                      " of ", analysis.asked, " runs are done.");
}

}  // namespace

std::string TableCsv(const Plan& plan, const StudyAnalysis& analysis) {
  std::string text = CsvRecord(CsvColumns());
  for (const ConfigAnalysis& config : analysis.configs) {
    AddRows(plan, analysis, config, config.screen, &text);
    AddRows(plan, analysis, config, config.confirm, &text);
  }
  return text;
}

std::string TableMarkdown(const Plan& plan, const StudyAnalysis& analysis) {
  const std::vector<StudyTable> tables = StudyTables(plan, analysis);
  std::string text = absl::StrCat(MarkdownText(HeadOf(analysis)), "\n");
  for (const auto& [table, notes] : tables) {
    std::vector<std::string> cells, rules;
    for (const std::string& column : table.columns) {
      cells.push_back(MarkdownText(column));
      rules.push_back(rules.empty() ? "---" : "---:");
    }
    absl::StrAppend(&text, "\n**", MarkdownText(table.caption), "**\n\n| ",
                    absl::StrJoin(cells, " | "), " |\n| ", absl::StrJoin(rules, " | "), " |\n");
    for (const std::vector<Cell>& row : table.rows) {
      cells.clear();
      for (const Cell& cell : row) {
        const std::string shown = MarkdownText(cell.text);
        cells.push_back(cell.strong ? absl::StrCat("**", shown, "**") : shown);
      }
      absl::StrAppend(&text, "| ", absl::StrJoin(cells, " | "), " |\n");
    }
  }
  for (const std::string& note : NotesOf(tables)) {
    absl::StrAppend(&text, "\n", MarkdownText(note), "\n");
  }
  return text;
}

std::string TableTex(const Plan& plan, const StudyAnalysis& analysis) {
  const std::vector<StudyTable> tables = StudyTables(plan, analysis);
  std::string text = absl::StrCat("% ", Printable(HeadOf(analysis)),
                                  "\n% Plain LaTeX, no packages: \\input it.\n");
  for (const auto& [table, notes] : tables) {
    absl::StrAppend(&text, "\n\\begin{table}\n\\scriptsize\n\\caption{", TexText(table.caption),
                    "}\n\\begin{tabular}{l", std::string(table.columns.size() - 1, 'r'),
                    "}\n\\hline\n");
    std::vector<std::string> cells;
    for (const std::string& column : table.columns) cells.push_back(TexText(column));
    absl::StrAppend(&text, absl::StrJoin(cells, " & "), " \\\\\n\\hline\n");
    for (const std::vector<Cell>& row : table.rows) {
      cells.clear();
      for (const Cell& cell : row) {
        const std::string shown = TexText(cell.text);
        cells.push_back(cell.strong ? absl::StrCat("\\textbf{", shown, "}") : shown);
      }
      absl::StrAppend(&text, absl::StrJoin(cells, " & "), " \\\\\n");
    }
    absl::StrAppend(&text, "\\hline\n\\end{tabular}\n\\end{table}\n");
  }
  for (const std::string& note : NotesOf(tables)) {
    absl::StrAppend(&text, "\n\\noindent ", TexText(note), "\\par\n");
  }
  return text;
}

}  // namespace pipeline
