// The paper's layout.
#include "pipeline/studies/study_tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/statistics/collapse.h"
#include "pipeline/studies/paper.h"

namespace pipeline {
namespace {

struct Measure {
  const char* name;
  OverSeeds StudyCell::*ours;
  double PaperCell::*paper;  // null: the paper has none
};

std::vector<Measure> MeasuresOf(const ConfigAnalysis& config) {
  if (config.masks) {
    return {{"mean IoU", &StudyCell::mean_iou, nullptr},
            {"mean Dice", &StudyCell::mean_dice, nullptr},
            {"pixel accuracy", &StudyCell::accuracy, nullptr},
            {"loss value", &StudyCell::loss, nullptr}};
  }
  return {{"accuracy", &StudyCell::accuracy, &PaperCell::accuracy},
          {"precision", &StudyCell::weighted_precision, &PaperCell::precision},
          {"recall", &StudyCell::weighted_recall, &PaperCell::recall},
          {"loss value", &StudyCell::loss, &PaperCell::loss_value},
          {"balanced accuracy", &StudyCell::balanced_accuracy, nullptr},
          {"macro F1", &StudyCell::macro_f1, nullptr}};
}

// What the marks of a table say, in the order of the list below.
enum class Sign { kCollapsed, kSomeSeeds, kOneClass, kContradicts, kElsewhere, kChosen };
constexpr struct {
  const char *mark, *meaning;
} kSigns[] = {
    {"*",
     "* of ours: in at least one seed the network answers one class for all images, or hardly "
     "more than that: collapsed, and not compared."},
    {"", "(2 of 3): so many of the seeds are done."},
    {"†",
     "† of the paper's: precision is the square of accuracy within rounding, which is "
     "consistent with one-class output."},
    {"‡",
     "‡ of the paper's: its recall, which as a weighted mean is the accuracy, is more than "
     "0.005 away from it."},
    {"§", "§ of the paper's: another of its tables, or its text, says otherwise."},
    {"",
     "Bold: what validation puts first of all combinations of that config, not what is best "
     "on TEST."},
};

std::string Mark(Sign sign) { return kSigns[static_cast<int>(sign)].mark; }

std::string Decimals(double value, bool loss) {
  return loss ? absl::StrFormat("%.4g", value) : absl::StrFormat("%.4f", value);
}

std::string OursText(const OverSeeds& value, bool loss) {
  if (value.count == 0) return "";
  if (std::isnan(value.deviation)) return Decimals(value.mean, loss);
  return absl::StrCat(Decimals(value.mean, loss), " ± ", Decimals(value.deviation, loss));
}

// Fills the cells of one config in one table.
class Columns {
 public:
  Columns(const Plan& plan, const ConfigAnalysis& config, bool with_paper, std::set<Sign>* signs)
      : plan_(plan),
        config_(config),
        measures_(MeasuresOf(config)),
        with_paper_(with_paper),
        signs_(*signs) {}

  std::vector<std::string> Names(const std::string& prefix) const {
    std::vector<std::string> names;
    for (const Measure& measure : measures_) {
      names.push_back(prefix + measure.name);
      if (!Compared(measure)) continue;
      names.push_back("paper");
      names.push_back("difference");
    }
    return names;
  }

  std::vector<Cell> Row(int combination) {
    const StudyCell& cell = config_.screen.cells[combination];
    std::optional<PaperCell> paper;
    if (with_paper_) {
      paper = PaperCellOf(config_.dataset, config_.task, plan_.combinations[combination].losses());
    }
    std::vector<Cell> row;
    for (const Measure& measure : measures_) {
      const bool first = row.empty();
      row.push_back(Ours(cell, measure, combination, first));
      if (!Compared(measure)) continue;
      const double printed = paper.has_value() ? (*paper).*measure.paper : kUnknown;
      const double ours = (cell.*measure.ours).mean;
      row.push_back(std::isnan(printed) ? Text("") : Paper(*paper, printed, measure, first));
      row.push_back(std::isnan(printed - ours) ? Text("") : DifferenceCell(ours - printed));
    }
    return row;
  }

