// The paper's numbers, looked up.
#include "pipeline/studies/paper.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <tuple>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace pipeline {
namespace {

constexpr char kRows[] =
#include "pipeline/studies/paper_results.inc"
    ;

constexpr double kRecallIsAccuracy = 0.005;

// The rows are this program's own.
void Require(bool holds) {
  if (!holds) std::abort();
}

// Dataset, task and the losses in alphabetic order.
using Key = std::tuple<std::string, std::string, std::string>;

Key KeyOf(const std::string& dataset, const std::string& task, std::vector<std::string> losses) {
  std::sort(losses.begin(), losses.end());
  return {dataset, task, absl::StrJoin(losses, "+")};
}

std::map<Key, std::string> Elsewhere() {
  const auto key = [](const char* dataset, const char* task, const char* losses) {
    return KeyOf(dataset, task, absl::StrSplit(losses, '+'));
  };
  return {
      {key("brain_tumor", "binary", "categorical_cross_entropy"), "Table 19 has 0.98"},
      {key("brain_tumor", "binary", "smooth_l1+categorical_cross_entropy"),
       "the text claims 0.9994"},
      {key("tomato_leaf", "binary", "mse+binary_cross_entropy"),
       "Table 19 has 0.998, Table 20 has 0.9987"},
      {key("deepglobe", "binary", "focal"), "above 0.9773, which Table 20 calls optimal"},
      {key("deepglobe", "binary", "tversky+mse"), "above 0.9773, which Table 20 calls optimal"},
  };
}

// Digits after the point. Two at least: spreadsheets drop zeros at the end.
int Decimals(const std::string& printed) {
  const size_t point = printed.find('.');
  const size_t digits = point == std::string::npos ? 0 : printed.size() - point - 1;
  return static_cast<int>(std::max<size_t>(2, digits));
}

double Value(const std::string& printed) {
  double value = std::nan("");
  if (!printed.empty()) Require(absl::SimpleAtod(printed, &value));
  return value;
}

PaperCell CellOf(const std::string& accuracy, const std::string& precision,
                 const std::string& recall) {
  PaperCell cell;
  cell.accuracy = Value(accuracy);
  cell.precision = Value(precision);
  cell.recall = Value(recall);
  cell.one_class =
      OneClassOf(cell.accuracy, cell.precision, Decimals(accuracy), Decimals(precision));
  // Printed numbers: 0.005 itself is no difference, whatever its last bit.
  cell.contradicts_itself = std::abs(cell.accuracy - cell.recall) > kRecallIsAccuracy + 1e-9;
  return cell;
}

std::map<Key, PaperCell> ReadCells() {
  std::map<Key, PaperCell> cells;
  const std::map<Key, std::string> elsewhere = Elsewhere();
  std::vector<std::string> lines = absl::StrSplit(kRows, '\n', absl::SkipEmpty());
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> row = absl::StrSplit(lines[i], ',');
    Require(row.size() == 12);
    for (const auto& [task, first] : {std::pair("binary", 6), std::pair("multiclass", 9)}) {
      PaperCell cell = CellOf(row[first], row[first + 1], row[first + 2]);
      Require(absl::SimpleAtoi(row[0], &cell.table));
      cell.loss_value = Value(row[5]);
      const Key key = KeyOf(row[1], task, absl::StrSplit(row[4], '+'));
      const auto said = elsewhere.find(key);
      if (said != elsewhere.end()) cell.elsewhere = said->second;
      Require(cells.emplace(key, std::move(cell)).second);
    }
  }
  return cells;
}

}  // namespace

std::optional<PaperCell> PaperCellOf(const std::string& dataset, const std::string& task,
                                     const std::vector<std::string>& losses) {
  static const auto* cells = new std::map<Key, PaperCell>(ReadCells());
  const auto found = cells->find(KeyOf(dataset, task, losses));
  if (found == cells->end()) return std::nullopt;
  return found->second;
}

int PaperTable(const std::string& dataset, size_t losses) {
  // The first of each dataset's three.
  static const auto* first = new std::map<std::string, int>{
      {"brain_tumor", 7}, {"crack", 10}, {"tomato_leaf", 13}, {"deepglobe", 16}};
  const auto found = first->find(dataset);
  if (found == first->end() || losses < 1 || losses > 3) return 0;
  return found->second + static_cast<int>(losses) - 1;
}

const std::vector<PaperPair>& PaperPairs() {
  static const auto* pairs = new std::vector<PaperPair>{
      {"deepglobe", "binary", "unet", "tversky", "binary_cross_entropy", 0.57, 0.60},
      {"deepglobe", "", "vgg16", "focal", "categorical_cross_entropy", 0.60, 0.72},
      {"brain_tumor", "", "vgg16", "binary_cross_entropy", "focal", 0.89, 0.92},
      {"tomato_leaf", "", "vgg16", "smooth_l1", "focal", 0.93, 0.949},
      {"crack", "", "cnn", "binary_cross_entropy", "focal", 0.86, 0.97},
  };
  return *pairs;
}

}  // namespace pipeline
