// Rows of metrics.csv.
#include "pipeline/runs/metrics_csv.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/csv.h"
#include "pipeline/files.h"
#include "pipeline/json.h"
#include "pipeline/utf8.h"

namespace pipeline {

std::vector<std::pair<std::string, double>> PassValues(const PassEvent& event) {
  std::vector<std::pair<std::string, double>> values;
  for (const ReportedValue& value : event.report->values()) {
    values.emplace_back(value.column, value.value);
  }
  values.emplace_back("learning_rate", event.step.phase == TRAIN ? event.learning_rate : NAN);
  values.emplace_back("images_per_second", event.ImagesPerSecond());
  values.emplace_back("seconds", event.seconds);
  values.emplace_back("data_wait", event.data_wait);
  return values;
}

absl::Status MetricsCsv::PassDone(const PassEvent& event) {
  return AddRow({{"epoch", absl::StrCat(event.step.epoch + 1)},
                 {"phase", Phase_Name(event.step.phase)},
                 {"step", absl::StrCat(event.counters.steps)}},
                PassValues(event));
}

absl::Status MetricsCsv::Save(State* state) const {
  state->PutText("metrics.rows", JsonText({{"columns", columns_}, {"rows", rows_}}));
  return absl::OkStatus();
}

absl::Status MetricsCsv::Load(const State& state) {
  const absl::StatusOr<std::string> text = state.Text("metrics.rows");
  if (!text.ok()) return text.status();
  const nlohmann::ordered_json json = ParseJson(*text);
  try {
    columns_ = json.at("columns").get<std::vector<std::string>>();
    rows_ = json.at("rows").get<std::vector<std::map<std::string, std::string>>>();
  } catch (const nlohmann::json::exception& error) {
    return absl::DataLossError("metrics.rows holds no rows");
  }
  return Write();
}

absl::Status MetricsCsv::AddRow(const std::vector<std::pair<std::string, std::string>>& cells,
                                const std::vector<std::pair<std::string, double>>& values) {
  std::map<std::string, std::string> row;
  const auto put = [&](const std::string& column, const std::string& text) {
    if (std::find(columns_.begin(), columns_.end(), column) == columns_.end()) {
      columns_.push_back(column);
    }
    row[column] = text;
  };
  for (const auto& [column, text] : cells) put(column, text);
  // %.9g: a float32 survives the way to text and back.
  for (const auto& [column, value] : values) {
    put(column, std::isnan(value) ? "" : absl::StrFormat("%.9g", value));
  }
  rows_.push_back(std::move(row));
  return Write();
}

absl::Status MetricsCsv::Write() const {
  const auto heading = [](std::string* line, const std::string& column) {
    line->append(CsvCell(ValidUtf8(column)));
  };
  std::string text = absl::StrJoin(columns_, ",", heading) + "\n";
  for (const auto& known : rows_) {
    absl::StrAppend(&text,
                    absl::StrJoin(columns_, ",",
                                  [&](std::string* line, const std::string& column) {
                                    const auto cell = known.find(column);
                                    if (cell != known.end()) line->append(CsvCell(cell->second));
                                  }),
                    "\n");
  }
  return WriteFileAtomically(path_, text);
}

}  // namespace pipeline