  std::vector<Cell> Majority() const {
    std::vector<Cell> row;
    const ConstantScores constant =
        ScoresOfConstant(std::isnan(config_.majority) ? 0 : config_.majority,
                         static_cast<int>(std::max<size_t>(2, config_.classes.size())));
    for (const Measure& measure : measures_) {
      double value = kUnknown;
      if (!config_.masks && !std::isnan(config_.majority)) {
        if (measure.ours == &StudyCell::accuracy) value = constant.accuracy;
        if (measure.ours == &StudyCell::weighted_precision) value = constant.weighted_precision;
        if (measure.ours == &StudyCell::weighted_recall) value = constant.weighted_recall;
        if (measure.ours == &StudyCell::macro_f1) value = constant.macro_f1;
        if (measure.ours == &StudyCell::balanced_accuracy && !config_.classes.empty()) {
          value = 1.0 / static_cast<double>(config_.classes.size());
        }
      } else if (measure.ours == &StudyCell::mean_iou) {
        value = config_.majority;
      }
      row.push_back(std::isnan(value) ? Text("") : Cell{Decimals(value, false), value});
      if (Compared(measure)) row.insert(row.end(), 2, Text(""));
    }
    return row;
  }

 private:
  bool Compared(const Measure& measure) const { return with_paper_ && measure.paper != nullptr; }

  static bool IsLoss(const Measure& measure) { return measure.ours == &StudyCell::loss; }

  Cell Ours(const StudyCell& cell, const Measure& measure, int combination, bool first) {
    const OverSeeds& value = cell.*measure.ours;
    if (value.count == 0) return Text(first ? WhyEmpty(cell) : "");
    Cell shown = {OursText(value, IsLoss(measure)), value.mean};
    if (!first) return shown;
    if (cell.collapsed > 0) {
      shown.text += Mark(Sign::kCollapsed);
      signs_.insert(Sign::kCollapsed);
    }
    if (!cell.finished()) {
      absl::StrAppend(&shown.text, " (", cell.seeds.size(), " of ", config_.screen.seeds.size(),
                      ")");
      signs_.insert(Sign::kSomeSeeds);
    }
    shown.strong = combination == config_.screen.chosen;
    if (shown.strong) signs_.insert(Sign::kChosen);
    return shown;
  }

  static std::string WhyEmpty(const StudyCell& cell) {
    if (cell.stopped > 0) {
      return absl::StrCat("stopped after ", cell.epochs, cell.epochs == 1 ? " epoch" : " epochs");
    }
    return cell.failed > 0 ? "failed" : "";
  }

  Cell Paper(const PaperCell& paper, double printed, const Measure& measure, bool first) {
    Cell cell = {IsLoss(measure) ? absl::StrFormat("%g", printed) : Decimals(printed, false),
                 printed};
    const auto mark = [&](bool holds, Sign sign) {
      if (!holds) return;
      cell.text += Mark(sign);
      signs_.insert(sign);
    };
    mark(first && paper.one_class == OneClass::kConsistent, Sign::kOneClass);
    mark(measure.paper == &PaperCell::recall && paper.contradicts_itself, Sign::kContradicts);
    mark(first && !paper.elsewhere.empty(), Sign::kElsewhere);
    return cell;
  }

  static Cell DifferenceCell(double difference) {
    return {absl::StrFormat("%+.4f", difference), difference};
  }

