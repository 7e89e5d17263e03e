// Predictions as CSV.
#include "pipeline/runs/predictions.h"

#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "pipeline/csv.h"
#include "pipeline/files.h"

namespace pipeline {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMaxBytes = size_t{1} << 30;

std::string Number(double value) { return std::isnan(value) ? "" : absl::StrFormat("%.9g", value); }

void AddNumbers(const std::vector<double>& values, std::vector<std::string>* cells) {
  for (const double value : values) cells->push_back(Number(value));
}

std::vector<std::string> Columns(const Predictions& predictions) {
  std::vector<std::string> cells = {"phase", "path"};
  const auto add = [&](const char* kind) {
    for (const std::string& name : predictions.columns) cells.push_back(absl::StrCat(kind, name));
  };
  if (predictions.masks) {
    cells.insert(cells.end(), {"pixels", "accuracy"});
    add("iou.");
    add("dice.");
    cells.insert(cells.end(), {"mean_iou", "mean_dice"});
  } else {
    cells.insert(cells.end(), {"label", "predicted"});
    add("p.");
  }
  return cells;
}

// The classes of a header; what else it must hold is compared to what Columns makes of them.
Predictions OfHeader(const std::vector<std::string>& cells) {
  Predictions predictions;
  predictions.masks = cells.size() > 2 && cells[2] == "pixels";
  const char* kind = predictions.masks ? "iou." : "p.";
  for (const std::string& cell : cells) {
    if (!absl::StartsWith(cell, kind)) continue;
    predictions.columns.emplace_back(absl::StripPrefix(cell, kind));
  }
  return predictions;
}

// Rounded, a probability may be a little above 1.
bool ParseNumber(const std::string& cell, double most, double* value) {
  *value = kUndefined;
  return cell.empty() ||
         (absl::SimpleAtod(cell, value) && *value >= 0 && *value <= most * (1 + 1e-6));
}

// "" or what is wrong with the record.
std::string ParseRow(const std::vector<std::string>& cells, const Predictions& of,
                     Prediction* row) {
  if (!Phase_Parse(cells[0], &row->phase) || row->phase < TRAIN) {
    return absl::StrCat("\"", cells[0], "\" is not TRAIN, VAL or TEST");
  }
  row->path = cells[1];
  size_t at = 2;
  bool sound = true;
  const auto take = [&](double most) {
    double value = 0;
    sound = ParseNumber(cells[at++], most, &value) && sound;
    return value;
  };
  const auto take_all = [&](std::vector<double>* values) {
    for (size_t i = 0; i < of.columns.size(); ++i) values->push_back(take(1));
  };
  if (of.masks) {
    row->pixels = static_cast<int64_t>(take(1e15));
    row->accuracy = take(1);
    take_all(&row->iou);
    take_all(&row->dice);
    row->mean_iou = take(1);
    row->mean_dice = take(1);
  } else {
    row->label = cells[at++];
    row->predicted = cells[at++];
    take_all(&row->probabilities);
  }
  return sound ? "" : "a cell is no number, or out of its range";
}

absl::Status Refuse(int64_t line, const std::string& why) {
  return absl::DataLossError(absl::StrCat("line ", line, ": ", why));
}

}  // namespace

std::vector<std::string> ClassNames(const std::vector<std::string>& classes, int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) {
    names.push_back(static_cast<size_t>(i) < classes.size() ? classes[i] : absl::StrCat(i));
  }
  return names;
}

std::string HeaderText(const Predictions& predictions) { return CsvRecord(Columns(predictions)); }

std::string RowsText(const Predictions& predictions) {
  std::string text;
  for (const Prediction& row : predictions.rows) {
    std::vector<std::string> cells = {Phase_Name(row.phase), row.path};
    if (predictions.masks) {
      cells.push_back(absl::StrCat(row.pixels));
      cells.push_back(Number(row.accuracy));
      AddNumbers(row.iou, &cells);
      AddNumbers(row.dice, &cells);
      AddNumbers({row.mean_iou, row.mean_dice}, &cells);
    } else {
      cells.insert(cells.end(), {row.label, row.predicted});
      AddNumbers(row.probabilities, &cells);
    }
    absl::StrAppend(&text, CsvRecord(cells));
  }
  return text;
}

absl::StatusOr<Predictions> ParsePredictions(const std::string& text) {
  CsvReader csv(text);
  std::vector<std::string> cells;
  if (csv.AtEnd() || !csv.Next(&cells)) return Refuse(1, "no columns");
  Predictions predictions = OfHeader(cells);
  const std::vector<std::string> columns = Columns(predictions);
  if (predictions.columns.empty() || cells != columns) {
    return Refuse(1, "not the columns of predictions");
  }
  while (!csv.AtEnd()) {
    const int64_t line = csv.line();
    if (!csv.Next(&cells) || cells.size() != columns.size()) {
      return Refuse(line, absl::StrCat("not a line of ", columns.size(), " columns"));
    }
    const std::string wrong = ParseRow(cells, predictions, &predictions.rows.emplace_back());
    if (!wrong.empty()) return Refuse(line, wrong);
  }
  return predictions;
}

absl::StatusOr<Predictions> ReadPredictions(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<Predictions> predictions = ParsePredictions(*text);
  if (predictions.ok()) return predictions;
  return absl::Status(predictions.status().code(),
                      absl::StrCat(path, ": ", predictions.status().message()));
}

}  // namespace pipeline