  const Plan& plan_;
  const ConfigAnalysis& config_;
  const std::vector<Measure> measures_;
  const bool with_paper_;
  std::set<Sign>& signs_;
};

// Combinations by the number of losses of a fusion; under 0 where they are more than fusions.
std::map<size_t, std::vector<int>> Groups(const Plan& plan, const StudyAnalysis& analysis) {
  std::map<size_t, std::vector<int>> groups;
  for (size_t i = 0; i < plan.combinations.size(); ++i) {
    const size_t losses = analysis.fusions ? plan.combinations[i].losses().size() : 0;
    groups[losses].push_back(static_cast<int>(i));
  }
  return groups;
}

// Configs that share a dataset, in the order in which they come.
std::vector<std::vector<const ConfigAnalysis*>> Datasets(const StudyAnalysis& analysis) {
  std::vector<std::vector<const ConfigAnalysis*>> datasets;
  for (const ConfigAnalysis& config : analysis.configs) {
    const auto same = std::find_if(datasets.begin(), datasets.end(), [&](const auto& configs) {
      return !config.dataset.empty() && configs[0]->dataset == config.dataset;
    });
    if (same == datasets.end()) {
      datasets.push_back({&config});
    } else {
      same->push_back(&config);
    }
  }
  return datasets;
}

std::string PrefixOf(const ConfigAnalysis& config,
                     const std::vector<const ConfigAnalysis*>& configs) {
  if (configs.size() == 1) return "";
  const auto same_task = std::count_if(configs.begin(), configs.end(), [&](const auto* other) {
    return other->task == config.task;
  });
  return absl::StrCat(same_task > 1 || config.task.empty() ? config.name : config.task, ": ");
}

std::string CaptionOf(const std::vector<const ConfigAnalysis*>& configs, size_t losses) {
  const ConfigAnalysis& first = *configs[0];
  std::string caption = first.dataset.empty() ? first.name : first.dataset;
  if (configs.size() == 1 && !first.task.empty()) absl::StrAppend(&caption, ", ", first.task);
  if (losses > 0) absl::StrAppend(&caption, ", ", losses, "-gram");
  const int table = PaperTable(first.dataset, losses);
  const bool printed = std::any_of(configs.begin(), configs.end(), [](const auto* config) {
    return config->task == "binary" || config->task == "multiclass";
  });
  if (table > 0 && printed) absl::StrAppend(&caption, " (the paper's Table ", table, ")");
  return caption;
}

StudyTable TableOf(const Plan& plan, const StudyAnalysis& analysis,
                   const std::vector<const ConfigAnalysis*>& configs, size_t losses,
                   const std::vector<int>& combinations) {
  StudyTable made;
  made.table.caption = CaptionOf(configs, losses);
  made.table.sortable = true;
  made.table.columns = {analysis.what};
  std::set<Sign> signs;
  std::vector<Columns> columns;
  for (const ConfigAnalysis* config : configs) {
    const bool with_paper =
        std::any_of(combinations.begin(), combinations.end(), [&](int combination) {
          return analysis.fusions && PaperCellOf(config->dataset, config->task,
                                                 plan.combinations[combination].losses());
        });
    columns.emplace_back(plan, *config, with_paper, &signs);
    const std::vector<std::string> names = columns.back().Names(PrefixOf(*config, configs));
    made.table.columns.insert(made.table.columns.end(), names.begin(), names.end());
  }
  for (const int combination : combinations) {
    std::vector<Cell> row = {Text(plan.combinations[combination].name)};
    for (Columns& one : columns) {
      const std::vector<Cell> cells = one.Row(combination);
      row.insert(row.end(), cells.begin(), cells.end());
    }
    made.table.rows.push_back(std::move(row));
  }
  std::vector<Cell> majority = {Text("majority baseline")};
  for (const Columns& one : columns) {
    const std::vector<Cell> cells = one.Majority();
    majority.insert(majority.end(), cells.begin(), cells.end());
  }
  made.table.rows.push_back(std::move(majority));
  for (const Sign sign : signs) made.notes.push_back(kSigns[static_cast<int>(sign)].meaning);
  return made;
}

}  // namespace

std::vector<std::string> NotesOf(const std::vector<StudyTable>& tables) {
  std::vector<std::string> notes;
  for (const auto& [mark, meaning] : kSigns) {
    const bool used = std::any_of(tables.begin(), tables.end(), [&](const StudyTable& table) {
      return std::find(table.notes.begin(), table.notes.end(), meaning) != table.notes.end();
    });
    if (used) notes.push_back(meaning);
  }
  return notes;
}

std::string MeanText(const OverSeeds& value) { return OursText(value, false); }

std::vector<StudyTable> StudyTables(const Plan& plan, const StudyAnalysis& analysis) {
  std::vector<StudyTable> tables;
  for (const auto& configs : Datasets(analysis)) {
    for (const auto& [losses, combinations] : Groups(plan, analysis)) {
      tables.push_back(TableOf(plan, analysis, configs, losses, combinations));
    }
  }
  return tables;
}

}  // namespace pipeline
